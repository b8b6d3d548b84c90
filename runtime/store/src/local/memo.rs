//! What keys once gave, in a small SQLite file: ten thousand look-ups at an apply with nothing to do are to cost a few tens of milliseconds.
//!
//! All of it can be made again by running the steps. A value that is not what was written, or a file that is none, is as good as nothing
//! there: it is thrown away, and never fails a command.

use super::files::failed;
use crate::StoreError;
use relrun_ledger::Digest;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

const TABLES: &str = "CREATE TABLE IF NOT EXISTS memo (key BLOB PRIMARY KEY, value BLOB NOT NULL, seal BLOB NOT NULL, used INTEGER NOT NULL) \
                      STRICT, WITHOUT ROWID;";

/// What was used this long ago is marked as used again. Not each time: a look-up should not write.
const STALE: Duration = Duration::from_hours(24);

/// One remembered value.
pub(super) struct Remembered {
    pub(super) key: Digest,
    pub(super) value: Vec<u8>,
    pub(super) used: SystemTime,
}

pub(super) struct Memo {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

/// What keeps a value apart from another key's and from damage.
fn seal(key: Digest, value: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(&key.0).update(value).finalize().as_bytes()
}

fn seconds(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

impl Memo {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connection: Mutex::default() }
    }

    /// Opens the file with the first use.
    fn guard(&self) -> Result<MutexGuard<'_, Option<Connection>>, rusqlite::Error> {
        let mut guard = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            *guard = Some(self.open()?);
        }
        Ok(guard)
    }

    fn open(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        if connection.prepare_cached("SELECT 1 FROM memo").is_err() {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.execute_batch(TABLES)?;
        }
        connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        Ok(connection)
    }

    /// Runs a call; where the file turns out to be none, once more on a new one.
    fn with<T>(&self, body: impl Fn(&mut Connection) -> Result<T, rusqlite::Error>) -> Result<T, StoreError> {
        let run = || {
            let mut guard = self.guard()?;
            body(guard.as_mut().ok_or(rusqlite::Error::InvalidQuery)?)
        };
        match run() {
            Err(error) if is_damage(&error) => {
                tracing::warn!(path = %self.path.display(), %error, "threw the damaged memory of pure steps away");
                self.throw_away();
                run()
            }
            done => done,
        }
        .map_err(|error| failed("use", &self.path)(std::io::Error::other(error)))
    }

    fn throw_away(&self) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }

    pub(super) fn remember(&self, key: Digest, value: &[u8]) -> Result<(), StoreError> {
        let used = seconds(SystemTime::now());
        self.with(|connection| {
            let sql = "INSERT OR REPLACE INTO memo (key, value, seal, used) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![key.0, value, seal(key, value), used])?;
            Ok(())
        })
    }

    pub(super) fn recall(&self, keys: &[Digest]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if !self.path.exists() {
            return Ok(vec![None; keys.len()]);
        }
        let now = seconds(SystemTime::now());
        self.with(|connection| {
            let mut stale = Vec::new();
            let transaction = connection.transaction()?;
            let values = {
                let mut statement = transaction.prepare_cached("SELECT value, seal, used FROM memo WHERE key = ?1")?;
                let mut find = |key: &Digest| -> Result<Option<Vec<u8>>, rusqlite::Error> {
                    let row = statement
                        .query_row([key.0], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, i64>(2)?)))
                        .optional()?;
                    let Some((value, _, used)) = row.filter(|(value, sealed, _)| seal(*key, value) == *sealed) else { return Ok(None) };
                    if now - used > i64::try_from(STALE.as_secs()).unwrap_or(i64::MAX) {
                        stale.push(*key);
                    }
                    Ok(Some(value))
                };
                keys.iter().map(&mut find).collect::<Result<Vec<_>, _>>()?
            };
            transaction.commit()?;
            if let Err(error) = freshen(connection, &stale, now) {
                tracing::debug!(%error, "could not note what was used");
            }
            Ok(values)
        })
    }

    /// Returns how many keys there are.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        if !self.path.exists() {
            return Ok(0);
        }
        let count = |connection: &mut Connection| connection.query_row("SELECT count(*) FROM memo", [], |row| row.get::<_, i64>(0));
        Ok(self.with(count)?.unsigned_abs())
    }

    /// Returns everything that is remembered.
    pub(super) fn all(&self) -> Result<Vec<Remembered>, StoreError> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        self.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT key, value, used FROM memo ORDER BY key")?;
            let rows = statement.query_map([], |row| {
                let used = SystemTime::UNIX_EPOCH + Duration::from_secs(row.get::<_, i64>(2)?.unsigned_abs());
                Ok(Remembered { key: Digest(row.get(0)?), value: row.get(1)?, used })
            })?;
            rows.collect()
        })
    }

    /// Forgets keys.
    pub(super) fn forget(&self, keys: &[Digest]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for key in keys {
                transaction.prepare_cached("DELETE FROM memo WHERE key = ?1")?.execute([key.0])?;
            }
            transaction.commit()
        })
    }
}

fn freshen(connection: &mut Connection, keys: &[Digest], now: i64) -> Result<(), rusqlite::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for key in keys {
        transaction.prepare_cached("UPDATE memo SET used = ?1 WHERE key = ?2")?.execute(params![now, key.0])?;
    }
    transaction.commit()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
}

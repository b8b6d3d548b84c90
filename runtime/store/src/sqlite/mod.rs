//! The embedded run store: one SQLite file in write-ahead-log mode.
//!
//! What holds here, and why:
//! - **`Grouped` is `synchronous=NORMAL`**: a commit writes to the log file and does not wait for the disk. The kernel has it, so a crash of the
//!   process takes nothing; a power cut may take the newest commits, but never leaves a torn database (`OFF` could).
//! - **`Durable` is `synchronous=FULL`**: the commit ends with an fsync of the log. The log is one file, written in order, so that this
//!   makes every earlier `Grouped` commit durable as well, those of other processes too. Ids, locks and fences may therefore be
//!   `Grouped`: no effect goes out before a durable append, which carries them along.
//! - **Appends that wait for one another share one commit** (`writer.rs`): the one that gets the connection writes for all that queue.
//! - Nothing is checked at open but the file's version. SQLite finds damage where it reads; a damaged file is reported and left as it is.
//!
//! The write-ahead log needs shared memory, so all processes that use one file run under one kernel. The liveness of lock holders relies on it.

mod copy;
mod fault;
mod holder;
mod locks;
mod log;
mod open;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_locks;
#[cfg(test)]
mod tests_open;
mod writer;

use crate::{Batch, LedgerCopy, Lock, LockKey, LockRefused, LogLine, RunStore, StoreError, StreamId};
use fault::Fault;
use holder::Process;
use relrun_ledger::{Actor, Record, ReleaseId, StepId, Summary};
use rusqlite::{OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use writer::{Job, Writer};

/// The run store in one SQLite file.
pub struct SqliteRunStore {
    path: PathBuf,
    ledger_id: String,
    process: Process,
    writer: Mutex<Writer>,
    queue: Mutex<Vec<Arc<Job>>>,
    /// The folder that holds the copy, where a read-only folder had to be read through one.
    _copy: Option<tempfile::TempDir>,
}

impl SqliteRunStore {
    /// Opens a ledger, and makes it where there is none (its folder must be there).
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a newer program's ledger, [`StoreError::Database`] for what is no ledger or may not be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = open::read_write(path)?;
        Ok(Self::new(path, opened, Process::own()))
    }

    /// Opens a ledger to read it alone, also in a folder that may not be written. Returns `None` where there is none.
    pub fn open_read_only(path: &Path) -> Result<Option<Self>, StoreError> {
        Ok(open::read_only(path)?.map(|opened| Self::new(path, opened, Process::own())))
    }

    fn new(path: &Path, opened: open::Opened, process: Process) -> Self {
        Self {
            path: path.to_owned(),
            ledger_id: opened.ledger_id,
            process,
            writer: Mutex::new(Writer::new(opened.connection)),
            queue: Mutex::default(),
            _copy: opened.copy,
        }
    }

    /// A panic of another thread in the middle of a transaction rolled it back, so the connection is as good as before.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn explain(&self, doing: &str) -> impl Fn(Fault) -> StoreError {
        let doing = format!("{doing} in {}", self.path.display());
        move |fault| fault.explain(&doing)
    }

    fn write<T>(&self, doing: &str, body: impl FnOnce(&rusqlite::Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.writer().transaction(crate::Durability::Grouped, body).map_err(self.explain(doing))
    }
}

impl RunStore for SqliteRunStore {
    fn ledger_id(&self) -> Result<String, StoreError> {
        Ok(self.ledger_id.clone())
    }

    fn claim(&self, package: &str) -> Result<ReleaseId, StoreError> {
        self.write("take a release id", |connection| {
            let sql = "INSERT INTO packages (name, last_release) VALUES (?1, 1) \
                       ON CONFLICT (name) DO UPDATE SET last_release = last_release + 1 RETURNING last_release";
            Ok(ReleaseId(connection.prepare_cached(sql)?.query_row([package], |row| row.get(0))?))
        })
    }

    fn append(&self, stream: &StreamId, batch: &Batch<'_>) -> Result<(), StoreError> {
        let job = Arc::new(Job::new(stream, batch)?);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&job));
        let mut writer = self.writer();
        // Whoever held the connection before may have written this job with its own.
        if !job.is_done() {
            let jobs = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
            writer.run(&jobs);
        }
        drop(writer);
        job.take().map_err(self.explain("append to the ledger"))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.writer().sync().map_err(self.explain("write the ledger out"))
    }

    fn read(&self, stream: &StreamId, from: u64) -> Result<Vec<Record>, StoreError> {
        let texts = self.writer().texts(stream, from).map_err(self.explain("read a release"))?;
        let broken = |reason: String| StoreError::Record { stream: stream.to_string(), reason };
        let read = |((seq, text), due): ((u64, String), u64)| {
            if seq != due {
                return Err(broken(format!("event {due} is missing")));
            }
            let record: Record = serde_json::from_str(&text).map_err(|e| broken(format!("event {seq}: {e}")))?;
            if record.seq == due { Ok(record) } else { Err(broken(format!("event {seq} says that it is event {}", record.seq))) }
        };
        texts.into_iter().zip(from..).map(read).collect()
    }

    fn append_log(&self, stream: &StreamId, lines: &[LogLine]) -> Result<(), StoreError> {
        self.write("keep a log", |connection| log::append(connection, stream, lines))
    }

    fn read_log(&self, stream: &StreamId, step: Option<StepId>) -> Result<Vec<LogLine>, StoreError> {
        log::read(&self.writer().connection, stream, step).map_err(self.explain("read a log"))
    }

    fn summaries(&self, package: &str) -> Result<Vec<Summary>, StoreError> {
        let rows = self.writer().summaries(package).map_err(self.explain("read the releases"))?;
        rows.into_iter()
            .map(|(release, text)| {
                serde_json::from_str(&text).map_err(|e| {
                    let stream = StreamId { package: package.to_owned(), release };
                    StoreError::Record { stream: stream.to_string(), reason: format!("its summary: {e}") }
                })
            })
            .collect()
    }

    fn packages(&self) -> Result<Vec<String>, StoreError> {
        self.writer().packages().map_err(self.explain("list the packages"))
    }

    fn forget(&self, stream: &StreamId) -> Result<(), StoreError> {
        self.write("forget a release", |connection| {
            for sql in [
                "DELETE FROM events WHERE package = ?1 AND release = ?2",
                "DELETE FROM summaries WHERE package = ?1 AND release = ?2",
                "DELETE FROM cancels WHERE package = ?1 AND release = ?2",
                "DELETE FROM log WHERE package = ?1 AND release = ?2",
            ] {
                connection.prepare_cached(sql)?.execute(params![stream.package, stream.release.0])?;
            }
            Ok(())
        })
    }

    fn lock(&self, key: &LockKey, actor: &Actor, release: Option<ReleaseId>) -> Result<Result<Lock, LockRefused>, StoreError> {
        self.write("take a lock", |connection| locks::take(connection, key, actor, release, &self.process))
    }

    fn heartbeat(&self, locks: &[(LockKey, u64)]) -> Result<Vec<LockKey>, StoreError> {
        self.write("renew the locks", |connection| locks::renew(connection, locks))
    }

    fn unlock(&self, key: &LockKey, fence: u64) -> Result<(), StoreError> {
        self.write("let a lock go", |connection| locks::let_go(connection, key, fence))
    }

    fn locks(&self) -> Result<Vec<Lock>, StoreError> {
        locks::all(&self.writer().connection).map_err(self.explain("list the locks"))
    }

    fn break_lock(&self, key: &LockKey) -> Result<bool, StoreError> {
        self.write("break a lock", |connection| locks::smash(connection, key))
    }

    fn copy(&self) -> Result<LedgerCopy, StoreError> {
        copy::read(&mut self.writer().connection).map_err(self.explain("copy the ledger"))
    }

    fn take_in(&self, copy: &LedgerCopy) -> Result<Result<(), Vec<String>>, StoreError> {
        let body = |connection: &rusqlite::Connection| copy::take_in(connection, copy);
        self.writer().transaction(crate::Durability::Durable, body).map_err(self.explain("take a ledger in"))
    }

    fn request_cancel(&self, stream: &StreamId, actor: &Actor) -> Result<(), StoreError> {
        self.write("ask for a stop", |connection| {
            let sql = "INSERT OR REPLACE INTO cancels (package, release, actor) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(sql)?.execute(params![stream.package, stream.release.0, fault::json(actor)?])?;
            Ok(())
        })
    }

    fn take_cancel(&self, stream: &StreamId) -> Result<Option<Actor>, StoreError> {
        // It is asked for with every heartbeat and is nearly never there: looking needs no write lock.
        let there = |connection: &rusqlite::Connection| -> Result<bool, Fault> {
            let sql = "SELECT 1 FROM cancels WHERE package = ?1 AND release = ?2";
            Ok(connection.prepare_cached(sql)?.exists(params![stream.package, stream.release.0])?)
        };
        let doing = "look for a request to stop";
        if !there(&self.writer().connection).map_err(self.explain(doing))? {
            return Ok(None);
        }
        self.write(doing, |connection| {
            let sql = "DELETE FROM cancels WHERE package = ?1 AND release = ?2 RETURNING actor";
            let mut statement = connection.prepare_cached(sql)?;
            let text: Option<String> = statement.query_row(params![stream.package, stream.release.0], |row| row.get(0)).optional()?;
            text.map(|text| fault::parse(&text)).transpose()
        })
    }
}

impl Drop for SqliteRunStore {
    /// Writes out what was only grouped, and keeps the log small, so that the next command opens fast. A failure loses nothing.
    fn drop(&mut self) {
        self.writer().close(&open::log_of(&self.path));
    }
}

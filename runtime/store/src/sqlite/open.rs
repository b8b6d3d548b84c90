//! How a ledger's file is found, made and checked. It must be quick, and must never change a file that it does not understand.
//!
//! A ledger is made beside its place and linked into it whole, so that whatever is found there was once complete: a short file is damage, never
//! one that is being made, and of two processes that make it at once one wins and both use that one.

use super::fault::Fault;
use crate::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "RelR": marks the file as ours.
const APPLICATION_ID: i32 = 0x5265_6c52;

/// The version of the tables below; what the events in them look like is [`relrun_ledger::LEDGER_VERSION`]'s matter, and is kept in `meta`.
pub(super) const TABLES_VERSION: u32 = 1;

const TABLES: &str = "
    CREATE TABLE meta (ledger_id TEXT NOT NULL, ledger_version INTEGER NOT NULL, last_fence INTEGER NOT NULL, synced INTEGER NOT NULL) STRICT;
    CREATE TABLE packages (name TEXT PRIMARY KEY, last_release INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE events (package TEXT, release INTEGER, seq INTEGER, record TEXT NOT NULL, PRIMARY KEY (package, release, seq))
        STRICT, WITHOUT ROWID;
    CREATE TABLE summaries (package TEXT, release INTEGER, summary TEXT NOT NULL, PRIMARY KEY (package, release)) STRICT, WITHOUT ROWID;
    CREATE TABLE locks (key TEXT PRIMARY KEY, fence INTEGER NOT NULL, holder TEXT NOT NULL, renewed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE log (id INTEGER PRIMARY KEY, package TEXT NOT NULL, release INTEGER NOT NULL, step INTEGER NOT NULL, line TEXT NOT NULL) STRICT;
    CREATE INDEX log_of ON log (package, release, step);
    CREATE TABLE cancels (package TEXT, release INTEGER, actor TEXT NOT NULL, PRIMARY KEY (package, release)) STRICT, WITHOUT ROWID;
";

/// How long a call waits for another process' transaction. Those take milliseconds; a `relrun` that was stopped in one takes longer.
const BUSY: Duration = Duration::from_secs(10);

/// The smallest SQLite file with a table.
const SMALLEST: u64 = 1024;

/// An open ledger.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) ledger_id: String,
    /// The folder that holds what is read, where that is a copy.
    pub(super) copy: Option<tempfile::TempDir>,
}

/// Opens a ledger, and makes it where there is none.
pub(super) fn read_write(path: &Path) -> Result<Opened, StoreError> {
    let explain = |fault: Fault| fault.explain(&format!("open the ledger {}", path.display()));
    if !exists(path).map_err(explain)? {
        make(path).map_err(|fault| fault.explain(&format!("make the ledger {}", path.display())))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(path, flags).map_err(explain)?;
    if connection.is_readonly("main").map_err(|e| explain(e.into()))? {
        let reason = "the file is read-only".to_owned();
        return Err(explain(Fault::Database { code: rusqlite::ErrorCode::ReadOnly, reason }));
    }
    // Closing must not wait for the disk: `Writer::close` says when the log is folded into the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(|e| explain(e.into()))?;
    let ledger_id = check(&connection).map_err(explain)?;
    Ok(Opened { connection, ledger_id, copy: None })
}

/// Opens a ledger to read it. A folder that may not be written has no place for the shared memory that a log needs: then the file is read as it
/// stands where there is no log, and through a private copy where there is one.
pub(super) fn read_only(path: &Path) -> Result<Option<Opened>, StoreError> {
    let explain = |fault: Fault| fault.explain(&format!("read the ledger {}", path.display()));
    if !exists(path).map_err(explain)? {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let direct = connect(path, flags).and_then(|connection| Ok((check(&connection)?, connection)));
    match direct {
        Ok((ledger_id, connection)) => Ok(Some(Opened { connection, ledger_id, copy: None })),
        Err(fault) if fault.is_access() => copied(path).map(Some).map_err(explain),
        Err(fault) => Err(explain(fault)),
    }
}

pub(super) fn copied(path: &Path) -> Result<Opened, Fault> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("ledger.db");
    std::fs::copy(path, &copy)?;
    match std::fs::copy(log_of(path), log_of(&copy)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let connection = connect(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "query_only", true)?;
    let ledger_id = check(&connection)?;
    Ok(Opened { connection, ledger_id, copy: Some(folder) })
}

fn exists(path: &Path) -> Result<bool, Fault> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() < SMALLEST => {
            let reason = format!("it is {} bytes long", meta.len());
            Err(Fault::Database { code: rusqlite::ErrorCode::DatabaseCorrupt, reason })
        }
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Reads the versions, which is the first read of the file: here SQLite says whether it is one.
fn check(connection: &Connection) -> Result<String, Fault> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables = u32::try_from(number("user_version")?).unwrap_or(u32::MAX);
    if number("application_id")? != APPLICATION_ID {
        return Err(Fault::Foreign("it is a database, but no ledger of relrun"));
    }
    if tables > TABLES_VERSION {
        return Err(Fault::Newer { found: tables, known: TABLES_VERSION });
    }
    let (ledger_id, found): (String, u32) =
        connection.query_row("SELECT ledger_id, ledger_version FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if found > relrun_ledger::LEDGER_VERSION {
        return Err(Fault::Newer { found, known: relrun_ledger::LEDGER_VERSION });
    }
    Ok(ledger_id)
}

fn make(path: &Path) -> Result<(), Fault> {
    if log_of(path).exists() {
        // A log without its file is what is left of a ledger; a new file in that place would swallow it. Unless it was made this very moment.
        return if exists(path)? { Ok(()) } else { Err(Fault::Foreign("the file is gone, and its log (-wal) still stands")) };
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".ledger-").suffix(".tmp").tempfile_in(folder)?.into_temp_path();
    fill(&draft)?;
    match draft.persist_noclobber(path) {
        Ok(()) => Ok(std::fs::File::open(folder)?.sync_all()?),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error.into()),
    }
}

fn fill(draft: &Path) -> Result<(), Fault> {
    let connection = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", TABLES_VERSION)?;
    connection.execute_batch(TABLES)?;
    let sql = "INSERT INTO meta VALUES (lower(hex(randomblob(16))), ?1, 0, 0)";
    connection.execute(sql, [relrun_ledger::LEDGER_VERSION])?;
    // Last, so that the draft is one whole file when it is closed: the mode is written down in the file itself.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error.into())
}

/// Returns where a ledger's log stands.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

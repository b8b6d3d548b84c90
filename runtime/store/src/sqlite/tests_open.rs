//! What is found where a ledger should be.

use super::*;
use rusqlite::Connection;
use std::fs;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    (folder, path)
}

/// A ledger with some pages, all in the main file.
fn ledger() -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    for number in 0..2000 {
        store.claim(&format!("acme/package-with-a-long-name-{number}")).unwrap();
    }
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    assert!(fs::metadata(&path).unwrap().len() > 50_000);
    (folder, path)
}

/// Opens it both ways; both must say the same, and leave the file as it is.
fn refused(path: &Path) -> (String, String) {
    let before = fs::read(path).ok();
    let explain = |error: StoreError| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        (error.to_string().replace(&path.parent().unwrap().display().to_string(), "DIR"), help)
    };
    let written = explain(SqliteRunStore::open(path).map(|_| ()).unwrap_err());
    let read = explain(SqliteRunStore::open_read_only(path).map(|_| ()).unwrap_err());
    assert_eq!(written.1, read.1);
    assert_eq!(fs::read(path).ok(), before, "the file is left as it is");
    written
}

#[test]
fn a_newer_ledger_is_left_alone() {
    let (_folder, path) = ledger();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let (error, help) = refused(&path);
    assert_eq!(error, "the ledger has version 99, and this relrun knows up to 1");
    assert_eq!(help, "use the newer relrun that wrote it; nothing was changed");
}

#[test]
fn newer_events_are_left_alone() {
    let (_folder, path) = ledger();
    Connection::open(&path).unwrap().execute("UPDATE meta SET ledger_version = 7", []).unwrap();
    assert!(matches!(SqliteRunStore::open(&path).map(|_| ()), Err(StoreError::Newer { found: 7, known: 1 })));
}

#[test]
fn a_truncated_ledger_is_damaged() {
    let (_folder, path) = ledger();
    for length in [40_000, 5000, 4096, 100, 0] {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let (error, help) = refused(&path);
        assert!(error.contains("DIR/ledger.db: the file is damaged ("), "{length}: {error}");
        assert_eq!(help, "the file was left as it is; restore it from a backup, or move it away to begin a new ledger");
    }
}

#[test]
fn garbage_is_no_ledger() {
    let (_folder, path) = place();
    fs::write(&path, vec![b'x'; 10_000]).unwrap();
    let (error, _) = refused(&path);
    assert_eq!(error, "failed to open the ledger DIR/ledger.db: the file is damaged (file is not a database)");
}

#[test]
fn another_database_is_no_ledger() {
    let (_folder, path) = place();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    let (error, help) = refused(&path);
    assert_eq!(error, "failed to open the ledger DIR/ledger.db: it is a database, but no ledger of relrun");
    assert_eq!(help, "check which file this is; nothing was changed in it");
}

#[test]
fn damage_in_the_middle_is_found_where_it_is_read() {
    let (_folder, path) = ledger();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096 * 8..middle].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let store = SqliteRunStore::open(&path).unwrap();
    let error = store.packages().unwrap_err();
    assert!(matches!(&error, StoreError::Database { reason, .. } if reason.contains("damaged")), "{error}");
}

#[test]
fn a_log_without_its_ledger_is_not_swallowed_by_a_new_one() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    store.claim("acme/shop").unwrap();
    fs::remove_file(&path).unwrap();
    let error = SqliteRunStore::open(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("the file is gone, and its log (-wal) still stands"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_said_with_its_path() {
    // Not even root makes a file there.
    let error = SqliteRunStore::open(Path::new("/proc/self/ledger.db")).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "failed to make the ledger /proc/self/ledger.db");
    assert!(matches!(error, StoreError::Io { .. }));
}

#[test]
fn a_full_disk_is_said_and_takes_nothing() {
    let (_folder, path) = ledger();
    let store = SqliteRunStore::open(&path).unwrap();
    let pages: i64 = store.writer().connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.writer().connection.pragma_update(None, "max_page_count", pages).unwrap();
    let error = (0..10_000).find_map(|number| store.claim(&format!("acme/one-more-package-{number}")).err()).unwrap();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(error.to_string().ends_with("ledger.db: the disk is full"), "{error}");
    assert_eq!(help, "make room on that disk, then run the same command again; nothing that was recorded is lost");
    store.writer().connection.pragma_update(None, "max_page_count", pages + 1000).unwrap();
    assert_eq!(store.claim("acme/package-with-a-long-name-0").unwrap(), ReleaseId(2), "what was there is there, and it goes on");
}

#[test]
fn a_read_only_ledger_is_read_and_not_written() {
    let (_folder, path) = place();
    assert!(SqliteRunStore::open_read_only(&path).unwrap().is_none());
    assert!(!path.exists());
    let store = SqliteRunStore::open(&path).unwrap();
    store.claim("acme/shop").unwrap();
    let reader = SqliteRunStore::open_read_only(&path).unwrap().unwrap();
    assert_eq!(reader.ledger_id().unwrap(), store.ledger_id().unwrap());
    let error = reader.claim("acme/shop").unwrap_err();
    assert!(error.to_string().contains("it cannot be written"), "{error}");
}

#[test]
fn a_ledger_in_a_read_only_folder_is_read_with_its_log() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    store.claim("acme/shop").unwrap();
    let copy = open::copied(&path).unwrap();
    let last: i64 = copy.connection.query_row("SELECT last_release FROM packages", [], |row| row.get(0)).unwrap();
    assert_eq!((copy.ledger_id, last), (store.ledger_id().unwrap(), 1));
}

#[test]
fn two_that_make_it_at_once_make_one() {
    let (folder, path) = place();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let open = || SqliteRunStore::open(&path).unwrap().ledger_id().unwrap();
        let handles: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 32), "{ids:?}");
    let drafts =
        fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".tmp"));
    assert_eq!(drafts.count(), 0);
}

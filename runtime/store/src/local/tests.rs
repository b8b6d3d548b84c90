use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

fn store() -> (tempfile::TempDir, LocalBlobStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBlobStore::open(folder.path()).unwrap();
    (folder, store)
}

#[test]
fn what_is_put_is_got() {
    let (folder, store) = store();
    let digest = store.put(b"hello").unwrap();
    assert_eq!(digest, Digest::of(b"hello"));
    assert_eq!(store.get(digest).unwrap(), b"hello");
    assert!(store.has(digest).unwrap());
    let meta = fs::metadata(store.path_of(digest)).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o444);
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0, "no draft stays behind");
    store.sync().unwrap();
}

#[test]
fn what_is_not_there_is_missing() {
    let (_folder, store) = store();
    let digest = Digest::of(b"nothing");
    assert!(!store.has(digest).unwrap());
    assert!(matches!(store.get(digest), Err(StoreError::Missing { .. })));
}

#[test]
fn a_corrupt_blob_is_set_aside_and_can_be_put_again() {
    let (folder, store) = store();
    let digest = store.put(b"hello").unwrap();
    fs::set_permissions(store.path_of(digest), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(store.path_of(digest), b"hellO").unwrap();
    assert!(matches!(store.get(digest), Err(StoreError::Corrupt { .. })));
    assert_eq!(fs::read(folder.path().join("corrupt").join(digest.to_string())).unwrap(), b"hellO");
    assert!(matches!(store.get(digest), Err(StoreError::Missing { .. })));
    store.put(b"hello").unwrap();
    assert_eq!(store.get(digest).unwrap(), b"hello");
}

#[test]
fn a_blob_that_was_emptied_by_a_power_cut_is_written_anew() {
    let (_folder, store) = store();
    let digest = store.put(b"hello").unwrap();
    fs::File::create(store.path_of(digest)).unwrap();
    store.put(b"hello").unwrap();
    assert_eq!(store.get(digest).unwrap(), b"hello");
}

#[test]
fn an_existing_blob_is_not_written_again() {
    let (_folder, store) = store();
    let digest = store.put(b"hello").unwrap();
    let inode = fs::metadata(store.path_of(digest)).unwrap().ino();
    store.put(b"hello").unwrap();
    assert_eq!(fs::metadata(store.path_of(digest)).unwrap().ino(), inode);
}

#[test]
fn memory_holds_and_survives_damage() {
    let (folder, store) = store();
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    assert_eq!(store.recall(one).unwrap(), None);
    store.remember(one, b"first").unwrap();
    store.remember(one, b"newest").unwrap();
    assert_eq!(store.recall_many(&[two, one]).unwrap(), [None, Some(b"newest".to_vec())]);
    drop(store);
    fs::remove_file(folder.path().join("memo.db-wal")).unwrap();
    fs::write(folder.path().join("memo.db"), b"garbage of some length, and no database at all").unwrap();
    let store = LocalBlobStore::open(folder.path()).unwrap();
    assert_eq!(store.recall(one).unwrap(), None);
    store.remember(two, b"again").unwrap();
    assert_eq!(store.recall(two).unwrap(), Some(b"again".to_vec()));
}

#[test]
fn a_value_that_is_not_what_was_written_is_not_recalled() {
    let (folder, store) = store();
    let key = Digest::of(b"1");
    store.remember(key, b"first").unwrap();
    let other = rusqlite::Connection::open(folder.path().join("memo.db")).unwrap();
    other.execute("UPDATE memo SET value = x'00'", []).unwrap();
    assert_eq!(store.recall(key).unwrap(), None);
}

#[test]
fn a_file_is_moved_in_only_where_it_has_no_other_name() {
    let (folder, store) = store();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, b"alone").unwrap();
    let inode = fs::metadata(&one).unwrap().ino();
    let (digest, size) = store.take_file(&one).unwrap();
    assert_eq!((size, one.exists()), (5, false));
    assert_eq!(fs::metadata(store.path_of(digest)).unwrap().ino(), inode, "moved, not copied");

    fs::write(&one, b"two names").unwrap();
    fs::hard_link(&one, &two).unwrap();
    let (digest, _) = store.take_file(&one).unwrap();
    fs::write(&two, b"scribbles").unwrap();
    assert_eq!(store.get(digest).unwrap(), b"two names");
}

#[test]
fn a_linked_executable_does_not_change_its_plain_twin() {
    let (folder, store) = store();
    let digest = store.put(b"#!/bin/sh\n").unwrap();
    let (plain, executable) = (folder.path().join("plain"), folder.path().join("executable"));
    store.link_file(digest, 10, &plain, false).unwrap();
    store.link_file(digest, 10, &executable, true).unwrap();
    assert_eq!(fs::metadata(plain).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(fs::metadata(executable).unwrap().permissions().mode() & 0o777, 0o555);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = LocalBlobStore::open(&file.join("store")).map(|_| ()).unwrap_err();
    assert!(matches!(&error, StoreError::Io { doing, .. } if doing.contains("file/store")), "{error}");
}

const ALL: GcOptions = GcOptions { keep_for: Duration::ZERO, floor: 0, mode: GcMode::Remove };

/// Lets two seconds pass: a memory's use is noted in whole ones.
fn grow_old() {
    std::thread::sleep(Duration::from_millis(2100));
}

#[test]
fn gc_keeps_what_roots_and_their_trees_name() {
    let (folder, store) = store();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    fs::write(from.join("kept"), "kept").unwrap();
    let (tree, _) = crate::capture(&store, &from, crate::CaptureMode::Copy).unwrap();
    let root = store.put(b"a root").unwrap();
    let loose = store.put(b"loose").unwrap();
    store.remember(Digest::of(b"key"), loose.to_string().as_bytes()).unwrap();
    grow_old();
    let references = |value: &[u8]| std::str::from_utf8(value).unwrap().parse().into_iter().collect::<Vec<Digest>>();

    let dry = store.gc(&[tree, root], &references, GcOptions { mode: GcMode::DryRun, ..ALL }).unwrap();
    assert!(store.has(loose).unwrap(), "a dry run removes nothing");
    let swept = store.gc(&[tree, root], &references, ALL).unwrap();
    assert_eq!(dry.swept.iter().map(|swept| swept.digest).collect::<Vec<_>>(), [loose]);
    assert_eq!((swept.swept.len(), swept.forgotten, swept.kept), (1, 1, dry.kept));
    assert!(!store.has(loose).unwrap());
    assert_eq!(store.recall(Digest::of(b"key")).unwrap(), None, "what is gone is not remembered");
    assert_eq!(store.get(Digest::of(b"kept")).unwrap(), b"kept");
    assert_eq!(store.get(root).unwrap(), b"a root");
}

#[test]
fn gc_keeps_what_is_young_and_what_a_young_memory_names() {
    let (_folder, store) = store();
    let (named, loose) = (store.put(b"named").unwrap(), store.put(b"loose").unwrap());
    grow_old();
    store.remember(Digest::of(b"key"), b"value").unwrap();
    let references = |_: &[u8]| vec![named];
    let young = GcOptions { keep_for: Duration::from_hours(1), ..ALL };
    assert_eq!(store.gc(&[], &references, young).unwrap().swept, []);
    let swept = store.gc(&[], &references, GcOptions { keep_for: Duration::from_secs(2), ..ALL }).unwrap();
    assert_eq!(swept.swept.into_iter().map(|swept| swept.digest).collect::<Vec<_>>(), [loose]);
    assert_eq!(store.recall(Digest::of(b"key")).unwrap(), Some(b"value".to_vec()));
}

#[test]
fn gc_stops_at_the_floor() {
    let (_folder, store) = store();
    for byte in 0..4_u8 {
        store.put(&[byte; 100]).unwrap();
    }
    grow_old();
    let report = store.gc(&[], &|_| Vec::new(), GcOptions { floor: 250, ..ALL }).unwrap();
    assert_eq!((report.swept.len(), report.kept), (2, 200));
    assert_eq!(store.stat().unwrap(), StoreStat { blobs: 2, bytes: 200, ..StoreStat::default() });
}

#[test]
fn gc_sweeps_what_killed_processes_left() {
    let (folder, store) = store();
    let (old, new) = (folder.path().join("tmp/blob-old"), folder.path().join("tmp/blob-new"));
    let file = fs::File::create(&old).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_hours(2)).unwrap();
    fs::write(&new, "being written").unwrap();
    assert_eq!(store.gc(&[], &|_| Vec::new(), ALL).unwrap().drafts, 1);
    assert_eq!((old.exists(), new.exists()), (false, true));
}

#[test]
fn verify_reads_everything_and_sets_aside_what_is_corrupt() {
    let (folder, store) = store();
    let (good, bad) = (store.put(b"good").unwrap(), store.put(b"bad").unwrap());
    // The same length and time: only reading finds it out.
    let place = store.path_of(bad);
    fs::remove_file(&place).unwrap();
    fs::write(&place, b"BAD").unwrap();
    files::seal(&fs::File::open(&place).unwrap(), false).unwrap();
    let report = store.verify().unwrap();
    assert_eq!(report, VerifyReport { checked: 2, bytes: 7, corrupt: vec![bad] });
    assert!(store.has(good).unwrap() && !store.has(bad).unwrap());
    assert_eq!(store.stat().unwrap().corrupt, 1);
    assert!(folder.path().join("corrupt").join(bad.to_string()).exists());
    assert_eq!(store.verify().unwrap().corrupt, []);
}

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

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

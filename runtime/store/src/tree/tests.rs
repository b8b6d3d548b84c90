use super::*;
use crate::LocalBlobStore;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn space() -> (tempfile::TempDir, LocalBlobStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBlobStore::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

#[test]
fn a_tree_comes_back_as_it_was_captured() {
    let (folder, store) = space();
    let from = folder.path().join("from");
    fs::create_dir_all(from.join("a/empty")).unwrap();
    fs::write(from.join("a/file"), "text").unwrap();
    fs::write(from.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(from.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../run", from.join("a/link")).unwrap();
    let (digest, tree) = capture(&store, &from, CaptureMode::Copy).unwrap();
    for (name, mode) in [("writable", RestoreMode::Writable), ("staging", RestoreMode::ReadOnlyStaging)] {
        let to = folder.path().join(name);
        assert_eq!(restore(&store, digest, &to, mode).unwrap(), tree);
        let again = capture(&store, &to, CaptureMode::Copy).unwrap();
        assert_eq!(again, (digest, tree.clone()));
    }
}

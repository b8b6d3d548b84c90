//! What a tree holds, what it refuses, and that it comes back as it was.

use super::*;
use crate::LocalBlobStore;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn space() -> (tempfile::TempDir, LocalBlobStore, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBlobStore::open(&folder.path().join("store")).unwrap();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    (folder, store, from)
}

fn write(path: &Path, content: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(result: Result<(Digest, Tree), StoreError>) -> String {
    match result {
        Err(error @ StoreError::Tree { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tree_comes_back_as_it_was_captured() {
    let (folder, store, from) = space();
    fs::create_dir_all(from.join("a/empty")).unwrap();
    write(&from.join("a/file"), "text", 0o644);
    write(&from.join("run"), "#!/bin/sh\n", 0o755);
    symlink("../run", from.join("a/link")).unwrap();
    let (digest, tree) = capture(&store, &from, CaptureMode::Copy).unwrap();
    assert_eq!(tree.entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["a/empty", "a/file", "a/link", "run"]);
    for (name, mode) in [("writable", RestoreMode::Writable), ("staging", RestoreMode::ReadOnlyStaging)] {
        let to = folder.path().join(name);
        assert_eq!(restore(&store, digest, &to, mode).unwrap(), tree);
        assert_eq!(capture(&store, &to, CaptureMode::Copy).unwrap(), (digest, tree.clone()));
        let links = fs::metadata(to.join("a/file")).unwrap().nlink();
        assert_eq!(links > 1, mode == RestoreMode::ReadOnlyStaging, "only what nobody may write to is linked");
    }
    fs::write(folder.path().join("writable/a/file"), "TEXT").unwrap();
    assert_eq!(store.get(Digest::of(b"text")).unwrap(), b"text");
}

#[test]
fn a_single_file_is_a_tree_too() {
    let (folder, store, from) = space();
    write(&from.join("app"), "binary", 0o755);
    let (digest, tree) = capture(&store, &from.join("app"), CaptureMode::Copy).unwrap();
    assert!(tree.is_file());
    let to = folder.path().join("to");
    restore(&store, digest, &to, RestoreMode::Writable).unwrap();
    assert_eq!((fs::read(&to).unwrap(), fs::metadata(&to).unwrap().mode() & 0o100), (b"binary".to_vec(), 0o100));
    assert!(restore(&store, digest, &to, RestoreMode::Writable).is_err(), "nothing is overwritten");
}

#[test]
fn a_moved_tree_leaves_nothing_but_folders() {
    let (folder, store, from) = space();
    write(&from.join("a/file"), "text", 0o644);
    write(&from.join("b"), "text", 0o755);
    let (digest, _) = capture(&store, &from, CaptureMode::Move).unwrap();
    assert!(!from.join("a/file").exists() && !from.join("b").exists());
    restore(&store, digest, &folder.path().join("to"), RestoreMode::Writable).unwrap();
    assert_eq!(fs::read(folder.path().join("to/b")).unwrap(), b"text");
}

#[test]
fn what_a_tree_cannot_hold_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let refuse = |prepare: &dyn Fn(&Path)| {
        let (_folder, store, from) = space();
        write(&from.join("kept"), "kept", 0o644);
        prepare(&from);
        let refused = refusal(capture(&store, &from, CaptureMode::Move));
        assert!(from.join("kept").exists(), "what is refused is left as it is");
        refused
    };
    let link = |target: &'static str| move |from: &Path| symlink(target, from.join("x")).unwrap();
    assert_eq!(refuse(&link("/etc/passwd")), "x: the link to /etc/passwd is absolute");
    assert_eq!(refuse(&link("../other")), "x: the link to ../other leaves its tree");
    assert_eq!(refuse(&link("a/../../b")), "x: the link to a/../../b leaves its tree");
    assert_eq!(
        refuse(&|from| {
            fs::create_dir_all(from.join("a/b/c")).unwrap();
            symlink("../../..", from.join("a/b/c/up")).unwrap();
            symlink("a/b/c/up/..", from.join("x")).unwrap();
        }),
        "x: the link to a/b/c/up/.. leaves its tree",
        "not by its text, but through the other link"
    );
    let pipe = |from: &Path| nix::unistd::mkfifo(&from.join("x"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(refuse(&pipe), "x: it is a named pipe, which a tree cannot hold");
    let socket = |from: &Path| drop(std::os::unix::net::UnixListener::bind(from.join("x")).unwrap());
    assert_eq!(refuse(&socket), "x: it is a socket, which a tree cannot hold");
    let setuid = "x: it is a set-user-id or set-group-id file, which a tree cannot hold";
    assert_eq!(refuse(&|from| write(&from.join("x"), "", 0o4755)), setuid);
    let name = |from: &Path| fs::write(from.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    assert_eq!(refuse(&name), "\u{fffd}: its name is not UTF-8");
}

#[test]
fn links_that_stay_are_kept_as_they_are_written() {
    let (folder, store, from) = space();
    write(&from.join("a/b/file"), "", 0o644);
    for (link, target) in
        [("one", "a/../a/b"), ("a/two", ".."), ("a/three", "nowhere/at/all"), ("ring", "ring"), ("a/b/four", "../../one/file")]
    {
        symlink(target, from.join(link)).unwrap();
    }
    let (digest, tree) = capture(&store, &from, CaptureMode::Copy).unwrap();
    restore(&store, digest, &folder.path().join("to"), RestoreMode::Writable).unwrap();
    assert_eq!(capture(&store, &folder.path().join("to"), CaptureMode::Copy).unwrap(), (digest, tree));
    assert_eq!(fs::read_link(folder.path().join("to/one")).unwrap(), Path::new("a/../a/b"));
}

#[test]
fn a_restore_begins_with_nothing_and_leaves_nothing_when_it_fails() {
    let (folder, store, from) = space();
    write(&from.join("a/file"), "text", 0o644);
    write(&from.join("b"), "other", 0o644);
    let (digest, _) = capture(&store, &from, CaptureMode::Copy).unwrap();
    let refused = restore(&store, digest, &from, RestoreMode::Writable).unwrap_err();
    assert!(refused.to_string().ends_with("from is not empty"), "{refused}");
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    symlink("elsewhere", folder.path().join("link")).unwrap();
    assert!(matches!(restore(&store, digest, &folder.path().join("link"), RestoreMode::Writable), Err(StoreError::Tree { .. })));

    store.gc(&[digest], &|_| Vec::new(), no_gc()).unwrap();
    fs::remove_file(blob_of(folder.path(), Digest::of(b"text"))).unwrap();
    for mode in [RestoreMode::Writable, RestoreMode::ReadOnlyStaging] {
        let (missing, empty) = (folder.path().join("missing"), folder.path().join("elsewhere"));
        assert!(matches!(restore(&store, digest, &missing, mode), Err(StoreError::Missing { .. })));
        assert!(matches!(restore(&store, digest, &empty, mode), Err(StoreError::Missing { .. })));
        assert!(!missing.exists());
        assert_eq!(fs::read_dir(empty).unwrap().count(), 0);
    }
}

fn no_gc() -> crate::GcOptions {
    crate::GcOptions { keep_for: std::time::Duration::MAX, floor: 0, mode: crate::GcMode::Remove }
}

fn blob_of(folder: &Path, digest: Digest) -> PathBuf {
    let hex = digest.to_string();
    folder.join("store/blobs").join(&hex[..2]).join(&hex[2..])
}

#[test]
fn a_corrupt_blob_is_never_restored() {
    let (folder, store, from) = space();
    write(&from.join("file"), "text", 0o644);
    let (digest, _) = capture(&store, &from, CaptureMode::Copy).unwrap();
    for mode in [RestoreMode::Writable, RestoreMode::ReadOnlyStaging] {
        store.put(b"text").unwrap();
        let blob = blob_of(folder.path(), Digest::of(b"text"));
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, "TEXT").unwrap();
        let to = folder.path().join("to");
        assert!(matches!(restore(&store, digest, &to, mode), Err(StoreError::Corrupt { .. })));
        assert!(!to.exists());
    }
}

#[test]
fn a_hostile_tree_is_refused_before_anything_is_written() {
    let file = |path: &str| Entry { path: path.into(), kind: EntryKind::File { digest: Digest::of(b""), size: 0, executable: false } };
    let link = |path: &str, target: &str| Entry { path: path.into(), kind: EntryKind::Link { target: target.into() } };
    let hostile: [Vec<Entry>; 12] = [
        vec![file("../x")],
        vec![file("/etc/x")],
        vec![file("a//b")],
        vec![file("a/./b")],
        vec![file("a/")],
        vec![file(""), file("a")],
        vec![link("", "a")],
        vec![file("a"), file("a")],
        vec![file("b"), file("a")],
        vec![file("a"), file("a/b")],
        vec![link("a", "."), file("a/b")],
        vec![link("a", "../..")],
    ];
    for entries in hostile {
        let bytes = Tree { entries }.encode();
        assert!(matches!(Tree::decode(&bytes), Err(StoreError::Tree { .. })), "{bytes:?}");
    }
    let mut bytes = Tree { entries: vec![file("a")] }.encode();
    Tree::decode(&bytes).unwrap();
    bytes.push(0);
    assert!(Tree::decode(&bytes).is_err(), "nothing may follow");
    assert!(Tree::decode(&bytes[..bytes.len() - 2]).is_err());
    assert!(Tree::decode(b"hello").is_err());
}

#[test]
fn staging_copies_what_was_hashed_and_nothing_else() {
    let (folder, _, from) = space();
    write(&from.join("src/a"), "a", 0o644);
    write(&from.join("src/run"), "run", 0o755);
    symlink("a", from.join("src/link")).unwrap();
    let mut stat = crate::LocalCache::open(&folder.path().join("cache")).stat();
    let tree = Tree::new(stat.digest_files(&from, &["src/a", "src/run", "src/link"]).unwrap()).unwrap();
    let to = folder.path().join("to");
    stage(&tree, &from, &to).unwrap();
    let store = LocalBlobStore::open(&folder.path().join("store")).unwrap();
    assert_eq!(capture(&store, &to, CaptureMode::Copy).unwrap().1, tree);
    assert_eq!(fs::metadata(from.join("src/a")).unwrap().nlink(), 1, "the user's files are never linked");
    fs::write(from.join("src/a"), "b").unwrap();
    let error = stage(&tree, &from, &folder.path().join("again")).unwrap_err();
    assert_eq!(error.to_string(), "src/a: it was changed while relrun was reading it");
}

/// A random tree: paths of a few names (some of them not ASCII) with what is there.
fn trees() -> impl Strategy<Value = BTreeMap<String, What>> {
    let name =
        prop_oneof!["[a-c]", "[a-z]{1,8}", Just("ü-ß".to_owned()), Just("a b".to_owned()), Just("日本".to_owned()), Just("-x".to_owned())];
    let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let what = prop_oneof![
        3 => (proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()).prop_map(|(bytes, executable)| What::File(bytes, executable)),
        1 => Just(What::Link),
        1 => Just(What::Dir),
    ];
    proptest::collection::btree_map(path, what, 0..20)
}

#[derive(Clone, Debug)]
enum What {
    File(Vec<u8>, bool),
    Link,
    Dir,
}

/// Lays a random tree down in the order given; what does not fit where something else stands already is left out.
fn make<'a>(root: &Path, tree: impl Iterator<Item = (&'a String, &'a What)>) {
    for (path, what) in tree {
        let place = root.join(path);
        let _ = match what {
            What::Dir => fs::create_dir_all(&place),
            What::Link => fs::create_dir_all(place.parent().unwrap()).and_then(|()| symlink("a/link/to/nothing", &place)),
            What::File(bytes, executable) => fs::create_dir_all(place.parent().unwrap()).and_then(|()| {
                let mut file = crate::local::files::create_new(&place, if *executable { 0o755 } else { 0o644 })?;
                std::io::Write::write_all(&mut file, bytes)
            }),
        };
    }
}

/// Returns a tree without the paths that stand in one another's way, so that the order of making does not matter.
fn tidy(tree: BTreeMap<String, What>) -> BTreeMap<String, What> {
    let paths: Vec<String> = tree.keys().cloned().collect();
    let is_above = |path: &str| paths.iter().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    tree.into_iter().filter(|(path, _)| !is_above(path)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_trees_round_trip_and_their_digest_knows_no_order(tree in trees().prop_map(tidy)) {
        let (folder, store, from) = space();
        make(&from, tree.iter());
        let (digest, captured) = capture(&store, &from, CaptureMode::Copy).unwrap();
        prop_assert_eq!(captured.entries.len(), tree.len());
        prop_assert_eq!(&Tree::decode(&captured.encode()).unwrap(), &captured);

        let reversed = folder.path().join("reversed");
        fs::create_dir(&reversed).unwrap();
        make(&reversed, tree.iter().rev());
        prop_assert_eq!(capture(&store, &reversed, CaptureMode::Move).unwrap().0, digest);

        for (name, mode) in [("one", RestoreMode::Writable), ("two", RestoreMode::ReadOnlyStaging)] {
            let to = folder.path().join(name);
            restore(&store, digest, &to, mode).unwrap();
            prop_assert_eq!(capture(&store, &to, CaptureMode::Copy).unwrap().0, digest);
        }
    }

    /// From any tree to any other, the work tree ends as the new one says, and a file of the user's survives.
    #[test]
    fn laying_out_replaces_one_tree_by_another(old in trees().prop_map(tidy), new in trees().prop_map(tidy)) {
        let (folder, store, from) = space();
        let capture_of = |name: &str, tree: &BTreeMap<String, What>| {
            let dir = folder.path().join(name);
            fs::create_dir(&dir).unwrap();
            make(&dir, tree.iter());
            capture(&store, &dir, CaptureMode::Copy).unwrap().1
        };
        let (old, new) = (capture_of("old", &old), capture_of("new", &new));
        lay_out(&store, &old, &from, None).unwrap();
        prop_assert_eq!(&capture(&store, &from, CaptureMode::Copy).unwrap().1, &old);
        lay_out(&store, &new, &from, Some(&old)).unwrap();
        prop_assert_eq!(&capture(&store, &from, CaptureMode::Copy).unwrap().1, &new);
        prop_assert_eq!(lay_out(&store, &new, &from, Some(&new)).unwrap().unchanged, new.entries.len());
    }

    #[test]
    fn bytes_that_are_no_tree_are_refused_in_peace(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Tree::decode(&[Tree::MAGIC, bytes.as_slice()].concat());
    }
}

//! What laying out may touch.

use super::*;
use crate::LocalBlobStore;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

struct Space {
    folder: tempfile::TempDir,
    store: LocalBlobStore,
    work: PathBuf,
}

fn space() -> Space {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBlobStore::open(&folder.path().join("store")).unwrap();
    let work = folder.path().join("work");
    Space { folder, store, work }
}

impl Space {
    fn tree(&self, files: &[(&str, &str)]) -> Tree {
        let dir = tempfile::tempdir_in(self.folder.path()).unwrap();
        for (path, content) in files {
            write(&dir.path().join(path), content);
        }
        capture(&self.store, dir.path(), CaptureMode::Copy).unwrap().1
    }

    fn lay(&self, tree: &Tree, previous: Option<&Tree>) -> Result<LaidOut, StoreError> {
        lay_out(&self.store, tree, &self.work, previous)
    }

    fn content(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.work.join(path)).ok()
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn only_what_differs_is_written_and_what_is_gone_goes() {
    let space = space();
    let old = space.tree(&[("a", "1"), ("dir/b", "2"), ("gone/c", "3")]);
    let new = space.tree(&[("a", "1"), ("dir/b", "two"), ("d", "4")]);
    assert_eq!(space.lay(&old, None).unwrap().written, ["a", "dir/b", "gone/c"]);
    let laid = space.lay(&new, Some(&old)).unwrap();
    assert_eq!(laid, LaidOut { written: vec!["d".into(), "dir/b".into()], removed: vec!["gone/c".into()], unchanged: 1 });
    assert!(!space.work.join("gone").exists(), "the folder that it left empty goes with it");
    assert_eq!(space.content("dir/b").unwrap(), "two");
}

#[test]
fn a_file_of_the_users_is_never_overwritten_and_then_nothing_is_changed() {
    let space = space();
    let old = space.tree(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let new = space.tree(&[("a", "2"), ("b", "2"), ("new", "2")]);
    space.lay(&old, None).unwrap();
    write(&space.work.join("b"), "mine");
    write(&space.work.join("new"), "mine too");
    let error = space.lay(&new, Some(&old)).unwrap_err();
    assert_eq!(error.to_string(), "b: it is not as relrun left it, and would be overwritten; so would new");
    assert_eq!(["a", "b", "c", "new"].map(|path| space.content(path).unwrap()), ["1", "mine", "1", "mine too"]);
}

#[test]
fn a_changed_file_that_the_new_tree_has_not_stays() {
    let space = space();
    let old = space.tree(&[("dir/a", "1"), ("dir/b", "1")]);
    space.lay(&old, None).unwrap();
    write(&space.work.join("dir/a"), "mine");
    assert_eq!(space.lay(&Tree::default(), Some(&old)).unwrap().removed, ["dir/b"]);
    assert_eq!(space.content("dir/a").unwrap(), "mine");
}

#[test]
fn what_is_right_already_may_stand_there_whoever_put_it() {
    let space = space();
    write(&space.work.join("a"), "1");
    assert_eq!(space.lay(&space.tree(&[("a", "1")]), None).unwrap(), LaidOut { unchanged: 1, ..LaidOut::default() });
}

#[test]
fn files_and_folders_give_way_to_each_other_only_when_they_are_ours() {
    let space = space();
    let (file, folder) = (space.tree(&[("x", "file")]), space.tree(&[("x/y", "in it")]));
    space.lay(&file, None).unwrap();
    space.lay(&folder, Some(&file)).unwrap();
    assert_eq!(space.content("x/y").unwrap(), "in it");
    write(&space.work.join("x/mine"), "mine");
    assert!(matches!(space.lay(&file, Some(&folder)), Err(StoreError::Tree { .. })));
    assert_eq!((space.content("x/y").unwrap(), space.content("x/mine").unwrap()), ("in it".into(), "mine".into()));
    fs::remove_file(space.work.join("x/mine")).unwrap();
    space.lay(&file, Some(&folder)).unwrap();
    assert_eq!(space.content("x").unwrap(), "file");
}

#[test]
fn nothing_is_written_through_a_link() {
    let space = space();
    fs::create_dir_all(space.folder.path().join("outside")).unwrap();
    fs::create_dir(&space.work).unwrap();
    symlink("../outside", space.work.join("dir")).unwrap();
    let error = space.lay(&space.tree(&[("dir/a", "1")]), None).unwrap_err();
    assert!(error.to_string().ends_with("dir is a link, and relrun does not write through links"), "{error}");
    assert_eq!(fs::read_dir(space.folder.path().join("outside")).unwrap().count(), 0);
}

#[test]
fn a_single_file_is_laid_to_its_path() {
    let space = space();
    write(&space.folder.path().join("app"), "1");
    let one = capture(&space.store, &space.folder.path().join("app"), CaptureMode::Copy).unwrap().1;
    space.lay(&one, None).unwrap();
    assert_eq!(fs::read_to_string(&space.work).unwrap(), "1");
    fs::write(space.folder.path().join("app"), "2").unwrap();
    let two = capture(&space.store, &space.folder.path().join("app"), CaptureMode::Copy).unwrap().1;
    space.lay(&two, Some(&one)).unwrap();
    assert_eq!(fs::read_to_string(&space.work).unwrap(), "2");
    fs::write(&space.work, "mine").unwrap();
    assert!(space.lay(&one, Some(&two)).is_err());
}

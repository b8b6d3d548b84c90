//! From a tree to a folder that is missing or empty. Whatever was laid down by a restore that fails is taken away again.
//!
//! No link is ever followed: every folder on the way is made here, files are made only where nothing is, and links come last.

use super::{Entry, EntryKind, Tree, refused};
use crate::local::files::failed;
use crate::{BlobStore, StoreError};
use rayon::prelude::*;
use relrun_ledger::Digest;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Who will have the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreMode {
    /// A reader that is confined so that it cannot write there, not even as root: the files may be the store's own.
    ReadOnlyStaging,
    /// Anybody: every file is a copy or a reflink.
    Writable,
}

/// Restores a tree from a store into a missing or empty folder (a tree that is one file: to a path where nothing is).
pub fn restore(store: &dyn BlobStore, digest: Digest, root: &Path, mode: RestoreMode) -> Result<Tree, StoreError> {
    let tree = Tree::get(store, digest)?;
    restore_tree(store, &tree, root, mode)?;
    Ok(tree)
}

/// Restores a tree that is at hand.
pub fn restore_tree(store: &dyn BlobStore, tree: &Tree, root: &Path, mode: RestoreMode) -> Result<(), StoreError> {
    if tree.is_file() {
        return lay_file(store, &tree.entries[0], root, mode);
    }
    let made = ready(root)?;
    fill(store, tree, root, mode).inspect_err(|_| clear(root, made))
}

/// Whether the folder stood there before.
#[derive(Clone, Copy)]
enum Made {
    Here,
    Before,
}

fn ready(root: &Path) -> Result<Made, StoreError> {
    match fs::symlink_metadata(root) {
        Ok(meta) if !meta.is_dir() => return Err(refused("", format!("{} is no folder", root.display()), None)),
        Ok(_) => {
            let mut items = fs::read_dir(root).map_err(failed("list", root))?;
            if items.next().is_some() {
                return Err(refused("", format!("{} is not empty", root.display()), None));
            }
            return Ok(Made::Before);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed("look at", root)(error)),
    }
    fs::create_dir_all(root).map_err(failed("make the folder", root))?;
    Ok(Made::Here)
}

fn fill(store: &dyn BlobStore, tree: &Tree, root: &Path, mode: RestoreMode) -> Result<(), StoreError> {
    for folder in folders(tree) {
        let path = root.join(folder);
        fs::create_dir(&path).map_err(failed("make the folder", &path))?;
    }
    tree.entries.par_iter().try_for_each(|entry| match entry.kind {
        EntryKind::File { .. } => lay_file(store, entry, &root.join(&entry.path), mode),
        EntryKind::Link { .. } | EntryKind::Dir => Ok(()),
    })?;
    for entry in &tree.entries {
        if let EntryKind::Link { target } = &entry.kind {
            let path = root.join(&entry.path);
            std::os::unix::fs::symlink(target, &path).map_err(failed("make the link", &path))?;
        }
    }
    Ok(())
}

/// Returns every folder of a tree, each after the one that it is in.
pub(super) fn folders(tree: &Tree) -> BTreeSet<&str> {
    let mut folders = BTreeSet::new();
    for entry in &tree.entries {
        if entry.kind == EntryKind::Dir {
            folders.insert(entry.path.as_str());
        }
        // From the innermost out: where one is known, all above it are.
        for (end, _) in entry.path.rmatch_indices('/') {
            if !folders.insert(&entry.path[..end]) {
                break;
            }
        }
    }
    folders
}

fn lay_file(store: &dyn BlobStore, entry: &Entry, path: &Path, mode: RestoreMode) -> Result<(), StoreError> {
    let EntryKind::File { digest, size, executable } = entry.kind else { return Ok(()) };
    match mode {
        RestoreMode::ReadOnlyStaging => store.link_file(digest, size, path, executable),
        RestoreMode::Writable => store.get_file(digest, path, executable),
    }
}

fn clear(root: &Path, made: Made) {
    let cleared = match made {
        Made::Here => fs::remove_dir_all(root),
        Made::Before => fs::read_dir(root).and_then(|items| {
            for item in items {
                let item = item?;
                if item.file_type()?.is_dir() { fs::remove_dir_all(item.path())? } else { fs::remove_file(item.path())? }
            }
            Ok(())
        }),
    };
    if let Err(error) = cleared {
        tracing::warn!(root = %root.display(), %error, "could not take a half restored folder away");
    }
}

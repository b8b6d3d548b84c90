//! From a folder to a tree. Files are hashed and kept in parallel; whatever a tree cannot hold is refused by name.

use super::{Entry, EntryKind, Tree, refused};
use crate::local::files::failed;
use crate::{BlobStore, StoreError};
use rayon::prelude::*;
use relrun_ledger::Digest;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What happens to the files that are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureMode {
    /// They stay.
    Copy,
    /// They may be moved into the store: for a private folder that is thrown away, and that no process has open any more.
    Move,
}

/// Captures a folder, or a single file, and keeps it in a store.
///
/// # Errors
/// [`StoreError::Tree`] for a link that is absolute or leaves the folder, a socket, a device, a pipe, a name that is not UTF-8, and a set-user-id
/// or set-group-id file.
pub fn capture(store: &dyn BlobStore, root: &Path, mode: CaptureMode) -> Result<(Digest, Tree), StoreError> {
    let mut found = Vec::new();
    let meta = fs::symlink_metadata(root).map_err(failed("look at", root))?;
    if meta.is_dir() {
        walk(root, "", &mut found)?;
    } else if meta.is_symlink() {
        return Err(refused("", format!("{} is a link", root.display()), Some("write the folder or the file itself there")));
    } else {
        found.push(Found { path: String::new(), kind: kind_of("", root, &meta)? });
    }
    // Links and names are checked before anything is moved: what is refused stays as it is.
    Tree::new(found.iter().map(Found::sketch).collect())?;
    let entries = found.into_par_iter().map(|found| found.keep(store, root, mode)).collect::<Result<_, _>>()?;
    let tree = Tree::new(entries)?;
    Ok((tree.put(store)?, tree))
}

/// Something on disk, before its content is read.
struct Found {
    path: String,
    kind: FoundKind,
}

pub(crate) enum FoundKind {
    File { executable: bool },
    Link { target: String },
    Dir,
}

impl Found {
    fn sketch(&self) -> Entry {
        let kind = match &self.kind {
            FoundKind::File { executable } => EntryKind::File { digest: Digest([0; 32]), size: 0, executable: *executable },
            FoundKind::Link { target } => EntryKind::Link { target: target.clone() },
            FoundKind::Dir => EntryKind::Dir,
        };
        Entry { path: self.path.clone(), kind }
    }

    fn keep(self, store: &dyn BlobStore, root: &Path, mode: CaptureMode) -> Result<Entry, StoreError> {
        let kind = match self.kind {
            FoundKind::File { executable } => {
                let path = super::below(root, &self.path);
                let (digest, size) = match mode {
                    CaptureMode::Copy => store.put_file(&path)?,
                    CaptureMode::Move => store.take_file(&path)?,
                };
                EntryKind::File { digest, size, executable }
            }
            FoundKind::Link { target } => EntryKind::Link { target },
            FoundKind::Dir => EntryKind::Dir,
        };
        Ok(Entry { path: self.path, kind })
    }
}

fn walk(dir: &Path, prefix: &str, found: &mut Vec<Found>) -> Result<(), StoreError> {
    let mut empty = true;
    for item in fs::read_dir(dir).map_err(failed("list", dir))? {
        empty = false;
        let item = item.map_err(failed("list", dir))?;
        let name = item.file_name();
        let joined = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let Some(name) = name.to_str() else {
            let help = "give it a name in UTF-8";
            return Err(refused(&joined(&name.to_string_lossy()), "its name is not UTF-8", Some(help)));
        };
        let (path, place) = (joined(name), item.path());
        let meta = item.metadata().map_err(failed("look at", &place))?;
        if meta.is_dir() {
            walk(&place, &path, found)?;
        } else {
            let kind = kind_of(&path, &place, &meta)?;
            found.push(Found { path, kind });
        }
    }
    if empty && !prefix.is_empty() {
        found.push(Found { path: prefix.to_owned(), kind: FoundKind::Dir });
    }
    Ok(())
}

/// Returns what stands at a path that is no folder, or why a tree cannot hold it.
pub(crate) fn kind_of(path: &str, place: &Path, meta: &Metadata) -> Result<FoundKind, StoreError> {
    let kind = meta.file_type();
    if kind.is_symlink() {
        let target: PathBuf = fs::read_link(place).map_err(failed("read the link", place))?;
        let Some(target) = target.to_str() else { return Err(refused(path, "the link's target is not UTF-8", None)) };
        return Ok(FoundKind::Link { target: target.to_owned() });
    }
    let what = match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () if !kind.is_file() => "neither a file nor a folder nor a link",
        () if meta.mode() & 0o6000 != 0 => "a set-user-id or set-group-id file",
        () => return Ok(FoundKind::File { executable: meta.mode() & 0o111 != 0 }),
    };
    Err(refused(path, format!("it is {what}, which a tree cannot hold"), Some("leave it out of what is captured")))
}

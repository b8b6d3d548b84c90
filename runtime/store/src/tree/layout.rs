//! From a tree into the user's work tree (`writes … to=PATH`).
//!
//! A file there is replaced or removed only where it is as relrun left it: it is the previous tree's, or already the new one's. Everything is
//! looked at before anything is changed, so a refusal changes nothing. Files are replaced by renames, so nobody sees half of one.

use super::capture::{FoundKind, kind_of};
use super::{Entry, EntryKind, Tree, below, refused};
use crate::local::files::{failed, hash};
use crate::{BlobStore, StoreError};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What laying out a tree changed, by path below its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaidOut {
    /// Written, new or anew.
    pub written: Vec<String>,
    /// Taken away: the previous tree had them, and the new one has not.
    pub removed: Vec<String>,
    /// How many were right already.
    pub unchanged: usize,
}

/// The name of a file that is being written, beside its place.
const DRAFT: &str = ".relrun-draft-";

/// Names more files than this only by their number.
const NAMED: usize = 5;

/// Lays a tree into a work tree, where `previous` is what relrun laid there last.
///
/// # Errors
/// [`StoreError::Tree`] that names the files which the user changed, or a link on the way; then nothing was changed.
pub fn lay_out(store: &dyn BlobStore, tree: &Tree, root: &Path, previous: Option<&Tree>) -> Result<LaidOut, StoreError> {
    let nothing = Tree::default();
    let previous = previous.unwrap_or(&nothing);
    check_way(root, tree, previous)?;
    let gone: Vec<&Entry> = previous.entries.iter().filter(|entry| tree.entry(&entry.path).is_none()).collect();
    let gone: Vec<&Entry> = gone
        .into_par_iter()
        .map(|entry| Ok(is_as(entry, root)?.then_some(entry)))
        .collect::<Result<Vec<_>, StoreError>>()?
        .into_iter()
        .flatten()
        .collect();
    let removable: BTreeSet<&str> = gone.iter().map(|entry| entry.path.as_str()).collect();
    let look = |entry| Ok((entry, look(entry, root, previous, &removable)?));
    let looks: Vec<(&Entry, Look)> = tree.entries.par_iter().map(look).collect::<Result<_, StoreError>>()?;
    refuse_changed(&looks)?;

    for entry in &gone {
        remove(root, entry)?;
    }
    let to_write: Vec<&Entry> = looks.iter().filter(|(_, look)| *look == Look::Write).map(|(entry, _)| *entry).collect();
    for entry in &to_write {
        make_way(root, entry)?;
    }
    // A folder that is to be there empty was right before, and went with the last file that was removed from it.
    for (entry, _) in looks.iter().filter(|(entry, look)| *look == Look::Right && entry.kind == EntryKind::Dir) {
        make_way(root, entry)?;
    }
    to_write.par_iter().try_for_each(|entry| write(store, entry, &below(root, &entry.path)))?;
    Ok(LaidOut {
        unchanged: looks.len() - to_write.len(),
        written: to_write.into_iter().map(|entry| entry.path.clone()).collect(),
        removed: gone.into_iter().map(|entry| entry.path.clone()).collect(),
    })
}

#[derive(PartialEq, Eq)]
enum Look {
    /// It is right.
    Right,
    /// Nothing is there, or what relrun left.
    Write,
    /// The user has something of their own there.
    Changed,
}

/// Refuses to go through a link: what is behind it is no part of the work tree.
fn check_way(root: &Path, tree: &Tree, previous: &Tree) -> Result<(), StoreError> {
    let mut folders: BTreeSet<&str> = super::restore::folders(tree);
    folders.extend(super::restore::folders(previous));
    let ours = |folder: &str| previous.entry(folder).is_some_and(|entry| matches!(entry.kind, EntryKind::Link { .. }));
    for folder in std::iter::once("").chain(folders) {
        let path = below(root, folder);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() && !ours(folder) => {
                let help = "take the link away, or write to another path";
                return Err(refused(folder, format!("{} is a link, and relrun does not write through links", path.display()), Some(help)));
            }
            Err(error) if !is_nothing(&error) => return Err(failed("look at", &path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether nothing is there: no such name, or a file or a link to itself where a folder would have to be.
fn is_nothing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) || error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32)
}

fn look(entry: &Entry, root: &Path, previous: &Tree, removable: &BTreeSet<&str>) -> Result<Look, StoreError> {
    // A file of the previous tree that stands where a folder is needed goes first.
    if entry.path.match_indices('/').any(|(end, _)| removable.contains(&entry.path[..end])) {
        return Ok(Look::Write);
    }
    let path = below(root, &entry.path);
    let meta = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Look::Write),
        Err(error) if is_nothing(&error) => return Ok(Look::Changed),
        found => found.map_err(failed("look at", &path))?,
    };
    if is_as(entry, root)? {
        // A folder that loses all that is in it goes with that, and is made anew.
        let inside = format!("{}/", entry.path);
        let loses = removable.range(inside.as_str()..).next().is_some_and(|path| path.starts_with(&inside));
        return Ok(if entry.kind == EntryKind::Dir && loses { Look::Write } else { Look::Right });
    }
    if meta.is_dir() {
        // It gives way where all that is in it is to be removed anyway.
        let prefix = format!("{}/", entry.path);
        return Ok(if is_emptied(&path, &prefix, removable)? { Look::Write } else { Look::Changed });
    }
    let as_left = previous.entry(&entry.path).map_or(Ok(false), |left| is_as(left, root))?;
    Ok(if as_left { Look::Write } else { Look::Changed })
}

fn is_emptied(dir: &Path, prefix: &str, removable: &BTreeSet<&str>) -> Result<bool, StoreError> {
    for item in fs::read_dir(dir).map_err(failed("list", dir))? {
        let item = item.map_err(failed("list", dir))?;
        let Some(name) = item.file_name().to_str().map(|name| format!("{prefix}{name}")) else { return Ok(false) };
        let is_dir = item.file_type().map_err(failed("look at", dir))?.is_dir();
        let goes = if is_dir { is_emptied(&item.path(), &format!("{name}/"), removable)? } else { removable.contains(name.as_str()) };
        if !goes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether what is at an entry's path is just that entry.
fn is_as(entry: &Entry, root: &Path) -> Result<bool, StoreError> {
    let path = below(root, &entry.path);
    let meta = match fs::symlink_metadata(&path) {
        Err(error) if is_nothing(&error) => return Ok(false),
        found => found.map_err(failed("look at", &path))?,
    };
    match &entry.kind {
        EntryKind::Dir => Ok(meta.is_dir()),
        _ if meta.is_dir() => Ok(false),
        EntryKind::Link { target } => {
            Ok(matches!(kind_of(&entry.path, &path, &meta), Ok(FoundKind::Link { target: found }) if found == *target))
        }
        EntryKind::File { digest, size, executable } => {
            let same = |found: FoundKind| matches!(found, FoundKind::File { executable: found } if found == *executable);
            if meta.len() != *size || !kind_of(&entry.path, &path, &meta).is_ok_and(same) {
                return Ok(false);
            }
            let (found, _) = File::open(&path).and_then(|mut file| hash(&mut file)).map_err(failed("read", &path))?;
            Ok(found == *digest)
        }
    }
}

fn refuse_changed(looks: &[(&Entry, Look)]) -> Result<(), StoreError> {
    let changed: Vec<&str> = looks.iter().filter(|(_, look)| *look == Look::Changed).map(|(entry, _)| entry.path.as_str()).collect();
    let Some(first) = changed.first() else { return Ok(()) };
    let mut reason = "it is not as relrun left it, and would be overwritten".to_owned();
    if changed.len() > 1 {
        let others = changed[1..].iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = if changed.len() > NAMED + 1 { format!(" and {} more", changed.len() - NAMED - 1) } else { String::new() };
        reason = format!("{reason}; so would {others}{more}");
    }
    Err(refused(first, reason, Some("move your changes away, or remove the file, then run the same command again")))
}

/// Removes an entry, and the folders that it leaves empty.
fn remove(root: &Path, entry: &Entry) -> Result<(), StoreError> {
    let path = below(root, &entry.path);
    if entry.kind != EntryKind::Dir {
        fs::remove_file(&path).map_err(failed("remove", &path))?;
    }
    let mut folder = if entry.kind == EntryKind::Dir { Some(path.as_path()) } else { path.parent() };
    while let Some(empty) = folder.filter(|folder| *folder != root && folder.starts_with(root)) {
        // What is not empty stays, and so does everything above it.
        if fs::remove_dir(empty).is_err() {
            break;
        }
        folder = empty.parent();
    }
    Ok(())
}

fn make_way(root: &Path, entry: &Entry) -> Result<(), StoreError> {
    let path = below(root, &entry.path);
    if entry.kind == EntryKind::Dir {
        // A file or a link there is what relrun left: it gives way.
        if fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_dir()) {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        return fs::create_dir_all(&path).map_err(failed("make the folder", &path));
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed("make the folder", parent))?;
    }
    // Only a folder that was emptied stands there now; it may hold empty folders.
    if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
        remove_empty(&path).map_err(failed("remove", &path))?;
    }
    Ok(())
}

fn remove_empty(dir: &Path) -> std::io::Result<()> {
    for item in fs::read_dir(dir)? {
        remove_empty(&item?.path())?;
    }
    fs::remove_dir(dir)
}

fn write(store: &dyn BlobStore, entry: &Entry, path: &Path) -> Result<(), StoreError> {
    let draft = draft_of(path);
    match &entry.kind {
        EntryKind::Dir => return Ok(()),
        EntryKind::Link { target } => std::os::unix::fs::symlink(target, &draft).map_err(failed("make the link", path))?,
        EntryKind::File { digest, executable, .. } => store.get_file(*digest, &draft, *executable)?,
    }
    fs::rename(&draft, path).map_err(failed("write", path)).inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}

/// Returns a name beside the place, of this process, and free: what a killed process of the same number left there is taken away.
fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut draft = std::ffi::OsString::from(format!("{DRAFT}{}-", std::process::id()));
    draft.push(name);
    let draft = path.with_file_name(draft);
    let _ = fs::remove_file(&draft);
    draft
}

//! From the user's work tree to a folder that a step sees: only the files that were asked for, each checked against what was hashed before.

use super::{Entry, EntryKind, Tree, refused, restore};
use crate::StoreError;
use crate::local::files::{copy_hashed, create_new, failed, hash, reflink};
use rayon::prelude::*;
use std::fs::{self, File};
use std::path::Path;

/// Copies (or reflinks) the files of a tree from a work tree into a missing or empty folder. They are never linked: the user may write to them.
///
/// # Errors
/// [`StoreError::Tree`] where a file is no longer what its entry says: it was changed while the command ran.
pub fn stage(tree: &Tree, work: &Path, root: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(root).map_err(failed("make the folder", root))?;
    for folder in restore::folders(tree) {
        let path = root.join(folder);
        fs::create_dir(&path).map_err(failed("make the folder", &path))?;
    }
    tree.entries.par_iter().try_for_each(|entry| stage_entry(entry, work, root))
}

fn stage_entry(entry: &Entry, work: &Path, root: &Path) -> Result<(), StoreError> {
    let to = super::below(root, &entry.path);
    match &entry.kind {
        EntryKind::Dir => Ok(()),
        EntryKind::Link { target } => std::os::unix::fs::symlink(target, &to).map_err(failed("make the link", &to)),
        EntryKind::File { digest, executable, .. } => {
            let from = super::below(work, &entry.path);
            let failed = failed("stage", &from);
            let mut source = File::open(&from).map_err(&failed)?;
            let mut target = create_new(&to, if *executable { 0o755 } else { 0o644 }).map_err(&failed)?;
            let (found, _) =
                if reflink(&source, &target) { hash(&mut target) } else { copy_hashed(&mut source, &mut target) }.map_err(&failed)?;
            if found == *digest {
                return Ok(());
            }
            let help = "run the same command again when nothing writes to it";
            Err(refused(&entry.path, "it was changed while relrun was reading it", Some(help)))
        }
    }
}

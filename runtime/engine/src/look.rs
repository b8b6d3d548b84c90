//! Looks at the work tree and at the machine: which files globs match, what is in them, which programs stand where.
//!
//! Everything goes through the stat cache, so that what did not change costs a `stat`. Nothing here changes anything but that cache.

use crate::{EngineError, Workspace};
use rayon::prelude::*;
use relrun_ledger::Digest;
use relrun_store::{Globbed, StoreError, Tree};
use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The globs of one `reads`, as they are written.
pub(crate) type Globs = Vec<String>;

/// Files of the work tree, as they were when they were looked at.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder that the tree's paths are relative to.
    pub root: PathBuf,
    /// What is staged.
    pub tree: Arc<Tree>,
    /// The tree's digest.
    pub digest: Digest,
}

/// What globs are relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Below<'a> {
    /// Those with a leading `/`: the project's root.
    pub(crate) root: &'a Path,
    /// The others: the manifest's directory.
    pub(crate) directory: &'a Path,
}

/// Returns what each set of globs matches, in their order.
pub(crate) fn files<G: Borrow<Globs> + Sync>(workspace: &Workspace, at: Below<'_>, groups: &[G]) -> Result<Vec<Files>, EngineError> {
    let found: Vec<Found> = groups.par_iter().with_min_len(64).map(|globs| find(at, globs.borrow())).collect::<Result<_, _>>()?;
    let mut entries = digest(workspace, &found)?.into_iter();
    // Which entry is whose follows from the order.
    let staged: Vec<Vec<relrun_store::Entry>> =
        found.iter().map(|found| entries.by_ref().take(found.globbed.files.len()).collect()).collect();
    let trees: Vec<Tree> = staged.into_par_iter().with_min_len(64).map(Tree::new).collect::<Result<_, _>>().map_err(unfit)?;
    let digests: Vec<Digest> = trees.par_iter().with_min_len(64).map(Tree::digest).collect();
    let files = found.into_iter().zip(trees).zip(digests);
    Ok(files.map(|((found, tree), digest)| Files { root: found.root.to_owned(), tree: Arc::new(tree), digest }).collect())
}

/// Returns the digest of the program that a name stands for, or says that there is none.
pub(crate) fn program(workspace: &Workspace, name: &str) -> String {
    let digest = || {
        let path = relrun_confine::locate(name, &[]).ok()?.canonicalize().ok()?;
        workspace.stats().digest_file(&path).ok()
    };
    digest().map_or_else(|| "not found".to_owned(), |digest| digest.to_string())
}

struct Found<'a> {
    root: &'a Path,
    globbed: Globbed,
}

/// Globs are relative to the manifest's directory; one that begins with `/` is relative to the project's root, and then all must.
fn find<'a>(at: Below<'a>, globs: &Globs) -> Result<Found<'a>, EngineError> {
    let anchored = |glob: &String| glob.trim_start_matches('!').starts_with('/');
    let root = if globs.iter().all(anchored) { at.root } else { at.directory };
    let relative: Vec<String> = globs.iter().map(|glob| if anchored(glob) { glob.replacen('/', "", 1) } else { glob.clone() }).collect();
    let globbed = relrun_store::glob_files(root, &relative).map_err(unfit)?;
    if globbed.files.is_empty() {
        let names: Vec<String> = globs.iter().map(|glob| format!("\"{glob}\"")).collect();
        let message = format!("`reads {}` matches no file below {}", names.join(" "), root.display());
        return Err(EngineError::input(
            message,
            "correct the globs; they are relative to the manifest, or with a leading `/` to the project's root",
        ));
    }
    Ok(Found { root, globbed })
}

/// Returns the entries of all that was found, in its order. Neighbours below one root are digested together.
fn digest(workspace: &Workspace, found: &[Found<'_>]) -> Result<Vec<relrun_store::Entry>, EngineError> {
    let mut entries = Vec::new();
    let mut stats = workspace.stats();
    for run in found.chunk_by(|one, other| one.root == other.root) {
        let paths: Vec<&str> = run.iter().flat_map(|found| &found.globbed.files).map(String::as_str).collect();
        entries.extend(stats.digest_files(run[0].root, &paths).map_err(unfit)?);
    }
    stats.save();
    Ok(entries)
}

/// What no tree can hold is a mistake in the work tree or in the globs, and no fault of the store.
fn unfit(error: StoreError) -> EngineError {
    match error {
        StoreError::Tree { path, reason, help } => {
            let help = help.unwrap_or_else(|| format!("leave it out: `reads … \"!{path}\"`"));
            EngineError::input(format!("{path} cannot be staged: {reason}"), help)
        }
        error => error.into(),
    }
}

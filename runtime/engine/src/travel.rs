//! The files that travel with a release: what its package `include`s, and what steps of environments read of the work tree.
//!
//! They are kept when the release is made, so that a package of it holds what it was made of, whatever the work tree is by then.

use crate::look::{self, Globs};
use crate::prepare::Prepared;
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::Files;
use relrun_manifest::ReadsFrom;
use relrun_store::{Entry, EntryKind, RestoreMode, Tree};
use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

/// Keeps what travels with a release; none where nothing does.
pub(crate) fn keep(workspace: &Workspace, prepared: &Prepared) -> Result<Option<Files>, EngineError> {
    let groups = groups(prepared);
    if groups.is_empty() {
        return Ok(None);
    }
    let directory = inside(workspace, &prepared.loaded.directory)?;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for files in look::files(workspace, prepared.loaded.below(workspace), &groups)? {
        let above = inside(workspace, &files.root)?;
        for entry in &files.tree.entries {
            let path = if above.is_empty() { entry.path.clone() } else { format!("{above}/{}", entry.path) };
            keep_one(workspace, entry, &files.root)?;
            entries.insert(path.clone(), Entry { path, kind: entry.kind.clone() });
        }
    }
    let tree = Tree::new(entries.into_values().collect())?.put(&*workspace.blobs)?;
    Ok(Some(Files { tree, directory }))
}

fn groups(prepared: &Prepared) -> Vec<Globs> {
    let include = &prepared.loaded.manifest.package.include;
    let mut groups: Vec<Globs> = Vec::new();
    if !include.is_empty() {
        groups.push(include.iter().map(|glob| glob.value.clone()).collect());
    }
    let bound = prepared.loaded.manifest.phases.iter().filter(|phase| phase.environments.is_some());
    for step in bound.flat_map(|phase| &phase.steps) {
        for reads in &step.reads {
            let ReadsFrom::Files(globs) = &reads.from else { continue };
            let globs: Globs = globs.iter().map(|glob| glob.value.clone()).collect();
            if !groups.contains(&globs) {
                groups.push(globs);
            }
        }
    }
    groups
}

fn keep_one(workspace: &Workspace, entry: &Entry, root: &Path) -> Result<(), EngineError> {
    let EntryKind::File { digest, .. } = entry.kind else { return Ok(()) };
    if workspace.blobs.has(digest)? {
        return Ok(());
    }
    let (kept, _) = workspace.blobs.put_file(&root.join(&entry.path))?;
    if kept == digest {
        return Ok(());
    }
    Err(EngineError::input(format!("{} changed while it was read", entry.path), "run the same command again"))
}

/// Returns a folder's path below the project's root, with `/` between its parts.
fn inside(workspace: &Workspace, folder: &Path) -> Result<String, EngineError> {
    let root = workspace.root.canonicalize().map_err(|source| EngineError::io(format!("find {}", workspace.root.display()), source))?;
    let below = folder.strip_prefix(&root).or_else(|_| folder.strip_prefix(&workspace.root)).map_err(|_| {
        let message = format!("{} lies outside of the project {}", folder.display(), root.display());
        EngineError::input(message, "name a folder above the manifest with `--project`")
    })?;
    let parts = below.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    Ok(parts.collect::<Vec<_>>().join("/"))
}

/// Lays the files of a record into a folder of this process, and lets the manifest's globs find them there: the work tree has others by now,
/// or is that of something else.
pub(crate) fn lay_out(workspace: &Workspace, loaded: &mut Loaded, files: Option<&Files>) -> Result<(), EngineError> {
    let scratch = workspace.scratch();
    let failed = |source| EngineError::io(format!("make a folder in {}", scratch.display()), source);
    std::fs::create_dir_all(&scratch).map_err(failed)?;
    let folder = tempfile::Builder::new().prefix("package-").tempdir_in(&scratch).map_err(failed)?;
    let root = folder.path().join("files");
    let mut directory = root.clone();
    if let Some(files) = files {
        relrun_store::restore(&*workspace.blobs, files.tree, &root, RestoreMode::Writable)?;
        directory.push(&files.directory);
    }
    std::fs::create_dir_all(&directory).map_err(failed)?;
    loaded.sources = Some(Arc::new(crate::load::Sources { root, directory, _folder: folder }));
    Ok(())
}

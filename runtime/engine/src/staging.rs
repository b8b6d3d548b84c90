//! The private folders of one attempt: inputs laid in, outputs taken out.

use crate::prepare::Prepared;
use crate::survey::JobInput;
use crate::{EngineError, Workspace};
use relrun_gate::Masker;
use relrun_graph::NodeId;
use relrun_host::StepDirs;
use relrun_ledger::{Digest, Failure, FailureKind, Outcome};
use relrun_manifest::Writes;
use relrun_store::{CaptureMode, RestoreMode, StoreError, Tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders of one attempt; removed when dropped.
pub(crate) struct Stage {
    // Held for its drop.
    _folder: tempfile::TempDir,
    /// What the host gets.
    pub dirs: StepDirs,
    /// The artifacts among the inputs.
    pub trees: Vec<Digest>,
}

impl Stage {
    /// Makes the folders and lays the inputs in.
    pub(crate) fn set(workspace: &Workspace, work_tree: &Path, inputs: &[(String, JobInput)], writes: &[Writes]) -> Result<Self, Failure> {
        let scratch = workspace.scratch();
        let made = || -> std::io::Result<tempfile::TempDir> {
            std::fs::create_dir_all(&scratch)?;
            let folder = tempfile::Builder::new().prefix("step-").tempdir_in(&scratch)?;
            for name in ["in", "out", "tmp"] {
                std::fs::create_dir(folder.path().join(name))?;
            }
            for output in writes {
                std::fs::create_dir(folder.path().join("out").join(&output.name.value))?;
            }
            Ok(folder)
        };
        let folder = made().map_err(|error| machine(format!("failed to make a private folder in {}: {error}", scratch.display())))?;
        let root = folder.path().to_path_buf();
        for (name, input) in inputs {
            lay_in(workspace, input, &root.join("in").join(name)).map_err(|error| refused(name, &error))?;
        }
        let dirs = StepDirs {
            root,
            inputs: inputs.iter().map(|(name, _)| name.clone()).collect(),
            outputs: writes.iter().map(|output| output.name.value.clone()).collect(),
            work_tree: work_tree.to_path_buf(),
        };
        let trees = inputs.iter().filter_map(|(_, input)| input.artifact()).collect();
        Ok(Self { _folder: folder, dirs, trees })
    }

    /// Captures every output: `/out/NAME`, or what a command left as `NAME` in its work folder.
    pub(crate) fn capture(&self, workspace: &Workspace, writes: &[Writes]) -> Result<BTreeMap<String, Digest>, Failure> {
        writes.iter().map(|output| Ok((output.name.value.clone(), self.capture_one(workspace, &output.name.value)?))).collect()
    }

    /// Refuses outputs that hold a secret: what is in the store is there for good.
    pub(crate) fn check_secrets(&self, masker: &Masker, writes: &[Writes]) -> Result<(), Failure> {
        for output in writes {
            let name = &output.name.value;
            for entry in walkdir::WalkDir::new(self.written(name)?) {
                let entry = entry.map_err(|error| machine(format!("{name}: {error}")))?;
                if !entry.file_type().is_file() {
                    continue;
                }
                let found = std::fs::File::open(entry.path()).and_then(|file| masker.reads_secret(file));
                if let Some(secret) = found.map_err(|error| machine(format!("{name}: {error}")))? {
                    let file = entry.file_name().to_string_lossy();
                    return Err(machine(format!("its output \"{name}\" holds the secret \"{secret}\" ({file}); nothing of it was kept")));
                }
            }
        }
        Ok(())
    }

    /// Returns where an output stands.
    fn written(&self, name: &str) -> Result<PathBuf, Failure> {
        let out = self.dirs.root.join("out").join(name);
        let worked = self.dirs.root.join("work").join(name);
        let filled = std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some());
        let left = worked.symlink_metadata().is_ok();
        match (filled, left) {
            (true, _) => Ok(out),
            (false, true) => Ok(worked),
            (false, false) => {
                let message = format!("the step says that it writes \"{name}\", and wrote nothing there");
                Err(Failure { kind: FailureKind::Missing, message })
            }
        }
    }

    fn capture_one(&self, workspace: &Workspace, name: &str) -> Result<Digest, Failure> {
        let from = self.written(name)?;
        let (digest, _) = relrun_store::capture(&*workspace.blobs, &from, CaptureMode::Move).map_err(|error| refused(name, &error))?;
        Ok(digest)
    }
}

fn lay_in(workspace: &Workspace, input: &JobInput, to: &Path) -> Result<(), StoreError> {
    match input {
        JobInput::Files(files) => relrun_store::stage(&files.tree, &files.root, to),
        JobInput::Artifact(digest) => relrun_store::restore(&*workspace.blobs, *digest, to, RestoreMode::Writable).map(drop),
        JobInput::File { folder: (tree, _), .. } => relrun_store::restore_tree(&*workspace.blobs, tree, to, RestoreMode::Writable),
    }
}

/// Lays the outputs that name a place (`writes … to=PATH`) into the work tree.
pub(crate) fn lay_out(workspace: &Workspace, prepared: &Prepared, node: NodeId, outcome: &Outcome) -> Result<(), Failure> {
    for output in &prepared.step(node).writes {
        let (Some(to), Some(digest)) = (&output.to, outcome.artifacts.get(&output.name.value)) else { continue };
        let place = prepared.loaded.directory.join(&to.value);
        lay_out_one(workspace, *digest, &place).map_err(|error| refused(&to.value, &error))?;
    }
    Ok(())
}

/// Lays out what of them is no longer there; where all is, nothing is looked at closer.
pub(crate) fn lay_out_missing(workspace: &Workspace, prepared: &Prepared, node: NodeId, outcome: &Outcome) -> Result<(), Failure> {
    for output in &prepared.step(node).writes {
        let (Some(to), Some(digest)) = (&output.to, outcome.artifacts.get(&output.name.value)) else { continue };
        let place = prepared.loaded.directory.join(&to.value);
        let tree = Tree::get(&*workspace.blobs, *digest).map_err(|error| refused(&to.value, &error))?;
        let at = |path: &str| if path.is_empty() { place.clone() } else { place.join(path) };
        if tree.entries.iter().any(|entry| at(&entry.path).symlink_metadata().is_err()) {
            lay_out_one(workspace, *digest, &place).map_err(|error| refused(&to.value, &error))?;
        }
    }
    Ok(())
}

fn lay_out_one(workspace: &Workspace, digest: Digest, place: &Path) -> Result<(), StoreError> {
    let key = place.display().to_string();
    let tree = Tree::get(&*workspace.blobs, digest)?;
    let before = { workspace.cache.get("laid-out", key.as_bytes()).and_then(|bytes| Tree::decode(&bytes).ok()) };
    relrun_store::lay_out(&*workspace.blobs, &tree, place, before.as_ref())?;
    workspace.cache.put("laid-out", key.as_bytes(), &tree.encode());
    Ok(())
}

fn refused(what: &str, error: &StoreError) -> Failure {
    let kind = if matches!(error, StoreError::Tree { .. }) { FailureKind::Invalid } else { FailureKind::Permanent };
    Failure { kind, message: format!("{what}: {}", with_sources(error)) }
}

fn machine(message: String) -> Failure {
    Failure { kind: FailureKind::Permanent, message }
}

/// Returns an error with all that caused it, in one line.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Removes what killed processes left of their private folders.
pub fn sweep(workspace: &Workspace) -> Result<(), EngineError> {
    let scratch = workspace.scratch();
    let Ok(entries) = std::fs::read_dir(&scratch) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        let old = entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 24 * 3600));
        if old && let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::debug!(%error, path = %path.display(), "a folder that a killed process left could not be removed");
        }
    }
    Ok(())
}

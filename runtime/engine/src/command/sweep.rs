//! Which packages that were pulled, or packed, nothing needs any more. Never one that a release on record was taken from.

use crate::{EngineError, Workspace};
use relrun_registry::{Layout, Swept};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was taken out of the project's packages, or would be.
#[derive(Clone, Debug)]
pub struct SweptPackage {
    /// The package.
    pub package: String,
    /// What of it.
    pub swept: Swept,
}

/// Removes the packages that no release on record was taken from and that came longer than `keep_for` ago, or only says which they are.
pub fn sweep_packages(workspace: &Workspace, keep_for: Duration, remove: bool) -> Result<Vec<SweptPackage>, EngineError> {
    let root = workspace.root.join(".relrun").join("packages");
    let mut taken = BTreeSet::new();
    for package in workspace.runs.packages()? {
        for summary in workspace.runs.summaries(&package)? {
            let start = super::read(workspace, &package, summary.release)?.start;
            taken.extend(start.taken_from.map(|digest| digest.0));
        }
    }
    let mut all = Vec::new();
    for owner in folders(&root)? {
        for layout in folders(&owner)? {
            let swept = Layout::at(&layout).sweep(&|digest| taken.contains(digest.as_ref()), keep_for, remove)?;
            if swept != Swept::default() {
                let package = layout.strip_prefix(&root).unwrap_or(&layout).display().to_string();
                all.push(SweptPackage { package, swept });
            }
        }
    }
    Ok(all)
}

/// Returns the folders in a folder, sorted; none where it is not there.
fn folders(of: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let entries = match of.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(EngineError::io(format!("read {}", of.display()), source)),
    };
    let mut found: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

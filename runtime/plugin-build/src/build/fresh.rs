//! Whether a component is what its sources would make again. Tools of some languages take half a minute to find that out.

use super::{BuildError, Job};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of a plugin that no component is made of.
const NOT_SOURCES: &[&str] = &["build", "target", "node_modules", "tests", "__pycache__", ".git"];
/// A plugin has a few hundred files; one with more than this is built each time.
const MOST: usize = 20_000;

/// Returns the files that a component is made of, in order.
pub(super) fn inputs(folder: &Path, output: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(folder, output, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, output: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if found.len() > MOST || path == output || NOT_SOURCES.iter().any(|skipped| name == *skipped) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, output, found),
            Ok(_) => found.push(path),
            Err(_) => {}
        }
    }
}

/// Returns a digest of all that a component is made of.
pub(super) fn mark(job: &Job, pins: &str) -> Result<String, BuildError> {
    let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 what a plugin is built from");
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes()).update(pins.as_bytes());
    let mut all = inputs(&job.folder, &job.output);
    if !job.sdk.starts_with(&job.folder) {
        all.extend(inputs(&job.sdk, &job.output));
    }
    for path in all {
        hasher.update(path.as_os_str().as_encoded_bytes());
        match fs::read(&path) {
            Ok(bytes) => hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes),
            // A link to nowhere, or a file that an editor took away again.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::IsADirectory) => &mut hasher,
            Err(source) => return Err(BuildError::io("read", &path, source)),
        };
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn place(job: &Job) -> PathBuf {
    job.build.join(".built")
}

/// Returns whether the component is there as it was made, of the same.
pub(super) fn holds(job: &Job, mark: &str) -> bool {
    let Ok(noted) = fs::read_to_string(place(job)) else { return false };
    let Ok(component) = fs::read(&job.output) else { return false };
    noted == line(mark, &component)
}

/// Notes what a component was made of. Where that fails, it is built again.
pub(super) fn note(job: &Job, mark: &str, component: &[u8]) {
    let _ = fs::write(place(job), line(mark, component));
}

fn line(mark: &str, component: &[u8]) -> String {
    format!("{mark} {}\n", blake3::hash(component).to_hex())
}

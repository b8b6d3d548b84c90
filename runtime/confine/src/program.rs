//! Finds a program on a fixed path and says what its bytes are. Never looks in the work tree, and never asks the caller's `PATH`.

use crate::environment::FIXED_PATH;
use crate::error::ConfineError;
use nix::unistd::{AccessFlags, access};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// A program's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it was found. May be a symlink: many programs ask by which name they were called.
    pub path: PathBuf,
    /// The blake3 of its bytes.
    pub digest: blake3::Hash,
}

/// What tells two states of one file apart without reading it.
#[derive(PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Digests by path and stamp: a compiler of a hundred megabytes is read once a process.
static DIGESTS: LazyLock<Mutex<HashMap<(PathBuf, Stamp), blake3::Hash>>> = LazyLock::new(Mutex::default);

/// Finds a program: a bare name in `extra` and then on [`FIXED_PATH`], an absolute path as it stands.
///
/// # Errors
/// Where it is not there, or no file that this user may execute, or its path is relative.
pub fn resolve(program: &str, extra: &[PathBuf]) -> Result<Program, ConfineError> {
    let path = locate(program, extra)?;
    let digest = digest(&path)?;
    Ok(Program { path, digest })
}

/// Finds a program as [`resolve`] does, and does not read it.
pub fn locate(program: &str, extra: &[PathBuf]) -> Result<PathBuf, ConfineError> {
    if program.starts_with('/') {
        let path = PathBuf::from(program);
        return if is_program(&path) { Ok(path) } else { Err(not_found(program, program.to_owned())) };
    }
    if program.contains('/') || matches!(program, "" | "." | "..") {
        return Err(ConfineError::Relative { program: program.to_owned() });
    }
    let directories: Vec<PathBuf> =
        extra.iter().cloned().chain(std::env::split_paths(FIXED_PATH)).filter(|directory| directory.is_absolute()).collect();
    let found = directories.iter().map(|directory| directory.join(program)).find(|path| is_program(path));
    found.ok_or_else(|| {
        not_found(program, directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(":"))
    })
}

fn not_found(program: &str, searched: String) -> ConfineError {
    ConfineError::NotFound { program: program.to_owned(), searched }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

fn digest(path: &Path) -> Result<blake3::Hash, ConfineError> {
    let failed = |error: std::io::Error| ConfineError::machine(&format!("read the program {}", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    let key = (path.to_owned(), Stamp::of(&file.metadata().map_err(failed)?));
    if let Some(known) = DIGESTS.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(*known);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(failed)?;
    let digest = hasher.finalize();
    DIGESTS.lock().unwrap_or_else(PoisonError::into_inner).insert(key, digest);
    Ok(digest)
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_bare_name_is_found_on_the_fixed_path_and_digested() {
        let found = resolve("sh", &[]).unwrap();
        assert!(found.path.ends_with("bin/sh"), "{found:?}");
        assert_eq!(found.digest, blake3::hash(&std::fs::read(&found.path).unwrap()));
    }

    #[test]
    fn extra_directories_come_first_and_a_changed_file_has_another_digest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sh");
        script(&path, "#!/bin/sh\n");
        let extra = [directory.path().to_owned()];
        let first = resolve("sh", &extra).unwrap();
        assert_eq!(first.path, path);
        script(&path, "#!/bin/sh\nexit 1\n");
        assert_ne!(resolve("sh", &extra).unwrap().digest, first.digest);
    }

    #[test]
    fn what_is_relative_missing_or_no_program_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("plain"), "text").unwrap();
        for relative in ["./make", "bin/make", "..", ""] {
            assert!(matches!(resolve(relative, &[]), Err(ConfineError::Relative { .. })), "{relative:?}");
        }
        for missing in ["no-such-program-here", "/no/such/file", "/usr/bin"] {
            assert!(matches!(resolve(missing, &[]), Err(ConfineError::NotFound { .. })), "{missing:?}");
        }
        assert!(matches!(resolve("plain", &[directory.path().to_owned()]), Err(ConfineError::NotFound { .. })));
        // A relative directory would make the answer depend on where relrun was started.
        assert!(matches!(resolve("no-such-program-here", &[PathBuf::from(".")]), Err(ConfineError::NotFound { .. })));
    }
}

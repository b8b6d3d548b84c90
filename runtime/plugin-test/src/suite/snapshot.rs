//! Snapshots: what calls left once, and a person found right.

use super::look;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A snapshot could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SnapshotError {
    path: PathBuf,
    source: io::Error,
}

/// The snapshots of one case file.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    update: bool,
    written: usize,
}

impl Snapshots {
    /// Takes those of a case file: they lie in `snapshots/NAME` beside it. With `update`, what differs is written.
    pub fn beside(cases: &Path, update: bool) -> Self {
        let name = cases.file_stem().unwrap_or_default();
        Self { folder: cases.parent().unwrap_or(Path::new(".")).join("snapshots").join(name), update, written: 0 }
    }

    /// Returns how many were written.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Holds a text to its snapshot; says what differs, if it is not written.
    pub(super) fn hold(&mut self, name: &str, found: &str) -> Result<Option<String>, SnapshotError> {
        let path = self.folder.join(format!("{}.json", slug(name)));
        let failed = |source| SnapshotError { path: path.clone(), source };
        let wanted = match fs::read_to_string(&path) {
            Ok(wanted) => Some(wanted),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if wanted.as_deref() == Some(found) {
            return Ok(None);
        }
        if self.update {
            fs::create_dir_all(&self.folder).and_then(|()| fs::write(&path, found)).map_err(failed)?;
            self.written += 1;
            return Ok(None);
        }
        let say = "type `relrun plugin test --update` to take what was found for right";
        Ok(Some(match wanted {
            Some(wanted) => format!("{}\n{say}", look::difference(&wanted, found)),
            None => format!("there is no {} yet; {say}\n{found}", path.display()),
        }))
    }
}

/// Makes a file's name of a case's.
fn slug(name: &str) -> String {
    let mapped: String = name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let parts: Vec<&str> = mapped.split('-').filter(|part| !part.is_empty()).collect();
    // A file's name has 255 bytes at most.
    parts.join("-").chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_written_when_that_is_asked_for_and_held_to_after() {
        let folder = tempfile::tempdir().unwrap();
        let cases = folder.path().join("greet.kdl");
        let missing = Snapshots::beside(&cases, false).hold("Greets the world!", "a\n").unwrap().unwrap();
        assert!(missing.contains("--update"), "{missing}");
        let mut update = Snapshots::beside(&cases, true);
        assert_eq!(update.hold("Greets the world!", "a\n").unwrap(), None);
        assert_eq!(update.written(), 1);
        assert!(folder.path().join("snapshots/greet/greets-the-world.json").is_file());
        assert_eq!(Snapshots::beside(&cases, false).hold("Greets the world!", "a\n").unwrap(), None);
        assert!(Snapshots::beside(&cases, false).hold("Greets the world!", "b\n").unwrap().unwrap().contains("wanted"));
    }
}

//! Bundles that were added to this machine, and the highest number that was seen of each.
//!
//! An index with a lower number than one that was seen is refused: an old one is signed as well as a new one, and whoever can offer it must not be
//! able to bring back what was replaced.

use std::fs;
use std::path::{Path, PathBuf};

use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::index::BundleIndex;
use crate::cache::{read_signatures, write};
use crate::source::is_name;
use crate::{SupplyError, TrustedKey};

/// A folder of bundles.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

/// What is remembered of a bundle, beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The highest number that was added.
    pub highest: u64,
    /// The number that is used.
    pub current: u64,
    /// The keys that it was added by, which count where policy names none.
    pub trusted: Vec<TrustedKey>,
}

/// A bundle that was added.
#[derive(Clone, Debug)]
pub struct Shelved {
    /// What is remembered of it.
    pub seen: Seen,
    /// The index's bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub index: BundleIndex,
    /// The signatures of the index.
    pub signatures: Vec<String>,
    folder: PathBuf,
}

impl Shelf {
    /// Returns the shelf in a folder, which is made with the first bundle.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Adds a bundle whose signature was found right, and uses it from now on.
    ///
    /// # Errors
    /// Where a later one was seen, unless `back` says that an older one is meant; or where this number was seen with another content.
    pub fn add(&self, archive: &Archive, trusted: Vec<TrustedKey>, back: bool) -> Result<(), SupplyError> {
        let index = &archive.index;
        let before = self.seen(&index.name)?;
        if let Some(seen) = before.as_ref().filter(|seen| index.serial < seen.highest && !back) {
            return Err(SupplyError::wrong(
                format!("bundle \"{}\" {} is older than {}, which was seen here", index.name, index.serial, seen.highest),
                "ask who offers the old one, and why; where it is meant, add `--allow-older`",
            ));
        }
        let folder = self.root.join(&index.name).join(index.serial.to_string());
        if let Ok(there) = fs::read(folder.join("index.json"))
            && there != archive.bytes
        {
            return Err(SupplyError::wrong(
                format!("bundle \"{}\" {} was seen here with another content", index.name, index.serial),
                "a number stands for one content: ask who published it twice, and have it published under the next one",
            ));
        }
        for (digest, component) in &archive.components {
            write(&component_in(&folder, *digest), component)?;
        }
        for signature in &archive.signatures {
            write(&folder.join("signatures").join(format!("{}.sig", Digest::of(signature.as_bytes()))), signature.as_bytes())?;
        }
        write(&folder.join("index.json"), &archive.bytes)?;
        let highest = before.map_or(index.serial, |seen| seen.highest.max(index.serial));
        self.remember(&index.name, &Seen { highest, current: index.serial, trusted })
    }

    /// Returns a bundle that was added; none where it was not.
    pub fn find(&self, name: &str) -> Result<Option<Shelved>, SupplyError> {
        let Some(seen) = self.seen(name)? else { return Ok(None) };
        let folder = self.root.join(name).join(seen.current.to_string());
        let path = folder.join("index.json");
        let bytes = fs::read(&path).map_err(SupplyError::io("read", &path))?;
        let index = BundleIndex::parse(&path.display().to_string(), &bytes)?;
        if index.name != name || index.serial != seen.current {
            return Err(SupplyError::wrong(
                format!("{} is not the index of bundle \"{name}\" {}", path.display(), seen.current),
                "it was changed: add the bundle again with `relrun bundle add`",
            ));
        }
        let signatures = read_signatures(&folder.join("signatures"))?;
        Ok(Some(Shelved { seen, bytes, index, signatures, folder }))
    }

    /// Returns the names of all bundles, sorted.
    pub fn names(&self) -> Result<Vec<String>, SupplyError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SupplyError::io("read", &self.root)(error)),
        };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| is_name(name)).collect();
        names.sort();
        Ok(names)
    }

    fn seen(&self, name: &str) -> Result<Option<Seen>, SupplyError> {
        if !is_name(name) {
            return Err(SupplyError::wrong(format!("`{name}` is no name of a bundle"), "type `relrun bundle list`"));
        }
        let path = self.seen_of(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                // What protects against older ones must not be got rid of by damaging it.
                SupplyError::wrong(
                    format!("{} cannot be read: {error}", path.display()),
                    format!("it says which bundles were seen; to begin anew, remove {}", self.root.join(name).display()),
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SupplyError::io("read", &path)(error)),
        }
    }

    fn remember(&self, name: &str, seen: &Seen) -> Result<(), SupplyError> {
        let bytes = serde_json::to_vec_pretty(seen).map_err(|error| SupplyError::wrong(error.to_string(), "report this"))?;
        write(&self.seen_of(name), &bytes)
    }

    fn seen_of(&self, name: &str) -> PathBuf {
        self.root.join(name).join("seen.json")
    }
}

impl Shelved {
    /// Returns the file of a component that the bundle names, compared with its digest.
    ///
    /// # Errors
    /// Where it was changed or is gone.
    pub fn component(&self, digest: Digest) -> Result<PathBuf, SupplyError> {
        let path = component_in(&self.folder, digest);
        let bytes = fs::read(&path).map_err(SupplyError::io("read", &path))?;
        let found = Digest::of(&bytes);
        if found == digest {
            return Ok(path);
        }
        Err(SupplyError::Digest { at: path.display().to_string(), expected: format!("blake3:{digest}"), found: format!("blake3:{found}") })
    }
}

fn component_in(folder: &Path, digest: Digest) -> PathBuf {
    folder.join("components").join(format!("{digest}.wasm"))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::archive;
    use super::*;

    #[test]
    fn an_older_bundle_is_refused_unless_it_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path());
        assert!(shelf.find("platform").unwrap().is_none() && shelf.names().unwrap().is_empty());
        shelf.add(&archive(7), Vec::new(), false).unwrap();
        shelf.add(&archive(7), Vec::new(), false).unwrap();
        shelf.add(&archive(9), Vec::new(), false).unwrap();
        let error = shelf.add(&archive(8), Vec::new(), false).unwrap_err().to_string();
        assert_eq!(error, "bundle \"platform\" 8 is older than 9, which was seen here");
        assert_eq!(shelf.find("platform").unwrap().unwrap().index.serial, 9);
        shelf.add(&archive(8), Vec::new(), true).unwrap();
        let seen = shelf.find("platform").unwrap().unwrap().seen;
        assert_eq!((seen.current, seen.highest), (8, 9), "what was seen is not forgotten");
        assert!(shelf.add(&archive(7), Vec::new(), false).is_err());
        assert_eq!(shelf.names().unwrap(), ["platform"]);
    }

    #[test]
    fn a_number_stands_for_one_content() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path());
        shelf.add(&archive(7), Vec::new(), false).unwrap();
        let mut other = archive(7);
        other.index.summary = "another".to_owned();
        let other = super::super::build(other.index, other.components).unwrap();
        let error = shelf.add(&other, Vec::new(), false).unwrap_err().to_string();
        assert_eq!(error, "bundle \"platform\" 7 was seen here with another content");
    }

    #[test]
    fn what_was_changed_on_the_shelf_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path());
        shelf.add(&archive(7), Vec::new(), false).unwrap();
        let shelved = shelf.find("platform").unwrap().unwrap();
        let digest = shelved.index.plugins["audit"].component;
        let path = shelved.component(digest).unwrap();
        fs::write(path, b"another").unwrap();
        assert!(matches!(shelved.component(digest), Err(SupplyError::Digest { .. })));
        fs::write(folder.path().join("platform/seen.json"), b"{}").unwrap();
        assert!(shelf.find("platform").unwrap_err().to_string().contains("cannot be read"));
        assert!(shelf.add(&archive(6), Vec::new(), false).is_err(), "damage does not let an older one in");
        assert!(shelf.find("../platform").is_err());
    }
}

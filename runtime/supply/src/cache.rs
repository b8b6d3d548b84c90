//! The cache of fetched components, by their blake3, with the signatures that came with them.
//!
//! A component is read whole and compared with its digest each time that it is asked for: what was changed in the cache is set aside and fetched
//! anew, and never handed out.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use relrun_ledger::Digest;

use crate::SupplyError;
use crate::signature::LARGEST_SIGNATURE;

/// Nobody keeps more signatures of one component.
const MOST_SIGNATURES: usize = 64;

/// A folder of components.
#[derive(Clone, Debug)]
pub struct PluginCache {
    root: PathBuf,
}

impl PluginCache {
    /// Returns the cache in a folder, which is made with the first component.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Keeps a component, and returns its file.
    pub fn keep(&self, bytes: &[u8]) -> Result<(Digest, PathBuf), SupplyError> {
        let digest = Digest::of(bytes);
        let path = self.component(digest);
        if self.find(digest)?.is_none() {
            write(&path, bytes)?;
        }
        Ok((digest, path))
    }

    /// Returns the file of a component that is here and is what its digest says.
    pub fn find(&self, digest: Digest) -> Result<Option<PathBuf>, SupplyError> {
        let path = self.component(digest);
        match fs::read(&path) {
            Ok(bytes) if Digest::of(&bytes) == digest => Ok(Some(path)),
            Ok(_) => {
                tracing::warn!(path = %path.display(), "it was changed, and is set aside");
                let aside = path.with_extension("damaged");
                fs::rename(&path, &aside).map_err(SupplyError::io("set aside", &path))?;
                Ok(None)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SupplyError::io("read", &path)(error)),
        }
    }

    /// Keeps a signature beside the component that it is of. Whether it is right is asked each time that it counts.
    pub fn keep_signature(&self, component: Digest, signature: &str) -> Result<(), SupplyError> {
        let folder = self.signatures_of(component);
        let path = folder.join(format!("{}.sig", Digest::of(signature.as_bytes())));
        if path.exists() || signature.len() as u64 > LARGEST_SIGNATURE {
            return Ok(());
        }
        if count(&folder) >= MOST_SIGNATURES {
            return Err(SupplyError::wrong(
                format!("the component {} has more than {MOST_SIGNATURES} signatures", component.short()),
                format!("take away those in {} that nobody needs", folder.display()),
            ));
        }
        write(&path, signature.as_bytes())
    }

    /// Returns the signatures that came with a component, in order.
    pub fn signatures(&self, component: Digest) -> Result<Vec<String>, SupplyError> {
        read_signatures(&self.signatures_of(component))
    }

    fn component(&self, digest: Digest) -> PathBuf {
        self.root.join("components").join(format!("{digest}.wasm"))
    }

    fn signatures_of(&self, digest: Digest) -> PathBuf {
        self.root.join("signatures").join(digest.to_string())
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Returns the texts of the `.sig` files of a folder, in the order of their names; none where there is no folder.
pub(crate) fn read_signatures(folder: &Path) -> Result<Vec<String>, SupplyError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SupplyError::io("read", folder)(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(SupplyError::io("read", folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sig"));
    paths.sort();
    // One that is no text is none: it counts as not there, and where one is needed that is refused.
    Ok(paths.into_iter().take(MOST_SIGNATURES).filter_map(|path| small_text(&path)).collect())
}

fn small_text(path: &Path) -> Option<String> {
    let size = fs::metadata(path).ok()?.len();
    if size > LARGEST_SIGNATURE { None } else { fs::read_to_string(path).ok() }
}

/// Writes a file that is whole or not there, in folders that are this user's alone.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), SupplyError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(SupplyError::io("make", folder))?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(SupplyError::io("write in", folder))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(SupplyError::io("write", path))?;
    file.persist(path).map(drop).map_err(|error| SupplyError::io("write", path)(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PluginCache::at(folder.path().join("plugins"));
        assert_eq!(cache.find(Digest::of(b"x")).unwrap(), None);
        let (digest, path) = cache.keep(b"component").unwrap();
        assert_eq!(cache.find(digest).unwrap(), Some(path.clone()));
        fs::write(&path, b"another").unwrap();
        assert_eq!(cache.find(digest).unwrap(), None);
        assert!(!path.exists() && path.with_extension("damaged").exists());
        assert_eq!(cache.keep(b"component").unwrap(), (digest, path.clone()));
        assert_eq!(fs::read(path).unwrap(), b"component");
    }

    #[test]
    fn signatures_stay_beside_their_component() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PluginCache::at(folder.path());
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        for text in ["a", "b", "a"] {
            cache.keep_signature(one, text).unwrap();
        }
        let mut kept = cache.signatures(one).unwrap();
        kept.sort();
        assert_eq!(kept, ["a", "b"]);
        assert!(cache.signatures(other).unwrap().is_empty());
        fs::write(cache.signatures_of(one).join("x.sig"), [0xff, 0xfe]).unwrap();
        assert_eq!(cache.signatures(one).unwrap().len(), 2, "what is no text is no signature");
    }
}

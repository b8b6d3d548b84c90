//! What this machine can always make again: digests by stat, and values by key. Nothing in here ever fails a command: what cannot be read is
//! as good as nothing there, and what cannot be written is made again next time.
//!
//! ```text
//! stat          digests by path, one file, loaded whole
//! KIND/…        values by key, a file each: a few large ones, such as a compiled manifest
//! ```

mod glob;
mod stat;
#[cfg(test)]
mod tests;

pub use glob::{Globbed, glob_files};
pub use stat::StatCache;

use relrun_ledger::Digest;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The cache of a project, in one folder.
#[derive(Clone, Debug)]
pub struct LocalCache {
    dir: PathBuf,
}

impl LocalCache {
    /// Names the folder; it is made with the first write.
    pub fn open(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Loads the stat cache.
    pub fn stat(&self) -> StatCache {
        StatCache::load(&self.dir.join("stat"))
    }

    /// Returns a value. `kind` is a plain word, and names a folder.
    pub fn get(&self, kind: &str, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let path = self.path_of(kind, key.as_ref());
        let mut bytes = fs::read(&path).ok()?;
        let value = unseal(&bytes);
        if value.is_none() {
            tracing::warn!(path = %path.display(), "threw a damaged cache entry away");
            let _ = fs::remove_file(&path);
        }
        let length = value?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    /// Keeps a value, where that is possible.
    pub fn put(&self, kind: &str, key: impl AsRef<[u8]>, value: &[u8]) {
        let path = self.path_of(kind, key.as_ref());
        if let Err(error) = write_whole(&path, &[value, Digest::of(value).0.as_slice()]) {
            tracing::warn!(path = %path.display(), %error, "could not keep a cache entry");
        }
    }

    /// Removes the values that were written longer ago, and returns how many files and bytes went.
    pub fn gc(&self, older: Duration) -> (u64, u64) {
        let now = SystemTime::now();
        let mut gone = (0, 0);
        for item in walkdir::WalkDir::new(&self.dir).min_depth(1).into_iter().flatten() {
            let Ok(meta) = item.metadata() else { continue };
            let age = meta.modified().ok().and_then(|written| now.duration_since(written).ok()).unwrap_or_default();
            if meta.is_file() && age > older && fs::remove_file(item.path()).is_ok() {
                gone = (gone.0 + 1, gone.1 + meta.len());
            }
        }
        gone
    }

    fn path_of(&self, kind: &str, key: &[u8]) -> PathBuf {
        self.dir.join(kind).join(Digest::of(key).to_string())
    }
}

/// Returns what stands before the digest at a value's end, where that digest is its.
fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (value, seal) = bytes.split_last_chunk::<32>()?;
    (Digest::of(value).0 == *seal).then_some(value)
}

/// Writes a file beside its place and renames it there.
fn write_whole(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(folder)?;
    for part in parts {
        draft.write_all(part)?;
    }
    draft.persist(path)?;
    Ok(())
}

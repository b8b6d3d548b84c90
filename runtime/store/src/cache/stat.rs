//! Digests by what `stat` says, so that an unchanged file costs one `stat`.
//!
//! An entry is believed where size, modification and change time, inode and device are the same, and where the file was at rest when it was
//! hashed: a file that is written twice within one tick of the file system's clock looks the same both times (git's "racy" files), so one
//! that had changed just before its hashing is hashed again next time.

use crate::local::files::{failed, hash};
use crate::tree::{FoundKind, kind_of, refused};
use crate::{Entry, EntryKind, StoreError};
use rayon::prelude::*;
use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Changed with every change of what is written.
const MAGIC: &[u8] = b"relrun-stat 1\n";

/// How much older than its hashing a file's last change must be. The kernel's clock ticks at least a hundred times a second.
const MARGIN_NS: i128 = 50_000_000;

/// The same, on a file system that keeps whole seconds (or two of them).
const COARSE_MARGIN_NS: i128 = 2_500_000_000;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified: i128,
    changed: i128,
    inode: u64,
    device: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    digest: Digest,
}

/// Digests by path.
#[derive(Debug)]
pub struct StatCache {
    file: PathBuf,
    known: HashMap<String, Known>,
    changed: bool,
}

impl StatCache {
    /// Loads the cache. A file that is missing, damaged, or of another version is an empty cache.
    pub(super) fn load(file: &Path) -> Self {
        let known = fs::read(file).ok().and_then(|bytes| {
            let known = read(&bytes);
            if known.is_none() {
                tracing::warn!(path = %file.display(), "threw a damaged stat cache away");
            }
            known
        });
        Self { file: file.to_owned(), known: known.unwrap_or_default(), changed: false }
    }

    /// Returns what stands at paths below a folder, in their order: files with their digests, links, and folders as [`EntryKind::Dir`].
    ///
    /// # Errors
    /// [`StoreError::Tree`] for what no tree can hold, [`StoreError::Io`] for what cannot be read.
    pub fn digest_files<P: AsRef<str> + Sync>(&mut self, root: &Path, paths: &[P]) -> Result<Vec<Entry>, StoreError> {
        let seen: Vec<Seen> = paths.par_iter().with_min_len(64).map(|path| self.see(root, path.as_ref())).collect::<Result<_, _>>()?;
        let mut entries = Vec::with_capacity(seen.len());
        for seen in seen {
            if let Some((key, known)) = seen.learned {
                self.changed = true;
                match known {
                    Some(known) => self.known.insert(key, known),
                    None => self.known.remove(&key),
                };
            }
            entries.push(seen.entry);
        }
        Ok(entries)
    }

    /// Returns the digest of one file, by its absolute path: a program, say.
    pub fn digest_file(&mut self, path: &Path) -> Result<Digest, StoreError> {
        let name = path.to_str().ok_or_else(|| refused(&path.to_string_lossy(), "its name is not UTF-8", None))?;
        let entries = self.digest_files(Path::new(""), &[name])?;
        match entries.first().map(|entry| &entry.kind) {
            Some(EntryKind::File { digest, .. }) => Ok(*digest),
            _ => Err(refused(name, "it is no file", None)),
        }
    }

    /// Writes the cache where it changed. Where that is not possible, the files are hashed again next time.
    pub fn save(&mut self) {
        if !self.changed {
            return;
        }
        self.changed = false;
        let body = match postcard::to_stdvec(&self.known.iter().collect::<Vec<_>>()) {
            Ok(body) => body,
            Err(error) => return tracing::warn!(%error, "could not write the stat cache"),
        };
        if let Err(error) = super::write_whole(&self.file, &[MAGIC, &body, &Digest::of(&body).0]) {
            tracing::warn!(path = %self.file.display(), %error, "could not keep the stat cache");
        }
    }

    /// Puts another digest in a file's entry, and returns whether there is one.
    #[cfg(test)]
    pub(super) fn plant(&mut self, path: &Path, digest: Digest) -> bool {
        self.known.get_mut(&*path.to_string_lossy()).map(|known| known.digest = digest).is_some()
    }

    fn see(&self, root: &Path, path: &str) -> Result<Seen, StoreError> {
        let place = root.join(path);
        let began = nanoseconds(SystemTime::now());
        let meta = fs::symlink_metadata(&place).map_err(failed("look at", &place))?;
        let entry = |kind| Entry { path: path.to_owned(), kind };
        if meta.is_dir() {
            return Ok(Seen { entry: entry(EntryKind::Dir), learned: None });
        }
        let executable = match kind_of(path, &place, &meta)? {
            FoundKind::File { executable } => executable,
            FoundKind::Link { target } => return Ok(Seen { entry: entry(EntryKind::Link { target }), learned: None }),
            FoundKind::Dir => return Ok(Seen { entry: entry(EntryKind::Dir), learned: None }),
        };
        let key = place.to_str().ok_or_else(|| refused(path, "its folder's name is not UTF-8", None))?;
        let stamp = Stamp::of(&meta);
        if let Some(known) = self.known.get(key).filter(|known| known.stamp == stamp) {
            return Ok(Seen { entry: entry(EntryKind::File { digest: known.digest, size: stamp.size, executable }), learned: None });
        }
        let (digest, size) = File::open(&place).and_then(|mut file| hash(&mut file)).map_err(failed("read", &place))?;
        let at_rest = stamp.was_at_rest(began) && size == stamp.size;
        let learned = if at_rest { Some(Known { stamp, digest }) } else { None };
        Ok(Seen { entry: entry(EntryKind::File { digest, size, executable }), learned: Some((key.to_owned(), learned)) })
    }
}

/// One path's answer, and what the cache learns from it: a new digest, or that there is none to keep.
struct Seen {
    entry: Entry,
    learned: Option<(String, Option<Known>)>,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let joined = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            size: meta.len(),
            modified: joined(meta.mtime(), meta.mtime_nsec()),
            changed: joined(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            device: meta.dev(),
        }
    }

    /// Returns whether the last change is long enough before a moment that any later one must show.
    fn was_at_rest(&self, moment: i128) -> bool {
        let last = self.modified.max(self.changed);
        let margin = if last % 1_000_000_000 == 0 { COARSE_MARGIN_NS } else { MARGIN_NS };
        last + margin < moment
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

fn read(bytes: &[u8]) -> Option<HashMap<String, Known>> {
    let (body, seal) = bytes.strip_prefix(MAGIC)?.split_last_chunk::<32>()?;
    if Digest::of(body).0 != *seal {
        return None;
    }
    let entries: Vec<(String, Known)> = postcard::from_bytes(body).ok()?;
    Some(entries.into_iter().collect())
}

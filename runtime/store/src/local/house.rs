//! Housekeeping: how much there is, whether it is intact, and what may go.

use super::files::{self, failed};
use super::memo::Remembered;
use super::{LocalBlobStore, StoreError};
use crate::Tree;
use rayon::prelude::*;
use relrun_ledger::Digest;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A draft that nobody wrote to for this long was left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// How much is in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStat {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes, with the executable twins'.
    pub bytes: u64,
    /// Keys that something is remembered for.
    pub remembered: u64,
    /// Blobs set aside.
    pub corrupt: u64,
    /// Files being written, or left by killed processes.
    pub drafts: u64,
}

/// What `verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Blobs that were read.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was not what its name says, and was set aside, sorted.
    pub corrupt: Vec<Digest>,
}

/// What may go.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// What was used within this time stays. Below two hours the caller sees to it that nobody else uses the store meanwhile.
    pub keep_for: Duration,
    /// Nothing more goes once the store has this many bytes or less.
    pub floor: u64,
    /// Whether anything is removed.
    pub mode: GcMode,
}

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcMode {
    /// It is only listed.
    DryRun,
    /// It goes.
    Remove,
}

/// What went, or would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// The blobs, the longest unused first.
    pub swept: Vec<SweptBlob>,
    /// Keys forgotten, because what they gave is gone.
    pub forgotten: u64,
    /// Drafts of killed processes.
    pub drafts: u64,
    /// Bytes that stay.
    pub kept: u64,
}

/// A blob that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptBlob {
    /// Which one.
    pub digest: Digest,
    /// Its bytes on disk.
    pub size: u64,
    /// How long nobody had put or linked it.
    pub unused_for: Duration,
}

/// A file below `blobs/`.
struct Kept {
    digest: Digest,
    path: PathBuf,
    twin: bool,
    size: u64,
    unused_for: Duration,
}

impl LocalBlobStore {
    /// Counts what is there.
    pub fn stat(&self) -> Result<StoreStat, StoreError> {
        let kept = self.list()?;
        Ok(StoreStat {
            blobs: kept.iter().filter(|kept| !kept.twin).count() as u64,
            bytes: kept.iter().map(|kept| kept.size).sum(),
            remembered: self.memo.count()?,
            corrupt: items(&self.dir.join("corrupt"))?.len() as u64,
            drafts: items(&self.dir.join("tmp"))?.len() as u64,
        })
    }

    /// Reads every blob, and sets aside those that are not what their name says.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let kept = self.list()?;
        let bad: Vec<&Kept> = kept
            .par_iter()
            .map(|kept| Ok((!is_intact(kept)?).then_some(kept)))
            .collect::<Result<Vec<_>, StoreError>>()?
            .into_iter()
            .flatten()
            .collect();
        let mut report = VerifyReport { checked: kept.len() as u64, bytes: kept.iter().map(|kept| kept.size).sum(), corrupt: Vec::new() };
        for kept in bad {
            if kept.twin {
                fs::remove_file(&kept.path).map_err(failed("remove", &kept.path))?;
            } else {
                self.set_aside(kept.digest);
            }
            report.corrupt.push(kept.digest);
        }
        report.corrupt.sort_unstable();
        report.corrupt.dedup();
        Ok(report)
    }

    /// Removes what nothing refers to: the longest unused first, until the floor is reached. `roots` are the ledger's digests, and `references`
    /// reads those in a remembered value. Trees keep their files.
    pub fn gc(&self, roots: &[Digest], references: &dyn Fn(&[u8]) -> Vec<Digest>, options: GcOptions) -> Result<GcReport, StoreError> {
        let now = SystemTime::now();
        let remembered = self.memo.all()?;
        let young = |one: &&Remembered| now.duration_since(one.used).unwrap_or_default() <= options.keep_for;
        let recalled = remembered.iter().filter(young).flat_map(|one| references(&one.value));
        let marked = self.mark(roots.iter().copied().chain(recalled))?;

        let mut candidates = self.list()?;
        let mut kept: u64 = candidates.iter().map(|kept| kept.size).sum();
        candidates.retain(|kept| (kept.twin || !marked.contains(&kept.digest)) && kept.unused_for > options.keep_for);
        candidates.sort_by_key(|kept| (std::cmp::Reverse(kept.unused_for), kept.digest, kept.twin));
        let mut report = GcReport::default();
        let mut gone = HashSet::new();
        for candidate in candidates {
            if kept <= options.floor {
                break;
            }
            if options.mode == GcMode::Remove && !remove(&candidate, options.keep_for)? {
                continue;
            }
            kept -= candidate.size;
            if !candidate.twin {
                gone.insert(candidate.digest);
            }
            report.swept.push(SweptBlob { digest: candidate.digest, size: candidate.size, unused_for: candidate.unused_for });
        }
        report.kept = kept;
        report.forgotten = self.forget_gone(&remembered, references, &gone, options.mode)?;
        report.drafts = self.sweep_drafts(options.mode)?;
        Ok(report)
    }

    /// Returns everything that roots lead to.
    fn mark(&self, roots: impl Iterator<Item = Digest>) -> Result<HashSet<Digest>, StoreError> {
        let mut marked = HashSet::new();
        for root in roots {
            if !marked.insert(root) {
                continue;
            }
            match self.tree_at(root) {
                Ok(Some(tree)) => marked.extend(tree.blobs()),
                Ok(None) | Err(StoreError::Missing { .. }) => {}
                // What it named cannot be known any more.
                Err(StoreError::Corrupt { .. } | StoreError::Tree { .. }) => tracing::warn!(digest = %root, "a tree on record is damaged"),
                Err(error) => return Err(error),
            }
        }
        Ok(marked)
    }

    fn tree_at(&self, digest: Digest) -> Result<Option<Tree>, StoreError> {
        let mut start = Vec::new();
        let length = Tree::MAGIC.len() as u64;
        self.open_blob(digest)?.take(length).read_to_end(&mut start).map_err(failed("read the blob", &self.path_of(digest)))?;
        if start == Tree::MAGIC { Tree::get(self, digest).map(Some) } else { Ok(None) }
    }

    fn forget_gone(
        &self,
        remembered: &[Remembered],
        references: &dyn Fn(&[u8]) -> Vec<Digest>,
        gone: &HashSet<Digest>,
        mode: GcMode,
    ) -> Result<u64, StoreError> {
        let mut keys = Vec::new();
        for one in remembered {
            for digest in references(&one.value) {
                if gone.contains(&digest) || self.leads_to(digest, gone)? {
                    keys.push(one.key);
                    break;
                }
            }
        }
        if mode == GcMode::Remove {
            self.memo.forget(&keys)?;
        }
        Ok(keys.len() as u64)
    }

    /// Returns whether a tree is not there, or has a file that goes.
    fn leads_to(&self, digest: Digest, gone: &HashSet<Digest>) -> Result<bool, StoreError> {
        match self.tree_at(digest) {
            Ok(tree) => Ok(tree.is_some_and(|tree| tree.blobs().any(|blob| gone.contains(&blob)))),
            Err(StoreError::Missing { .. } | StoreError::Corrupt { .. } | StoreError::Tree { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn sweep_drafts(&self, mode: GcMode) -> Result<u64, StoreError> {
        let mut swept = 0;
        for (path, meta) in items(&self.dir.join("tmp"))? {
            let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if SystemTime::now().duration_since(written).unwrap_or_default() > ABANDONED {
                swept += 1;
                if mode == GcMode::Remove {
                    ignore_missing(fs::remove_file(&path)).map_err(failed("remove", &path))?;
                }
            }
        }
        Ok(swept)
    }

    fn list(&self) -> Result<Vec<Kept>, StoreError> {
        let now = SystemTime::now();
        let mut kept = Vec::new();
        for (folder, _) in items(&self.dir.join("blobs"))? {
            for (path, meta) in items(&folder)? {
                if let Some((digest, twin)) = name_of(&path) {
                    kept.push(Kept { digest, path, twin, size: meta.len(), unused_for: files::unused_for(&meta, now) });
                }
            }
        }
        Ok(kept)
    }
}

/// Returns what is in a folder; one that is not there is empty.
fn items(folder: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        match entry.metadata() {
            Ok(meta) => found.push((entry.path(), meta)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", &entry.path())(error)),
        }
    }
    Ok(found)
}

/// Reads a blob's name. What else lies there is not ours.
fn name_of(path: &Path) -> Option<(Digest, bool)> {
    let name = path.file_name()?.to_str()?;
    let shard = path.parent()?.file_name()?.to_str()?;
    let (rest, twin) = name.strip_suffix('x').map_or((name, false), |rest| (rest, true));
    Some((format!("{shard}{rest}").parse().ok()?, twin))
}

fn is_intact(kept: &Kept) -> Result<bool, StoreError> {
    match File::open(&kept.path).and_then(|mut file| files::hash(&mut file)) {
        Ok((digest, _)) => Ok(digest == kept.digest),
        // Somebody else swept it, or set it aside.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed("read the blob", &kept.path)(error)),
    }
}

/// Removes a blob, unless it was used since it was listed.
fn remove(kept: &Kept, keep_for: Duration) -> Result<bool, StoreError> {
    let failed = failed("remove", &kept.path);
    match fs::symlink_metadata(&kept.path) {
        Ok(meta) if files::unused_for(&meta, SystemTime::now()) <= keep_for => Ok(false),
        Ok(_) => ignore_missing(fs::remove_file(&kept.path)).map_err(failed).map(|()| true),
        Err(error) => ignore_missing(Err(error)).map_err(failed).map(|()| true),
    }
}

fn ignore_missing(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

//! Bounds what a step writes under `/out`, `/tmp` and, through its commands, `/work`.
//!
//! WASI has no quota, and commands write without passing through this process at all. So the folders are measured: again and again while the
//! step runs, and once at its end. Between two looks a step may go over by what a disk takes in that time; it is found out at the next. Looks
//! grow rarer as they grow dear, so that measuring a large output takes a twentieth of the time at most.

use crate::StepDirs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The shortest time between two looks.
const OFTEN: Duration = Duration::from_millis(200);
/// What a name costs at least, so that empty files are bounded too.
const ENTRY: u64 = 1 << 10;

/// The folders of a step, and how much may lie in them.
pub(crate) struct Quota {
    dirs: Vec<PathBuf>,
    /// What `/work` began as a copy of.
    staged: PathBuf,
    limit: u64,
}

impl Quota {
    pub(crate) fn new(dirs: &StepDirs, limit: u64) -> Self {
        let written = ["out", "tmp", "work"].map(|name| dirs.root.join(name));
        Self { dirs: written.into(), staged: dirs.root.join("in/work"), limit }
    }

    /// Looks again and again; returns when there is too much, with how much.
    pub(crate) async fn watch(&self) -> u64 {
        let mut pause = OFTEN;
        loop {
            tokio::time::sleep(pause).await;
            let began = Instant::now();
            if let Some(bytes) = self.over().await {
                return bytes;
            }
            pause = OFTEN.max(began.elapsed() * 20);
        }
    }

    /// Looks once; returns how much there is where it is too much.
    pub(crate) async fn over(&self) -> Option<u64> {
        if self.untouched() {
            return None;
        }
        let (dirs, staged, limit) = (self.dirs.clone(), self.staged.clone(), self.limit);
        let measure = move || {
            let copied = if dirs.iter().any(|dir| dir.ends_with("work") && dir.is_dir()) { measure(&[staged], u64::MAX) } else { 0 };
            measure(&dirs, limit.saturating_add(copied)).saturating_sub(copied)
        };
        // A walk that panicked measured nothing; the capture that follows reads the same files again and says what is wrong with them.
        let bytes = tokio::task::spawn_blocking(measure).await.unwrap_or(0);
        (bytes > self.limit).then_some(bytes)
    }

    /// Returns whether nothing at all was written, without leaving this thread.
    fn untouched(&self) -> bool {
        self.dirs.iter().all(|dir| is_hollow(dir, 2))
    }
}

/// Returns whether there is nothing but empty folders, these many levels deep: `/out` holds one for each output.
fn is_hollow(dir: &Path, levels: u32) -> bool {
    let Ok(names) = std::fs::read_dir(dir) else { return true };
    names
        .filter_map(Result::ok)
        .all(|name| levels > 1 && name.file_type().is_ok_and(|kind| kind.is_dir()) && is_hollow(&name.path(), levels - 1))
}

/// Adds up until the limit is passed. Links are not followed; a file with holes counts in full, because capturing reads it in full.
fn measure(dirs: &[PathBuf], limit: u64) -> u64 {
    let mut sum = 0u64;
    for entry in dirs.iter().flat_map(|dir| walkdir::WalkDir::new(dir).min_depth(1)).filter_map(Result::ok) {
        let size = entry.metadata().map_or(0, |found| if found.is_file() { found.len().max(found.blocks() * 512) } else { 0 });
        sum = sum.saturating_add(size.max(ENTRY));
        if sum > limit {
            break;
        }
    }
    sum
}

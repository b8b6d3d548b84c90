//! `plugin dev`: builds and tests a plugin again whenever something in its folder changes.
//!
//! It looks at the folder four times a second. A plugin has few files, and a look works on every file system, which a watch does not.

use super::test::Meant;
use super::{build, test};
use crate::args::{Cli, Format};
use crate::show;
use relrun_engine::{EngineError, Exit};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// An editor writes several files one after the other: a change counts when this many looks found no further one.
const STILL: usize = 1;
/// And at the latest after as many looks as this.
const LATEST: usize = 12;

/// What a file looks like from outside.
type Seen = Vec<(PathBuf, Option<SystemTime>, u64)>;

pub(super) async fn dev(cli: &Cli, meant: &Meant) -> Result<Exit, EngineError> {
    // What is wrong before the first look is an error; what is wrong later is said, and waited on.
    build::job(&meant.folder)?;
    let stop = stopped();
    tokio::pin!(stop);
    loop {
        let seen = look(&meant.folder);
        let round = async {
            if let Err(error) = Box::pin(test::test(cli, meant, false)).await {
                show::error(cli, &error);
            }
            if show::format(cli) != Format::Json {
                show::note("waiting for a change; Ctrl-C ends this\n")?;
            }
            changed(&meant.folder, seen).await;
            Ok::<(), EngineError>(())
        };
        tokio::select! {
            biased;
            () = &mut stop => return Ok(Exit::Interrupted),
            done = round => done?,
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// Waits until the folder looks otherwise, and then until it is still.
async fn changed(folder: &Path, seen: Seen) {
    let mut last = seen.clone();
    while last == seen {
        tokio::time::sleep(LOOK).await;
        last = look(folder);
    }
    let mut still = 0;
    for _ in 0..LATEST {
        if still >= STILL {
            return;
        }
        tokio::time::sleep(LOOK).await;
        let now = look(folder);
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
}

/// Looks at what a plugin is made of, and at its tests. A folder that is gone for a moment has nothing in it.
fn look(folder: &Path) -> Seen {
    let mut paths = build::job(folder).map_or_else(|_| vec![folder.join("plugin.kdl")], |job| job.inputs());
    collect(&folder.join("tests"), &mut paths);
    let seen = paths.into_iter().map(|path| {
        let found = path.metadata().ok();
        let (changed, length) = found.map_or((None, 0), |found| (found.modified().ok(), found.len()));
        (path, changed, length)
    });
    seen.collect()
}

/// Collects what lies below a folder of tests. What a test run writes there, the snapshots, is none of its sources.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().filter(|entry| entry.file_name() != "snapshots").collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), paths),
            _ => paths.push(entry.path()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_and_a_snapshot_is_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("tests/snapshots")).unwrap();
        std::fs::write(folder.path().join("tests/a.kdl"), "a").unwrap();
        let seen = look(folder.path());
        std::fs::write(folder.path().join("tests/snapshots/a.json"), "{}").unwrap();
        assert_eq!(look(folder.path()), seen);
        std::fs::write(folder.path().join("tests/a.kdl"), "ab").unwrap();
        tokio::time::timeout(Duration::from_secs(20), changed(folder.path(), seen)).await.expect("the change is seen");
    }
}

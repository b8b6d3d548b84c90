//! A directory of a host as a tree in a store. It only reads; what it cannot represent (a device, a link that leaves) is an error that names it.

use crate::error::{SshError, SshErrorKind};
use crate::files::below;
use crate::link::Link;
use crate::names::STAND_IN;
use futures::stream::{self, StreamExt, TryStreamExt};
use openssh_sftp_client::metadata::MetaData;
use relrun_ledger::Digest;
use relrun_store::{BlobStore, Entry, EntryKind, StoreError, Tree};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The longest file that is fetched: it passes through memory.
const LONGEST: u64 = 256 << 20;
/// How many files are fetched at once.
const AT_ONCE: usize = 16;
/// How many bytes of files are in memory at once; one that is longer than this is there alone.
const MEMORY: u32 = 64 << 20;
/// How much longer a file may be than the server said: it may be a log.
const GROWTH: u64 = 1 << 20;
/// How many paths a directory may have.
const MOST: usize = 1_000_000;

/// Something that was found, and what the server says of it.
struct Seen {
    path: String,
    about: MetaData,
}

impl Link {
    /// Records a directory as a tree, without what lies at some paths.
    pub async fn fetch(&self, blobs: Arc<dyn BlobStore>, dir: &str, without: &[String]) -> Result<Digest, SshError> {
        let seen = self.walk(dir, &without.iter().map(String::as_str).collect()).await?;
        let room = Semaphore::new(MEMORY as usize);
        let fetched = stream::iter(seen).map(|seen| self.fetch_one(&blobs, dir, seen, &room));
        let entries: Vec<Entry> = fetched.buffer_unordered(AT_ONCE).try_collect().await?;
        let keep = move || Tree::new(entries)?.put(&*blobs);
        kept(self.locally(keep).await)
    }

    /// Returns everything below a directory but directories that have something in them.
    async fn walk(&self, top: &str, without: &BTreeSet<&str>) -> Result<Vec<Seen>, SshError> {
        let mut found = Vec::new();
        let mut left = vec![String::new()];
        while let Some(dir) = left.pop() {
            let at = if dir.is_empty() { top.to_owned() } else { below(top, &dir) };
            let listed = self.listed(&at).await?;
            if let Some(name) = listed.nameless {
                let shown = name.replace(STAND_IN, "?");
                return Err(SshError::invalid(format!(
                    "failed to fetch {at}: the name {shown:?} in it is no text (UTF-8), which a tree cannot hold"
                )));
            }
            for (name, about) in listed.named {
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                if without.contains(path.as_str()) {
                    continue;
                }
                if about.file_type().is_some_and(|kind| kind.is_dir()) {
                    left.push(path.clone());
                }
                found.push(Seen { path, about });
                if found.len() > MOST {
                    return Err(SshError::invalid(format!("failed to fetch {top}: it has more than {MOST} paths")));
                }
            }
        }
        let filled: BTreeSet<String> = found.iter().filter_map(|seen| Some(seen.path.rsplit_once('/')?.0.to_owned())).collect();
        found.retain(|seen| !filled.contains(&seen.path));
        Ok(found)
    }

    async fn fetch_one(&self, blobs: &Arc<dyn BlobStore>, dir: &str, seen: Seen, room: &Semaphore) -> Result<Entry, SshError> {
        let at = below(dir, &seen.path);
        let kind = match seen.about.file_type() {
            Some(kind) if kind.is_dir() => EntryKind::Dir,
            Some(kind) if kind.is_symlink() => EntryKind::Link { target: self.target(&at).await? },
            Some(kind) if kind.is_file() => {
                let weight = u32::try_from(seen.about.len().unwrap_or(LONGEST) + GROWTH).map_or(MEMORY, |weight| weight.min(MEMORY));
                let _held = room.acquire_many(weight).await.map_err(|_| SshError::permanent("the fetch was given up"))?;
                let bytes = self.read_file(&at, if weight == MEMORY { LONGEST } else { u64::from(weight) }).await?;
                let size = bytes.len() as u64;
                let blobs = Arc::clone(blobs);
                let digest = kept(self.locally(move || blobs.put(&bytes)).await)?;
                let executable = seen.about.permissions().is_some_and(|permissions| permissions.execute_by_owner());
                EntryKind::File { digest, size, executable }
            }
            _ => return Err(SshError::invalid(format!("failed to fetch {at}: it is neither a file nor a directory nor a link"))),
        };
        Ok(Entry { path: seen.path, kind })
    }

    async fn target(&self, path: &str) -> Result<String, SshError> {
        let target = self.fs()?.read_link(path).await.map_err(|error| self.told("read the link", path, error.into()))?;
        Ok(target.to_string_lossy().into_owned())
    }
}

/// Says what a store says.
fn kept(done: Result<Result<Digest, StoreError>, tokio::task::JoinError>) -> Result<Digest, SshError> {
    let done = done.map_err(|error| SshError::permanent(format!("failed to write the store: {error}")))?;
    done.map_err(|error| match error {
        StoreError::Tree { .. } => SshError::new(SshErrorKind::Invalid, error.to_string()),
        _ => SshError::permanent(error.to_string()),
    })
}

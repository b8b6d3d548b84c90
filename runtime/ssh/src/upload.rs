//! A tree onto a host, by content. What an earlier upload laid beside it is linked, only the rest is sent. It is made under a name of its
//! own and gets its own in one step; what a killed upload left is a source like any other, and then removed.
//!
//! Linked files are shared by several directories, so all files are laid without write permission.

use crate::error::{Ended, SshError, SshErrorKind};
use crate::files::{DRAFT, PIPELINED, TRASH, below, random, split};
use crate::link::Link;
use crate::listing::{Laid, Listing, NOTES};
use futures::stream::{self, StreamExt, TryStreamExt};
use openssh_sftp_client::UnixTimeStamp;
use openssh_sftp_client::file::File;
use openssh_sftp_client::metadata::{MetaData, MetaDataBuilder, Permissions};
use relrun_ledger::Digest;
use relrun_store::{BlobStore, EntryKind, StoreError, Tree};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::SeekFrom;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncSeekExt;
use tokio::sync::Semaphore;

/// How many of the directories beside it are asked what they have.
const SOURCES: usize = 4;
/// A file up to this size is sent from memory; a longer one from a copy on the disk.
const IN_MEMORY: u64 = 4 << 20;
/// How many bytes of files are in memory at once.
const MEMORY: u32 = 64 << 20;
/// How much of a long file is written at once.
const PIECE: usize = 1 << 20;
/// How many of its pieces are under way at once.
const PIECES: usize = 8;

/// How long another process's draft is left alone after its last change.
const ABANDONED: Duration = Duration::from_hours(1);

/// What an upload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Files that were sent.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the host had.
    pub linked: usize,
    /// All that went over the wire for it, as SFTP.
    pub wire: u64,
}

/// Where the host has what is wanted, by its content and whether it is executable: the path, and the time that it was laid with.
type Sources = HashMap<(Digest, bool), (String, u32)>;

/// One file of the tree, and where the host has it.
struct Wanted {
    laid: Laid,
    source: Option<String>,
}

impl Link {
    /// Lays a tree into a new directory.
    ///
    /// # Errors
    /// Where something is there already, or the host or the connection fails; then nothing is at `path`.
    pub async fn upload(&self, blobs: Arc<dyn BlobStore>, digest: Digest, path: &str) -> Result<Sent, SshError> {
        let before = self.traffic();
        let (parent, name) = split(path)?;
        let tree = {
            let blobs = Arc::clone(&blobs);
            self.stored(move || Tree::get(&*blobs, digest)).await?
        };
        if tree.is_file() {
            return Err(SshError::invalid(format!("failed to upload to {path}: the artifact is one file, and a directory is wanted")));
        }
        self.make_dir(&below(parent, NOTES)).await?;
        if self.stat(path).await?.is_some() {
            return Err(SshError::invalid(format!("failed to upload to {path}: something is there already")));
        }
        let beside: BTreeSet<String> = self.names(parent).await?.into_iter().map(|(name, _)| name).collect();
        let wanted = self.wanted(&tree, parent, &beside).await?;
        let draft = Draft::begin(name);
        let draft = &draft.0;
        match self.lay(&blobs, &tree, wanted, parent, draft).await {
            Ok(mut sent) => {
                self.rename(&below(parent, draft), path).await?;
                let note = |name: &str| below(&below(parent, NOTES), name);
                self.rename(&note(draft), &note(name)).await?;
                self.tidy(parent, name).await;
                let after = self.traffic();
                sent.wire = (after.0 - before.0) + (after.1 - before.1);
                Ok(sent)
            }
            Err(error) => {
                // What was lost with its connection is taken up by the next upload.
                if error.kind != SshErrorKind::Transient {
                    let _ = self.remove(&below(parent, draft)).await;
                    let _ = self.remove(&below(&below(parent, NOTES), draft)).await;
                }
                Err(error)
            }
        }
    }

    /// Finds for each file of a tree whether the host has it, and where.
    async fn wanted(&self, tree: &Tree, parent: &str, beside: &BTreeSet<String>) -> Result<Vec<Wanted>, SshError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| u32::try_from(now.as_secs()).ok()).unwrap_or_default();
        let files = tree.entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::File { digest, size, executable } => Some(Laid { path: entry.path.clone(), digest, size, executable, time: now }),
            EntryKind::Link { .. } | EntryKind::Dir => None,
        });
        let files: Vec<Laid> = files.collect();
        let contents = files.iter().map(|laid| (laid.digest, laid.executable)).collect();
        let has = if self.sftp()?.support_hardlink() { self.has(&contents, parent, beside).await? } else { Sources::new() };
        let looked = stream::iter(files).map(|mut laid| {
            let candidate = has.get(&(laid.digest, laid.executable));
            async move {
                let Some((source, time)) = candidate else { return Ok(Wanted { laid, source: None }) };
                let same = self.is_as_laid(source, laid.size, *time).await?;
                if same {
                    laid.time = *time;
                }
                Ok(Wanted { laid, source: same.then(|| source.clone()) })
            }
        });
        // In order, so that the note is the same whenever the tree is.
        looked.buffered(PIPELINED).try_collect().await
    }

    /// Returns what the directories beside it say that they have of what is wanted: where, and its time.
    async fn has(&self, wanted: &BTreeSet<(Digest, bool)>, parent: &str, beside: &BTreeSet<String>) -> Result<Sources, SshError> {
        let listed = self.listed(&below(parent, NOTES)).await?;
        let mut dated: Vec<(Duration, String)> = listed
            .named
            .into_iter()
            .filter_map(|(name, about)| Some((about.modified()?.as_duration(), name)))
            .filter(|(_, name)| beside.contains(name))
            .collect();
        dated.sort_unstable_by(|one, other| other.cmp(one));
        let mut has = Sources::new();
        for (_, name) in dated.into_iter().take(SOURCES) {
            let dir = below(parent, &name);
            let take = |file: Laid| {
                if wanted.contains(&(file.digest, file.executable)) {
                    has.entry((file.digest, file.executable)).or_insert_with(|| (below(&dir, &file.path), file.time));
                }
            };
            self.listing(parent, &name, take).await?;
        }
        Ok(has)
    }

    /// Returns whether a file is as an upload left it: nobody wrote into it since.
    async fn is_as_laid(&self, path: &str, size: u64, time: u32) -> Result<bool, SshError> {
        let mut fs = self.fs()?;
        match fs.symlink_metadata(path).await.map_err(Ended::from) {
            Ok(found) => {
                let modified = found.modified().map(|time| time.as_duration().as_secs());
                Ok(found.file_type().is_some_and(|kind| kind.is_file()) && found.len() == Some(size) && modified == Some(u64::from(time)))
            }
            Err(ended @ Ended::Lost(_)) => Err(self.told("look at", path, ended)),
            Err(Ended::Refused(..)) => Ok(false),
        }
    }

    /// Lays all of a tree under the draft's name; its note first, so that another upload can take up what this one leaves.
    async fn lay(&self, blobs: &Arc<dyn BlobStore>, tree: &Tree, wanted: Vec<Wanted>, parent: &str, draft: &str) -> Result<Sent, SshError> {
        let listing = Listing { files: wanted.iter().map(|wanted| wanted.laid.clone()).collect() };
        self.write_file(&below(&below(parent, NOTES), draft), &listing.encode()?).await?;
        let root = below(parent, draft);
        self.lay_folders(tree, &root).await?;
        let room = Semaphore::new(MEMORY as usize);
        let laid = stream::iter(wanted).map(|wanted| self.lay_file(blobs, wanted, &root, &room)).buffer_unordered(PIPELINED);
        let sent = laid.try_fold(Sent::default(), |mut sent, bytes| async move {
            match bytes {
                Some(bytes) => (sent.files, sent.bytes) = (sent.files + 1, sent.bytes + bytes),
                None => sent.linked += 1,
            }
            Ok(sent)
        });
        let sent = sent.await?;
        let links = tree.entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::Link { target } => Some((target.clone(), below(&root, &entry.path))),
            EntryKind::File { .. } | EntryKind::Dir => None,
        });
        let links: Vec<(String, String)> = links.collect();
        let linked = stream::iter(links).map(|(target, path)| async move { self.symlink(&target, &path).await });
        linked.buffer_unordered(PIPELINED).try_collect::<()>().await?;
        Ok(sent)
    }

    async fn lay_folders(&self, tree: &Tree, root: &str) -> Result<(), SshError> {
        let make = |path: String| async move {
            let mut fs = self.fs()?;
            fs.create_dir(&path).await.map_err(|error| self.told("make the directory", &path, error.into()))
        };
        make(root.to_owned()).await?;
        let mut levels: Vec<Vec<String>> = Vec::new();
        for folder in folders(tree) {
            let depth = folder.matches('/').count();
            levels.resize_with(levels.len().max(depth + 1), Vec::new);
            levels[depth].push(below(root, folder));
        }
        for level in levels {
            stream::iter(level).map(make).buffer_unordered(PIPELINED).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// Lays one file; gives its size where it was sent.
    async fn lay_file(&self, blobs: &Arc<dyn BlobStore>, wanted: Wanted, root: &str, room: &Semaphore) -> Result<Option<u64>, SshError> {
        let path = below(root, &wanted.laid.path);
        if let Some(source) = &wanted.source {
            let mut fs = self.fs()?;
            match fs.hard_link(source, &path).await.map_err(Ended::from) {
                Ok(()) => return Ok(None),
                Err(ended @ Ended::Lost(_)) => return Err(self.told("link", &path, ended)),
                // It went away, or has too many links: then it is sent.
                Err(Ended::Refused(_, reason)) => tracing::debug!(path, reason, "not linked"),
            }
        }
        let weight = u32::try_from(wanted.laid.size.clamp(1, IN_MEMORY)).unwrap_or(MEMORY);
        let _held = room.acquire_many(weight).await.map_err(|_| SshError::permanent("the upload was given up"))?;
        self.send(blobs, &wanted.laid, &path).await?;
        Ok(Some(wanted.laid.size))
    }

    async fn send(&self, blobs: &Arc<dyn BlobStore>, laid: &Laid, path: &str) -> Result<(), SshError> {
        let told = |error: openssh_sftp_client::Error| self.told("write", path, error.into());
        let mut file = self.sftp()?.options().write(true).create_new(true).open(path).await.map_err(told)?;
        let (blobs, digest) = (Arc::clone(blobs), laid.digest);
        if laid.size <= IN_MEMORY {
            let bytes = self.stored(move || blobs.get(digest)).await?;
            file.write_all(&bytes).await.map_err(told)?;
        } else {
            self.send_long(blobs, laid, &file, path).await?;
        }
        let mode = if laid.executable { 0o555 } else { 0o444 };
        let time = UnixTimeStamp::from_raw(laid.time).unwrap_or_default();
        let permissions = permissions(mode);
        let attributes = MetaDataBuilder::new().permissions(permissions).time(time, time).create();
        file.set_metadata(attributes).await.map_err(told)?;
        file.close().await.map_err(told)
    }

    /// Sends a file that is too long for memory from a verified copy: piece by piece, some of them at once.
    async fn send_long(&self, blobs: Arc<dyn BlobStore>, laid: &Laid, file: &File, path: &str) -> Result<(), SshError> {
        let digest = laid.digest;
        let (_folder, copy) = self
            .stored(move || {
                let folder = tempfile::tempdir().map_err(unread)?;
                let at = folder.path().join("file");
                blobs.get_file(digest, &at, false)?;
                let copy = std::fs::File::open(&at).map_err(unread)?;
                Ok((folder, Arc::new(copy)))
            })
            .await?;
        let pieces = stream::iter((0..laid.size).step_by(PIECE)).map(|offset| {
            let (copy, mut file) = (Arc::clone(&copy), file.clone());
            let length = usize::try_from(laid.size - offset).unwrap_or(PIECE).min(PIECE);
            async move {
                let piece = self
                    .stored(move || {
                        let mut piece = vec![0; length];
                        copy.read_exact_at(&mut piece, offset).map_err(unread)?;
                        Ok(piece)
                    })
                    .await?;
                let told = |error: openssh_sftp_client::Error| self.told("write", path, error.into());
                file.seek(SeekFrom::Start(offset)).await.map_err(|error| told(error.into()))?;
                file.write_all(&piece).await.map_err(told)
            }
        });
        pieces.buffer_unordered(PIECES).try_collect().await
    }

    /// Takes away what earlier uploads and removals left beside it. What cannot be taken away now is at the next upload.
    async fn tidy(&self, parent: &str, laid: &str) {
        let notes = below(parent, NOTES);
        // The notes first: what is laid and noted between the two listings is in both or in none.
        let (Ok(noted), Ok(there)) = (self.listed(&notes).await, self.listed(parent).await) else { return };
        let changed = |about: &MetaData| about.modified().map(UnixTimeStamp::as_duration);
        let noted: BTreeMap<String, Option<Duration>> = noted.named.into_iter().map(|(name, about)| (name, changed(&about))).collect();
        let there: BTreeMap<String, Option<Duration>> = there.named.into_iter().map(|(name, about)| (name, changed(&about))).collect();
        let now = there.get(laid).copied().flatten().max(noted.get(laid).copied().flatten());
        // A draft's note is written once, and its directory changes while it is laid.
        let is_left = |name: &str| Draft::is_left(name, noted.get(name).copied().flatten().max(there.get(name).copied().flatten()), now);
        let drafts = there.keys().filter(|name| name.starts_with(TRASH) || name.starts_with(DRAFT) && is_left(name));
        let lost = noted.keys().filter(|name| if name.starts_with(DRAFT) { is_left(name) } else { !there.contains_key(*name) });
        let paths = drafts.map(|name| below(parent, name)).chain(lost.map(|name| below(&notes, name)));
        for path in paths {
            if let Err(error) = self.remove(&path).await {
                tracing::debug!(path, %error, "could not be tidied away");
            }
        }
    }

    /// Runs what reads this machine's store away from the scheduler.
    async fn stored<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, SshError> {
        let done = self.locally(work).await.map_err(|error| SshError::permanent(format!("failed to read the store: {error}")))?;
        done.map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            SshError::permanent(format!("{error}{source}"))
        })
    }
}

/// Returns every folder of a tree, each after the one that it is in.
fn folders(tree: &Tree) -> BTreeSet<&str> {
    let mut folders = BTreeSet::new();
    for entry in &tree.entries {
        if entry.kind == EntryKind::Dir {
            folders.insert(entry.path.as_str());
        }
        folders.extend(entry.path.match_indices('/').map(|(end, _)| &entry.path[..end]));
    }
    folders
}

fn permissions(mode: u32) -> Permissions {
    let mut permissions = Permissions::new();
    permissions.set_read_by_owner(true).set_read_by_group(true).set_read_by_other(true);
    let executable = mode & 0o111 != 0;
    permissions.set_execute_by_owner(executable).set_execute_by_group(executable).set_execute_by_other(executable);
    permissions
}

fn unread(source: std::io::Error) -> StoreError {
    StoreError::Io { doing: "read a copy of a file that is to be sent".into(), source }
}

/// An upload that is under way. Its name tells this process's drafts from others'.
struct Draft(String);

/// Tells this process's drafts from others'.
static PROCESS: LazyLock<String> = LazyLock::new(random);
/// The drafts of this process that are under way.
static UNDER_WAY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Draft {
    fn begin(name: &str) -> Self {
        let draft = format!("{DRAFT}{}-{}-{name}", *PROCESS, random());
        under_way().insert(draft.clone());
        Self(draft)
    }

    /// Returns whether a draft was left by an upload that came to nothing: of another process's it is taken to be so after a while, of which the
    /// host's own clock tells.
    fn is_left(draft: &str, changed: Option<Duration>, now: Option<Duration>) -> bool {
        if draft.strip_prefix(DRAFT).is_some_and(|rest| rest.starts_with(PROCESS.as_str())) {
            return !under_way().contains(draft);
        }
        matches!((changed, now), (Some(changed), Some(now)) if changed + ABANDONED < now)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        under_way().remove(&self.0);
    }
}

fn under_way() -> MutexGuard<'static, BTreeSet<String>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Files of a host, one request or few at a time. No change is ever half seen: what replaces something is made beside it and renamed.

use crate::error::{Ended, SshError, SshErrorKind};
use crate::link::Link;
use crate::names::is_stand_in;
use bytes::BytesMut;
use futures::stream::{self, StreamExt, TryStreamExt};
use openssh_sftp_client::error::Error as SftpError;
use openssh_sftp_client::fs::Fs;
use openssh_sftp_client::metadata::{FileType, MetaData};
use std::io::SeekFrom;
use std::path::Path;
use tokio::io::AsyncSeekExt;

/// How many requests are under way at once.
pub(crate) const PIPELINED: usize = 96;
/// How many names a directory may have.
const MOST_NAMES: usize = 200_000;
/// How much is asked for in one read; a server that gives less per request says so.
const PIECE: u32 = 1 << 20;
/// Names that stand for something being made or taken away; nobody else's begin so.
pub(crate) const DRAFT: &str = ".relrun-draft-";
/// See [`DRAFT`].
pub(crate) const TRASH: &str = ".relrun-trash-";

/// What is at a path. A link is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: FoundKind,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// A link, and where it points.
    Link(String),
    /// Something else.
    Other,
}

/// What a directory has.
#[derive(Default)]
pub(crate) struct Listed {
    /// The names, and what the server says of them.
    pub(crate) named: Vec<(String, MetaData)>,
    /// One of the names that are no text, as it can be shown.
    pub(crate) nameless: Option<String>,
}

impl Link {
    pub(crate) fn fs(&self) -> Result<Fs, SshError> {
        Ok(self.sftp()?.fs())
    }

    /// Returns what is at a path, or nothing.
    pub async fn stat(&self, path: &str) -> Result<Option<Found>, SshError> {
        let mut fs = self.fs()?;
        let found = match fs.symlink_metadata(path).await.map_err(Ended::from) {
            Ok(found) => found,
            Err(ended) if ended.is_missing() => return Ok(None),
            Err(ended) => return Err(self.told("look at", path, ended)),
        };
        let kind = self.kind(&mut fs, path, found.file_type()).await?;
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Some(Found { name, kind }))
    }

    async fn kind(&self, fs: &mut Fs, path: &str, file_type: Option<FileType>) -> Result<FoundKind, SshError> {
        Ok(match file_type {
            Some(kind) if kind.is_file() => FoundKind::File,
            Some(kind) if kind.is_dir() => FoundKind::Dir,
            Some(kind) if kind.is_symlink() => {
                let target = fs.read_link(path).await.map_err(|error| self.told("read the link", path, error.into()))?;
                FoundKind::Link(target.to_string_lossy().into_owned())
            }
            _ => FoundKind::Other,
        })
    }

    /// Lists a directory, sorted by name.
    pub async fn read_dir(&self, path: &str) -> Result<Vec<Found>, SshError> {
        let fs = self.fs()?;
        let named = self.names(path).await?;
        let found = stream::iter(named).map(|(name, file_type)| {
            let mut fs = fs.clone();
            async move {
                let at = below(path, &name);
                match self.kind(&mut fs, &at, file_type).await {
                    // It went away meanwhile.
                    Err(error) if error.is_missing() => Ok(None),
                    kind => kind.map(|kind| Some(Found { name, kind })),
                }
            }
        });
        let found: Vec<Option<Found>> = found.buffer_unordered(PIPELINED).try_collect().await?;
        let mut found: Vec<Found> = found.into_iter().flatten().collect();
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Returns the names of a directory and what they are.
    pub(crate) async fn names(&self, path: &str) -> Result<Vec<(String, Option<FileType>)>, SshError> {
        Ok(self.listed(path).await?.named.into_iter().map(|(name, about)| (name, about.file_type())).collect())
    }

    /// Returns the names of a directory and what the server says of them.
    pub(crate) async fn listed(&self, path: &str) -> Result<Listed, SshError> {
        let mut fs = self.fs()?;
        let dir = fs.open_dir(path).await.map_err(|error| self.told("list", path, error.into()))?;
        let entries = dir.read_dir().map_err(|error: SftpError| self.told("list", path, error.into()));
        let listed = entries.try_fold(Listed::default(), |mut listed, entry| async move {
            let name = entry.filename().to_string_lossy().into_owned();
            if is_stand_in(&name) {
                tracing::debug!(path, name, "a name that is no text");
                listed.nameless.get_or_insert(name);
            } else if is_name(&name) {
                listed.named.push((name, entry.metadata()));
            }
            // The server says when it is done, or never.
            if listed.named.len() > MOST_NAMES {
                return Err(SshError::invalid(format!("failed to list {path}: it has more than {MOST_NAMES} names")));
            }
            Ok(listed)
        });
        listed.await
    }

    /// Makes a directory and its parents; one that is there is no error.
    pub async fn make_dir(&self, path: &str) -> Result<(), SshError> {
        let mut fs = self.fs()?;
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Ok(());
        }
        // From the innermost out, because most often only that one is missing.
        let mut missing = vec![path];
        while let Some(&next) = missing.last() {
            match fs.create_dir(next).await.map_err(Ended::from) {
                Ok(()) => drop(missing.pop()),
                Err(ended) if ended.is_missing() => match next.rsplit_once('/') {
                    Some((parent, _)) if !parent.is_empty() && missing.len() < 256 => missing.push(parent),
                    _ => return Err(self.told("make the directory", next, ended)),
                },
                Err(ended @ Ended::Lost(_)) => return Err(self.told("make the directory", next, ended)),
                // A server says no more than that it failed where something is there.
                Err(ended) => match fs.metadata(next).await {
                    Ok(found) if found.file_type().is_some_and(|kind| kind.is_dir()) => drop(missing.pop()),
                    _ => return Err(self.told("make the directory", next, ended)),
                },
            }
        }
        Ok(())
    }

    /// Makes a link at `path`; fails where something is there.
    pub async fn symlink(&self, target: &str, path: &str) -> Result<(), SshError> {
        match self.fs()?.symlink(target, path).await.map_err(Ended::from) {
            Ok(()) => Ok(()),
            Err(ended) => Err(self.taken("make the link", path, ended).await),
        }
    }

    /// Says that something is in the way, where that is why a request failed.
    async fn taken(&self, doing: &str, path: &str, ended: Ended) -> SshError {
        if let Ended::Refused(SshErrorKind::Permanent, _) = &ended
            && matches!(self.stat(path).await, Ok(Some(_)))
        {
            return SshError::invalid(format!("failed to {doing} {path}: something is there already"));
        }
        self.told(doing, path, ended)
    }

    /// Replaces what is at `new` in one step.
    pub async fn rename(&self, old: &str, new: &str) -> Result<(), SshError> {
        self.fs()?.rename(old, new).await.map_err(|error| self.told("rename to", new, error.into()))
    }

    /// Returns a file's bytes, at most `longest`.
    pub async fn read_file(&self, path: &str, longest: u64) -> Result<Vec<u8>, SshError> {
        let sftp = self.sftp()?;
        let told = |error: SftpError| self.told("read", path, error.into());
        // Opening a pipe would wait for its other end.
        let found = sftp.fs().metadata(path).await.map_err(told)?;
        if !found.file_type().is_none_or(|kind| kind.is_file()) {
            return Err(SshError::invalid(format!("failed to read {path}: it is no file")));
        }
        let mut file = sftp.options().read(true).open(path).await.map_err(told)?;
        let mut bytes = Vec::new();
        loop {
            // A server may answer with less than it was asked for, and the next request must not begin behind what it left out.
            file.seek(SeekFrom::Start(bytes.len() as u64)).await.map_err(|error| told(error.into()))?;
            let Some(piece) = file.read(PIECE, BytesMut::new()).await.map_err(told)? else { break };
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > longest {
                return Err(SshError::invalid(format!("failed to read {path}: it has more than {longest} bytes")));
            }
        }
        file.close().await.map_err(told)?;
        Ok(bytes)
    }

    /// Writes a file in one step. One that is there is replaced.
    pub async fn write_file(&self, path: &str, bytes: &[u8]) -> Result<(), SshError> {
        let draft = self.draft(path, bytes).await?;
        match self.rename(&draft, path).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.without(&draft, error).await),
        }
    }

    /// Writes a file in one step; fails where one is there.
    pub async fn write_new_file(&self, path: &str, bytes: &[u8]) -> Result<(), SshError> {
        let draft = self.draft(path, bytes).await?;
        let sftp = self.sftp()?;
        let linked = if sftp.support_hardlink() {
            sftp.fs().hard_link(&draft, path).await
        } else {
            // The name is taken in one step, though not with its bytes; then it is replaced by the whole.
            match sftp.options().write(true).create_new(true).open(path).await {
                Ok(file) => file.close().await,
                Err(error) => Err(error),
            }
        };
        if let Err(error) = linked {
            let error = self.taken("write", path, error.into()).await;
            return Err(self.without(&draft, error).await);
        }
        if sftp.support_hardlink() {
            return sftp.fs().remove_file(&draft).await.map_err(|error| self.told("remove", &draft, error.into()));
        }
        self.rename(&draft, path).await
    }

    /// Writes the bytes of a file beside it, whole and, where the server can, on its disk.
    async fn draft(&self, path: &str, bytes: &[u8]) -> Result<String, SshError> {
        let (parent, name) = split(path)?;
        let draft = below(parent, &format!("{DRAFT}{}-{name}", random()));
        let sftp = self.sftp()?;
        let told = |error: SftpError| self.told("write", path, error.into());
        let mut file = sftp.options().write(true).create_new(true).open(&draft).await.map_err(told)?;
        let written = async {
            file.write_all(bytes).await?;
            if sftp.support_fsync() {
                file.sync_all().await?;
            }
            file.close().await
        };
        match written.await {
            Ok(()) => Ok(draft),
            Err(error) => Err(self.without(&draft, told(error)).await),
        }
    }

    /// Removes a draft that came to nothing. Where that fails it stays, small and out of sight, until its directory goes.
    async fn without(&self, draft: &str, error: SshError) -> SshError {
        if let Ok(mut fs) = self.fs() {
            let _ = fs.remove_file(draft).await;
        }
        error
    }
}

/// Takes a path apart into its directory and its last name.
pub(crate) fn split(path: &str) -> Result<(&str, &str), SshError> {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((parent, name)) if is_name(name) => Ok((if parent.is_empty() { "/" } else { parent }, name)),
        _ => Err(SshError::invalid(format!("{path:?} is no absolute path of something with a name"))),
    }
}

pub(crate) fn below(dir: &str, name: &str) -> String {
    format!("{}/{name}", dir.trim_end_matches('/'))
}

/// A server may answer anything: only what can be a name in a directory is believed.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && Path::new(name).file_name().is_some()
}

/// Returns a text that no other draft has.
pub(crate) fn random() -> String {
    let mut bytes = [0; 8];
    // The kernel's generator does not fail for so few bytes; were it to, the exclusive open would.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    format!("{:016x}", u64::from_le_bytes(bytes))
}

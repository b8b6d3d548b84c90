//! Removing what may be much. A directory is put out of sight first, in one step: half of one is never taken for the whole.

use crate::error::{Ended, SshError};
use crate::files::{PIPELINED, TRASH, below, random, split};
use crate::link::Link;
use futures::stream::{self, StreamExt, TryStreamExt};
use openssh_sftp_client::metadata::MetaData;

/// How deep a tree may be that is removed.
const DEEPEST: usize = 512;

impl Link {
    /// Removes a file, a link, or a directory with all that is in it; what is not there is no error.
    pub async fn remove(&self, path: &str) -> Result<(), SshError> {
        let mut fs = self.fs()?;
        let ended = match fs.remove_file(path).await.map_err(Ended::from) {
            Ok(()) => return Ok(()),
            Err(ended) if ended.is_missing() => return Ok(()),
            Err(ended) => ended,
        };
        let is_dir = match fs.symlink_metadata(path).await.map_err(Ended::from) {
            Ok(found) => found.file_type().is_some_and(|kind| kind.is_dir()),
            Err(found) if found.is_missing() => return Ok(()),
            Err(found) => return Err(self.told("remove", path, found)),
        };
        if !is_dir {
            return Err(self.told("remove", path, ended));
        }
        let (parent, name) = split(path)?;
        let trash = if name.starts_with(TRASH) { path.to_owned() } else { below(parent, &format!("{TRASH}{}-{name}", random())) };
        if trash != path {
            self.rename(path, &trash).await?;
        }
        self.remove_dir(&trash).await
    }

    /// Removes a directory and all in it: level by level, each level at once.
    async fn remove_dir(&self, top: &str) -> Result<(), SshError> {
        let mut levels = vec![vec![top.to_owned()]];
        while let Some(level) = levels.last().filter(|level| !level.is_empty()) {
            if levels.len() > DEEPEST {
                return Err(SshError::permanent(format!("failed to remove {top}: it is deeper than {DEEPEST} directories")));
            }
            let emptied = stream::iter(level.clone()).map(|dir| async move { self.empty(&dir).await });
            let emptied: Vec<Option<Vec<String>>> = emptied.buffer_unordered(8).try_collect().await?;
            let Some(emptied) = emptied.into_iter().collect::<Option<Vec<_>>>() else {
                // What has no name that could be sent is the host's own to remove.
                return self.remove_there(top).await;
            };
            levels.push(emptied.into_iter().flatten().collect());
        }
        for level in levels.into_iter().rev() {
            let removed = stream::iter(level).map(|dir| async move {
                let mut fs = self.fs()?;
                match fs.remove_dir(&dir).await.map_err(Ended::from) {
                    Err(ended) if !ended.is_missing() => Err(self.told("remove the directory", &dir, ended)),
                    _ => Ok(()),
                }
            });
            removed.buffer_unordered(PIPELINED).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// Removes what is no directory from a directory, and returns its directories; nothing where something in it has no name that could be sent.
    async fn empty(&self, dir: &str) -> Result<Option<Vec<String>>, SshError> {
        let listed = match self.listed(dir).await {
            Err(error) if error.is_missing() => return Ok(Some(Vec::new())),
            listed => listed?,
        };
        if listed.nameless.is_some() {
            return Ok(None);
        }
        let is_dir = |about: &MetaData| about.file_type().is_some_and(|kind| kind.is_dir());
        let (dirs, files): (Vec<_>, Vec<_>) = listed.named.into_iter().partition(|(_, about)| is_dir(about));
        let removed = stream::iter(files).map(|(name, _)| async move {
            let mut fs = self.fs()?;
            let path = below(dir, &name);
            match fs.remove_file(&path).await.map_err(Ended::from) {
                Err(ended) if !ended.is_missing() => Err(self.told("remove", &path, ended)),
                _ => Ok(()),
            }
        });
        removed.buffer_unordered(PIPELINED).try_collect::<()>().await?;
        Ok(Some(dirs.into_iter().map(|(name, _)| below(dir, &name)).collect()))
    }
}

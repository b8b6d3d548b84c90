//! The blob store in a local directory: content by its blake3, and what keys once gave.
//!
//! ```text
//! blobs/ab/cdef…    a blob, 0444, with one fixed modification time: another time or length says that somebody touched it
//! blobs/ab/cdef…x   the same with the executable bit, made when it is first linked
//! corrupt/          blobs that were not what their name says
//! tmp/              blobs being written; what a killed process leaves here is swept by `gc`
//! memo.db           what keys gave
//! ```
//!
//! **Durability.** A blob appears by a rename, so a crash of a process never leaves half of one. It is not synced one by one: a power cut may take
//! the newest blobs, or empty them, which reading finds out. [`BlobStore::sync`] makes all of them durable at once, for the few moments at which
//! the ledger is about to say that they are there.
//!
//! What must never happen: a blob is never written to in place, and never linked to where somebody may write.

pub(crate) mod files;
mod house;
mod memo;
#[cfg(test)]
mod tests;

pub use house::{GcMode, GcOptions, GcReport, StoreStat, SweptBlob, VerifyReport};

use crate::{BlobStore, StoreError};
use files::Found;
use memo::Memo;
use relrun_ledger::Digest;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Files up to this length are hashed in memory before anything is written.
const SMALL: u64 = 1 << 20;

/// The blob store in a local directory.
pub struct LocalBlobStore {
    dir: PathBuf,
    memo: Memo,
    /// What was put since the last sync.
    unsynced: Mutex<Vec<PathBuf>>,
}

impl LocalBlobStore {
    /// Opens a store, and makes its folder where there is none.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        for folder in ["blobs", "tmp"] {
            let path = dir.join(folder);
            if !path.is_dir() {
                fs::create_dir_all(&path).map_err(files::failed("make the folder", &path))?;
            }
        }
        Ok(Self::at(dir))
    }

    /// Opens a store that is only read: nothing is made, and a folder that is not there has no blobs.
    pub fn open_read_only(dir: &Path) -> Self {
        Self::at(dir)
    }

    fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), memo: Memo::new(dir.join("memo.db")), unsynced: Mutex::default() }
    }

    fn path_of(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_string();
        self.dir.join("blobs").join(&hex[..2]).join(&hex[2..])
    }

    fn draft(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        let folder = self.dir.join("tmp");
        tempfile::Builder::new().prefix("blob-").tempfile_in(&folder).map_err(files::failed("write in", &folder))
    }

    /// Puts a written draft in its place.
    fn settle(&self, draft: tempfile::NamedTempFile, digest: Digest) -> Result<(), StoreError> {
        let place = self.path_of(digest);
        let failed = files::failed("keep the blob", &place);
        files::seal(draft.as_file(), false).map_err(&failed)?;
        let draft = draft.into_temp_path();
        files::rename_into(&draft, &place).map_err(&failed)?;
        // It has moved: there is nothing left to remove.
        let _ = draft.keep();
        self.note(place);
        Ok(())
    }

    fn note(&self, place: PathBuf) {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Returns whether there is nothing to write: a blob that looks whole is there already.
    fn is_kept(&self, digest: Digest, size: u64) -> Result<bool, StoreError> {
        let place = self.path_of(digest);
        match files::look(&place, size).map_err(files::failed("look at", &place))? {
            Found::Sealed { stale } => {
                if stale {
                    files::freshen(&place);
                }
                Ok(true)
            }
            // What was touched or cut short is written anew, over it.
            Found::Touched | Found::Nothing => Ok(false),
        }
    }

    /// Sets a blob aside, so that it is never read again and can be looked at.
    fn set_aside(&self, digest: Digest) -> StoreError {
        let folder = self.dir.join("corrupt");
        let moved = fs::create_dir_all(&folder).and_then(|()| fs::rename(self.path_of(digest), folder.join(digest.to_string())));
        tracing::warn!(%digest, ?moved, "set a corrupt blob aside");
        StoreError::Corrupt { digest }
    }

    fn open_blob(&self, digest: Digest) -> Result<File, StoreError> {
        let place = self.path_of(digest);
        File::open(&place).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::Missing { digest },
            _ => files::failed("read the blob", &place)(error),
        })
    }

    fn copy_in(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let failed = files::failed("keep", path);
        let mut source = File::open(path).map_err(&failed)?;
        let mut draft = self.draft()?;
        let (digest, size) = if files::reflink(&source, draft.as_file()) {
            // The clone cannot change any more, so it is what is hashed.
            files::hash(draft.as_file_mut()).map_err(&failed)?
        } else {
            files::copy_hashed(&mut source, draft.as_file_mut()).map_err(&failed)?
        };
        if !self.is_kept(digest, size)? {
            self.settle(draft, digest)?;
        }
        Ok((digest, size))
    }

    /// Returns the blob's executable twin, made where it is not there.
    fn executable_twin(&self, digest: Digest, size: u64) -> Result<PathBuf, StoreError> {
        let mut twin = self.path_of(digest).into_os_string();
        twin.push("x");
        let twin = PathBuf::from(twin);
        if !matches!(files::look(&twin, size).map_err(files::failed("look at", &twin))?, Found::Sealed { .. }) {
            let mut draft = self.draft()?;
            self.copy_out(digest, draft.as_file_mut())?;
            let failed = files::failed("keep the blob", &twin);
            files::seal(draft.as_file(), true).map_err(&failed)?;
            let draft = draft.into_temp_path();
            files::rename_into(&draft, &twin).map_err(&failed)?;
            let _ = draft.keep();
        }
        Ok(twin)
    }

    /// Copies a blob into an empty file, and checks it on the way.
    fn copy_out(&self, digest: Digest, target: &mut File) -> Result<(), StoreError> {
        let mut source = self.open_blob(digest)?;
        let failed = files::failed("read the blob", &self.path_of(digest));
        let (found, _) = if files::reflink(&source, target) {
            files::hash(&mut source).map_err(&failed)?
        } else {
            files::copy_hashed(&mut source, target).map_err(&failed)?
        };
        if found == digest { Ok(()) } else { Err(self.set_aside(digest)) }
    }
}

impl BlobStore for LocalBlobStore {
    fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.is_kept(digest, bytes.len() as u64)? {
            let mut draft = self.draft()?;
            draft.write_all(bytes).map_err(files::failed("write", draft.path()))?;
            self.settle(draft, digest)?;
        }
        Ok(digest)
    }

    fn put_file(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let failed = files::failed("read", path);
        let meta = fs::metadata(path).map_err(&failed)?;
        if meta.len() > SMALL {
            return self.copy_in(path);
        }
        let bytes = fs::read(path).map_err(&failed)?;
        Ok((self.put(&bytes)?, bytes.len() as u64))
    }

    fn get(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let place = self.path_of(digest);
        std::io::Read::read_to_end(&mut self.open_blob(digest)?, &mut bytes).map_err(files::failed("read the blob", &place))?;
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(self.set_aside(digest)) }
    }

    fn get_file(&self, digest: Digest, path: &Path, executable: bool) -> Result<(), StoreError> {
        let mut target = files::create_new(path, if executable { 0o777 } else { 0o666 }).map_err(files::failed("write", path))?;
        self.copy_out(digest, &mut target).inspect_err(|_| {
            // Nothing that was not verified stays behind.
            let _ = fs::remove_file(path);
        })
    }

    fn has(&self, digest: Digest) -> Result<bool, StoreError> {
        let place = self.path_of(digest);
        match fs::symlink_metadata(&place) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(files::failed("look at", &place)(error)),
        }
    }

    fn remember(&self, key: Digest, value: &[u8]) -> Result<(), StoreError> {
        self.memo.remember(key, value)
    }

    fn recall(&self, key: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.memo.recall(&[key])?.pop().flatten())
    }

    fn recall_many(&self, keys: &[Digest]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.memo.recall(keys)
    }

    fn sync(&self) -> Result<(), StoreError> {
        let places = std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        files::sync(&self.dir, &places).map_err(files::failed("write out", &self.dir))
    }

    fn take_file(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let failed = files::failed("keep", path);
        let mut source = File::open(path).map_err(&failed)?;
        let (digest, size) = files::hash(&mut source).map_err(&failed)?;
        if self.is_kept(digest, size)? {
            fs::remove_file(path).map_err(&failed)?;
            return Ok((digest, size));
        }
        let place = self.path_of(digest);
        let moved = files::is_only_name(&source).map_err(&failed)?
            && files::seal(&source, false).and_then(|()| files::rename_into(path, &place)).is_ok();
        if moved {
            self.note(place);
            return Ok((digest, size));
        }
        // Another name, or another file system: then it is copied.
        let kept = self.copy_in(path)?;
        fs::remove_file(path).map_err(&failed)?;
        Ok(kept)
    }

    fn link_file(&self, digest: Digest, size: u64, path: &Path, executable: bool) -> Result<(), StoreError> {
        let place = self.path_of(digest);
        match files::look(&place, size).map_err(files::failed("look at", &place))? {
            Found::Sealed { .. } => {}
            Found::Nothing => return Err(StoreError::Missing { digest }),
            // Somebody touched it: it is read, which puts it right or sets it aside.
            Found::Touched => return self.get_file(digest, path, executable),
        }
        let source = if executable { self.executable_twin(digest, size)? } else { place };
        match fs::hard_link(&source, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(files::failed("write", path)(error)),
            // Another file system, or one without links, or too many of them.
            Err(_) => self.get_file(digest, path, executable),
        }
    }
}

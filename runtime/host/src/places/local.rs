//! A directory of this machine that stands for a host's file system. Links are held below it, as in a chroot.

use super::{Entry, Existing, Kind, LONGEST_FILE, Place};
use crate::error::CallError;
use crate::files::{blocking, told};
use crate::root::{Links, Root, exists, path_of};
use relrun_ledger::Digest;
use relrun_store::{BlobStore, EntryKind, RestoreMode};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, fsync, openat, readlinkat, renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a host that is a directory. It is made at the first change, as a host's own root is always there.
pub(super) struct Local {
    dir: PathBuf,
}

impl Local {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Runs one look at the host.
    async fn look<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: String,
        work: impl FnOnce(&Root, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CallError> {
        let dir = self.dir.clone();
        blocking(move || {
            let run = || work(&Root::open(&dir, Links::Held)?, &path);
            run().map_err(|error| told(doing, &path, &error))
        })
        .await
    }

    /// Runs one change of the host.
    async fn change<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: String,
        work: impl FnOnce(&Root, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CallError> {
        let dir = self.dir.clone();
        blocking(move || {
            let run = || {
                std::fs::create_dir_all(&dir)?;
                work(&Root::open(&dir, Links::Held)?, &path)
            };
            run().map_err(|error| told(doing, &path, &error))
        })
        .await
    }
}

#[async_trait::async_trait]
impl Place for Local {
    async fn upload(&self, blobs: Arc<dyn BlobStore>, digest: Digest, path: String) -> Result<Option<String>, CallError> {
        self.change("upload to", path, move |root, path| upload(root, path, &*blobs, digest)).await?;
        Ok(None)
    }

    async fn fetch(&self, blobs: Arc<dyn BlobStore>, path: String, without: Vec<String>) -> Result<Digest, CallError> {
        self.look("fetch", path, move |root, path| fetch(&root.dir(path)?, &*blobs, &without)).await
    }

    async fn read_dir(&self, path: String) -> Result<Vec<Entry>, CallError> {
        self.look("list", path, |root, path| read_dir(&root.dir(path)?)).await
    }

    async fn stat(&self, path: String) -> Result<Option<Entry>, CallError> {
        let found = self.look("look at", path, |root, path| match stat(root, path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            found => found.map(Some),
        });
        match found.await {
            // The host's own directory is not there yet.
            Err(CallError::Told(crate::bindings::types::Error::Missing(_))) => Ok(None),
            found => found,
        }
    }

    async fn make_dir(&self, path: String) -> Result<(), CallError> {
        self.change("make the directory", path, |root, path| root.make_dirs(path).map(drop)).await
    }

    async fn symlink(&self, target: String, path: String) -> Result<(), CallError> {
        let link = move |root: &Root, path: &str| {
            let (parent, name) = root.parent(path)?;
            symlinkat(&target, &parent, &name)?;
            Ok(fsync(&parent)?)
        };
        self.change("make the link", path, link).await
    }

    async fn rename(&self, old: String, new: String) -> Result<(), CallError> {
        let rename = move |root: &Root, new: &str| {
            let ((from, old), (to, new)) = (root.parent(&old)?, root.parent(new)?);
            renameat(&from, &old, &to, &new)?;
            fsync(&to)?;
            Ok(fsync(&from)?)
        };
        self.change("rename to", new, rename).await
    }

    async fn read_file(&self, path: String) -> Result<Vec<u8>, CallError> {
        self.look("read", path, read_file).await
    }

    async fn write_file(&self, path: String, data: Vec<u8>, existing: Existing) -> Result<(), CallError> {
        self.change("write", path, move |root, path| write_file(root, path, &data, existing)).await
    }

    async fn remove(&self, path: String) -> Result<(), CallError> {
        let removed = self.look("remove", path, |root, path| {
            let (parent, name) = root.parent(path)?;
            remove(&parent, &name)
        });
        match removed.await {
            Err(CallError::Told(crate::bindings::types::Error::Missing(_))) => Ok(()),
            done => done,
        }
    }
}

fn stat(root: &Root, path: &str) -> io::Result<Entry> {
    if path.trim_matches('/').is_empty() {
        return Ok(Entry { name: String::new(), kind: Kind::Dir });
    }
    let (parent, name) = root.parent(path)?;
    entry(&parent, &name)
}

fn entry(dir: &OwnedFd, name: &OsStr) -> io::Result<Entry> {
    let kind = match FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Link(readlinkat(dir, name, Vec::new())?.to_string_lossy().into_owned()),
        _ => Kind::Other,
    };
    Ok(Entry { name: name.to_string_lossy().into_owned(), kind })
}

fn read_dir(dir: &OwnedFd) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for item in Dir::read_from(dir)? {
        let item = item?;
        let name = OsString::from(item.file_name().to_string_lossy().into_owned());
        if name == "." || name == ".." {
            continue;
        }
        match entry(dir, &name) {
            // It went away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entry => entries.push(entry?),
        }
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn read_file(root: &Root, path: &str) -> io::Result<Vec<u8>> {
    let file = File::from(root.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?);
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it has more than {LONGEST_FILE} bytes")));
    }
    Ok(bytes)
}

/// The name under which something is made, before it gets its own in one step. What a killed upload left there goes first.
fn draft(name: &OsStr) -> OsString {
    let mut draft = OsString::from(".relrun-draft-");
    draft.push(name);
    draft
}

fn write_file(root: &Root, path: &str, data: &[u8], existing: Existing) -> io::Result<()> {
    let (parent, name) = root.parent(path)?;
    let draft = draft(&name);
    remove(&parent, &draft)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(&parent, &draft, flags, Mode::from_raw_mode(0o644))?);
    let written = file.write_all(data).and_then(|()| file.sync_all()).and_then(|()| settle(&parent, &draft, &name, existing));
    if written.is_err() {
        remove(&parent, &draft)?;
    }
    written
}

fn settle(parent: &OwnedFd, draft: &OsStr, name: &OsStr, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replaced => renameat(parent, draft, parent, name)?,
        Existing::Kept => renameat_with(parent, draft, parent, name, RenameFlags::NOREPLACE)?,
    }
    Ok(fsync(parent)?)
}

fn upload(root: &Root, path: &str, blobs: &dyn BlobStore, digest: Digest) -> io::Result<()> {
    let above = path.trim_end_matches('/').rsplit_once('/').map_or("/", |(above, _)| above);
    root.make_dirs(above)?;
    let (parent, name) = root.parent(path)?;
    if exists(&parent, &name)? {
        return Err(Errno::EXIST.into());
    }
    let draft = draft(&name);
    remove(&parent, &draft)?;
    let restored = relrun_store::restore(blobs, digest, &path_of(&parent).join(&draft), RestoreMode::Writable);
    let settled =
        restored.map_err(|error| io::Error::other(store_reason(&error))).and_then(|_| settle(&parent, &draft, &name, Existing::Kept));
    if settled.is_err() {
        remove(&parent, &draft)?;
    }
    settled
}

/// Records a directory as a tree, without what lies at some paths.
fn fetch(dir: &OwnedFd, blobs: &dyn BlobStore, without: &[String]) -> io::Result<Digest> {
    let top = path_of(dir);
    let kept = |error: relrun_store::StoreError| io::Error::new(io::ErrorKind::InvalidInput, store_reason(&error));
    let mut entries = Vec::new();
    let relative = |path: &Path| path.strip_prefix(&top).ok().and_then(Path::to_str).map(str::to_owned);
    let wanted = |entry: &walkdir::DirEntry| relative(entry.path()).is_none_or(|path| !without.contains(&path));
    // What stands behind the descriptor is a link in /proc, which the walk has to go through.
    for found in walkdir::WalkDir::new(top.join(".")).min_depth(1).into_iter().filter_entry(wanted) {
        let found = found?;
        let path = relative(found.path()).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a name in it is no UTF-8"))?;
        let kind = found.file_type();
        let kind = if kind.is_symlink() {
            EntryKind::Link { target: std::fs::read_link(found.path())?.to_string_lossy().into_owned() }
        } else if kind.is_file() {
            let (digest, size) = blobs.put_file(found.path()).map_err(kept)?;
            EntryKind::File { digest, size, executable: found.metadata()?.permissions().mode() & 0o111 != 0 }
        } else if kind.is_dir() {
            EntryKind::Dir
        } else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is neither a file nor a directory nor a link")));
        };
        entries.push(relrun_store::Entry { path, kind });
    }
    let filled: BTreeSet<String> = entries.iter().filter_map(|entry| Some(entry.path.rsplit_once('/')?.0.to_owned())).collect();
    entries.retain(|entry| !filled.contains(&entry.path));
    relrun_store::Tree::new(entries).and_then(|tree| tree.put(blobs)).map_err(kept)
}

/// Returns an error of the store with its cause.
pub(crate) fn store_reason(error: &relrun_store::StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Removes a name and all that is below it, links themselves and not what they point to. What is not there is removed already.
fn remove(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => std::fs::remove_dir_all(path_of(parent).join(name)),
        Err(error) => Err(error.into()),
    }
}

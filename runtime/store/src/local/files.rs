//! The file operations of the blob store.

use crate::StoreError;
use relrun_ledger::Digest;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The modification time of every blob: 2001-09-09. Whoever writes to one changes it.
const SEALED: i64 = 1_000_000_000;

/// A blob that was used this long ago is marked as used again, so that `gc` does not take what was just put.
const STALE: Duration = Duration::from_hours(1);

/// More blobs than this are synced with their whole file system.
const ONE_BY_ONE: usize = 32;

/// Files longer than this are hashed by several threads.
const LONG: u64 = 4 << 20;

/// Says what was being done to a path.
pub(crate) fn failed(doing: &str, path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let doing = format!("{doing} {}", path.display());
    move |source| StoreError::Io { doing: doing.clone(), source }
}

/// What stands in a blob's place.
pub(super) enum Found {
    Nothing,
    /// A file of that length that nobody touched since it was sealed.
    Sealed {
        stale: bool,
    },
    Touched,
}

/// Looks at a blob, at the cost of a stat.
pub(super) fn look(place: &Path, size: u64) -> io::Result<Found> {
    let meta = match fs::symlink_metadata(place) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if meta.len() != size || meta.mtime() != SEALED || !meta.is_file() {
        return Ok(Found::Touched);
    }
    Ok(Found::Sealed { stale: unused_for(&meta, SystemTime::now()) > STALE })
}

/// Returns how long ago a blob was last put or linked: each of them sets its change time.
pub(super) fn unused_for(meta: &fs::Metadata, now: SystemTime) -> Duration {
    let used = SystemTime::UNIX_EPOCH + Duration::new(meta.ctime().unsigned_abs(), u32::try_from(meta.ctime_nsec()).unwrap_or(0));
    now.duration_since(used).unwrap_or_default()
}

/// Marks a blob as used now. A failure only lets `gc` think it older than it is.
pub(super) fn freshen(place: &Path) {
    if let Ok(file) = File::open(place) {
        let _ = file.set_times(sealed_times());
    }
}

fn sealed_times() -> FileTimes {
    FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(SEALED.unsigned_abs()))
}

/// Makes a file a blob: read-only, with the time of all blobs.
pub(super) fn seal(file: &File, executable: bool) -> io::Result<()> {
    file.set_times(sealed_times())?;
    file.set_permissions(Permissions::from_mode(if executable { 0o555 } else { 0o444 }))
}

/// Renames a file into a folder that may have to be made.
pub(super) fn rename_into(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(from, to)
        }
        done => done,
    }
}

/// Returns whether a file has no other name through which somebody could write to it.
pub(super) fn is_only_name(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() == 1)
}

/// Makes a file where nothing is; a link in that place is not followed.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

/// Clones a file's content where the file system can.
pub(crate) fn reflink(from: &File, to: &File) -> bool {
    reflink_copy::reflink_file(from, to).is_ok()
}

/// Hashes a file from its beginning. It is read, never mapped: a file that its owner cuts short meanwhile would kill a process that maps it.
pub(crate) fn hash(file: &mut File) -> io::Result<(Digest, u64)> {
    let length = file.metadata()?.len();
    file.rewind()?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = buffer(length);
    let mut size = 0;
    loop {
        let count = read_full(file, &mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize().into(), size));
        }
        feed(&mut hasher, &buffer[..count]);
        size += count as u64;
    }
}

/// Copies a file into an empty one, and hashes what was written.
pub(crate) fn copy_hashed(from: &mut File, to: &mut File) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = buffer(from.metadata()?.len());
    let mut size = 0;
    loop {
        let count = read_full(from, &mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize().into(), size));
        }
        feed(&mut hasher, &buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
    }
}

fn feed(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    if bytes.len() as u64 >= LONG {
        hasher.update_rayon(bytes)
    } else {
        hasher.update(bytes)
    };
}

/// One byte more than the file has, up to a limit, so that a small file is read at once, end and all.
fn buffer(length: u64) -> Vec<u8> {
    let most = if length >= LONG { LONG } else { 256 << 10 };
    vec![0; usize::try_from(length.saturating_add(1).min(most)).unwrap_or(1 << 16)]
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Makes blobs durable: a few by themselves, with their folders; many with their whole file system.
pub(super) fn sync(dir: &Path, places: &[PathBuf]) -> io::Result<()> {
    if places.len() > ONE_BY_ONE {
        return Ok(nix::unistd::syncfs(File::open(dir)?)?);
    }
    let mut folders = std::collections::BTreeSet::new();
    for place in places {
        match File::open(place) {
            Ok(file) => file.sync_all()?,
            // `gc` or `verify` took it away meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        folders.extend(place.ancestors().skip(1).take(2).map(Path::to_owned));
    }
    folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

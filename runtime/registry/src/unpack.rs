//! Layers become trees again, and layout directories become one file and directories again.
//!
//! An archive is a stranger's: nothing is written outside of the new folder, nothing is written through a link, no more is written than was asked for,
//! and the folder is in its place only when all of it was read and checked.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use oci_spec::image::{Digest, MediaType};
use tar::{Archive, Entry, EntryType};
use tempfile::TempDir;

use crate::digest::Hash;
use crate::{Compression, RegistryError};

/// Nothing that an archive says about an entry is larger, in bytes.
const LARGEST_NAME: u64 = 64 << 10;

/// How much may come out of an archive.
#[derive(Clone, Copy, Debug)]
pub struct UnpackLimits {
    /// In bytes, unpacked.
    pub bytes: u64,
    /// In files, folders and links.
    pub entries: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { bytes: 16 << 30, entries: 1_000_000 }
    }
}

impl Compression {
    /// Returns how a layer of this media type is compressed; none for what is no archive.
    pub fn of(media_type: &MediaType) -> Option<Self> {
        let text = media_type.as_ref();
        let ends = |ends: &[&str]| ends.iter().any(|end| text.ends_with(end));
        if ends(&["+gzip", ".gzip"]) {
            Some(Self::Gzip)
        } else if ends(&["+zstd", ".zstd"]) {
            Some(Self::Zstd)
        } else {
            ends(&[".tar", "+tar"]).then_some(Self::None)
        }
    }
}

/// Unpacks a layer into the new folder `to`, and returns the digest of the archive before it was compressed. This blocks.
///
/// Files, folders and links come out; owners and times do not. `expected` is that digest where it is known.
///
/// # Errors
///
/// Where `to` is there and not empty, where the archive holds anything else or leads outside, is larger than `limits`, or is not what `expected` says.
/// Nothing is left then.
pub fn unpack_layer(
    layer: &Path,
    compression: Compression,
    to: &Path,
    expected: Option<&Digest>,
    limits: UnpackLimits,
) -> Result<Digest, RegistryError> {
    let unpacking = Unpacking { from: layer, limits };
    let folder = folder_beside(to)?;
    let digest = unpacking.look(compression)?;
    if let Some(expected) = expected.filter(|expected| **expected != digest) {
        return Err(unpacking.other(expected, &digest));
    }
    let mut reader = unpacking.open(compression)?;
    unpacking.each_entry(&mut reader, |entry, path| unpacking.lay(entry, path, folder.path()))?;
    let again = reader.finish().map_err(|error| unpacking.broken(&error))?;
    if again != digest {
        return Err(unpacking.other(&digest, &again));
    }
    put(folder, to)?;
    Ok(digest)
}

/// Writes a layout directory as one file, for machines without a network: a tar that skopeo and others read as `oci-archive`. The same directory
/// gives the same bytes. This blocks.
///
/// # Errors
///
/// Where `layout` is no layout directory, or cannot be read.
pub fn pack_layout(layout: &Path, to: &Path) -> Result<(), RegistryError> {
    let file = File::create(to).map_err(RegistryError::io("make", to))?;
    let mut archive = tar::Builder::new(BufWriter::new(file));
    let mut names = Vec::new();
    for name in ["oci-layout", "index.json"] {
        names.push(PathBuf::from(name));
    }
    let blobs = layout.join("blobs");
    for entry in walkdir::WalkDir::new(&blobs).min_depth(2).sort_by_file_name() {
        let entry = entry.map_err(|error| crate::layer::walk_error(&blobs, error))?;
        let name = entry.path().strip_prefix(layout).unwrap_or(entry.path()).to_owned();
        // What an interrupted write left does not go along.
        if blob_digest(&name).is_some() {
            names.push(name);
        }
    }
    for name in names {
        let path = layout.join(&name);
        let content = File::open(&path).map_err(RegistryError::io("open", &path))?;
        let size = content.metadata().map_err(RegistryError::io("read", &path))?.len();
        let mut header = crate::layer::header(EntryType::Regular, 0o644, size);
        archive
            .append_data(&mut header, &name, crate::layer::Whole { inner: content, left: size })
            .map_err(RegistryError::io("write", to))?;
    }
    let out = archive.into_inner().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
    out.and_then(|file| file.sync_all()).map_err(RegistryError::io("write", to))
}

/// Makes the new layout directory `to` of one file. Every blob is compared with its digest. This blocks.
///
/// # Errors
///
/// As [`unpack_layer`].
pub fn unpack_layout(archive: &Path, to: &Path, limits: UnpackLimits) -> Result<(), RegistryError> {
    let unpacking = Unpacking { from: archive, limits };
    let folder = folder_beside(to)?;
    unpacking.look(Compression::None)?;
    let mut reader = unpacking.open(Compression::None)?;
    unpacking.each_entry(&mut reader, |entry, path| unpacking.lay_blob(entry, path, folder.path()))?;
    for name in ["oci-layout", "index.json"] {
        if !folder.path().join(name).is_file() {
            return Err(unpacking.malformed(format!("it holds no {name}")));
        }
    }
    put(folder, to)
}

struct Unpacking<'a> {
    from: &'a Path,
    limits: UnpackLimits,
}

impl Unpacking<'_> {
    fn malformed(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Malformed { at: self.from.display().to_string(), reason: reason.into(), help: None }
    }

    fn other(&self, expected: &Digest, found: &Digest) -> RegistryError {
        let at = self.from.display().to_string();
        RegistryError::Digest { at, expected: Box::new(expected.clone()), found: found.to_string() }
    }

    fn broken(&self, error: &io::Error) -> RegistryError {
        let too_large = error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<TooLarge>);
        if too_large {
            return RegistryError::TooLarge { at: format!("what {} holds", self.from.display()), limit: self.limits.bytes };
        }
        self.malformed(format!("the archive is broken: {}", crate::error::tame(&error.to_string())))
    }

    fn open(&self, compression: Compression) -> Result<Checked<Box<dyn Read>>, RegistryError> {
        let file = BufReader::new(File::open(self.from).map_err(RegistryError::io("open", self.from))?);
        let inner: Box<dyn Read> = match compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(file).map_err(|error| self.broken(&error))?),
        };
        Ok(Checked { inner, hash: Hash::sha256(), left: self.limits.bytes })
    }

    /// Reads all of an archive before anything of it is written, and returns its digest. What it says about its entries is small: the reader of archives
    /// takes any of that into memory, however large it is. What would make that reader see other entries than this look does is refused: a size that
    /// is said a second time, and the maps of sparse files.
    fn look(&self, compression: Compression) -> Result<Digest, RegistryError> {
        let mut reader = self.open(compression)?;
        let mut archive = Archive::new(&mut reader);
        for entry in archive.entries().map_err(|error| self.broken(&error))?.raw(true) {
            let mut entry = entry.map_err(|error| self.broken(&error))?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_sparse() {
                return Err(self.malformed("it holds a sparse file, which is neither a file, a folder nor a link"));
            }
            let about =
                kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
            if about && entry.size() > LARGEST_NAME {
                return Err(self.malformed("the archive is broken: a name in it is longer than any name"));
            }
            if kind.is_pax_local_extensions() || kind.is_pax_global_extensions() {
                let mut said = Vec::new();
                entry.read_to_end(&mut said).map_err(|error| self.broken(&error))?;
                // The reader of archives stops at the first that it cannot read, and so does this.
                if tar::PaxExtensions::new(&said).map_while(Result::ok).any(|one| one.key_bytes() == b"size") {
                    return Err(self.malformed("it says the size of a file a second time, outside of its header"));
                }
            }
        }
        reader.finish().map_err(|error| self.broken(&error))
    }

    fn each_entry<R: Read>(
        &self,
        reader: &mut R,
        mut lay: impl FnMut(&mut Entry<'_, &mut R>, &Path) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let mut archive = Archive::new(reader);
        let mut count = 0;
        for entry in archive.entries().map_err(|error| self.broken(&error))? {
            let mut entry = entry.map_err(|error| self.broken(&error))?;
            count += 1;
            if count > self.limits.entries {
                return Err(self.malformed(format!("it holds more than {} files", self.limits.entries)));
            }
            let path = entry.path().map_err(|error| self.broken(&error))?.into_owned();
            let path =
                inside(&path).ok_or_else(|| self.malformed(format!("{} leads outside", crate::error::tame(&path.to_string_lossy()))))?;
            if !path.as_os_str().is_empty() {
                lay(&mut entry, &path)?;
            }
        }
        Ok(())
    }

    /// Puts one entry of a tree where it belongs.
    fn lay<R: Read>(&self, entry: &mut Entry<'_, R>, path: &Path, folder: &Path) -> Result<(), RegistryError> {
        let shown = || crate::error::tame(&path.to_string_lossy());
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory | EntryType::Symlink => {}
            _ => return Err(self.malformed(format!("{} is neither a file, a folder nor a link", shown()))),
        }
        entry.set_preserve_mtime(false);
        entry.set_preserve_permissions(false);
        // It refuses to write through a link, whatever lies on the way.
        match entry.unpack_in(folder) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.malformed(format!("{} leads outside", shown()))),
            Err(error) => Err(self.broken(&root(error))),
        }
    }

    /// Puts one entry of a layout where it belongs, if it is what its name says.
    fn lay_blob<R: Read>(&self, entry: &mut Entry<'_, R>, path: &Path, folder: &Path) -> Result<(), RegistryError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory {
            return Ok(());
        }
        let digest = blob_digest(path);
        let known = digest.is_some() || path == Path::new("oci-layout") || path == Path::new("index.json");
        if !known || kind != EntryType::Regular {
            return Err(self.malformed(format!("{} does not belong in a layout", crate::error::tame(&path.to_string_lossy()))));
        }
        let to = folder.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(RegistryError::io("make", parent))?;
        }
        let mut out = File::create(&to).map_err(RegistryError::io("make", &to))?;
        let hash = digest.as_ref().and_then(Hash::like).unwrap_or_else(Hash::sha256);
        let mut content = Checked { inner: entry, hash, left: u64::MAX };
        io::copy(&mut content, &mut out).map_err(|error| self.broken(&error))?;
        let found = content.hash.finish();
        match digest {
            Some(expected) if expected != found => Err(self.other(&expected, &found)),
            _ => Ok(()),
        }
    }
}

/// Makes a folder where `to` can be put by a rename.
fn folder_beside(to: &Path) -> Result<TempDir, RegistryError> {
    if to.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let help = Some("name a folder that is empty or does not exist".to_owned());
        return Err(RegistryError::Malformed { at: to.display().to_string(), reason: "it is there already".to_owned(), help });
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent).map_err(RegistryError::io("make a folder in", parent))
}

/// Returns a path without anything but names; none where it leads outside.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(clean)
}

/// Returns the digest that the path of a blob in a layout stands for; none for any other path.
fn blob_digest(path: &Path) -> Option<Digest> {
    let parts: Vec<&str> = path.iter().map(std::ffi::OsStr::to_str).collect::<Option<_>>()?;
    let [folder, algorithm, value] = parts[..] else { return None };
    let digest: Digest = format!("{algorithm}:{value}").parse().ok()?;
    (folder == "blobs" && Hash::like(&digest).is_some()).then_some(digest)
}

/// Returns the error that the archive's reader wrapped in words of its own, if it is ours.
fn root(error: io::Error) -> io::Error {
    let mut next: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(one) = next {
        let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(<dyn Error + Send + Sync>::is::<TooLarge>) {
            return io::Error::other(TooLarge);
        }
        next = one.source().or_else(|| inner.map(|inner| inner as &(dyn Error + 'static)));
    }
    error
}

fn put(folder: TempDir, to: &Path) -> Result<(), RegistryError> {
    open_to_others(folder.path())?;
    // A folder that is there is empty, and a rename replaces it.
    fs::rename(folder.path(), to).map_err(RegistryError::io("put in its place", to))?;
    let _ = folder.keep();
    Ok(())
}

/// Gives a temporary folder, which its owner alone may enter, the mode of any other.
fn open_to_others(folder: &Path) -> Result<(), RegistryError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(RegistryError::io("write", folder))?;
    }
    Ok(())
}

/// A reader that hashes what passes, and ends with an error where it is too much.
struct Checked<R> {
    inner: R,
    hash: Hash,
    left: u64,
}

impl<R: Read> Checked<R> {
    /// Reads to the end, and returns the digest of all of it.
    fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hash.finish())
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(TooLarge))?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}

#[derive(Debug)]
struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("it is too large")
    }
}

impl Error for TooLarge {}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;

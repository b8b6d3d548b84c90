//! A tree as a layer: the same tree gives the same bytes, whoever packs it, wherever and whenever.
//!
//! Entries are sorted by their path, names of folders first; times are zero, owners are root, modes are 0755 for folders and whatever may be
//! run and 0644 for the rest. Symbolic links are kept as they are and never followed. The digest of a compressed layer also depends on the
//! compressor, whose version the lock file pins.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::GzBuilder;
use oci_spec::image::{Descriptor, Digest, MediaType};
use tar::{Builder, EntryType, Header};
use walkdir::WalkDir;

use crate::RegistryError;
use crate::blob::Blob;
use crate::digest::Hashing;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip, which everything reads.
    #[default]
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Returns the media type of such a layer of an image.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::None => MediaType::ImageLayer,
            Self::Gzip => MediaType::ImageLayerGzip,
            Self::Zstd => MediaType::ImageLayerZstd,
        }
    }
}

/// How a tree becomes a layer.
#[derive(Clone, Debug, Default)]
pub struct LayerOptions {
    /// How it is compressed.
    pub compression: Compression,
    /// Where the tree goes in the image, such as `app`; its root where that is empty.
    pub prefix: PathBuf,
}

/// A layer that was made.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The blob, which lies in the file that was given.
    pub blob: Blob,
    /// The digest of the archive before it was compressed, as an image's config names it.
    pub diff_id: Digest,
    /// The size of the archive before it was compressed, in bytes.
    pub unpacked: u64,
}

/// Packs the tree in `tree` into the file `to`. This blocks.
///
/// # Errors
///
/// Where something in the tree is neither a file, a folder nor a link, changes meanwhile, or cannot be read.
pub fn layer_of_tree(tree: &Path, to: &Path, options: &LayerOptions) -> Result<Layer, RegistryError> {
    let file = File::create(to).map_err(RegistryError::io("make", to))?;
    let packed = Packing { tree, to, prefix: inside(&options.prefix)? };
    let out = Hashing::new(BufWriter::new(file));
    let (out, diff_id, unpacked) = match options.compression {
        Compression::None => packed.pack(out)?,
        Compression::Gzip => {
            // No time and no name, and 255 for a system that is not known: nothing of this machine is in the header.
            let gzip = GzBuilder::new().mtime(0).operating_system(255).write(out, flate2::Compression::new(6));
            let (gzip, diff_id, unpacked) = packed.pack(gzip)?;
            (gzip.finish().map_err(RegistryError::io("write", to))?, diff_id, unpacked)
        }
        Compression::Zstd => {
            let zstd = zstd::Encoder::new(out, 3).map_err(RegistryError::io("write", to))?;
            let (zstd, diff_id, unpacked) = packed.pack(zstd)?;
            (zstd.finish().map_err(RegistryError::io("write", to))?, diff_id, unpacked)
        }
    };
    out.inner.into_inner().map_err(|error| RegistryError::io("write", to)(error.into_error()))?;
    let descriptor = Descriptor::new(options.compression.media_type(), out.count, out.hash.finish());
    Ok(Layer { blob: Blob::of_known_file(descriptor, to.to_owned()), diff_id, unpacked })
}

/// Returns a prefix without a `/` at its beginning; one that leaves the image is refused.
fn inside(prefix: &Path) -> Result<PathBuf, RegistryError> {
    let mut clean = PathBuf::new();
    for part in prefix.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(refused(prefix, "it leaves the image", Some("write a path such as `app`"))),
        }
    }
    Ok(clean)
}

fn refused(path: &Path, reason: &str, help: Option<&str>) -> RegistryError {
    RegistryError::Tree { path: path.display().to_string(), reason: reason.to_owned(), help: help.map(str::to_owned) }
}

struct Packing<'a> {
    tree: &'a Path,
    to: &'a Path,
    prefix: PathBuf,
}

impl Packing<'_> {
    /// Writes the archive; returns the writer, the archive's digest, and its size.
    fn pack<W: Write>(&self, out: W) -> Result<(W, Digest, u64), RegistryError> {
        let mut archive = Builder::new(Hashing::new(out));
        let mut above = PathBuf::new();
        for part in &self.prefix {
            above.push(part);
            self.append(&mut archive, &above, &header(EntryType::Directory, 0o755, 0), io::empty())?;
        }
        for entry in WalkDir::new(self.tree).min_depth(1).sort_by_file_name() {
            let entry = entry.map_err(|error| walk_error(self.tree, error))?;
            let path = entry.path();
            let name = self.prefix.join(path.strip_prefix(self.tree).unwrap_or(path));
            self.entry(&mut archive, path, &name)?;
        }
        let hashing = archive.into_inner().map_err(RegistryError::io("write", self.to))?;
        Ok((hashing.inner, hashing.hash.finish(), hashing.count))
    }

    fn entry<W: Write>(&self, archive: &mut Builder<W>, path: &Path, name: &Path) -> Result<(), RegistryError> {
        let metadata = path.symlink_metadata().map_err(RegistryError::io("read", path))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.append(archive, name, &header(EntryType::Directory, 0o755, 0), io::empty())
        } else if kind.is_symlink() {
            let target = path.read_link().map_err(RegistryError::io("read", path))?;
            let mut header = header(EntryType::Symlink, 0o777, 0);
            archive.append_link(&mut header, name, target).map_err(RegistryError::io("write", self.to))
        } else if kind.is_file() {
            let file = File::open(path).map_err(RegistryError::io("open", path))?;
            let mode = if runnable(&metadata) { 0o755 } else { 0o644 };
            let whole = Whole { inner: file, left: metadata.len() };
            self.append(archive, name, &header(EntryType::Regular, mode, metadata.len()), whole).map_err(|error| changed(error, path))
        } else {
            Err(refused(path, "it is neither a file, a folder nor a link", Some("take it out of the tree")))
        }
    }

    fn append<W: Write>(&self, archive: &mut Builder<W>, name: &Path, header: &Header, data: impl Read) -> Result<(), RegistryError> {
        archive.append_data(&mut header.clone(), name, data).map_err(RegistryError::io("write", self.to))
    }
}

pub(crate) fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A file of which just as much must come as its metadata said: an archive with less would be broken without a word.
pub(crate) struct Whole {
    pub(crate) inner: File,
    pub(crate) left: u64,
}

impl Read for Whole {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        let left = self.left.checked_sub(count as u64);
        match left {
            Some(left) if count > 0 || left == 0 || into.is_empty() => {
                self.left = left;
                Ok(count)
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "its size changed")),
        }
    }
}

fn changed(error: RegistryError, path: &Path) -> RegistryError {
    match error {
        RegistryError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            refused(path, "it changed while it was read", Some("wait until nothing writes there any more, and do it again"))
        }
        other => other,
    }
}

pub(crate) fn walk_error(tree: &Path, error: walkdir::Error) -> RegistryError {
    let path = error.path().unwrap_or(tree).to_owned();
    let source = error.into_io_error().unwrap_or_else(|| io::Error::other("a link leads to itself"));
    RegistryError::io("read", &path)(source)
}

fn runnable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;

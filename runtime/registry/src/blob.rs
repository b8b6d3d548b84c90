//! Blobs on their way out ([`Blob`]) and on their way in ([`Landing`]).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use oci_spec::image::{Descriptor, Digest, MediaType};
use tempfile::NamedTempFile;

use crate::digest::Hash;
use crate::{RegistryError, digest_of};

/// How much of a file is read at once, in bytes.
const PIECE: usize = 128 * 1024;

/// A blob that can be pushed: its descriptor, and where its bytes are.
#[derive(Clone, Debug)]
pub struct Blob {
    descriptor: Descriptor,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Bytes(Bytes),
    File(PathBuf),
}

impl Blob {
    /// Makes a blob of bytes.
    pub fn of_bytes(media_type: MediaType, bytes: Bytes) -> Self {
        Self { descriptor: Descriptor::new(media_type, bytes.len() as u64, digest_of(&bytes)), source: Source::Bytes(bytes) }
    }

    /// Makes a blob of a file, which is read once for its digest and must stay as it is until the blob is pushed.
    pub async fn of_file(media_type: MediaType, path: &Path) -> Result<Self, RegistryError> {
        let path = path.to_owned();
        blocking(move || {
            let (digest, size) = hash_file(&path, Hash::sha256()).map_err(RegistryError::io("read", &path))?;
            Ok(Self { descriptor: Descriptor::new(media_type, size, digest), source: Source::File(path) })
        })
        .await
    }

    /// Makes a blob of a file whose descriptor is known already. A registry refuses it where that is wrong.
    pub fn of_known_file(descriptor: Descriptor, path: PathBuf) -> Self {
        Self { descriptor, source: Source::File(path) }
    }

    /// Returns the descriptor.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Returns the digest.
    pub fn digest(&self) -> &Digest {
        self.descriptor.digest()
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.descriptor.size()
    }

    /// Returns this blob with another media type.
    pub fn typed(mut self, media_type: MediaType) -> Self {
        self.descriptor.set_media_type(media_type);
        self
    }

    /// Returns this blob with other annotations in its descriptor.
    pub fn annotated(mut self, annotations: impl IntoIterator<Item = (String, String)>) -> Self {
        self.descriptor.set_annotations(Some(annotations.into_iter().collect()));
        self
    }

    /// Returns `length` bytes from `offset`.
    pub(crate) async fn piece(&self, offset: u64, length: u64) -> Result<Bytes, RegistryError> {
        let path = match &self.source {
            Source::Bytes(bytes) => {
                let end = usize::try_from(offset + length).unwrap_or(usize::MAX).min(bytes.len());
                return Ok(bytes.slice(usize::try_from(offset).unwrap_or(end).min(end)..end));
            }
            Source::File(path) => path.clone(),
        };
        blocking(move || read_piece(&path, offset, length).map_err(RegistryError::io("read", &path))).await
    }

    /// Copies the blob into `to`, checking its digest.
    pub(crate) fn copy_into(&self, landing: &mut Landing) -> Result<(), RegistryError> {
        match &self.source {
            Source::Bytes(bytes) => landing.take(bytes),
            Source::File(path) => {
                let mut file = File::open(path).map_err(RegistryError::io("open", path))?;
                landing.take_all(&mut file, path)
            }
        }
    }
}

fn read_piece(path: &Path, offset: u64, length: u64) -> std::io::Result<Bytes> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(Bytes::from(bytes))
}

fn hash_file(path: &Path, mut hash: Hash) -> std::io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let (mut piece, mut size) = (vec![0; PIECE], 0);
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((hash.finish(), size));
        }
        hash.update(&piece[..count]);
        size += count as u64;
    }
}

/// Where a blob comes down: nothing is kept of it before its size and its digest were checked.
pub struct Landing {
    at: String,
    expected: Descriptor,
    hash: Hash,
    count: u64,
    into: Target,
}

enum Target {
    Memory(Vec<u8>),
    File(NamedTempFile),
}

impl Landing {
    /// Prepares for a blob that goes to a new file in `folder`.
    pub(crate) fn in_folder(at: &str, expected: &Descriptor, limit: u64, folder: &Path) -> Result<Self, RegistryError> {
        let file = NamedTempFile::new_in(folder).map_err(RegistryError::io("make a file in", folder))?;
        Self::new(at, expected, limit, Target::File(file))
    }

    /// Prepares for a blob that goes to the memory.
    pub(crate) fn in_memory(at: &str, expected: &Descriptor, limit: u64) -> Result<Self, RegistryError> {
        Self::new(at, expected, limit, Target::Memory(Vec::new()))
    }

    fn new(at: &str, expected: &Descriptor, limit: u64, into: Target) -> Result<Self, RegistryError> {
        let at = format!("{at}@{}", expected.digest());
        if expected.size() > limit {
            return Err(RegistryError::TooLarge { at, limit });
        }
        let hash = Hash::like(expected.digest()).ok_or_else(|| RegistryError::Malformed {
            reason: format!("{} is not checked here", expected.digest().algorithm()),
            at: at.clone(),
            help: Some("push it with SHA-256 digests".to_owned()),
        })?;
        Ok(Self { at, expected: expected.clone(), hash, count: 0, into })
    }

    /// Returns how many bytes have come.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the blob that is expected.
    pub(crate) fn expected(&self) -> &Descriptor {
        &self.expected
    }

    /// Takes the next bytes. More than the descriptor says are refused at once.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.count += bytes.len() as u64;
        if self.count > self.expected.size() {
            return Err(RegistryError::TooLarge { at: self.at.clone(), limit: self.expected.size() });
        }
        self.hash.update(bytes);
        match &mut self.into {
            Target::Memory(kept) => kept.extend_from_slice(bytes),
            Target::File(file) => file.write_all(bytes).map_err(RegistryError::io("write", file.path()))?,
        }
        Ok(())
    }

    /// Takes everything from a file.
    pub(crate) fn take_all(&mut self, from: &mut File, path: &Path) -> Result<(), RegistryError> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = from.read(&mut piece).map_err(RegistryError::io("read", path))?;
            if count == 0 {
                return Ok(());
            }
            self.take(&piece[..count])?;
        }
    }

    /// Forgets what has come, to begin again.
    pub(crate) fn restart(&mut self) -> Result<(), RegistryError> {
        self.count = 0;
        self.hash = Hash::like(self.expected.digest()).unwrap_or_else(Hash::sha256);
        match &mut self.into {
            Target::Memory(kept) => kept.clear(),
            Target::File(file) => {
                let path = file.path().to_owned();
                file.as_file().set_len(0).and_then(|()| file.rewind()).map_err(RegistryError::io("write", &path))?;
            }
        }
        Ok(())
    }

    /// Checks size and digest, and returns the bytes.
    pub(crate) fn into_bytes(self) -> Result<Bytes, RegistryError> {
        match self.checked()? {
            Target::Memory(bytes) => Ok(Bytes::from(bytes)),
            Target::File(file) => std::fs::read(file.path()).map(Bytes::from).map_err(RegistryError::io("read", file.path())),
        }
    }

    /// Checks size and digest, and puts the file in its place, durably.
    pub(crate) fn into_file(self, to: &Path) -> Result<(), RegistryError> {
        let written = RegistryError::io("write", to);
        match self.checked()? {
            Target::Memory(bytes) => std::fs::write(to, bytes).map_err(written),
            Target::File(file) => {
                file.as_file().sync_all().map_err(written)?;
                open_to_readers(file.path())?;
                file.persist(to).map(drop).map_err(|error| RegistryError::io("write", to)(error.error))
            }
        }
    }

    fn checked(self) -> Result<Target, RegistryError> {
        let found = self.hash.finish();
        if self.count == self.expected.size() && found == *self.expected.digest() {
            return Ok(self.into);
        }
        let found = if self.count == self.expected.size() {
            found.to_string()
        } else {
            format!("{} bytes of {}", self.count, self.expected.size())
        };
        Err(RegistryError::Digest { at: self.at, expected: Box::new(self.expected.digest().clone()), found })
    }
}

/// Gives a temporary file, which its owner alone may read, the mode of any other file.
fn open_to_readers(path: &Path) -> Result<(), RegistryError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).map_err(RegistryError::io("write", path))?;
    }
    Ok(())
}

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(RegistryError::Io { doing: "work on a thread".to_owned(), source: std::io::Error::other(error) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(bytes: &[u8]) -> Descriptor {
        Descriptor::new(MediaType::from("text/plain"), bytes.len() as u64, digest_of(bytes))
    }

    #[test]
    fn a_blob_lands_only_when_it_is_whole_and_right() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("blob");
        let land = |pieces: &[&[u8]]| {
            let mut landing = Landing::in_folder("here", &expected(b"hello"), 10, folder.path()).unwrap();
            pieces.iter().try_for_each(|piece| landing.take(piece))?;
            landing.into_file(&to)
        };
        assert!(land(&[b"hel"]).unwrap_err().to_string().ends_with("found 3 bytes of 5"));
        assert!(matches!(land(&[b"hullo"]), Err(RegistryError::Digest { .. })));
        assert!(matches!(land(&[b"hello", b"!"]), Err(RegistryError::TooLarge { limit: 5, .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of a blob that is not right");
        land(&[b"he", b"llo"]).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"hello");
    }

    #[test]
    fn a_landing_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut landing = Landing::in_folder("here", &expected(b"hello"), 10, folder.path()).unwrap();
        landing.take(b"xx").unwrap();
        landing.restart().unwrap();
        landing.take(b"hello").unwrap();
        assert_eq!(landing.into_bytes().unwrap(), Bytes::from_static(b"hello"));
        assert!(matches!(Landing::in_memory("here", &expected(b"hello"), 4), Err(RegistryError::TooLarge { limit: 4, .. })));
    }

    #[tokio::test]
    async fn a_file_and_its_bytes_are_the_same_blob() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"hello").unwrap();
        let of_file = Blob::of_file(MediaType::from("text/plain"), file.path()).await.unwrap();
        let of_bytes = Blob::of_bytes(MediaType::from("text/plain"), Bytes::from_static(b"hello"));
        assert_eq!(of_file.descriptor(), of_bytes.descriptor());
        assert_eq!(of_file.piece(1, 3).await.unwrap(), of_bytes.piece(1, 3).await.unwrap());
    }
}

//! The seam: one repository of manifests, blobs and tags, wherever it lies. Nothing above knows whether that is a registry or a directory.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use oci_spec::image::{Descriptor, Digest};

use crate::blob::{Blob, Landing, blocking};
use crate::{Manifest, Name, Place, RegistryError, Tag};

/// How a blob got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pushed {
    /// Its bytes were sent.
    Sent,
    /// It was there.
    Existed,
    /// The registry took it from another of its repositories.
    Mounted,
}

/// What a manifest is pushed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushAs {
    /// Under a tag, which stands for this manifest from then on.
    Tagged(Tag),
    /// Under a tag that never changes: where it stands for this manifest already, nothing is done, and where it stands for another, that is
    /// [`RegistryError::TagTaken`].
    ///
    /// A directory compares and sets under its lock. A registry cannot, unless it has immutable tags of its own: its tag is read before and
    /// after, and of two that push in the very same moment both may be told that they won, unless a lock of the caller's own keeps them apart.
    Immutable(Tag),
    /// By its digest alone.
    ByDigest,
    /// As a part of an index that is pushed after it.
    Part,
}

/// One repository.
#[async_trait]
pub trait Repository: Debug + Send + Sync {
    /// Returns where this is.
    fn place(&self) -> &Place;

    /// Returns the manifest that a tag or a digest stands for, its digest checked.
    async fn resolve(&self, name: &Name) -> Result<Manifest, RegistryError>;

    /// Returns whether a blob is there.
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError>;

    /// Brings a blob down.
    async fn fetch(&self, landing: &mut Landing) -> Result<(), RegistryError>;

    /// Pushes a blob, unless it is there already. `mount_from` names a repository of the same registry that has it.
    async fn push_blob(&self, blob: &Blob, mount_from: Option<&str>) -> Result<Pushed, RegistryError>;

    /// Pushes a manifest, whose blobs (or, of an index, whose manifests) are there, and returns its digest.
    async fn push_manifest(&self, manifest: &Manifest, push_as: &PushAs) -> Result<Digest, RegistryError>;

    /// Returns all tags, sorted.
    async fn list_tags(&self) -> Result<Vec<Tag>, RegistryError>;

    /// Takes a tag away. What it stood for stays.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unsupported`] where the registry cannot.
    async fn delete_tag(&self, tag: &Tag) -> Result<(), RegistryError>;

    /// Returns what is about a manifest, such as signatures and attestations: everything that was pushed with it as its subject.
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError>;

    /// Returns the file that holds a blob where it lies in this machine's directory.
    fn local_blob(&self, _digest: &Digest) -> Option<PathBuf> {
        None
    }
}

/// What can be done with every repository.
impl dyn Repository + '_ {
    /// Returns the digest that a tag or a digest stands for; none where it is not there.
    pub async fn find(&self, name: &Name) -> Result<Option<Digest>, RegistryError> {
        match self.resolve(name).await {
            Ok(manifest) => Ok(Some(manifest.digest().clone())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings a blob into a file, its digest checked, replacing what was there. Nothing is left where it fails.
    ///
    /// # Errors
    ///
    /// Where it is larger than `limit` bytes, or not what its digest says, or does not come.
    pub async fn pull_file(&self, descriptor: &Descriptor, to: &Path, limit: u64) -> Result<(), RegistryError> {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut landing = Landing::in_folder(&self.place().to_string(), descriptor, limit, folder)?;
        self.fetch(&mut landing).await?;
        let to = to.to_owned();
        blocking(move || landing.into_file(&to)).await
    }

    /// Returns a small blob, its digest checked.
    ///
    /// # Errors
    ///
    /// As [`Self::pull_file`].
    pub async fn pull_bytes(&self, descriptor: &Descriptor, limit: u64) -> Result<Bytes, RegistryError> {
        let mut landing = Landing::in_memory(&self.place().to_string(), descriptor, limit)?;
        self.fetch(&mut landing).await?;
        landing.into_bytes()
    }

    /// Points a tag at a manifest that is there.
    pub async fn tag(&self, digest: &Digest, tag: &Tag) -> Result<(), RegistryError> {
        let manifest = self.resolve(&Name::Digest(digest.clone())).await?;
        self.push_manifest(&manifest, &PushAs::Tagged(tag.clone())).await.map(drop)
    }
}

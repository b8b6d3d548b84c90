//! Whole artifacts on their way: blobs in parallel, then the manifest; and from one repository into another.

use std::path::PathBuf;

use futures::{StreamExt, TryStreamExt, stream};
use oci_spec::image::{Descriptor, Digest};

use crate::blob::Blob;
use crate::{Artifact, Manifest, Name, Place, PushAs, Pushed, RegistryError, Repository};

/// No index lies deeper in others.
const DEEPEST: usize = 4;

/// How an artifact is carried.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// How many blobs are on their way at once.
    pub parallel: usize,
    /// A repository of the same registry that may have the blobs.
    pub mount_from: Option<String>,
    /// The largest blob that is taken from elsewhere, in bytes.
    pub largest_blob: u64,
    /// Where blobs lie between two registries. It must exist.
    pub scratch: PathBuf,
}

/// How a pushed artifact got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Of each blob, how it got there.
    pub blobs: Vec<(Digest, Pushed)>,
}

impl Transfer {
    /// Returns the usual way: four blobs at once, each of up to 16 GiB.
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        Self { parallel: 4, mount_from: None, largest_blob: 16 << 30, scratch: scratch.into() }
    }

    /// Pushes blobs, several at once, each digest once.
    pub async fn push_blobs(&self, to: &dyn Repository, blobs: &[Blob]) -> Result<Vec<(Digest, Pushed)>, RegistryError> {
        let mut each: Vec<&Blob> = Vec::new();
        for blob in blobs {
            if each.iter().all(|known| known.digest() != blob.digest()) {
                each.push(blob);
            }
        }
        let sent = each.into_iter().map(|blob| async move {
            let pushed = to.push_blob(blob, self.mount_from.as_deref()).await?;
            Ok::<_, RegistryError>((blob.digest().clone(), pushed))
        });
        stream::iter(sent.collect::<Vec<_>>()).buffered(self.parallel.max(1)).try_collect().await
    }

    /// Pushes an artifact: its blobs, then its manifest.
    ///
    /// # Errors
    ///
    /// [`RegistryError::TagTaken`] where an immutable tag stands for something else; nothing is sent then.
    pub async fn push(&self, to: &dyn Repository, artifact: &Artifact, push_as: &PushAs) -> Result<Delivery, RegistryError> {
        check_free(to, &artifact.manifest, push_as).await?;
        let blobs = self.push_blobs(to, &artifact.blobs).await?;
        let digest = to.push_manifest(&artifact.manifest, push_as).await?;
        Ok(Delivery { digest, blobs })
    }

    /// Pushes an index with the artifacts that it names: their blobs, their manifests, and then the index.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub async fn push_index(
        &self,
        to: &dyn Repository,
        parts: &[Artifact],
        index: &Manifest,
        push_as: &PushAs,
    ) -> Result<Delivery, RegistryError> {
        check_free(to, index, push_as).await?;
        let blobs: Vec<Blob> = parts.iter().flat_map(|part| part.blobs.iter().cloned()).collect();
        let blobs = self.push_blobs(to, &blobs).await?;
        for part in parts {
            to.push_manifest(&part.manifest, &PushAs::Part).await?;
        }
        let digest = to.push_manifest(index, push_as).await?;
        Ok(Delivery { digest, blobs })
    }

    /// Copies an artifact, or an index with all that it names, from one repository into another. Bytes and digests stay.
    pub async fn copy(&self, from: &dyn Repository, name: &Name, to: &dyn Repository, push_as: &PushAs) -> Result<Delivery, RegistryError> {
        let manifest = from.resolve(name).await?;
        check_free(to, &manifest, push_as).await?;
        let blobs = self.copy_parts(from, &manifest, to).await?;
        let digest = to.push_manifest(&manifest, push_as).await?;
        Ok(Delivery { digest, blobs })
    }

    /// Copies all that a manifest names, innermost first, but not the manifest.
    async fn copy_parts(&self, from: &dyn Repository, top: &Manifest, to: &dyn Repository) -> Result<Vec<(Digest, Pushed)>, RegistryError> {
        let parts = all_parts(from, top).await?;
        let mut wanted: Vec<Descriptor> = top.blobs();
        for part in &parts {
            wanted.extend(part.blobs());
        }
        let mut each: Vec<Descriptor> = Vec::new();
        for blob in wanted {
            if each.iter().all(|known| known.digest() != blob.digest()) {
                each.push(blob);
            }
        }
        let mount = self.mount_from.clone().or_else(|| same_registry(from.place(), to.place()));
        let copies = each.into_iter().map(|blob| self.copy_blob(from, blob, to, mount.as_deref()));
        let blobs = stream::iter(copies.collect::<Vec<_>>()).buffered(self.parallel.max(1)).try_collect().await?;
        for part in parts.iter().rev() {
            to.push_manifest(part, &PushAs::Part).await?;
        }
        Ok(blobs)
    }

    async fn copy_blob(
        &self,
        from: &dyn Repository,
        descriptor: Descriptor,
        to: &dyn Repository,
        mount: Option<&str>,
    ) -> Result<(Digest, Pushed), RegistryError> {
        let digest = descriptor.digest().clone();
        if to.has_blob(&descriptor).await? {
            return Ok((digest, Pushed::Existed));
        }
        if let Some(path) = from.local_blob(&digest) {
            let pushed = to.push_blob(&Blob::of_known_file(descriptor, path), mount).await?;
            return Ok((digest, pushed));
        }
        let folder = tempfile::tempdir_in(&self.scratch).map_err(RegistryError::io("make a folder in", &self.scratch))?;
        let file = folder.path().join("blob");
        from.pull_file(&descriptor, &file, self.largest_blob).await?;
        let pushed = to.push_blob(&Blob::of_known_file(descriptor, file), mount).await?;
        Ok((digest, pushed))
    }
}

/// Returns every manifest below `top`, outer ones first.
async fn all_parts(from: &dyn Repository, top: &Manifest) -> Result<Vec<Manifest>, RegistryError> {
    let mut parts: Vec<Manifest> = Vec::new();
    let mut level: Vec<Descriptor> = top.manifests().to_vec();
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for descriptor in level {
            let part = from.resolve(&Name::Digest(descriptor.digest().clone())).await?;
            next.extend_from_slice(part.manifests());
            parts.push(part);
        }
        if next.is_empty() {
            return Ok(parts);
        }
        level = next;
    }
    let reason = format!("indexes lie in one another more than {DEEPEST} deep");
    Err(RegistryError::Malformed { at: format!("{}@{}", from.place(), top.digest()), reason, help: None })
}

/// Refuses an immutable tag early, before anything is sent.
async fn check_free(to: &dyn Repository, manifest: &Manifest, push_as: &PushAs) -> Result<(), RegistryError> {
    let PushAs::Immutable(tag) = push_as else { return Ok(()) };
    match to.find(&Name::Tag(tag.clone())).await? {
        Some(there) if there != *manifest.digest() => Err(RegistryError::taken(to.place(), tag, &there, manifest.digest())),
        _ => Ok(()),
    }
}

fn same_registry(from: &Place, to: &Place) -> Option<String> {
    match (from, to) {
        (Place::Remote { registry, repository }, Place::Remote { registry: other, repository: own }) if registry == other => {
            (repository != own).then(|| repository.clone())
        }
        _ => None,
    }
}

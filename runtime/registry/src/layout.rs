//! An OCI image layout directory: `oci-layout`, `index.json` and `blobs/`.
//!
//! What is named in `index.json` is there: blobs are written whole and renamed into place before it is changed, and it is changed by one
//! writer at a time, under a lock on the `oci-layout` file. Tags are the annotation that skopeo and others use.

mod sweep;

pub use sweep::Swept;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use fs4::fs_std::FileExt;
use oci_spec::image::{Descriptor, Digest, ImageIndex, ImageIndexBuilder, MediaType};

use crate::blob::{Blob, Landing, blocking};
use crate::manifest::LARGEST_MANIFEST;
use crate::{Manifest, Name, Place, PushAs, Pushed, RegistryError, Repository, Tag, canonical_json};

/// The annotation that holds a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const MARK: &str = "oci-layout";
const MARK_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A layout directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    place: Place,
}

impl Layout {
    /// Returns the layout in `root`. The directory is made with the first thing that is pushed.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { place: Place::Layout(root.clone()), root }
    }

    /// Returns the manifest that a name in the layout stands for; without a name, the only one that is no part and nothing about another.
    ///
    /// # Errors
    ///
    /// Where there is none of the name, or without one there are several.
    pub async fn only(&self, name: Option<&str>) -> Result<Manifest, RegistryError> {
        if let Some(name) = name {
            return self.resolve(&Name::Tag(name.parse()?)).await;
        }
        let entries = self.on_thread(Self::index).await?.map(|index| index.manifests().clone()).unwrap_or_default();
        let mut digests: Vec<&Digest> = Vec::new();
        for entry in &entries {
            if !digests.contains(&entry.digest()) {
                digests.push(entry.digest());
            }
        }
        match digests.as_slice() {
            [only] => self.resolve(&Name::Digest((*only).clone())).await,
            [] => Err(self.malformed("it holds no image")),
            _ => {
                let names: Vec<&str> = entries.iter().filter_map(tag_of).collect();
                Err(self.malformed(format!("it holds {} images, named {}: say which one is meant", digests.len(), names.join(", "))))
            }
        }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().as_ref()).join(digest.digest())
    }

    fn malformed(&self, reason: impl Into<String>) -> RegistryError {
        let help = Some("name a directory with an OCI image layout, or one that does not exist yet".to_owned());
        RegistryError::Malformed { at: self.place.to_string(), reason: reason.into(), help }
    }

    fn missing(&self, name: &Name) -> RegistryError {
        RegistryError::NotFound { at: format!("{}{name}", self.place), codes: Vec::new() }
    }

    /// Makes the directory, or checks that it is a layout; then works on its index while nobody else does.
    fn change(&self, work: impl FnOnce(&mut Vec<Descriptor>) -> Result<(), RegistryError>) -> Result<(), RegistryError> {
        self.make()?;
        let mark = self.root.join(MARK);
        let lock = File::open(&mark).map_err(RegistryError::io("open", &mark))?;
        lock.lock_exclusive().map_err(RegistryError::io("lock", &mark))?;
        let index = self.index()?;
        let mut manifests = index.as_ref().map(|index| index.manifests().clone()).unwrap_or_default();
        work(&mut manifests)?;
        let mut index = index.map_or_else(|| self.empty_index(), Ok)?;
        index.set_manifests(manifests);
        self.write("index.json".as_ref(), &canonical_json(&index)?)
    }

    /// Returns whether something else lies there. A directory that another process is only just making is empty, or has its blobs' folder.
    fn is_foreign(&self) -> bool {
        self.root.read_dir().is_ok_and(|mut entries| entries.next().is_some()) && !self.root.join("blobs").is_dir()
    }

    fn make(&self) -> Result<(), RegistryError> {
        let mark = self.root.join(MARK);
        if mark.exists() {
            return Ok(());
        }
        if self.is_foreign() {
            return Err(self.malformed("it holds something else than an OCI image layout"));
        }
        fs::create_dir_all(self.root.join("blobs/sha256")).map_err(RegistryError::io("make", &self.root))?;
        // Never over one that is there: whoever else made it may hold a lock on it already.
        let made = tempfile::NamedTempFile::new_in(&self.root).and_then(|mut file| {
            file.write_all(MARK_TEXT.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(&mark).map(drop).map_err(|error| error.error)
        });
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(RegistryError::io("write", &mark)(error)),
            _ => Ok(()),
        }
    }

    /// Replaces a file of the layout at once.
    fn write(&self, name: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
        let expected = Descriptor::new(MediaType::LayoutHeader, bytes.len() as u64, crate::digest_of(bytes));
        let mut landing = Landing::in_folder(&self.place.to_string(), &expected, u64::MAX, &self.root)?;
        landing.take(bytes)?;
        landing.into_file(&self.root.join(name))
    }

    fn empty_index(&self) -> Result<ImageIndex, RegistryError> {
        let built = ImageIndexBuilder::default().schema_version(2_u32).media_type(MediaType::ImageIndex).manifests(Vec::new()).build();
        built.map_err(|error| self.malformed(error.to_string()))
    }

    /// Returns the index; none where there is none yet.
    fn index(&self) -> Result<Option<ImageIndex>, RegistryError> {
        let Some(bytes) = read_small(&self.root.join("index.json"))? else {
            return if self.root.join(MARK).exists() || !self.is_foreign() {
                Ok(None)
            } else {
                Err(self.malformed("it is no OCI image layout"))
            };
        };
        let manifest = Manifest::read(bytes, None).map_err(|reason| self.malformed(format!("its index.json cannot be used: {reason}")))?;
        let index = manifest.index().ok_or_else(|| self.malformed("its index.json is no index"))?;
        Ok(Some(index.clone()))
    }

    /// Returns how `index.json` names what is asked for; of a digest that it does not name, the digest alone.
    fn named(&self, name: &Name) -> Result<Digest, RegistryError> {
        let index = self.index()?;
        match name {
            Name::Digest(digest) => Ok(digest.clone()),
            Name::Tag(tag) => {
                let mut found = index.iter().flat_map(ImageIndex::manifests).filter(|entry| tag_of(entry) == Some(tag.as_str()));
                found.next_back().map(|entry| entry.digest().clone()).ok_or_else(|| self.missing(name))
            }
        }
    }

    fn read_manifest(&self, name: &Name) -> Result<Manifest, RegistryError> {
        let digest = self.named(name)?;
        let bytes = read_small(&self.blob_path(&digest))?.ok_or_else(|| self.missing(name))?;
        let at = format!("{}@{digest}", self.place);
        let manifest = Manifest::read(bytes, None).map_err(|reason| RegistryError::Malformed { at: at.clone(), reason, help: None })?;
        manifest.checked(&digest, at)
    }

    fn write_manifest(&self, manifest: &Manifest, push_as: &PushAs) -> Result<(), RegistryError> {
        self.put(manifest)?;
        match push_as {
            PushAs::Part => Ok(()),
            PushAs::ByDigest => self.change(|entries| {
                self.put(manifest)?;
                if entries.iter().all(|entry| entry.digest() != manifest.digest()) {
                    entries.push(manifest.descriptor());
                }
                Ok(())
            }),
            PushAs::Tagged(tag) => self.change(|entries| {
                self.put(manifest)?;
                point(entries, tag, manifest);
                Ok(())
            }),
            PushAs::Immutable(tag) => self.change(|entries| {
                self.put(manifest)?;
                let there = entries.iter().rev().find(|entry| tag_of(entry) == Some(tag.as_str()));
                match there.map(Descriptor::digest) {
                    Some(there) if there == manifest.digest() => Ok(()),
                    Some(there) => Err(RegistryError::taken(&self.place, tag, there, manifest.digest())),
                    None => {
                        point(entries, tag, manifest);
                        Ok(())
                    }
                }
            }),
        }
    }

    /// Puts a manifest there, if all that it names is there, as a registry does. Before it is named that is looked at again under the lock, for
    /// only under the lock is anything removed.
    fn put(&self, manifest: &Manifest) -> Result<Pushed, RegistryError> {
        let mut parts = manifest.blobs().into_iter().chain(manifest.manifests().iter().cloned());
        match parts.find(|part| !has_size(&self.blob_path(part.digest()), part.size())) {
            Some(part) => Err(self.missing(&Name::Digest(part.digest().clone()))),
            None => self.write_blob(&Blob::of_bytes(manifest.media_type().clone(), manifest.bytes().clone())),
        }
    }

    fn write_blob(&self, blob: &Blob) -> Result<Pushed, RegistryError> {
        let path = self.blob_path(blob.digest());
        if has_size(&path, blob.size()) {
            return Ok(Pushed::Existed);
        }
        self.make()?;
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(RegistryError::io("make", folder))?;
        let mut landing = Landing::in_folder(&self.place.to_string(), blob.descriptor(), u64::MAX, folder)?;
        blob.copy_into(&mut landing)?;
        landing.into_file(&path)?;
        Ok(Pushed::Sent)
    }

    fn untag(&self, tag: &Tag) -> Result<(), RegistryError> {
        self.named(&Name::Tag(tag.clone()))?;
        self.change(|entries| {
            take_away(entries, tag);
            Ok(())
        })
    }

    fn about(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let mut found: Vec<Descriptor> = Vec::new();
        for entry in self.index()?.iter().flat_map(ImageIndex::manifests) {
            let manifest = match self.read_manifest(&Name::Digest(entry.digest().clone())) {
                Ok(manifest) => manifest,
                // A directory may name what it does not hold.
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            let about = manifest.subject().is_some_and(|subject| subject.digest() == digest);
            if about && found.iter().all(|known| known.digest() != entry.digest()) {
                found.push(manifest.as_referrer());
            }
        }
        Ok(found)
    }

    /// Runs work on files on a thread for that.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let own = self.clone();
        blocking(move || work(&own)).await
    }
}

#[async_trait]
impl Repository for Layout {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn resolve(&self, name: &Name) -> Result<Manifest, RegistryError> {
        let name = name.clone();
        self.on_thread(move |own| own.read_manifest(&name)).await
    }

    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        Ok(has_size(&self.blob_path(descriptor.digest()), descriptor.size()))
    }

    async fn fetch(&self, landing: &mut Landing) -> Result<(), RegistryError> {
        let digest = landing.expected().digest().clone();
        let path = self.blob_path(&digest);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(self.missing(&Name::Digest(digest))),
            Err(error) => return Err(RegistryError::io("open", &path)(error)),
        };
        landing.take_all(&mut file, &path)
    }

    async fn push_blob(&self, blob: &Blob, _mount_from: Option<&str>) -> Result<Pushed, RegistryError> {
        let blob = blob.clone();
        self.on_thread(move |own| own.write_blob(&blob)).await
    }

    async fn push_manifest(&self, manifest: &Manifest, push_as: &PushAs) -> Result<Digest, RegistryError> {
        let (manifest, push_as) = (manifest.clone(), push_as.clone());
        self.on_thread(move |own| own.write_manifest(&manifest, &push_as).map(|()| manifest.digest().clone())).await
    }

    async fn list_tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let index = self.on_thread(Self::index).await?;
        let mut tags: Vec<Tag> = index.iter().flat_map(ImageIndex::manifests).filter_map(|entry| tag_of(entry)?.parse().ok()).collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    async fn delete_tag(&self, tag: &Tag) -> Result<(), RegistryError> {
        let tag = tag.clone();
        self.on_thread(move |own| own.untag(&tag)).await
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let digest = digest.clone();
        self.on_thread(move |own| own.about(&digest)).await
    }

    fn local_blob(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.blob_path(digest)).filter(|path| path.is_file())
    }
}

/// Points a tag at a manifest. What had the tag is named without it, unless it is named otherwise too.
fn point(entries: &mut Vec<Descriptor>, tag: &Tag, manifest: &Manifest) {
    take_away(entries, tag);
    let mut entry = manifest.descriptor();
    entry.set_annotations(Some(HashMap::from([(REF_NAME.to_owned(), tag.to_string())])));
    entries.retain(|other| tag_of(other).is_some() || other.digest() != manifest.digest());
    entries.push(entry);
}

/// Takes a tag away. What it stood for stays named, as a registry keeps it too.
fn take_away(entries: &mut Vec<Descriptor>, tag: &Tag) {
    let gone: Vec<Descriptor> = entries.iter().filter(|entry| tag_of(entry) == Some(tag.as_str())).cloned().collect();
    entries.retain(|entry| tag_of(entry) != Some(tag.as_str()));
    for mut entry in gone {
        if entries.iter().all(|other| other.digest() != entry.digest()) {
            entry.set_annotations(None);
            entries.push(entry);
        }
    }
}

fn tag_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations().as_ref()?.get(REF_NAME).map(String::as_str)
}

fn has_size(path: &Path, size: u64) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// Returns a document's bytes; none where there is no file.
fn read_small(path: &Path) -> Result<Option<Bytes>, RegistryError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(RegistryError::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes).map_err(RegistryError::io("read", path))?;
    if bytes.len() as u64 > LARGEST_MANIFEST {
        return Err(RegistryError::TooLarge { at: path.display().to_string(), limit: LARGEST_MANIFEST });
    }
    Ok(Some(Bytes::from(bytes)))
}

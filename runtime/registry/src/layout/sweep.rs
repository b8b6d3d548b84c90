//! Takes out of a layout what nobody needs any more. What is named stays whole: the index is changed first, and only then are blobs removed
//! that it does not reach.

use super::{Layout, MARK, tag_of};
use crate::{Name, RegistryError, Tag};
use oci_spec::image::{Descriptor, Digest};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What was taken out, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The artifacts, with the tags that they had; what was attached to them went with them.
    pub artifacts: Vec<(Digest, Vec<Tag>)>,
    /// How many bytes of blobs.
    pub bytes: u64,
}

impl Layout {
    /// Takes out each artifact that `keeps` does not want and that came longer than `keep_for` ago, what is attached to it, and the blobs that
    /// nothing reaches then. Without `remove` it only says what that would be.
    pub fn sweep(&self, keeps: &dyn Fn(&Digest) -> bool, keep_for: Duration, remove: bool) -> Result<Swept, RegistryError> {
        if !self.root.join(MARK).exists() {
            return Ok(Swept::default());
        }
        let mut swept = Swept::default();
        let mut stays = Vec::new();
        let mut choose = |entries: &mut Vec<Descriptor>| {
            swept.artifacts = self.choose(entries, keeps, keep_for)?;
            stays.clone_from(entries);
            Ok(())
        };
        if remove {
            self.change(&mut choose)?;
            // What was named meanwhile is reached too: it is looked at again, while nobody can name more.
            self.change(|entries| self.sweep_blobs(entries, keep_for, true).map(|bytes| swept.bytes = bytes))?;
        } else {
            let mut entries = self.index()?.map(|index| index.manifests().clone()).unwrap_or_default();
            choose(&mut entries)?;
            swept.bytes = self.sweep_blobs(&stays, keep_for, false)?;
        }
        Ok(swept)
    }

    /// Leaves the entries that stay, and returns what goes.
    fn choose(
        &self,
        entries: &mut Vec<Descriptor>,
        keeps: &dyn Fn(&Digest) -> bool,
        keep_for: Duration,
    ) -> Result<Vec<(Digest, Vec<Tag>)>, RegistryError> {
        let mut about = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            about.push(match self.read_manifest(&Name::Digest(entry.digest().clone())) {
                Ok(manifest) => manifest.subject().map(|subject| subject.digest().clone()),
                // What is named and not there is of no use to anybody.
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            });
        }
        let is_kept = |digest: &Digest| keeps(digest) || is_young(&self.blob_path(digest), keep_for);
        let mut gone: Vec<(Digest, Vec<Tag>)> = Vec::new();
        let mut of = about.iter();
        entries.retain(|entry| {
            let subject = of.next().and_then(Option::as_ref);
            let stays = is_kept(subject.unwrap_or(entry.digest()));
            if !stays && subject.is_none() {
                let tag = tag_of(entry).and_then(|tag| tag.parse().ok());
                match gone.iter_mut().find(|(digest, _)| digest == entry.digest()) {
                    Some((_, tags)) => tags.extend(tag),
                    None => gone.push((entry.digest().clone(), tag.into_iter().collect())),
                }
            }
            stays
        });
        Ok(gone)
    }

    fn sweep_blobs(&self, entries: &[Descriptor], keep_for: Duration, remove: bool) -> Result<u64, RegistryError> {
        let reached = self.reached(entries)?;
        let mut bytes = 0;
        for path in self.blobs()? {
            if reached.contains(&path) || is_young(&path, keep_for) {
                continue;
            }
            bytes += path.metadata().map_or(0, |metadata| metadata.len());
            if remove {
                fs::remove_file(&path).map_err(RegistryError::io("remove", &path))?;
            }
        }
        Ok(bytes)
    }

    /// Returns the files of everything that the entries lead to.
    fn reached(&self, entries: &[Descriptor]) -> Result<BTreeSet<PathBuf>, RegistryError> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<Digest> = entries.iter().map(|entry| entry.digest().clone()).collect();
        while let Some(digest) = open.pop() {
            if !reached.insert(self.blob_path(&digest)) {
                continue;
            }
            let manifest = match self.read_manifest(&Name::Digest(digest)) {
                Ok(manifest) => manifest,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            reached.extend(manifest.blobs().iter().map(|blob| self.blob_path(blob.digest())));
            open.extend(manifest.manifests().iter().map(|part| part.digest().clone()));
        }
        Ok(reached)
    }

    fn blobs(&self) -> Result<Vec<PathBuf>, RegistryError> {
        let folder = self.root.join("blobs");
        let mut found = Vec::new();
        for algorithm in read(&folder)? {
            if algorithm.is_dir() {
                found.extend(read(&algorithm)?.into_iter().filter(|path| path.is_file()));
            }
        }
        Ok(found)
    }
}

fn is_young(path: &Path, keep_for: Duration) -> bool {
    let came = path.metadata().and_then(|metadata| metadata.modified());
    came.is_ok_and(|came| SystemTime::now().duration_since(came).is_ok_and(|age| age < keep_for))
}

fn read(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let entries = folder.read_dir().map_err(RegistryError::io("read", folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(RegistryError::io("read", folder))).collect()
}

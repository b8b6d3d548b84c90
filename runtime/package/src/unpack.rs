//! From a repository into a store. Nothing is believed: each layer is compared with the digest that the record names, and all of them must come.

use crate::PackageError;
use crate::record::{
    ARTIFACT_TYPE, CONFIG_TYPE, CONTENT, FILE_NAME, FILES_TYPE, FORMAT, MANIFEST_TYPE, OUTPUT_TYPE, PLUGIN_TYPE, PackageRecord, SINGLE_FILE,
};
use relrun_ledger::Digest;
use relrun_registry::spec::Descriptor;
use relrun_registry::{Compression, Manifest, Name, Repository, UnpackLimits, unpack_layer};
use relrun_store::{BlobStore, CaptureMode};
use std::collections::BTreeSet;
use std::path::Path;

/// How large a package may be.
#[derive(Clone, Copy, Debug)]
pub struct PackageLimits {
    /// Of its record, in bytes.
    pub record: u64,
    /// Of a layer as it comes, in bytes.
    pub layer: u64,
    /// Of what comes out of a layer.
    pub unpacked: UnpackLimits,
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self { record: 32 << 20, layer: 16 << 30, unpacked: UnpackLimits::default() }
    }
}

/// A package in a repository, of which the record was read.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its artifact's manifest.
    pub manifest: Manifest,
    /// What it says of itself.
    pub record: PackageRecord,
}

impl Package {
    /// Reads what a package says of itself.
    ///
    /// # Errors
    /// Where it is not there, is something else, or is of a newer form.
    pub async fn open(from: &dyn Repository, name: &Name, limits: PackageLimits) -> Result<Self, PackageError> {
        let at = format!("{}{name}", from.place());
        let manifest = from.resolve(name).await?;
        let unusable = |reason: String| PackageError::Unusable { at: at.clone(), reason };
        let image = manifest.image().ok_or_else(|| unusable("it is an index".to_owned()))?;
        if manifest.artifact_type().map(AsRef::as_ref) != Some(ARTIFACT_TYPE) || image.config().media_type().as_ref() != CONFIG_TYPE {
            return Err(unusable("it is another kind of artifact".to_owned()));
        }
        let bytes = from.pull_bytes(image.config(), limits.record).await?;
        let wrong = |error: serde_json::Error| unusable(format!("its record cannot be read: {error}"));
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        let found = value["format"].as_u64().and_then(|format| u32::try_from(format).ok()).unwrap_or(u32::MAX);
        if found > FORMAT {
            return Err(PackageError::Newer { at, found, known: FORMAT });
        }
        let record: PackageRecord = serde_json::from_value(value).map_err(wrong)?;
        record.check().map_err(unusable)?;
        Ok(Self { manifest, record })
    }

    /// Returns its digest.
    pub fn digest(&self) -> String {
        self.manifest.digest().to_string()
    }

    /// Brings all that it holds into a store.
    ///
    /// # Errors
    /// Where something is not what the record says, or does not come.
    pub async fn unpack(
        &self,
        from: &dyn Repository,
        into: &dyn BlobStore,
        scratch: &Path,
        limits: PackageLimits,
    ) -> Result<(), PackageError> {
        let mut wanted = self.wanted();
        let layers = self.manifest.image().map(|image| image.layers().clone()).unwrap_or_default();
        for layer in &layers {
            let Some(content) = content_of(layer).filter(|content| wanted.contains(content)) else { continue };
            let file = scratch.join(format!("{content}.layer"));
            from.pull_file(layer, &file, limits.layer).await?;
            let kept = keep(layer, &file, into, scratch, limits)?;
            if kept != content {
                return Err(self.unusable(from, format!("a layer that should be {content} is {kept}")));
            }
            wanted.remove(&content);
            if file.exists() {
                std::fs::remove_file(&file).map_err(PackageError::io(format!("remove {}", file.display())))?;
            }
        }
        match wanted.first() {
            Some(missing) => Err(self.unusable(from, format!("{missing}, which its record names, is in none of its layers"))),
            None => Ok(()),
        }
    }

    /// Returns everything that the record names.
    fn wanted(&self) -> BTreeSet<Digest> {
        let record = &self.record;
        let plugins = record.plugins().unwrap_or_default();
        let written = record.written();
        let files = record.files.as_ref().map(|files| files.tree);
        [record.manifest]
            .into_iter()
            .chain(plugins.values().map(|plugin| plugin.digest))
            .chain(files)
            .chain(written.into_iter().map(|(digest, _)| digest))
            .collect()
    }

    fn unusable(&self, from: &dyn Repository, reason: String) -> PackageError {
        PackageError::Unusable { at: format!("{}@{}", from.place(), self.manifest.digest()), reason }
    }
}

fn annotation<'a>(layer: &'a Descriptor, name: &str) -> Option<&'a str> {
    layer.annotations().as_ref()?.get(name).map(String::as_str)
}

fn content_of(layer: &Descriptor) -> Option<Digest> {
    annotation(layer, CONTENT)?.parse().ok()
}

/// Keeps what came in a layer, and returns what it is.
fn keep(layer: &Descriptor, file: &Path, into: &dyn BlobStore, scratch: &Path, limits: PackageLimits) -> Result<Digest, PackageError> {
    match layer.media_type().as_ref() {
        FILES_TYPE | OUTPUT_TYPE => {
            let folder = tempfile::tempdir_in(scratch).map_err(PackageError::io(format!("make a folder in {}", scratch.display())))?;
            let tree = folder.path().join("tree");
            unpack_layer(file, Compression::Gzip, &tree, None, limits.unpacked)?;
            let root = if annotation(layer, SINGLE_FILE).is_some() { tree.join(FILE_NAME) } else { tree };
            Ok(relrun_store::capture(into, &root, CaptureMode::Move)?.0)
        }
        MANIFEST_TYPE | PLUGIN_TYPE => Ok(into.take_file(file)?.0),
        // What is of no type that this program knows is none of its business.
        _ => Ok(Digest([0; 32])),
    }
}

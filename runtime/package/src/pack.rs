//! From a record and a store to an artifact. The same record gives the same bytes.

use crate::record::{
    ARTIFACT_TYPE, Attached, CONFIG_TYPE, CONTENT, FILE_NAME, FILES_TYPE, MANIFEST_TYPE, OUTPUT_TYPE, PLUGIN_TYPE, PackageRecord,
    SINGLE_FILE,
};
use crate::{PackageError, bill};
use bytes::Bytes;
use relrun_ledger::Digest;
use relrun_registry::spec::MediaType;
use relrun_registry::{Artifact, ArtifactPlan, Blob, Compression, LayerOptions, canonical_json, layer_of_tree};
use relrun_store::{BlobStore, RestoreMode, Tree};
use std::collections::BTreeMap;
use std::path::Path;

const TITLE: &str = "org.opencontainers.image.title";

/// What a package is to be made of. Everything that the record names must be in the store.
pub struct Contents<'a> {
    /// What it says of itself.
    pub record: &'a PackageRecord,
    /// Where everything is.
    pub blobs: &'a dyn BlobStore,
    /// An empty folder, which must stay until the artifact was pushed.
    pub scratch: &'a Path,
}

/// Makes the package, and its bill of materials. This blocks.
///
/// # Errors
/// Where something that the record names is not in the store, or no layer can be made of it.
pub fn pack(contents: &Contents<'_>) -> Result<(Artifact, Artifact), PackageError> {
    let Contents { record, blobs, .. } = contents;
    let mut layers = vec![titled(MANIFEST_TYPE, Bytes::from(blobs.get(record.manifest)?), "release.kdl")];
    let plugins = record.plugins().map_err(|reason| unusable(record, reason))?;
    for (name, plugin) in &plugins {
        let title = format!("plugins/{name}.wasm");
        layers.push(titled(PLUGIN_TYPE, Bytes::from(blobs.get(plugin.digest)?), &title));
    }
    if let Some(files) = &record.files {
        layers.push(contents.tree(FILES_TYPE, files.tree, "files")?);
    }
    for (digest, title) in record.written() {
        layers.push(contents.tree(OUTPUT_TYPE, digest, &title)?);
    }
    let config = Blob::of_bytes(MediaType::from(CONFIG_TYPE), canonical_json(record)?);
    let plan = ArtifactPlan {
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        config: Some(config),
        layers,
        annotations: annotations(record),
        subject: None,
    };
    let package = plan.build()?;
    let bill = bill::bill(record, &plugins, &package, *blobs)?;
    let bill = attach(Attached::Bill, &package, canonical_json(&bill)?)?;
    Ok((package, bill))
}

/// Makes the artifact of a document about a package.
pub(crate) fn attach(what: Attached, package: &Artifact, document: Bytes) -> Result<Artifact, PackageError> {
    let mut annotations = BTreeMap::new();
    if what != Attached::Bill {
        annotations.insert("in-toto.io/predicate-type".to_owned(), crate::provenance::PREDICATE.to_owned());
    }
    let plan = ArtifactPlan {
        artifact_type: Some(what.media_type().to_owned()),
        config: None,
        layers: vec![Blob::of_bytes(MediaType::from(what.media_type()), document)],
        annotations,
        subject: Some(package.manifest.descriptor()),
    };
    Ok(plan.build()?)
}

fn annotations(record: &PackageRecord) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (TITLE.to_owned(), record.package.clone()),
        ("org.opencontainers.image.version".to_owned(), record.version.clone()),
    ]);
    if let Some(description) = &record.description {
        annotations.insert("org.opencontainers.image.description".to_owned(), description.clone());
    }
    annotations
}

fn titled(media_type: &str, bytes: Bytes, title: &str) -> Blob {
    let content = Digest::of(&bytes).to_string();
    Blob::of_bytes(MediaType::from(media_type), bytes).annotated([(TITLE.to_owned(), title.to_owned()), (CONTENT.to_owned(), content)])
}

fn unusable(record: &PackageRecord, reason: String) -> PackageError {
    PackageError::Unusable { at: format!("{}@{}", record.package, record.version), reason }
}

impl Contents<'_> {
    /// Lays a tree out and packs it. A file alone becomes a folder with one file: an archive has no entry without a name.
    fn tree(&self, media_type: &str, digest: Digest, title: &str) -> Result<Blob, PackageError> {
        let tree = Tree::get(self.blobs, digest)?;
        let folder = self.scratch.join(format!("{digest}.d"));
        let mut annotations = vec![(TITLE.to_owned(), title.to_owned()), (CONTENT.to_owned(), digest.to_string())];
        if tree.is_file() {
            std::fs::create_dir(&folder).map_err(PackageError::io(format!("make {}", folder.display())))?;
            relrun_store::restore_tree(self.blobs, &tree, &folder.join(FILE_NAME), RestoreMode::Writable)?;
            annotations.push((SINGLE_FILE.to_owned(), "true".to_owned()));
        } else {
            relrun_store::restore_tree(self.blobs, &tree, &folder, RestoreMode::Writable)?;
        }
        let options = LayerOptions { compression: Compression::Gzip, ..LayerOptions::default() };
        let layer = layer_of_tree(&folder, &self.scratch.join(format!("{digest}.tar.gz")), &options)?;
        std::fs::remove_dir_all(&folder).map_err(PackageError::io(format!("remove {}", folder.display())))?;
        Ok(layer.blob.typed(MediaType::from(media_type)).annotated(annotations))
    }
}

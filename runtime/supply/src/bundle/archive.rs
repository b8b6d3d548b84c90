//! A bundle with all that is in it: in memory, in a registry or a layout directory, and as one file.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use relrun_ledger::Digest;
use relrun_registry::spec::MediaType;
use relrun_registry::{
    ArtifactPlan, Blob, Layout, Manifest, Name, PushAs, Repository, Tag, Transfer, UnpackLimits, canonical_json, pack_layout,
    unpack_layout, wasm,
};

use super::index::{BundleIndex, LARGEST_INDEX};
use crate::fetch::attached;
use crate::push::push_signature;
use crate::{LARGEST_COMPONENT, SupplyError};

const ARTIFACT_TYPE: &str = "application/vnd.relrun.bundle.v1";
const INDEX_TYPE: &str = "application/vnd.relrun.bundle.index.v1+json";
/// How a layout names the bundle in it.
const NAME: &str = "bundle";
/// No file of a bundle is larger, unpacked, in bytes.
const LARGEST_BUNDLE: u64 = 8 << 30;

/// A bundle with its components and its signatures.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The index's bytes, which the signatures are of.
    pub bytes: Bytes,
    /// What they say.
    pub index: BundleIndex,
    /// The signatures of the index. Whether one is right is asked each time that it counts.
    pub signatures: Vec<String>,
    /// The components, each compared with its digest.
    pub components: BTreeMap<Digest, Bytes>,
}

/// Puts an index and its components together.
///
/// # Errors
/// Where one is missing.
pub fn build(index: BundleIndex, components: BTreeMap<Digest, Bytes>) -> Result<Archive, SupplyError> {
    if let Some((name, _)) = index.plugins.iter().find(|(_, entry)| !components.contains_key(&entry.component)) {
        return Err(SupplyError::wrong(format!("the component of \"{name}\" is not in the bundle"), "build the bundle anew"));
    }
    let bytes = canonical_json(&index)?;
    Ok(Archive { bytes, index, signatures: Vec::new(), components })
}

/// Pushes a bundle, and attaches its signatures. Its number is its tag, which never changes; `latest` follows.
pub async fn push(to: &dyn Repository, archive: &Archive, scratch: &Path) -> Result<Manifest, SupplyError> {
    let serial: Tag = archive.index.serial.to_string().parse()?;
    let manifest = put(to, archive, &PushAs::Immutable(serial), scratch).await?;
    to.tag(manifest.digest(), &"latest".parse()?).await?;
    Ok(manifest)
}

async fn put(to: &dyn Repository, archive: &Archive, push_as: &PushAs, scratch: &Path) -> Result<Manifest, SupplyError> {
    let layer = |component: &Bytes| Blob::of_bytes(MediaType::from(wasm::LAYER_TYPE), component.clone());
    let annotations = [
        ("org.opencontainers.image.title", archive.index.name.clone()),
        ("org.opencontainers.image.version", archive.index.serial.to_string()),
        ("org.opencontainers.image.description", archive.index.summary.clone()),
    ];
    let plan = ArtifactPlan {
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        config: Some(Blob::of_bytes(MediaType::from(INDEX_TYPE), archive.bytes.clone())),
        layers: archive.components.values().map(layer).collect(),
        annotations: annotations.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        subject: None,
    };
    let artifact = plan.build()?;
    Transfer::new(scratch).push(to, &artifact, push_as).await?;
    for signature in &archive.signatures {
        push_signature(to, &artifact.manifest, signature, scratch).await?;
    }
    Ok(artifact.manifest)
}

/// Brings a bundle with all that is in it, every digest checked. Who signed it is for the caller to ask, before it is used.
///
/// # Errors
/// Where it is no bundle, or a component that its index names is missing or another.
pub async fn pull(from: &dyn Repository, name: &Name) -> Result<Archive, SupplyError> {
    let manifest = from.resolve(name).await?;
    let at = format!("{}{name}", from.place());
    let wrong = |why: &str| SupplyError::wrong(format!("{at} is no bundle: {why}"), "name one that `relrun bundle build` made");
    let image = manifest.image().filter(|image| image.config().media_type().as_ref() == INDEX_TYPE);
    let image = image.ok_or_else(|| wrong("it is an artifact of another kind"))?;
    let bytes = from.pull_bytes(image.config(), LARGEST_INDEX).await?;
    let index = BundleIndex::parse(&at, &bytes)?;
    let mut components = BTreeMap::new();
    for (name, entry) in &index.plugins {
        let layer = image.layers().iter().find(|layer| layer.digest().to_string() == entry.sha256);
        let layer = layer.ok_or_else(|| wrong(&format!("the component of \"{name}\" is missing")))?;
        let component = from.pull_bytes(layer, LARGEST_COMPONENT).await?;
        if Digest::of(&component) != entry.component {
            return Err(wrong(&format!("the component of \"{name}\" is not the one that its index names")));
        }
        components.insert(entry.component, component);
    }
    let signatures = attached(from, &Name::Digest(manifest.digest().clone())).await?;
    Ok(Archive { bytes, index, signatures, components })
}

/// Writes a bundle as one file: a tar of an OCI layout. The same bundle gives the same bytes.
pub async fn write_archive(archive: &Archive, to: &Path) -> Result<(), SupplyError> {
    let folder = scratch()?;
    let layout = folder.path().join("layout");
    put(&Layout::at(&layout), archive, &PushAs::Tagged(NAME.parse()?), folder.path()).await?;
    pack_layout(&layout, to)?;
    Ok(())
}

/// Reads a bundle out of one file, or out of the layout directory that it stands for.
///
/// # Errors
/// As [`pull`].
pub async fn read_archive(from: &Path) -> Result<Archive, SupplyError> {
    let name = Name::Tag(NAME.parse()?);
    if from.is_dir() {
        return pull(&Layout::at(from), &name).await;
    }
    if !from.is_file() {
        return Err(SupplyError::wrong(
            format!("there is no file {}", from.display()),
            "name a file that `relrun bundle build` wrote, or `oci://REGISTRY/REPOSITORY:TAG`",
        ));
    }
    let folder = scratch()?;
    let layout = folder.path().join("layout");
    unpack_layout(from, &layout, UnpackLimits { bytes: LARGEST_BUNDLE, entries: 10_000 })?;
    pull(&Layout::at(&layout), &name).await
}

fn scratch() -> Result<tempfile::TempDir, SupplyError> {
    tempfile::tempdir().map_err(SupplyError::io("make a folder in", &std::env::temp_dir()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{BundleEntry, KeyPair, Revoked, TrustedKey, verify};
    use jiff::Timestamp;

    pub(crate) fn archive(serial: u64) -> Archive {
        let text = format!(r#"(component (import "x:y/z@0.{serial}.0" (instance)) (export "relrun:plugin/step@0.1.0" (instance 0)))"#);
        let component = Bytes::from(wat::parse_str(text).unwrap());
        let mut index = BundleIndex::new("platform", serial).unwrap();
        let sha256 = relrun_registry::digest_of(&component).to_string();
        index.plugins.insert("audit".to_owned(), BundleEntry::of("file:audit.wasm", &component, &sha256).unwrap());
        build(index, [(Digest::of(&component), component)].into()).unwrap()
    }

    #[tokio::test]
    async fn a_bundle_travels_as_one_file_with_its_signature() {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::new(None).unwrap();
        let mut made = archive(7);
        made.signatures.push(pair.signing.sign(&made.bytes, "platform 7", Timestamp::UNIX_EPOCH).unwrap());
        let (file, twin) = (folder.path().join("a.tar"), folder.path().join("b.tar"));
        write_archive(&made, &file).await.unwrap();
        write_archive(&made, &twin).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&twin).unwrap(), "the same bundle gives the same bytes");
        let read = read_archive(&file).await.unwrap();
        assert_eq!((&read.index, &read.components, &read.bytes), (&made.index, &made.components, &made.bytes));
        let trusted = TrustedKey { key: pair.public, from: None, until: None };
        verify(&read.bytes, &read.signatures, &[trusted], &Revoked::default(), Timestamp::UNIX_EPOCH).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tar");
        write_archive(&archive(7), &file).await.unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let wasm = bytes.windows(4).position(|four| four == b"\0asm").unwrap();
        for at in [wasm + 20, bytes.len() / 2] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            let read = read_archive(&file).await;
            assert!(read.as_ref().map_or(true, |read| read.bytes == archive(7).bytes && read.components == archive(7).components), "{at}");
        }
        let mut changed = bytes.clone();
        changed[wasm + 20] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        assert!(read_archive(&file).await.is_err());
        assert!(read_archive(&folder.path().join("nowhere")).await.unwrap_err().to_string().starts_with("there is no file"));
    }

    #[tokio::test]
    async fn an_index_that_names_another_component_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = archive(7);
        let other = Digest::of(b"other");
        let entry = made.index.plugins.get_mut("audit").unwrap();
        let (was, component) = (entry.component, made.components[&entry.component].clone());
        entry.component = other;
        made.components.remove(&was);
        let lying = build(made.index, [(other, component)].into()).unwrap();
        let file = folder.path().join("a.tar");
        write_archive(&lying, &file).await.unwrap();
        let error = read_archive(&file).await.unwrap_err().to_string();
        assert!(error.contains("is not the one that its index names"), "{error}");
    }
}

//! Manifests and indexes: their bytes, which the digest is of, beside what is read in them.
//!
//! Bytes that came from elsewhere are kept as they are and never written anew: that would change the digest. What is made here is written
//! with sorted keys, for the types of `oci-spec` keep annotations in no order.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use oci_spec::image::{Descriptor, Digest, ImageIndex, ImageManifest, MediaType};
use serde::Serialize;

use crate::blob::Blob;
use crate::digest::Hash;
use crate::{RegistryError, digest_of};

/// No manifest is larger, in bytes: what the distribution specification asks registries to take.
pub const LARGEST_MANIFEST: u64 = 4 * 1024 * 1024;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What this room can read, as an `accept` header says it.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One artifact or image: a config and layers.
    Image(Box<ImageManifest>),
    /// Several manifests, by platform or otherwise.
    Index(Box<ImageIndex>),
}

/// A manifest or an index, with the bytes that its digest is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    bytes: Bytes,
    media_type: MediaType,
    digest: Digest,
    document: Document,
}

/// The part of every manifest that tells what the rest is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest that came as `bytes`, with the media type that the sender said.
    ///
    /// # Errors
    ///
    /// Where it is neither a manifest nor an index, or says of itself that it is something else than the sender said. The text is only why.
    pub fn read(bytes: Bytes, said: Option<&str>) -> Result<Self, String> {
        let kind: Kind = serde_json::from_slice(&bytes).map_err(|_| "it is not a JSON object".to_owned())?;
        let said = said.map(|said| said.split(';').next().unwrap_or(said).trim()).filter(|said| ACCEPTED.contains(*said));
        if let (Some(own), Some(said)) = (&kind.media_type, said)
            && own != said
        {
            return Err(format!("it was sent as {said} and calls itself {}", crate::error::tame(own)));
        }
        let guessed = if kind.manifests.is_some() { MediaType::ImageIndex } else { MediaType::ImageManifest };
        let media_type = kind.media_type.as_deref().or(said).map_or(guessed, MediaType::from);
        let document = match media_type.as_ref() {
            DOCKER_LIST => Document::Index(parse(&bytes)?),
            DOCKER_MANIFEST => Document::Image(parse(&bytes)?),
            _ if media_type == MediaType::ImageIndex => Document::Index(parse(&bytes)?),
            _ if media_type == MediaType::ImageManifest => Document::Image(parse(&bytes)?),
            other => return Err(format!("{} is no manifest that is known here", crate::error::tame(other))),
        };
        Ok(Self { digest: digest_of(&bytes), bytes, media_type, document })
    }

    /// Makes the manifest of one image or artifact.
    pub fn of_image(manifest: ImageManifest) -> Result<Self, RegistryError> {
        let bytes = canonical_json(&manifest)?;
        Ok(Self { digest: digest_of(&bytes), bytes, media_type: MediaType::ImageManifest, document: Document::Image(Box::new(manifest)) })
    }

    /// Makes an index.
    pub fn of_index(index: ImageIndex) -> Result<Self, RegistryError> {
        let bytes = canonical_json(&index)?;
        Ok(Self { digest: digest_of(&bytes), bytes, media_type: MediaType::ImageIndex, document: Document::Index(Box::new(index)) })
    }

    /// Returns the bytes that the digest is of.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the media type.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Returns the SHA-256 digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns what it says.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the manifest of one image or artifact; none where it is an index.
    pub fn image(&self) -> Option<&ImageManifest> {
        match &self.document {
            Document::Image(image) => Some(image),
            Document::Index(_) => None,
        }
    }

    /// Returns the index; none where it is one image or artifact.
    pub fn index(&self) -> Option<&ImageIndex> {
        match &self.document {
            Document::Index(index) => Some(index),
            Document::Image(_) => None,
        }
    }

    /// Returns the annotations, in order.
    pub fn annotations(&self) -> BTreeMap<&str, &str> {
        let annotations = match &self.document {
            Document::Image(image) => image.annotations(),
            Document::Index(index) => index.annotations(),
        };
        annotations.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    /// Returns the type of the artifact: as it says itself, or else the media type of its config.
    pub fn artifact_type(&self) -> Option<&MediaType> {
        match &self.document {
            Document::Image(image) => Some(image.artifact_type().as_ref().unwrap_or_else(|| image.config().media_type())),
            Document::Index(index) => index.artifact_type().as_ref(),
        }
    }

    /// Returns the manifest that this one is about, such as what it signs.
    pub fn subject(&self) -> Option<&Descriptor> {
        match &self.document {
            Document::Image(image) => image.subject().as_ref(),
            Document::Index(index) => index.subject().as_ref(),
        }
    }

    /// Returns how this manifest is listed among those that are about another: with its type and its annotations.
    pub(crate) fn as_referrer(&self) -> Descriptor {
        let mut descriptor = self.descriptor();
        descriptor.set_artifact_type(self.artifact_type().cloned());
        let annotations: HashMap<String, String> =
            self.annotations().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        descriptor.set_annotations((!annotations.is_empty()).then_some(annotations));
        descriptor
    }

    /// Returns this manifest if its bytes are what `digest` says.
    pub(crate) fn checked(self, digest: &Digest, at: String) -> Result<Self, RegistryError> {
        let found = Hash::like(digest).map(|mut hash| {
            hash.update(&self.bytes);
            hash.finish()
        });
        match found {
            Some(found) if found == *digest => Ok(self),
            found => {
                let found = found.map_or_else(|| "nothing that is checked here".to_owned(), |found| found.to_string());
                Err(RegistryError::Digest { at, expected: Box::new(digest.clone()), found })
            }
        }
    }

    /// Returns how an index names this manifest.
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = Descriptor::new(self.media_type.clone(), self.bytes.len() as u64, self.digest.clone());
        let stated = match &self.document {
            Document::Image(image) => image.artifact_type().clone(),
            Document::Index(index) => index.artifact_type().clone(),
        };
        descriptor.set_artifact_type(stated);
        descriptor
    }

    /// Returns the blobs that it needs, each once: the config and the layers.
    pub fn blobs(&self) -> Vec<Descriptor> {
        let Document::Image(image) = &self.document else { return Vec::new() };
        let mut found: Vec<Descriptor> = Vec::new();
        for descriptor in std::iter::once(image.config()).chain(image.layers()) {
            if found.iter().all(|known| known.digest() != descriptor.digest()) {
                found.push(descriptor.clone());
            }
        }
        found
    }

    /// Returns the manifests that it needs: those of an index.
    pub fn manifests(&self) -> &[Descriptor] {
        match &self.document {
            Document::Index(index) => index.manifests(),
            Document::Image(_) => &[],
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Box<T>, String> {
    serde_json::from_slice(bytes).map(Box::new).map_err(|error| format!("it is not a manifest: {error}"))
}

/// Returns `value` as JSON in one form only: keys sorted, no white space.
///
/// # Errors
///
/// Where `value` cannot be JSON.
pub fn canonical_json(value: &impl Serialize) -> Result<Bytes, RegistryError> {
    let malformed =
        |error: serde_json::Error| RegistryError::Malformed { at: "a document".to_owned(), reason: error.to_string(), help: None };
    let mut value = serde_json::to_value(value).map_err(malformed)?;
    value.sort_all_objects();
    serde_json::to_vec(&value).map(Bytes::from).map_err(malformed)
}

/// An artifact with all that it is made of, ready to be pushed.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its config and layers.
    pub blobs: Vec<Blob>,
}

/// What an artifact is to be made of.
#[derive(Clone, Debug, Default)]
pub struct ArtifactPlan {
    /// The type of the artifact; it must be there where there is no config.
    pub artifact_type: Option<String>,
    /// The config; the empty one where there is none.
    pub config: Option<Blob>,
    /// The layers, in order.
    pub layers: Vec<Blob>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
}

impl ArtifactPlan {
    /// Makes the artifact. The same plan gives the same digest.
    ///
    /// # Errors
    ///
    /// Where it has neither a type nor a config.
    pub fn build(self) -> Result<Artifact, RegistryError> {
        if self.config.is_none() && self.artifact_type.is_none() {
            let reason = "it has neither a type nor a config".to_owned();
            return Err(RegistryError::Malformed { at: "an artifact".to_owned(), reason, help: None });
        }
        let config = self.config.unwrap_or_else(|| Blob::of_bytes(MediaType::EmptyJSON, Bytes::from_static(b"{}")));
        // The specification wants at least one layer: an artifact of none has the empty one.
        let layers =
            if self.layers.is_empty() { vec![Blob::of_bytes(MediaType::EmptyJSON, Bytes::from_static(b"{}"))] } else { self.layers };
        let mut image: ImageManifest = oci_spec::image::ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .config(config.descriptor().clone())
            .layers(layers.iter().map(|layer| layer.descriptor().clone()).collect::<Vec<_>>())
            .build()
            .map_err(|error| RegistryError::Malformed { at: "an artifact".to_owned(), reason: error.to_string(), help: None })?;
        image.set_artifact_type(self.artifact_type.as_deref().map(MediaType::from));
        image.set_subject(self.subject);
        image.set_annotations((!self.annotations.is_empty()).then(|| self.annotations.into_iter().collect::<HashMap<_, _>>()));
        let blobs = std::iter::once(config).chain(layers).collect();
        Ok(Artifact { manifest: Manifest::of_image(image)?, blobs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ArtifactPlan {
        let names = ["z", "a", "m", "q", "b"];
        ArtifactPlan {
            artifact_type: Some("application/vnd.relrun.package.v1".to_owned()),
            layers: vec![Blob::of_bytes(MediaType::from("text/plain"), Bytes::from_static(b"hello"))],
            annotations: names.iter().map(|&name| (name.to_owned(), name.to_owned())).collect(),
            ..ArtifactPlan::default()
        }
    }

    #[test]
    fn the_same_plan_gives_the_same_bytes() {
        let first = plan().build().unwrap();
        for _ in 0..20 {
            assert_eq!(plan().build().unwrap().manifest.bytes(), first.manifest.bytes());
        }
        assert_eq!(
            std::str::from_utf8(first.manifest.bytes()).unwrap(),
            concat!(
                r#"{"annotations":{"a":"a","b":"b","m":"m","q":"q","z":"z"},"artifactType":"application/vnd.relrun.package.v1","#,
                r#""config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","#,
                r#""mediaType":"application/vnd.oci.empty.v1+json","size":2},"#,
                r#""layers":[{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","mediaType":"text/plain","size":5}],"#,
                r#""mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#
            )
        );
        assert!(ArtifactPlan::default().build().is_err());
    }

    #[test]
    fn what_was_made_is_read_again() {
        let made = plan().build().unwrap().manifest;
        assert_eq!(Manifest::read(made.bytes().clone(), Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8")).unwrap(), made);
        assert_eq!(made.artifact_type().unwrap().as_ref(), "application/vnd.relrun.package.v1");
        assert_eq!(made.blobs().len(), 2);
    }

    #[test]
    fn a_manifest_that_is_not_what_it_was_sent_as_is_refused() {
        let made = plan().build().unwrap().manifest;
        let error = Manifest::read(made.bytes().clone(), Some("application/vnd.oci.image.index.v1+json")).unwrap_err();
        assert!(error.contains("calls itself"), "{error}");
        for nonsense in ["", "[]", "<html>", "{}", r#"{"mediaType":"text/html"}"#, r#"{"schemaVersion":1,"fsLayers":[]}"#] {
            assert!(Manifest::read(Bytes::from_static(nonsense.as_bytes()), None).is_err(), "{nonsense}");
        }
    }
}

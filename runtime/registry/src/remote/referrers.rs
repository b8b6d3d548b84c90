//! What is about a manifest: the referrers API, and the tag that stands for it in registries that have none, as the specification has it.

use oci_spec::image::{Descriptor, Digest, ImageIndexBuilder, MediaType};
use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};

use super::retry::Failure;
use super::wire::Call;
use super::{Remote, Right};
use crate::manifest::{ACCEPTED, LARGEST_MANIFEST};
use crate::{Manifest, Name, RegistryError, Repository, Tag};

impl Remote {
    pub(super) async fn find_referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let at = format!("{}@{digest}", self.place);
        let mut call = self.call(Method::GET, &format!("referrers/{digest}"), "find what is about", at, Right::Pull)?;
        call.headers.push((ACCEPT, ACCEPTED.to_owned()));
        let mut backoff = self.host.backoff();
        let found = loop {
            match self.referrers_once(&call).await {
                Ok(found) => break found,
                Err(failure) => backoff.pause(failure).await?,
            }
        };
        match found {
            Some(index) => Ok(index.manifests().to_vec()),
            None => Ok(self.noted_referrers(digest).await?.map_or_else(Vec::new, |index| index.manifests().to_vec())),
        }
    }

    /// Asks the API; returns nothing where there is none.
    async fn referrers_once(&self, call: &Call) -> Result<Option<Manifest>, Failure> {
        let response = self.host.once(call).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => return Ok(None),
            _ => return Err(Failure::Final(self.host.refusal(call, response).await)),
        }
        let body = self.host.body(call, response, LARGEST_MANIFEST).await?;
        let index = Manifest::read(body, None).map_err(|reason| call.nonsense(reason))?;
        if index.index().is_some() { Ok(Some(index)) } else { Err(Failure::Final(call.nonsense("it is no index"))) }
    }

    /// Returns the index that the tag of `digest` stands for, where the registry has no API.
    async fn noted_referrers(&self, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        match self.resolve(&Name::Tag(tag_of(digest)?)).await {
            Ok(manifest) => Ok(Some(manifest).filter(|manifest| manifest.index().is_some())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes at the tag of `subject` that a manifest is about it. Two that do that at once may lose one: a registry without the API has no other way.
    pub(super) async fn note_referrer(&self, subject: &Digest, manifest: &Manifest) -> Result<(), RegistryError> {
        let mut manifests = self.noted_referrers(subject).await?.map_or_else(Vec::new, |index| index.manifests().to_vec());
        if manifests.iter().any(|known| known.digest() == manifest.digest()) {
            return Ok(());
        }
        manifests.push(manifest.as_referrer());
        let built = ImageIndexBuilder::default().schema_version(2_u32).media_type(MediaType::ImageIndex).manifests(manifests).build();
        let index = built.map_err(|error| RegistryError::Malformed { at: "an index".to_owned(), reason: error.to_string(), help: None })?;
        let index = Manifest::of_index(index)?;
        Box::pin(self.put_manifest(&index, &Name::Tag(tag_of(subject)?))).await.map(drop)
    }
}

/// Returns the tag under which the specification notes what is about `digest`.
fn tag_of(digest: &Digest) -> Result<Tag, RegistryError> {
    format!("{}-{}", digest.algorithm(), digest.digest()).chars().take(128).collect::<String>().parse()
}

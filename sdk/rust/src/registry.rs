//! One repository of an OCI registry. The host makes the images of trees, holds the credentials, and sends what is not there yet.

use crate::{Result, backend, guard};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an image is: made of layers, or taken from an OCI image layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// One a platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Platform>,
    /// The digest of a tree that is an OCI image layout, in place of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Which one of the layout; the only one, where it has no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Annotations of the image, or of the index of several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Another granted repository of the same registry that may have the layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_from: Option<String>,
}

/// The image of one platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Platform {
    /// Such as `linux/amd64`.
    pub platform: String,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The program, and its first words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Words that follow, unless others are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Variables, as `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The folder that it is run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Ports, as `8080/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was made, as `2026-11-21T12:00:00Z`; without, nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// A layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The tree's digest.
    pub tree: String,
    /// Where it goes in the image; of a tree that is one file, the file's path.
    #[serde(default)]
    pub to: String,
}

/// How an image got there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Its digest.
    pub digest: String,
    /// How many layers and configs were sent.
    pub sent: u32,
    /// How many were there.
    pub existed: u32,
    /// How many the registry took from another of its repositories.
    pub mounted: u32,
}

/// A repository that a grant names: `registry.example.com/acme/shop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository(String);

/// Names a repository. It is reached only where a grant names it.
pub fn repository(name: &str) -> Repository {
    Repository(name.to_owned())
}

impl Image {
    /// Makes the image, and returns its digest; nothing is sent. The same trees and the same words give the same digest.
    pub fn digest(&self) -> Result<String> {
        backend::image_digest(&serde_json::to_string(self)?)
    }
}

impl Repository {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns the digest that a tag or a digest stands for; nothing where it is not there.
    pub fn find(&self, name: &str) -> Result<Option<String>> {
        backend::image_find(&self.0, name)
    }

    /// Sends an image by its digest alone; what is there is not sent again.
    pub fn push(&self, image: &Image) -> Result<Pushed> {
        guard::mutation()?;
        Ok(serde_json::from_str(&backend::image_push(&self.0, &serde_json::to_string(image)?)?)?)
    }

    /// Points a tag at a digest that is there. One that is `fixed` is never taken from another digest.
    pub fn tag(&self, digest: &str, tag: &str, fixed: bool) -> Result<()> {
        guard::mutation()?;
        backend::image_tag(&self.0, digest, tag, fixed)
    }

    /// Takes a tag away; what it stood for stays. Fails with [`ErrorKind::Other`](crate::ErrorKind::Other) where the registry cannot do that.
    pub fn untag(&self, tag: &str) -> Result<()> {
        guard::mutation()?;
        backend::image_untag(&self.0, tag)
    }
}

//! Container images of layers: the config that says how they are run, the manifest, and an index where there are several platforms.
//!
//! The same layers and settings give the same digest: no time is made up, and everything is written in order.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, ImageConfigurationBuilder, ImageIndexBuilder, MediaType, Os, Platform, PlatformBuilder, RootFsBuilder,
};

use crate::{Artifact, ArtifactPlan, Blob, Layer, Manifest, RegistryError, canonical_json};

/// What an image runs on, such as `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImagePlatform {
    /// The system, in Go's words: `linux`.
    pub os: String,
    /// The processor, in Go's words: `amd64`, `arm64`.
    pub architecture: String,
    /// The processor's variant: `v8`.
    pub variant: Option<String>,
}

impl std::str::FromStr for ImagePlatform {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty() && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        };
        let (os, architecture, variant) = match &parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some((*variant).to_owned())),
            _ => return Err(no_platform(text)),
        };
        if !parts.iter().all(word) {
            return Err(no_platform(text));
        }
        Ok(Self { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant })
    }
}

impl std::fmt::Display for ImagePlatform {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(out, "/{variant}"))
    }
}

fn no_platform(text: &str) -> RegistryError {
    RegistryError::Reference {
        text: text.to_owned(),
        reason: "it is no platform".to_owned(),
        help: "a platform is `os/architecture`, such as `linux/amd64` or `linux/arm64/v8`".to_owned(),
    }
}

/// How an image is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// The program, and its first words.
    pub entrypoint: Vec<String>,
    /// Words that follow, unless others are given.
    pub cmd: Vec<String>,
    /// Variables, as `NAME=value`.
    pub env: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The folder that it is run in.
    pub working_dir: Option<String>,
    /// Who runs it.
    pub user: Option<String>,
    /// Ports, as `8080/tcp`.
    pub ports: Vec<String>,
}

/// What an image is to be made of.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// What it runs on.
    pub platform: ImagePlatform,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// How it is run.
    pub settings: ImageSettings,
    /// When it was made; nothing is said where there is none.
    pub created: Option<Timestamp>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl ImagePlan {
    /// Makes the image. The same plan gives the same digest.
    ///
    /// # Errors
    ///
    /// Where it has no layers.
    pub fn build(self) -> Result<Artifact, RegistryError> {
        if self.layers.is_empty() {
            return Err(malformed("it has no layers"));
        }
        let config = Blob::of_bytes(MediaType::ImageConfig, self.config()?);
        let layers = self.layers.into_iter().map(|layer| layer.blob).collect();
        ArtifactPlan { config: Some(config), layers, annotations: self.annotations, ..ArtifactPlan::default() }.build()
    }

    fn config(&self) -> Result<bytes::Bytes, RegistryError> {
        let wrong = |error: oci_spec::OciSpecError| malformed(&error.to_string());
        let settings = &self.settings;
        let mut run = ConfigBuilder::default().build().map_err(wrong)?;
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        run.set_entrypoint(some(&settings.entrypoint));
        run.set_cmd(some(&settings.cmd));
        run.set_env(some(&settings.env));
        run.set_exposed_ports(some(&settings.ports));
        run.set_working_dir(settings.working_dir.clone());
        run.set_user(settings.user.clone());
        let labels: HashMap<String, String> = settings.labels.clone().into_iter().collect();
        run.set_labels((!labels.is_empty()).then_some(labels));
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let rootfs = RootFsBuilder::default().typ("layers".to_owned()).diff_ids(diff_ids).build().map_err(wrong)?;
        let mut config = ImageConfigurationBuilder::default()
            .architecture(Arch::from(self.platform.architecture.as_str()))
            .os(Os::from(self.platform.os.as_str()))
            .config(run)
            .rootfs(rootfs)
            .build()
            .map_err(wrong)?;
        config.set_variant(self.platform.variant.clone());
        config.set_created(self.created.map(|created| created.to_string()));
        canonical_json(&config)
    }
}

/// Makes the index of images of several platforms.
///
/// # Errors
///
/// Where a platform is there twice.
pub fn index_of(images: &[(ImagePlatform, Manifest)], annotations: &BTreeMap<String, String>) -> Result<Manifest, RegistryError> {
    let mut images: Vec<&(ImagePlatform, Manifest)> = images.iter().collect();
    images.sort_by(|one, other| one.0.cmp(&other.0));
    if let Some(twice) = images.windows(2).find(|two| two[0].0 == two[1].0) {
        return Err(malformed(&format!("{} is there twice", twice[0].0)));
    }
    let manifests = images.into_iter().map(|(platform, manifest)| entry(platform, manifest)).collect::<Result<Vec<Descriptor>, _>>()?;
    let built = ImageIndexBuilder::default().schema_version(2_u32).media_type(MediaType::ImageIndex).manifests(manifests).build();
    let mut index = built.map_err(|error| malformed(&error.to_string()))?;
    index.set_annotations((!annotations.is_empty()).then(|| annotations.clone().into_iter().collect()));
    Manifest::of_index(index)
}

fn entry(platform: &ImagePlatform, manifest: &Manifest) -> Result<Descriptor, RegistryError> {
    let built = PlatformBuilder::default()
        .architecture(Arch::from(platform.architecture.as_str()))
        .os(Os::from(platform.os.as_str()))
        .build()
        .map_err(|error| malformed(&error.to_string()));
    let mut shown: Platform = built?;
    shown.set_variant(platform.variant.clone());
    let mut descriptor = manifest.descriptor();
    descriptor.set_platform(Some(shown));
    Ok(descriptor)
}

fn malformed(reason: &str) -> RegistryError {
    RegistryError::Malformed { at: "an image".to_owned(), reason: reason.to_owned(), help: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerOptions, layer_of_tree};

    fn plan(platform: &str) -> ImagePlan {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("hello.txt"), "hello").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let layer = layer_of_tree(tree.path(), file.path(), &LayerOptions::default()).unwrap();
        let labels = ["z", "a", "m"].map(|name| (name.to_owned(), "1".to_owned())).into();
        let settings =
            ImageSettings { entrypoint: vec!["/hello".to_owned()], env: vec!["A=b".to_owned()], labels, ..ImageSettings::default() };
        ImagePlan { platform: platform.parse().unwrap(), layers: vec![layer], settings, created: None, annotations: BTreeMap::new() }
    }

    #[test]
    fn the_same_tree_gives_the_same_image() {
        let first = plan("linux/amd64").build().unwrap();
        for _ in 0..10 {
            assert_eq!(plan("linux/amd64").build().unwrap().manifest, first.manifest);
        }
        assert_ne!(plan("linux/arm64/v8").build().unwrap().manifest, first.manifest);
        assert!(ImagePlan { layers: Vec::new(), ..plan("linux/amd64") }.build().is_err());
    }

    #[test]
    fn an_index_has_each_platform_once_and_in_order() {
        let image = |platform: &str| (platform.parse::<ImagePlatform>().unwrap(), plan(platform).build().unwrap().manifest);
        let (one, two) = (image("linux/amd64"), image("linux/arm64/v8"));
        let index = index_of(&[two.clone(), one.clone()], &BTreeMap::new()).unwrap();
        assert_eq!(index, index_of(&[one.clone(), two], &BTreeMap::new()).unwrap());
        let shown: Vec<String> =
            index.manifests().iter().map(|entry| entry.platform().as_ref().unwrap().architecture().to_string()).collect();
        assert_eq!(shown, ["amd64", "arm64"]);
        assert!(index_of(&[one.clone(), one], &BTreeMap::new()).unwrap_err().to_string().contains("linux/amd64 is there twice"));
    }

    #[test]
    fn platforms_are_read_and_shown() {
        for text in ["linux/amd64", "linux/arm64/v8"] {
            assert_eq!(text.parse::<ImagePlatform>().unwrap().to_string(), text);
        }
        for text in ["", "linux", "linux/", "Linux/amd64", "a/b/c/d"] {
            assert!(text.parse::<ImagePlatform>().is_err(), "{text}");
        }
    }
}

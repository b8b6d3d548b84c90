//! What a manifest configures, and what of it can be wrong before any registry is asked.

use relrun_sdk::registry::{Image, Layer, Platform};
use relrun_sdk::{Error, Result, config};
use std::collections::{BTreeMap, BTreeSet};

/// What an image runs on where nothing else is said.
const USUAL: &str = "linux/amd64";

/// What a manifest configures.
#[config]
pub struct Config {
    /// The repository, such as `repository "registry.example.com/acme/shop"`.
    pub(crate) repository: String,
    /// Tags that never change: one that stands for another image is refused.
    #[serde(default)]
    pub(crate) tag: Vec<String>,
    /// Tags that move to this image.
    #[serde(default)]
    pub(crate) moving: Vec<String>,
    /// Whether a tag that is a version moves the tags of its lines too: `1.4.2` moves `1.4`, `1` and `latest`, unless a pre-release.
    #[serde(default)]
    pub(crate) lines: bool,
    /// Layers of every platform, the lowest first, such as `layer "${step.site.dist}" "/srv/www"`.
    #[serde(default)]
    pub(crate) layer: Vec<LayerConfig>,
    /// Platforms with layers of their own, which come after those of every platform; without one, it is `linux/amd64`.
    #[serde(default)]
    pub(crate) platform: Vec<PlatformConfig>,
    /// An OCI image layout to push as it is, in place of layers: an artifact.
    #[serde(default)]
    pub(crate) layout: Option<String>,
    /// Which image of the layout, where it has several.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The program, and its first words.
    #[serde(default)]
    pub(crate) entrypoint: Vec<String>,
    /// Words that follow, unless others are given.
    #[serde(default)]
    pub(crate) cmd: Vec<String>,
    /// Variables, such as `env "PORT" "8080"`.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Who runs it, such as `user "1000:1000"`.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// The folder that it is run in.
    #[serde(default)]
    pub(crate) working_dir: Option<String>,
    /// Ports, such as `port "8080"` or `port "53/udp"`.
    #[serde(default)]
    pub(crate) port: Vec<String>,
    /// Labels, such as `label "org.opencontainers.image.version" "${release.version}"`.
    #[serde(default)]
    pub(crate) label: BTreeMap<String, String>,
    /// Annotations of the image, or of the index of several platforms.
    #[serde(default)]
    pub(crate) annotation: BTreeMap<String, String>,
    /// When it was made, such as `created "2026-11-21T12:00:00Z"`; without, nothing is said, so that the same trees give the same digest.
    #[serde(default)]
    pub(crate) created: Option<String>,
    /// Another repository of the same registry that may have the layers already; it needs a grant too.
    #[serde(default)]
    pub(crate) mount_from: Option<String>,
}

/// A layer.
#[config(args("tree", "to"))]
pub(crate) struct LayerConfig {
    /// An artifact.
    pub(crate) tree: String,
    /// Where it goes in the image; of an artifact that is one file, the file's path.
    #[serde(default)]
    pub(crate) to: String,
}

/// A platform.
#[config(args("name"))]
pub(crate) struct PlatformConfig {
    /// Such as `linux/arm64`.
    pub(crate) name: String,
    /// Its own layers.
    #[serde(default)]
    pub(crate) layer: Vec<LayerConfig>,
}

/// A tag, and whether it may ever stand for something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) fixed: bool,
}

impl Config {
    /// Returns whether all that the image is made of is known. Its tags may not be, before there is a version.
    pub(crate) fn is_known(&self) -> bool {
        let layers = self.layer.iter().chain(self.platform.iter().flat_map(|platform| &platform.layer));
        let texts = layers.map(|layer| &layer.tree).chain(&self.layout).chain(self.label.values()).chain(self.env.values());
        !texts.chain(self.annotation.values()).any(|text| text.contains("${"))
    }

    /// Refuses what no registry could take.
    pub(crate) fn check(&self) -> Result<()> {
        check_repository("repository", &self.repository)?;
        if let Some(from) = &self.mount_from {
            check_repository("mount-from", from)?;
            if host(from) != host(&self.repository) {
                return Err(Error::invalid(format!("mount-from {from:?} is in another registry than {:?}", self.repository)));
            }
        }
        let has_layers = !self.layer.is_empty() || !self.platform.is_empty();
        match &self.layout {
            Some(_) if has_layers => return Err(Error::invalid("an image is made of layers, or it is a layout: write one of both")),
            Some(_) if !self.is_plain() => return Err(Error::invalid("a layout is pushed as it is: what says how it is run stands in it")),
            None if !has_layers => {
                return Err(Error::invalid("an image wants a layer: write `layer \"${step.NAME.ARTIFACT}\" \"/srv\"`, or a `layout`"));
            }
            None if self.name.is_some() => return Err(Error::invalid("name is that of an image in a `layout`")),
            _ => {}
        }
        if let Some(empty) = self.platform.iter().find(|platform| platform.layer.is_empty() && self.layer.is_empty()) {
            return Err(Error::invalid(format!("platform {:?} has no layer", empty.name)));
        }
        let trees = self.layer.iter().chain(self.platform.iter().flat_map(|platform| &platform.layer)).map(|layer| &layer.tree);
        for tree in trees.chain(&self.layout) {
            if !tree.contains("${") && !is_digest(tree) {
                return Err(Error::invalid(format!("{tree:?} is no artifact: write \"${{step.NAME.ARTIFACT}}\"")));
            }
        }
        self.tags().map(drop)
    }

    /// Whether nothing is said of how an image is run.
    fn is_plain(&self) -> bool {
        let lists = [&self.entrypoint, &self.cmd, &self.port];
        let maps = [&self.env, &self.label, &self.annotation];
        let words = [&self.user, &self.working_dir, &self.created];
        lists.iter().all(|list| list.is_empty()) && maps.iter().all(|map| map.is_empty()) && words.iter().all(|word| word.is_none())
    }

    /// Returns the tags, the fixed ones first: by them it shows whether the image may be pushed at all.
    pub(crate) fn tags(&self) -> Result<Vec<Tag>> {
        let fixed: BTreeSet<String> = self.tag.iter().map(|tag| tag.replace('+', "_")).collect();
        let mut moving: BTreeSet<String> = self.moving.iter().map(|tag| tag.replace('+', "_")).collect();
        if self.lines {
            moving.extend(fixed.iter().flat_map(|tag| lines(tag)));
        }
        if let Some(both) = fixed.intersection(&moving).next() {
            return Err(Error::invalid(format!("the tag {both:?} moves, and never changes: write it once")));
        }
        let tag = |fixed: bool| move |name: String| Tag { name, fixed };
        let tags: Vec<Tag> = fixed.into_iter().map(tag(true)).chain(moving.into_iter().map(tag(false))).collect();
        match tags.iter().find(|tag| !tag.name.contains("${") && !is_tag(&tag.name)) {
            Some(wrong) => Err(Error::invalid(format!(
                "{:?} is no tag: up to 128 letters, digits, `_`, `.` and `-`, and not `.` or `-` first",
                wrong.name
            ))),
            None => Ok(tags),
        }
    }

    /// Returns the image in the words of the plugin world.
    pub(crate) fn image(&self) -> Image {
        let layers = |layers: &[LayerConfig]| {
            layers.iter().map(|layer| Layer { tree: layer.tree.clone(), to: layer.to.clone() }).collect::<Vec<_>>()
        };
        let one = |platform: &str, own: &[LayerConfig]| Platform {
            platform: platform.to_owned(),
            layers: [layers(&self.layer), layers(own)].concat(),
            entrypoint: self.entrypoint.clone(),
            cmd: self.cmd.clone(),
            env: self.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            user: self.user.clone(),
            working_dir: self.working_dir.clone(),
            ports: self.port.iter().map(|port| if port.contains('/') { port.clone() } else { format!("{port}/tcp") }).collect(),
            labels: self.label.clone(),
            created: self.created.clone(),
        };
        let images = match (&self.layout, self.platform.as_slice()) {
            (Some(_), _) => Vec::new(),
            (None, []) => vec![one(USUAL, &[])],
            (None, several) => several.iter().map(|platform| one(&platform.name, &platform.layer)).collect(),
        };
        Image {
            images,
            layout: self.layout.clone(),
            name: self.name.clone(),
            annotations: self.annotation.clone(),
            mount_from: self.mount_from.clone(),
        }
    }
}

/// Returns the tags of the lines that a version is in; none of what is no version, and of a pre-release.
fn lines(tag: &str) -> Vec<String> {
    let numbers: Vec<&str> = tag.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match numbers.as_slice() {
        [major, minor, patch] if [major, minor, patch].into_iter().all(is_number) => {
            vec![format!("{major}.{minor}"), (*major).to_owned(), "latest".to_owned()]
        }
        _ => Vec::new(),
    }
}

fn host(repository: &str) -> &str {
    repository.split('/').next().unwrap_or_default()
}

fn check_repository(what: &str, name: &str) -> Result<()> {
    let is_path = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
    };
    let fits = name.split_once('/').is_some_and(|(host, path)| {
        let is_host = host == "localhost" || host.contains(['.', ':']);
        is_host && path.split('/').all(is_path)
    });
    if fits { Ok(()) } else { Err(Error::invalid(format!("{what} {name:?} is no repository, such as \"registry.example.com/acme/shop\""))) }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128 && text.bytes().next().is_some_and(is_word) && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

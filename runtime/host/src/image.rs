//! An image as a plugin tells it: made of trees that the step may name, in a private folder of the attempt. Nothing here reaches a registry.

use crate::attempt::Files;
use crate::error::CallError;
use crate::files::blocking;
use crate::imports::registry_told as told;
use crate::places::store_reason;
use relrun_ledger::Digest;
use relrun_registry::spec::Digest as ImageDigest;
use relrun_registry::{
    Artifact, Compression, Delivery, ImagePlan, ImagePlatform, ImageSettings, Layer, LayerOptions, Layout, Manifest, Name, PushAs,
    RegistryError, Repository, Transfer, index_of, layer_of_tree,
};
use relrun_store::{BlobStore, RestoreMode, Tree};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More platforms than anybody has.
const MOST_IMAGES: usize = 32;
/// What other programs take: runc holds 127 layers.
const MOST_LAYERS: usize = 127;

/// An image, in the words of the plugin world.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Told {
    #[serde(default)]
    images: Vec<OneTold>,
    #[serde(default)]
    layout: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    mount_from: Option<String>,
}

/// The image of one platform.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OneTold {
    platform: String,
    layers: Vec<LayerTold>,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    cmd: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    created: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LayerTold {
    tree: String,
    #[serde(default)]
    to: String,
}

/// An image that was made. Its layers lie in a folder that goes with it.
pub(crate) struct Made {
    what: What,
    pub(crate) mount_from: Option<String>,
    folder: tempfile::TempDir,
}

enum What {
    One(Box<Artifact>),
    Several { parts: Vec<Artifact>, index: Box<Manifest> },
    Layout { layout: Layout, manifest: Box<Manifest> },
}

impl Made {
    pub(crate) fn digest(&self) -> &ImageDigest {
        match &self.what {
            What::One(artifact) => artifact.manifest.digest(),
            What::Several { index, .. } => index.digest(),
            What::Layout { manifest, .. } => manifest.digest(),
        }
    }

    /// Returns a folder of its own, for what is on its way.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends it by its digest.
    pub(crate) async fn push(&self, transfer: &Transfer, to: &dyn Repository) -> Result<Delivery, RegistryError> {
        match &self.what {
            What::One(artifact) => transfer.push(to, artifact, &PushAs::ByDigest).await,
            What::Several { parts, index } => transfer.push_index(to, parts, index, &PushAs::ByDigest).await,
            What::Layout { layout, manifest } => {
                transfer.copy(layout, &Name::Digest(manifest.digest().clone()), to, &PushAs::ByDigest).await
            }
        }
    }
}

/// Makes the image that a plugin tells, or gives the one that was made of the same words.
pub(crate) async fn make(files: &Files, text: &str) -> Result<Arc<Made>, CallError> {
    let mut known = files.images.lock().await;
    if let Some(made) = known.get(text) {
        return Ok(Arc::clone(made));
    }
    let told: Told = serde_json::from_str(text).map_err(|error| CallError::invalid(format!("this is no image: {error}")))?;
    let trees = trees(files, &told)?;
    let (blobs, root) = (Arc::clone(&files.blobs), files.dirs.root.clone());
    let made = blocking(move || {
        let folder = tempfile::Builder::new().prefix("image-").tempdir_in(&root);
        let folder = folder.map_err(|error| CallError::permanent(format!("failed to make a folder for the image: {error}")))?;
        let what = Making { blobs: &*blobs, folder: folder.path(), trees: &trees, layers: BTreeMap::new() }.make(&told)?;
        Ok(Unnamed { what, mount_from: told.mount_from, folder })
    })
    .await?;
    let made = Arc::new(made.named().await?);
    known.insert(text.to_owned(), Arc::clone(&made));
    Ok(made)
}

/// Returns the trees that are named, each of which must be the step's.
fn trees(files: &Files, told: &Told) -> Result<BTreeMap<String, Digest>, CallError> {
    let layers = told.images.iter().flat_map(|image| &image.layers).map(|layer| &layer.tree);
    layers.chain(&told.layout).map(|tree| Ok((tree.clone(), files.tree(tree)?))).collect()
}

/// An image of which, where it is a layout, it is not known yet which one of it is meant.
struct Unnamed {
    what: Which,
    mount_from: Option<String>,
    folder: tempfile::TempDir,
}

/// What was made, or a layout and the name in it that is meant.
enum Which {
    Made(What),
    OfLayout(Layout, Option<String>),
}

impl Unnamed {
    async fn named(self) -> Result<Made, CallError> {
        let what = match self.what {
            Which::Made(what) => what,
            Which::OfLayout(layout, name) => {
                let manifest = layout.only(name.as_deref()).await.map_err(|error| told(&error))?;
                What::Layout { layout, manifest: Box::new(manifest) }
            }
        };
        Ok(Made { what, mount_from: self.mount_from, folder: self.folder })
    }
}

struct Making<'m> {
    blobs: &'m dyn BlobStore,
    folder: &'m Path,
    trees: &'m BTreeMap<String, Digest>,
    /// The layers that were made, by tree and place: several platforms may share them.
    layers: BTreeMap<(Digest, String), Layer>,
}

impl Making<'_> {
    fn make(mut self, told: &Told) -> Result<Which, CallError> {
        let Told { images, layout, name, annotations, .. } = told;
        match (layout, images.is_empty()) {
            (Some(tree), true) if annotations.is_empty() => Ok(Which::OfLayout(self.layout(tree)?, name.clone())),
            (Some(_), true) => Err(CallError::invalid("a layout is pushed as it is, and gets no annotations")),
            (Some(_), false) => Err(CallError::invalid("an image is made of layers or taken from a layout, not both")),
            (None, true) => Err(CallError::invalid("an image wants `images` or a `layout`")),
            (None, false) if name.is_some() => Err(CallError::invalid("`name` is one in a `layout`")),
            (None, false) => self.images(images, annotations).map(Which::Made),
        }
    }

    fn layout(&self, tree: &str) -> Result<Layout, CallError> {
        let at = self.folder.join("layout");
        relrun_store::restore(self.blobs, self.trees[tree], &at, RestoreMode::Writable)
            .map_err(|error| CallError::permanent(store_reason(&error)))?;
        Ok(Layout::at(at))
    }

    fn images(&mut self, images: &[OneTold], annotations: &BTreeMap<String, String>) -> Result<What, CallError> {
        if images.len() > MOST_IMAGES {
            return Err(CallError::invalid(format!("{} platforms are more than the {MOST_IMAGES} that an image may have", images.len())));
        }
        let is_one = images.len() == 1;
        let mut parts = Vec::with_capacity(images.len());
        for image in images {
            let of_one = if is_one { annotations.clone() } else { BTreeMap::new() };
            parts.push(self.image(image, of_one)?);
        }
        if is_one && let Some((_, artifact)) = parts.pop() {
            return Ok(What::One(Box::new(artifact)));
        }
        let manifests: Vec<(ImagePlatform, Manifest)> =
            parts.iter().map(|(platform, artifact)| (platform.clone(), artifact.manifest.clone())).collect();
        let index = index_of(&manifests, annotations).map_err(|error| told(&error))?;
        Ok(What::Several { parts: parts.into_iter().map(|(_, artifact)| artifact).collect(), index: Box::new(index) })
    }

    fn image(&mut self, image: &OneTold, annotations: BTreeMap<String, String>) -> Result<(ImagePlatform, Artifact), CallError> {
        let platform: ImagePlatform = image.platform.parse().map_err(|error| told(&error))?;
        if image.layers.len() > MOST_LAYERS {
            return Err(CallError::invalid(format!(
                "{} layers are more than the {MOST_LAYERS} that an image may have",
                image.layers.len()
            )));
        }
        let created = image.created.as_deref().map(str::parse).transpose();
        let created =
            created.map_err(|error| CallError::invalid(format!("`created` is no time: {error}; write it as `2026-11-21T12:00:00Z`")))?;
        let mut layers = Vec::with_capacity(image.layers.len());
        for layer in &image.layers {
            layers.push(self.layer(layer)?);
        }
        let settings = ImageSettings {
            entrypoint: image.entrypoint.clone(),
            cmd: image.cmd.clone(),
            env: image.env.clone(),
            labels: image.labels.clone(),
            working_dir: image.working_dir.clone(),
            user: image.user.clone(),
            ports: image.ports.clone(),
        };
        let plan = ImagePlan { platform: platform.clone(), layers, settings, created, annotations };
        Ok((platform, plan.build().map_err(|error| told(&error))?))
    }

    /// Packs a tree. One that is a single file lies at `to` itself.
    fn layer(&mut self, layer: &LayerTold) -> Result<Layer, CallError> {
        let digest = self.trees[&layer.tree];
        let key = (digest, layer.to.clone());
        if let Some(made) = self.layers.get(&key) {
            return Ok(made.clone());
        }
        let kept = |error: relrun_store::StoreError| CallError::permanent(store_reason(&error));
        let tree = Tree::get(self.blobs, digest).map_err(kept)?;
        let place = self.folder.join(format!("layer-{}", self.layers.len()));
        let to = PathBuf::from(layer.to.trim_matches('/'));
        let prefix = if tree.is_file() {
            let Some(name) = to.file_name() else {
                return Err(CallError::invalid(
                    "a layer of one file wants to know its place and name: `to` is a path such as `app/server`",
                ));
            };
            std::fs::create_dir(&place).map_err(|error| CallError::permanent(format!("failed to make a folder for a layer: {error}")))?;
            relrun_store::restore_tree(self.blobs, &tree, &place.join(name), RestoreMode::Writable).map_err(kept)?;
            to.parent().map(Path::to_path_buf).unwrap_or_default()
        } else {
            relrun_store::restore_tree(self.blobs, &tree, &place, RestoreMode::Writable).map_err(kept)?;
            to
        };
        let options = LayerOptions { compression: Compression::Gzip, prefix };
        let made = layer_of_tree(&place, &place.with_extension("tar.gz"), &options).map_err(|error| told(&error))?;
        std::fs::remove_dir_all(&place).map_err(|error| CallError::permanent(format!("failed to remove a folder: {error}")))?;
        self.layers.insert(key, made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relrun_store::{CaptureMode, LocalBlobStore};

    struct Place {
        folder: tempfile::TempDir,
        store: LocalBlobStore,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = LocalBlobStore::open(&folder.path().join("store")).unwrap();
            Self { folder, store }
        }

        fn tree(&self, name: &str, files: &[(&str, &str)]) -> String {
            let root = self.folder.path().join(name);
            for (path, text) in files {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            relrun_store::capture(&self.store, &root, CaptureMode::Copy).unwrap().0.to_string()
        }

        fn file(&self, text: &str) -> String {
            let path = self.folder.path().join("one-file");
            std::fs::write(&path, text).unwrap();
            relrun_store::capture(&self.store, &path, CaptureMode::Copy).unwrap().0.to_string()
        }

        fn make(&self, told: &serde_json::Value) -> Result<(Which, tempfile::TempDir), String> {
            let told: Told = serde_json::from_value(told.clone()).map_err(|error| error.to_string())?;
            let named = told.images.iter().flat_map(|image| &image.layers).map(|layer| &layer.tree).chain(&told.layout);
            let trees = named.map(|tree| (tree.clone(), tree.parse().unwrap())).collect();
            let folder = tempfile::tempdir().unwrap();
            let making = Making { blobs: &self.store, folder: folder.path(), trees: &trees, layers: BTreeMap::new() };
            making.make(&told).map(|which| (which, folder)).map_err(|error| format!("{error:?}"))
        }

        fn digest(&self, told: &serde_json::Value) -> String {
            match self.make(told).unwrap().0 {
                Which::Made(What::One(artifact)) => artifact.manifest.digest().to_string(),
                Which::Made(What::Several { index, .. }) => index.digest().to_string(),
                Which::Made(What::Layout { .. }) | Which::OfLayout(..) => panic!("it is no image"),
            }
        }
    }

    #[test]
    fn the_same_trees_and_words_give_the_same_digest() {
        let (one, other) = (Place::new(), Place::new());
        let image = |place: &Place, label: &str| {
            let (site, file) = (place.tree("site", &[("index.html", "hello"), ("a/b", "c")]), place.file("#!/bin/sh"));
            place.digest(&serde_json::json!({ "images": [{
                "platform": "linux/amd64", "entrypoint": ["/app/run"], "labels": { "k": label },
                "layers": [{ "tree": site, "to": "/srv" }, { "tree": file, "to": "/app/run" }],
            }]}))
        };
        assert_eq!(image(&one, "v"), image(&other, "v"));
        assert_ne!(image(&one, "v"), image(&one, "w"));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let place = Place::new();
        let (site, file) = (place.tree("site", &[("index.html", "hello")]), place.file("x"));
        let layers = serde_json::json!([{ "tree": site, "to": "/" }]);
        for (told, why) in [
            (serde_json::json!({}), "wants `images` or a `layout`"),
            (serde_json::json!({ "image": [] }), "unknown field"),
            (serde_json::json!({ "images": [{ "platform": "linux", "layers": layers }] }), "it is no platform"),
            (serde_json::json!({ "images": [{ "platform": "linux/amd64", "layers": [] }] }), "it has no layers"),
            (serde_json::json!({ "images": [{ "platform": "linux/amd64", "layers": layers, "created": "today" }] }), "is no time"),
            (serde_json::json!({ "images": [{ "platform": "linux/amd64", "layers": [{ "tree": site, "to": "../up" }] }] }), "up"),
            (serde_json::json!({ "images": [{ "platform": "linux/amd64", "layers": [{ "tree": file, "to": "/" }] }] }), "one file"),
            (
                serde_json::json!({ "images": [{ "platform": "linux/amd64", "layers": layers }, { "platform": "linux/amd64", "layers": layers }] }),
                "is there twice",
            ),
            (serde_json::json!({ "layout": site, "images": [{ "platform": "linux/amd64", "layers": layers }] }), "not both"),
            (serde_json::json!({ "layout": site, "annotations": { "a": "b" } }), "as it is"),
        ] {
            let said = place.make(&told).err().unwrap_or_else(|| panic!("{told} was taken"));
            assert!(said.contains(why), "{told}: {said}");
        }
    }
}

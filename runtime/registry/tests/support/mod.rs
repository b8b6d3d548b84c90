//! What the tests share: clients, artifacts, and a proxy that misbehaves on command.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it, and a test's panic is how it fails")]

pub(crate) mod proxy;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use relrun_registry::spec::MediaType;
use relrun_registry::{
    Artifact, ArtifactPlan, Blob, Client, ClientOptions, Credential, ImagePlan, ImageSettings, LayerOptions, Manifest, Place, Reference,
    Repository, Retry, Tag, Timeouts, index_of, layer_of_tree,
};
use relrun_tests::registry::{RegistryServer, RegistrySetup};

pub(crate) const USER: (&str, &str) = ("dev", "hunter2-xyzzy");

pub(crate) fn plain() -> RegistryServer {
    RegistryServer::start(RegistrySetup { user: Some(USER), tls: false })
}

/// Options for impatient tests.
pub(crate) fn options() -> ClientOptions {
    ClientOptions {
        retry: Retry {
            attempts: 4,
            first: Duration::from_millis(5),
            longest: Duration::from_millis(50),
            longest_asked: Duration::from_secs(5),
        },
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(5),
            idle: Duration::from_secs(2),
            slowest: 16 << 10,
            helper: Duration::from_secs(5),
        },
        chunk: 64 << 10,
        ..ClientOptions::default()
    }
}

/// Options with the user of [`plain`] for a host.
pub(crate) fn logged_in(host: &str) -> ClientOptions {
    let mut options = options();
    options.credentials.insert(host.to_owned(), Credential::password(USER.0, USER.1));
    options.plain_http.push(host.to_owned());
    options
}

pub(crate) fn place(host: &str, name: &str) -> Place {
    format!("{host}/{name}").parse::<Reference>().unwrap().place
}

pub(crate) async fn open(options: ClientOptions, host: &str, name: &str) -> Arc<dyn Repository> {
    Client::new(options).unwrap().open(&place(host, name)).await.unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// Returns bytes that nothing compresses or repeats.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(step).collect()
}

pub(crate) fn blob(bytes: impl Into<Bytes>) -> Blob {
    Blob::of_bytes(MediaType::from("application/octet-stream"), bytes.into())
}

pub(crate) fn artifact(layers: Vec<Blob>) -> Artifact {
    let annotations = [("org.opencontainers.image.version".to_owned(), "1.4.2".to_owned())].into();
    ArtifactPlan { artifact_type: Some("application/vnd.relrun.test.v1".to_owned()), layers, annotations, ..ArtifactPlan::default() }
        .build()
        .unwrap()
}

/// Makes a small image of a tree, in the folder that keeps its layer.
pub(crate) fn image(folder: &Path, text: &str, platform: &str) -> Artifact {
    let tree = folder.join(format!("tree-{text}"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("hello.txt"), text).unwrap();
    let layer = layer_of_tree(&tree, &folder.join(format!("layer-{text}")), &LayerOptions::default()).unwrap();
    let settings = ImageSettings { entrypoint: vec!["/hello".to_owned()], ..ImageSettings::default() };
    let plan =
        ImagePlan { platform: platform.parse().unwrap(), layers: vec![layer], settings, created: None, annotations: BTreeMap::new() };
    plan.build().unwrap()
}

/// Makes two images, of one platform each, and their index.
pub(crate) fn images(folder: &Path) -> ([Artifact; 2], Manifest) {
    let parts = [image(folder, "one", "linux/amd64"), image(folder, "two", "linux/arm64/v8")];
    let named = ["linux/amd64", "linux/arm64/v8"].iter().zip(&parts).map(|(name, part)| (name.parse().unwrap(), part.manifest.clone()));
    let index = index_of(&named.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
    (parts, index)
}

//! A package is made of a store and comes back into another: the same bytes each time, and nothing but what its record says.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails")]

use relrun_ledger::{Files, Outcome, StepKind};
use relrun_package::{Contents, Package, PackageError, PackageLimits, PackageRecord, PackedStep, pack, version_tag};
use relrun_registry::spec::MediaType;
use relrun_registry::{Artifact, ArtifactPlan, Blob, Layout, Name, PushAs, Tag, Transfer, canonical_json};
use relrun_store::{BlobStore, CaptureMode, LocalBlobStore, capture};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

struct World {
    folder: TempDir,
    blobs: LocalBlobStore,
    record: PackageRecord,
}

/// A release with a tree, a file alone, files that travel, and a plugin.
fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobStore::open(&folder.path().join("store")).unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("a/empty")).unwrap();
    fs::write(tree.join("a/page.html"), "hello").unwrap();
    std::os::unix::fs::symlink("a/page.html", tree.join("link")).unwrap();
    let (dist, _) = capture(&blobs, &tree, CaptureMode::Copy).unwrap();
    let (single, _) = capture(&blobs, &tree.join("a/page.html"), CaptureMode::Copy).unwrap();
    let plugin = blobs.put(b"\0asm of a plugin").unwrap();
    let manifest = blobs.put(b"package \"acme/shop\" version=\"1.4.2\"").unwrap();
    let lock = json!({ "plugins": { "build": { "from": "bundled", "digest": plugin.to_string(), "version": "0.1.0", "world": "0.1.0" } } });
    let artifacts = BTreeMap::from([("dist".to_owned(), dist), ("single".to_owned(), single)]);
    let mut record = PackageRecord::new("acme/shop".to_owned(), "1.4.2".to_owned(), manifest, lock);
    record.description = Some("The shop".to_owned());
    record.steps = vec![PackedStep {
        name: "site".to_owned(),
        phase: "build".to_owned(),
        kind: StepKind::Pure,
        outcome: Outcome { summary: "done".to_owned(), artifacts, ..Outcome::default() },
    }];
    record.files = Some(Files { tree: dist, directory: String::new() });
    World { folder, blobs, record }
}

fn packed(world: &World, name: &str) -> (Artifact, Artifact) {
    let scratch = world.folder.path().join(name);
    fs::create_dir(&scratch).unwrap();
    pack(&Contents { record: &world.record, blobs: &world.blobs, scratch: &scratch }).unwrap()
}

async fn pushed(world: &World, artifact: &Artifact, name: &str) -> Layout {
    let layout = Layout::at(world.folder.path().join(name));
    Transfer::new(world.folder.path()).push(&layout, artifact, &PushAs::Tagged(tag())).await.unwrap();
    layout
}

fn tag() -> Tag {
    "1.4.2".parse().unwrap()
}

async fn opened(layout: &Layout) -> Result<Package, PackageError> {
    Package::open(layout, &Name::Tag(tag()), PackageLimits::default()).await
}

async fn unpacked(package: &Package, layout: &Layout, folder: &Path) -> Result<LocalBlobStore, PackageError> {
    let scratch = folder.join("scratch-there");
    fs::create_dir_all(&scratch).unwrap();
    let there = LocalBlobStore::open(&folder.join("store-there")).unwrap();
    package.unpack(layout, &there, &scratch, PackageLimits::default()).await?;
    Ok(there)
}

#[test]
fn the_same_record_gives_the_same_package_and_the_same_bill() {
    let (one, other) = (world(), world());
    let (first, bill) = packed(&one, "scratch");
    for (package, about) in [packed(&one, "again"), packed(&other, "scratch")] {
        assert_eq!(package.manifest.bytes(), first.manifest.bytes());
        assert_eq!(about.manifest.bytes(), bill.manifest.bytes());
    }
    assert_eq!(bill.manifest.subject().unwrap().digest(), first.manifest.digest());
    let mut changed = world();
    changed.record.version = "1.4.3".to_owned();
    assert_ne!(packed(&changed, "scratch").0.manifest.digest(), first.manifest.digest());
}

#[tokio::test]
async fn all_that_a_package_holds_comes_back_as_it_was() {
    let world = world();
    let (artifact, _) = packed(&world, "scratch");
    let layout = pushed(&world, &artifact, "layout").await;
    let package = opened(&layout).await.unwrap();
    assert_eq!(package.record, world.record);
    assert_eq!(package.digest(), artifact.manifest.digest().to_string());
    let there = unpacked(&package, &layout, world.folder.path()).await.unwrap();
    let outcome = &world.record.steps[0].outcome;
    for digest in outcome.artifacts.values().copied().chain([world.record.manifest]) {
        assert_eq!(there.get(digest).unwrap(), world.blobs.get(digest).unwrap());
    }
}

#[tokio::test]
async fn a_package_without_something_that_it_names_is_refused() {
    let world = world();
    let (artifact, _) = packed(&world, "scratch");
    for lost in 1..artifact.blobs.len() {
        let layers: Vec<Blob> =
            artifact.blobs.iter().enumerate().filter(|(at, _)| *at != lost && *at != 0).map(|(_, blob)| blob.clone()).collect();
        let plan = ArtifactPlan {
            artifact_type: Some("application/vnd.relrun.package.v1".to_owned()),
            config: Some(artifact.blobs[0].clone()),
            layers,
            ..ArtifactPlan::default()
        };
        let layout = pushed(&world, &plan.build().unwrap(), &format!("layout-{lost}")).await;
        let package = opened(&layout).await.unwrap();
        let folder = world.folder.path().join(format!("there-{lost}"));
        fs::create_dir(&folder).unwrap();
        let result = unpacked(&package, &layout, &folder).await;
        // The files that travel are the very tree that the step wrote: either layer has it.
        let is_twice = artifact.blobs[lost].descriptor().media_type().as_ref().starts_with("application/vnd.relrun.files");
        let is_twin = artifact.blobs[lost].descriptor().annotations().as_ref().unwrap()["org.opencontainers.image.title"] == "site.dist";
        assert_eq!(result.is_ok(), is_twice || is_twin, "without layer {lost}");
        if let Err(error) = result {
            assert!(error.to_string().contains("is in none of its layers"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_layer_that_is_not_what_it_says_is_refused() {
    let world = world();
    let (artifact, _) = packed(&world, "scratch");
    let manifest = &artifact.blobs[1];
    let said = manifest.descriptor().annotations().clone().unwrap();
    let forged =
        Blob::of_bytes(manifest.descriptor().media_type().clone(), bytes::Bytes::from_static(b"package \"evil/shop\"")).annotated(said);
    let mut layers = artifact.blobs[1..].to_vec();
    layers[0] = forged;
    let plan = ArtifactPlan {
        artifact_type: Some("application/vnd.relrun.package.v1".to_owned()),
        config: Some(artifact.blobs[0].clone()),
        layers,
        ..ArtifactPlan::default()
    };
    let layout = pushed(&world, &plan.build().unwrap(), "layout").await;
    let package = opened(&layout).await.unwrap();
    let error = unpacked(&package, &layout, world.folder.path()).await.err().unwrap();
    assert!(error.to_string().contains("a layer that should be"), "{error}");
}

#[tokio::test]
async fn what_is_newer_or_something_else_is_refused() {
    let world = world();
    let mut newer = serde_json::to_value(&world.record).unwrap();
    newer["format"] = 2.into();
    let config = |value: &Value| {
        let bytes = canonical_json(value).unwrap();
        Some(Blob::of_bytes(MediaType::from("application/vnd.relrun.package.config.v1+json"), bytes))
    };
    let kind = || Some("application/vnd.relrun.package.v1".to_owned());
    let mut outside = serde_json::to_value(&world.record).unwrap();
    outside["files"]["directory"] = "../../etc".into();
    let mut absolute = outside.clone();
    absolute["files"]["directory"] = "/etc".into();
    for (at, (artifact_type, config, text)) in [
        (kind(), config(&outside), "`../../etc` is not in it"),
        (kind(), config(&absolute), "`/etc` is not in it"),
        (kind(), config(&newer), "has package format 2"),
        (kind(), config(&json!({ "format": 1 })), "its record cannot be read"),
        (kind(), None, "another kind of artifact"),
        (Some("application/vnd.example".to_owned()), config(&newer), "another kind of artifact"),
    ]
    .into_iter()
    .enumerate()
    {
        let plan = ArtifactPlan { artifact_type, config, ..ArtifactPlan::default() };
        let layout = pushed(&world, &plan.build().unwrap(), &format!("layout-{at}")).await;
        let error = opened(&layout).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_version_with_build_metadata_has_a_tag() {
    assert_eq!(version_tag("1.4.2+build.7"), "1.4.2_build.7");
    assert!(version_tag("1.4.2+build.7").parse::<Tag>().is_ok());
}

#[tokio::test]
async fn whoever_may_attach_things_keeps_no_package_from_coming_in() {
    let world = world();
    let (package, bill) = packed(&world, "scratch");
    let from = pushed(&world, &package, "from").await;
    let transfer = Transfer::new(world.folder.path());
    let attach = |kind: &str, layers: Vec<Blob>| {
        let subject = Some(package.manifest.descriptor());
        ArtifactPlan { artifact_type: Some(kind.to_owned()), layers, subject, ..ArtifactPlan::default() }.build().unwrap()
    };
    let dsse = "application/vnd.dsse.envelope.v1+json";
    let part = |text: &str| Blob::of_bytes(MediaType::from(dsse), text.to_owned().into());
    let lost = part("{\"lost\": true}");
    let mine = r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}"#;
    let attached = [
        attach("application/vnd.example.anything", vec![part("anything")]),
        attach(dsse, vec![lost.clone()]),
        attach(dsse, vec![part("no JSON")]),
        attach(dsse, (0..9).map(|number| part(&number.to_string())).collect()),
        attach(dsse, vec![Blob::of_bytes(MediaType::from(dsse), vec![b'x'; 17 << 20].into())]),
        attach(dsse, vec![part(mine)]),
        bill,
    ];
    for artifact in &attached {
        transfer.push(&from, artifact, &PushAs::ByDigest).await.unwrap();
    }
    let path = |layout: &str, blob: &Blob| world.folder.path().join(layout).join("blobs/sha256").join(blob.digest().digest());
    fs::remove_file(path("from", &lost)).unwrap();
    let found = relrun_package::envelopes(&from, &package.manifest).await.unwrap();
    assert_eq!(found.len(), 1);
    let to = pushed(&world, &package, "to").await;
    relrun_package::copy_attached(&from, &package.manifest, &to, world.folder.path()).await.unwrap();
    let came = |artifact: &Artifact| path("to", &artifact.blobs[artifact.blobs.len() - 1]).is_file();
    assert_eq!(attached.each_ref().map(came), [false, false, true, false, false, true, true]);
}

//! Layout directories: what other tools read, and what is refused.

mod support;

use std::fs;

use relrun_registry::{Layout, Name, PushAs, Pushed, RegistryError, Repository, Transfer, UnpackLimits, pack_layout, unpack_layout};
use support::{artifact, blob, image, images, noise, tag};

#[tokio::test]
async fn what_is_pushed_is_pulled_again() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path().join("layout"));
    let repository: &dyn Repository = &layout;
    let made = artifact(vec![blob(noise(100_000, 1)), blob(noise(10, 2))]);
    let transfer = Transfer::new(folder.path());
    assert_eq!(repository.list_tags().await.unwrap(), []);
    let delivery = transfer.push(repository, &made, &PushAs::Tagged(tag("1.4.2"))).await.unwrap();
    assert!(delivery.blobs.iter().all(|(_, pushed)| *pushed == Pushed::Sent) && delivery.blobs.len() == 3);
    let again = transfer.push(repository, &made, &PushAs::Immutable(tag("1.4.2"))).await.unwrap();
    assert!(again.blobs.iter().all(|(_, pushed)| *pushed == Pushed::Existed));
    let manifest = repository.resolve(&Name::Tag(tag("1.4.2"))).await.unwrap();
    assert_eq!((&manifest, manifest.digest()), (&made.manifest, &delivery.digest));
    for descriptor in manifest.blobs() {
        let to = folder.path().join("pulled");
        repository.pull_file(&descriptor, &to, 200_000).await.unwrap();
        assert_eq!(relrun_registry::digest_of(&fs::read(&to).unwrap()), *descriptor.digest());
    }
    assert_eq!(repository.list_tags().await.unwrap(), [tag("1.4.2")]);
}

#[tokio::test]
async fn a_tag_that_never_changes_refuses_another_content() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path().join("layout"));
    let repository: &dyn Repository = &layout;
    let (one, two) = (artifact(vec![blob("one")]), artifact(vec![blob("two")]));
    let transfer = Transfer::new(folder.path());
    transfer.push(repository, &one, &PushAs::Immutable(tag("1"))).await.unwrap();
    let error = transfer.push(repository, &two, &PushAs::Immutable(tag("1"))).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(one.manifest.digest().as_ref()) && text.contains(two.manifest.digest().as_ref()), "{text}");
    assert!(matches!(error, RegistryError::TagTaken { .. }));
    assert!(!repository.has_blob(two.blobs[1].descriptor()).await.unwrap(), "nothing of it was sent");
    transfer.push(repository, &two, &PushAs::Tagged(tag("1"))).await.unwrap();
    assert_eq!(repository.find(&Name::Tag(tag("1"))).await.unwrap().as_ref(), Some(two.manifest.digest()));
    repository.tag(one.manifest.digest(), &tag("old")).await.unwrap();
    repository.delete_tag(&tag("1")).await.unwrap();
    assert_eq!(repository.list_tags().await.unwrap(), [tag("old")]);
    assert!(repository.delete_tag(&tag("1")).await.unwrap_err().is_not_found());
    assert_eq!(repository.resolve(&Name::Digest(two.manifest.digest().clone())).await.unwrap(), two.manifest, "what a tag stood for stays");
}

#[tokio::test]
async fn an_index_is_copied_with_all_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (Layout::at(folder.path().join("from")), Layout::at(folder.path().join("to")));
    let transfer = Transfer::new(folder.path());
    let (parts, index) = images(folder.path());
    transfer.push_index(&from, &parts, &index, &PushAs::Immutable(tag("all"))).await.unwrap();
    let delivery = transfer.copy(&from, &Name::Tag(tag("all")), &to, &PushAs::Tagged(tag("all"))).await.unwrap();
    assert_eq!((&delivery.digest, delivery.blobs.len()), (index.digest(), 4));
    for part in &parts {
        assert_eq!(to.resolve(&Name::Digest(part.manifest.digest().clone())).await.unwrap(), part.manifest);
    }
}

#[tokio::test]
async fn many_writers_lose_no_tag() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path().join("layout"));
    let pushes = (0..12).map(|number| {
        let layout = layout.clone();
        tokio::spawn(async move {
            let made = artifact(vec![blob(format!("content {number}"))]);
            Transfer::new(".").push(&layout, &made, &PushAs::Tagged(tag(&format!("v{number}")))).await.unwrap();
        })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap();
    }
    assert_eq!(layout.list_tags().await.unwrap().len(), 12);
}

#[tokio::test]
async fn of_many_who_claim_a_tag_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path().join("layout"));
    let pushes = (0..12).map(|number| {
        let layout = layout.clone();
        tokio::spawn(async move {
            let made = artifact(vec![blob(format!("content {number}"))]);
            for part in &made.blobs {
                layout.push_blob(part, None).await.unwrap();
            }
            layout.push_manifest(&made.manifest, &PushAs::Immutable(tag("1"))).await
        })
    });
    let (mut won, mut told) = (Vec::new(), 0);
    for push in pushes.collect::<Vec<_>>() {
        match push.await.unwrap() {
            Ok(digest) => won.push(digest),
            Err(RegistryError::TagTaken { .. }) => told += 1,
            Err(error) => panic!("{error}"),
        }
    }
    let repository: &dyn Repository = &layout;
    assert_eq!((won.len(), told, repository.find(&Name::Tag(tag("1"))).await.unwrap()), (1, 11, won.pop()));
}

#[tokio::test]
async fn what_is_damaged_or_foreign_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path().join("layout"));
    let repository: &dyn Repository = &layout;
    let made = artifact(vec![blob("content")]);
    assert!(layout.push_manifest(&made.manifest, &PushAs::ByDigest).await.unwrap_err().is_not_found(), "its blobs are not there");
    Transfer::new(".").push(repository, &made, &PushAs::Tagged(tag("1"))).await.unwrap();
    let layer = made.blobs[1].descriptor();
    fs::write(repository.local_blob(layer.digest()).unwrap(), "CONTENT").unwrap();
    assert!(matches!(repository.pull_bytes(layer, 100).await, Err(RegistryError::Digest { .. })));
    fs::write(repository.local_blob(made.manifest.digest()).unwrap(), made.manifest.bytes().to_vec().repeat(2)).unwrap();
    assert!(repository.resolve(&Name::Tag(tag("1"))).await.is_err());

    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("thesis.txt"), "two years of work").unwrap();
    let error = Transfer::new(".").push(&Layout::at(foreign.path()), &made, &PushAs::ByDigest).await.unwrap_err();
    assert!(error.to_string().ends_with("it holds something else than an OCI image layout"), "{error}");
    assert_eq!(fs::read_dir(foreign.path()).unwrap().count(), 1);
    assert!(Layout::at(foreign.path()).list_tags().await.is_err());
}

#[tokio::test]
async fn skopeo_reads_what_was_written_and_writes_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    let layout = Layout::at(&path);
    let made = image(folder.path(), "hello", "linux/amd64");
    Transfer::new(folder.path()).push(&layout, &made, &PushAs::Tagged(tag("1.4.2"))).await.unwrap();
    let copy = folder.path().join("copy");
    let skopeo = |words: &[&str]| {
        let ran = std::process::Command::new("skopeo").args(words).output().expect("skopeo is there: `cargo xtask test` installs it");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let from = format!("oci:{}:1.4.2", path.display());
    assert!(skopeo(&["inspect", &from]).contains(&format!("\"Digest\": \"{}\"", made.manifest.digest())));
    skopeo(&["copy", "--quiet", &from, &format!("oci:{}:again", copy.display())]);
    let read = Layout::at(&copy).resolve(&Name::Tag(tag("again"))).await.unwrap();
    assert_eq!(read, made.manifest);

    // And as one file, both ways.
    let (file, twin, unpacked) = (folder.path().join("one.tar"), folder.path().join("twin.tar"), folder.path().join("unpacked"));
    pack_layout(&path, &file).unwrap();
    pack_layout(&path, &twin).unwrap();
    assert_eq!(fs::read(&file).unwrap(), fs::read(&twin).unwrap());
    assert!(skopeo(&["inspect", &format!("oci-archive:{}:1.4.2", file.display())]).contains(made.manifest.digest().as_ref()));
    let theirs = folder.path().join("theirs.tar");
    skopeo(&["copy", "--quiet", &from, &format!("oci-archive:{}:theirs", theirs.display())]);
    unpack_layout(&theirs, &unpacked, UnpackLimits::default()).unwrap();
    assert_eq!(Layout::at(&unpacked).resolve(&Name::Tag(tag("theirs"))).await.unwrap(), made.manifest);
}

//! Trees onto a real host: what is sent, what is not, and what is left where something goes wrong.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails")]

mod support;

use relrun_ledger::Digest;
use relrun_ssh::{Sent, SshErrorKind};
use relrun_store::{BlobStore, CaptureMode, LocalBlobStore};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::Bench;

struct Trees {
    blobs: Arc<dyn BlobStore>,
    folder: tempfile::TempDir,
}

impl Trees {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { blobs: Arc::new(LocalBlobStore::open(&folder.path().join("store")).unwrap()), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn digest(&self) -> Digest {
        relrun_store::capture(&*self.blobs, &self.folder.path().join("tree"), CaptureMode::Copy).unwrap().0
    }

    async fn upload(&self, bench: &Bench, name: &str) -> Sent {
        bench.link().await.upload(Arc::clone(&self.blobs), self.digest(), &bench.at(name)).await.unwrap()
    }

    /// Many small files in some folders.
    fn many(count: usize) -> Self {
        let trees = Self::new();
        for number in 0..count {
            trees.write(&format!("d{}/f{number}", number % 10), format!("{number} {}", "x".repeat(1_000)).as_bytes());
        }
        trees
    }
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_tree_arrives_as_it_is() {
    let (bench, trees) = (Bench::new(), Trees::new());
    let long: Vec<u8> = (0..9_500_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    trees.write("index.html", b"hello");
    trees.write("empty", b"");
    trees.write("deep/down/run.sh", b"#!/bin/sh\n");
    trees.write("long", &long);
    fs::set_permissions(trees.path("deep/down/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("deep/down", trees.path("link")).unwrap();
    fs::create_dir(trees.path("bare")).unwrap();
    let sent = trees.upload(&bench, "releases/r1").await;
    assert_eq!((sent.files, sent.linked), (4, 0));
    let at = |name: &str| bench.path("releases/r1").join(name);
    assert_eq!(fs::read_to_string(at("index.html")).unwrap(), "hello");
    assert!(fs::read(at("long")).unwrap() == long, "a long file arrives in pieces and is whole");
    assert_eq!(fs::read_link(at("link")).unwrap().to_str(), Some("deep/down"));
    assert_eq!((at("index.html").metadata().unwrap().mode() & 0o777, at("link/run.sh").metadata().unwrap().mode() & 0o777), (0o444, 0o555));
    assert!(at("bare").is_dir());
    assert_eq!(names(&at("")), ["bare", "deep", "empty", "index.html", "link", "long"]);
    assert_eq!(names(&bench.path("releases")), [".relrun-trees", "r1"]);
}

#[tokio::test]
async fn what_the_host_has_is_not_sent_again() {
    let (bench, trees) = (Bench::new(), Trees::many(1_000));
    let first = trees.upload(&bench, "releases/r1").await;
    assert_eq!((first.files, first.linked), (1_000, 0));
    for number in 0..10 {
        trees.write(&format!("d{number}/f{number}"), format!("new {number}").as_bytes());
    }
    let second = trees.upload(&bench, "releases/r2").await;
    assert_eq!((second.files, second.linked, second.bytes), (10, 990, 50));
    assert!(second.wire * 3 < first.wire, "{second:?} after {first:?}");
    assert_eq!(fs::read_to_string(bench.path("releases/r2/d3/f3")).unwrap(), "new 3");
    assert!(fs::read_to_string(bench.path("releases/r1/d3/f3")).unwrap().starts_with("3 x"));
    assert_eq!(fs::read(bench.path("releases/r2/d4/f14")).unwrap(), fs::read(trees.path("d4/f14")).unwrap());
    // What was moved within the tree is not sent either, nor what a note of before the last one has.
    fs::rename(trees.path("d4"), trees.path("moved")).unwrap();
    trees.write("d3/f3", format!("3 {}", "x".repeat(1_000)).as_bytes());
    let third = trees.upload(&bench, "releases/r3").await;
    assert_eq!((third.files, third.linked), (0, 1_000));
}

#[tokio::test]
async fn a_file_that_somebody_wrote_into_is_sent_anew() {
    let (bench, trees) = (Bench::new(), Trees::new());
    trees.write("one", b"one");
    trees.write("two", b"two");
    trees.upload(&bench, "releases/r1").await;
    let one = bench.path("releases/r1/one");
    fs::set_permissions(&one, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&one, "ONE").unwrap();
    fs::File::options().write(true).open(&one).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::remove_file(bench.path("releases/r1/two")).unwrap();
    symlink("one", bench.path("releases/r1/two")).unwrap();
    let sent = trees.upload(&bench, "releases/r2").await;
    assert_eq!((sent.files, sent.linked), (2, 0));
    assert_eq!(fs::read_to_string(bench.path("releases/r2/one")).unwrap(), "one");
    // A note that was broken or planted is as good as none.
    fs::write(bench.path("releases/.relrun-trees/r1"), "nonsense").unwrap();
    fs::write(bench.path("releases/.relrun-trees/r2"), "relrun-listing 1\nnonsense").unwrap();
    assert_eq!(trees.upload(&bench, "releases/r3").await.files, 2);
}

#[tokio::test]
async fn what_is_there_already_stays_as_it_is() {
    let (bench, trees) = (Bench::new(), Trees::new());
    trees.write("one", b"one");
    fs::create_dir_all(bench.path("releases/r1")).unwrap();
    let refused = bench.link().await.upload(Arc::clone(&trees.blobs), trees.digest(), &bench.at("releases/r1")).await;
    assert_eq!(refused.unwrap_err().kind, SshErrorKind::Invalid);
    assert_eq!(names(&bench.path("releases/r1")), [""; 0]);
}

#[tokio::test]
async fn an_upload_that_was_cut_leaves_nothing_half_and_is_taken_up_again() {
    let (bench, trees) = (Bench::new(), Trees::many(3_000));
    let link = bench.link().await;
    let path = bench.at("releases/r1");
    let upload = link.upload(Arc::clone(&trees.blobs), trees.digest(), &path);
    let cut = async {
        for _ in 0..2_000 {
            let drafts = fs::read_dir(bench.path("releases")).into_iter().flatten().flatten();
            let begun: usize = drafts.map(|draft| walk(&draft.path())).sum();
            if begun > 300 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        bench.server.cut();
    };
    let (lost, ()) = tokio::join!(upload, cut);
    let lost = lost.unwrap_err();
    assert_eq!(lost.kind, SshErrorKind::Transient, "{lost}");
    assert!(!bench.path("releases/r1").exists());
    let again = trees.upload(&bench, "releases/r1").await;
    assert_eq!(again.files + again.linked, 3_000);
    assert!(again.linked > 100, "what had arrived is taken up: {again:?}");
    assert_eq!(names(&bench.path("releases")), [".relrun-trees", "r1"], "and the draft is gone");
    assert_eq!(names(&bench.path("releases/.relrun-trees")), ["r1"]);
}

fn walk(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path) else { return 1 };
    entries.flatten().map(|entry| walk(&entry.path())).sum()
}

#[tokio::test]
async fn a_server_without_hard_links_gets_all() {
    let (bench, trees) = (Bench::with("internal-sftp -P hardlink"), Trees::new());
    trees.write("one", b"one");
    trees.upload(&bench, "releases/r1").await;
    let second = trees.upload(&bench, "releases/r2").await;
    assert_eq!((second.files, second.linked), (1, 0));
    bench.link().await.write_new_file(&bench.at("mark"), b"ours").await.unwrap();
    assert_eq!(bench.link().await.write_new_file(&bench.at("mark"), b"x").await.unwrap_err().kind, SshErrorKind::Invalid);
    assert_eq!(fs::read_to_string(bench.path("mark")).unwrap(), "ours");
}

#[tokio::test]
async fn an_upload_beside_another_leaves_its_draft_alone() {
    let (bench, trees) = (Bench::new(), Trees::many(1_500));
    let (one, two) = tokio::join!(trees.upload(&bench, "releases/r1"), trees.upload(&bench, "releases/r2"));
    assert_eq!((one.files + one.linked, two.files + two.linked), (1_500, 1_500));
    let small = Trees::new();
    small.write("one", b"one");
    let link = bench.link().await;
    let path = bench.at("releases/r3");
    let long = link.upload(Arc::clone(&trees.blobs), trees.digest(), &path);
    let many_small = async {
        for number in 0..10 {
            small.upload(&bench, &format!("releases/s{number}")).await;
        }
    };
    let (long, ()) = tokio::join!(long, many_small);
    assert_eq!(long.unwrap().files, 0);
    // Another process's draft stays for a while, and goes then; its note goes with it.
    let (draft, note) = (bench.path("releases/.relrun-draft-other-r9"), bench.path("releases/.relrun-trees/.relrun-draft-other-r9"));
    fs::create_dir(&draft).unwrap();
    fs::write(&note, "x").unwrap();
    small.upload(&bench, "releases/s10").await;
    assert!(draft.exists() && note.exists());
    for path in [&draft, &note] {
        fs::File::open(path).unwrap().set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(2)).unwrap();
    }
    small.upload(&bench, "releases/s11").await;
    assert!(!draft.exists() && !note.exists());
    let left: Vec<String> = names(&bench.path("releases/.relrun-trees")).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn a_note_that_unpacks_to_very_much_is_none() {
    let (bench, trees) = (Bench::new(), Trees::new());
    trees.write("one", b"one");
    trees.upload(&bench, "releases/r1").await;
    let bomb = zstd::bulk::compress(&vec![0_u8; 200 << 20], 19).unwrap();
    fs::write(bench.path("releases/.relrun-trees/r1"), [b"relrun-listing 1\n", bomb.as_slice()].concat()).unwrap();
    assert_eq!(trees.upload(&bench, "releases/r2").await.files, 1);
}

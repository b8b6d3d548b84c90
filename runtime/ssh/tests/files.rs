//! Files of a real host: what is made, replaced, listed and removed, and what a host says that cannot do it.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails")]

mod support;

use relrun_ssh::{Found, FoundKind, Ssh, SshErrorKind, SshOptions};
use relrun_store::{BlobStore, LocalBlobStore, Tree};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::Bench;

fn found(name: &str, kind: FoundKind) -> Found {
    Found { name: name.into(), kind }
}

#[tokio::test]
async fn files_come_and_go() {
    let bench = Bench::new();
    let link = bench.link().await;
    let at = |name: &str| bench.at(name);
    link.make_dir(&at("srv/www/shop")).await.unwrap();
    link.make_dir(&at("srv/www/shop")).await.unwrap();
    link.write_file(&at("srv/a.txt"), b"one").await.unwrap();
    link.write_file(&at("srv/a.txt"), b"two").await.unwrap();
    assert_eq!(link.read_file(&at("srv/a.txt"), 16).await.unwrap(), b"two");
    assert_eq!(link.read_file(&at("srv/a.txt"), 2).await.unwrap_err().kind, SshErrorKind::Invalid);
    link.symlink("a.txt", &at("srv/current")).await.unwrap();
    assert_eq!(link.symlink("b.txt", &at("srv/current")).await.unwrap_err().kind, SshErrorKind::Invalid);
    link.symlink("www", &at("srv/next")).await.unwrap();
    link.rename(&at("srv/next"), &at("srv/current")).await.unwrap();
    let listed = link.read_dir(&at("srv")).await.unwrap();
    let all = [("a.txt", FoundKind::File), ("current", FoundKind::Link("www".into())), ("www", FoundKind::Dir)];
    assert_eq!(listed, all.map(|(name, kind)| found(name, kind)));
    assert_eq!(link.stat(&at("srv/current")).await.unwrap(), Some(found("current", FoundKind::Link("www".into()))));
    assert_eq!(link.stat(&at("srv/nothing/at/all")).await.unwrap(), None);
    assert_eq!(link.read_file(&at("nothing"), 16).await.unwrap_err().kind, SshErrorKind::Missing);
    assert_eq!(link.read_dir(&at("nothing")).await.unwrap_err().kind, SshErrorKind::Missing);
    link.remove(&at("srv/current")).await.unwrap();
    assert!(bench.path("srv/www/shop").is_dir(), "the link went, not what it pointed to");
    link.remove(&at("srv")).await.unwrap();
    link.remove(&at("srv")).await.unwrap();
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 0, "nothing is left of what was removed or made on the way");
}

#[tokio::test]
async fn a_file_that_is_there_is_kept_where_it_is_to_be() {
    let bench = Bench::new();
    let link = bench.link().await;
    link.write_new_file(&bench.at("mark"), b"ours").await.unwrap();
    assert_eq!(link.write_new_file(&bench.at("mark"), b"theirs").await.unwrap_err().kind, SshErrorKind::Invalid);
    assert_eq!(fs::read_to_string(bench.path("mark")).unwrap(), "ours");
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_in_the_way_is_said() {
    let bench = Bench::new();
    let link = bench.link().await;
    fs::write(bench.path("file"), "x").unwrap();
    assert!(link.make_dir(&bench.at("file/below")).await.is_err());
    assert!(link.make_dir(&bench.at("file")).await.is_err());
    let missing = link.write_file(&bench.at("no/such/file"), b"x").await.unwrap_err();
    assert_eq!(missing.kind, SshErrorKind::Missing);
    assert!(missing.message.starts_with("failed to write "), "{missing}");
}

#[tokio::test]
async fn a_removed_tree_of_links_and_folders_takes_nothing_else_along() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("tree/a/b/c")).unwrap();
    fs::create_dir_all(bench.path("kept")).unwrap();
    fs::write(bench.path("kept/file"), "x").unwrap();
    for number in 0..300 {
        fs::write(bench.path(&format!("tree/a/b/{number}")), "x").unwrap();
    }
    symlink("../kept", bench.path("tree/link")).unwrap();
    bench.link().await.remove(&bench.at("tree")).await.unwrap();
    assert!(bench.path("kept/file").is_file());
    assert!(!bench.path("tree").exists());
}

#[tokio::test]
async fn a_server_without_atomic_replacement_is_refused() {
    let bench = Bench::with("internal-sftp -P posix-rename");
    let refused = bench.link().await.stat(&bench.at("")).await;
    let Err(error) = refused else {
        panic!("it was not refused: {refused:?}");
    };
    assert!(error.message.contains("does not offer posix-rename@openssh.com"), "{error}");
}

#[tokio::test]
async fn a_name_that_is_no_text_ends_no_session_and_its_directory_can_be_removed() {
    let bench = Bench::new();
    let link = bench.link().await;
    fs::create_dir_all(bench.path("tree/deep")).unwrap();
    fs::write(bench.path("tree/deep/plain"), "x").unwrap();
    fs::write(bench.path("tree/deep").join(OsStr::from_bytes(b"b\xffd")), "x").unwrap();
    symlink(OsStr::from_bytes(b"to\xff"), bench.path("tree/deep/link")).unwrap();
    let listed = link.read_dir(&bench.at("tree/deep")).await.unwrap();
    assert_eq!(listed, [found("link", FoundKind::Link("to\u{1a}".into())), found("plain", FoundKind::File)]);
    let (_folder, blobs) = store();
    let refused = link.fetch(blobs, &bench.at("tree"), &[]).await.unwrap_err();
    assert_eq!(refused.kind, SshErrorKind::Invalid);
    assert!(refused.message.contains("the name \"b?d\" in it is no text"), "{refused}");
    link.remove(&bench.at("tree")).await.unwrap();
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 0);
    assert!(link.is_alive());
}

fn store() -> (tempfile::TempDir, Arc<dyn BlobStore>) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Arc::new(LocalBlobStore::open(folder.path()).unwrap());
    (folder, blobs)
}

#[tokio::test]
async fn a_directory_with_long_and_short_files_is_fetched_whole() {
    let bench = Bench::new();
    fs::create_dir(bench.path("tree")).unwrap();
    for number in 0..40 {
        fs::write(bench.path(&format!("tree/{number}")), vec![b'x'; number * 100_000]).unwrap();
    }
    let (_folder, blobs) = store();
    let digest = bench.link().await.fetch(Arc::clone(&blobs), &bench.at("tree"), &["7".to_owned()]).await.unwrap();
    let tree = Tree::get(&*blobs, digest).unwrap();
    assert_eq!(tree.entries.len(), 39);
}

#[tokio::test]
async fn a_host_that_falls_silent_is_given_up_and_connected_to_anew() {
    let server = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"];
    let Some(server) = server.into_iter().find(|path| Path::new(path).exists()) else { panic!("there is no sftp-server") };
    let bench = Bench::with(server);
    let options = SshOptions { silent: Duration::from_secs(1), ..bench.options() };
    let ssh = Ssh::new(options);
    let link = ssh.link(&bench.address()).await.unwrap();
    link.watched(link.write_file(&bench.at("file"), b"x")).await.unwrap();
    let stopped = bench.server.stop_below("sftp-server");
    assert!(!stopped.is_empty());
    let began = Instant::now();
    let silent = link.watched(link.stat(&bench.at("file"))).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(silent.kind, SshErrorKind::TimedOut);
    assert!(silent.message.contains(&bench.server.address().port().to_string()), "{silent}");
    assert!(!link.is_alive());
    let anew = ssh.link(&bench.address()).await.unwrap();
    assert!(anew.watched(anew.stat(&bench.at("file"))).await.unwrap().is_some());
    // One that is only slow is waited for.
    let slow = anew.watched(async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        anew.stat(&bench.at("file")).await
    });
    assert!(slow.await.unwrap().is_some());
    bench.server.go_on(&stopped);
}

#[tokio::test]
async fn a_lost_session_is_never_handed_out_again() {
    let bench = Bench::new();
    let link = bench.link().await;
    bench.server.cut();
    assert_eq!(link.stat(&bench.at("")).await.unwrap_err().kind, SshErrorKind::Transient);
    assert!(!link.is_alive());
    assert!(bench.link().await.stat(&bench.at("")).await.unwrap().is_some());
    assert!(link.was_lost().await);
    assert!(!bench.link().await.was_lost().await);
}

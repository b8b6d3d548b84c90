//! Hosts that are directories of this machine.

use crate::support::{Step, step};
use relrun_host::Operation;
use relrun_ledger::FailureKind;
use relrun_store::CaptureMode;
use serde_json::{Value, json};

fn call(call: &str, path: &str, to: &str) -> Step {
    step(json!({ "do": "hosts", "call": call, "host": "web1", "path": path, "to": to, "text": "new" })).may("host \"web*\"")
}

#[tokio::test]
async fn files_come_and_go() {
    let (ran, _) = call("write-file", "/a.txt", "").outputs().await;
    assert_eq!(std::fs::read_to_string(ran.dir.path().join("hosts/web1/a.txt")).unwrap(), "new");
    assert_eq!(std::fs::read_dir(ran.dir.path().join("hosts/web1")).unwrap().count(), 1, "no draft is left");
    assert_eq!(ran.heard.used(), ["host \"web1\""]);
    let (ran, _) = call("make-dir", "/srv/www/shop", "").outputs().await;
    assert!(ran.dir.path().join("hosts/web1/srv/www/shop").is_dir());

    let there = |step: Step| {
        std::fs::create_dir_all(step.path("hosts/web1/srv/old/deep")).unwrap();
        std::fs::write(step.path("hosts/web1/srv/a"), "a").unwrap();
        std::os::unix::fs::symlink("old", step.path("hosts/web1/srv/current")).unwrap();
        std::os::unix::fs::symlink("new", step.path("hosts/web1/srv/next")).unwrap();
        step
    };
    let (_, outputs) = there(call("read-dir", "/srv", "")).outputs().await;
    assert_eq!(outputs["value"], json!([["a", null], ["current", "old"], ["next", "new"], ["old", null]]));
    let (ran, _) = there(call("rename", "/srv/next", "/srv/current")).outputs().await;
    assert_eq!(std::fs::read_link(ran.dir.path().join("hosts/web1/srv/current")).unwrap().to_str(), Some("new"));
    let (ran, _) = there(call("remove", "/srv/current", "")).outputs().await;
    assert!(ran.dir.path().join("hosts/web1/srv/old/deep").is_dir(), "the link went, not what it pointed to");
    let (ran, _) = there(call("remove", "/srv", "")).outputs().await;
    assert!(!ran.dir.path().join("hosts/web1/srv").exists());
    assert_eq!(call("remove", "/not/there", "").outputs().await.1, json!({ "value": null }));
    assert_eq!(there(call("symlink", "/srv/a", "b")).fails().await.1, FailureKind::Invalid);
    assert_eq!(call("stat", "/nothing", "").outputs().await.1, json!({ "value": null }));
    assert_eq!(there(call("stat", "/srv/current", "")).outputs().await.1, json!({ "value": "FileType::Link" }));
    assert_eq!(call("read-file", "/nothing", "").fails().await.1, FailureKind::Missing);
}

#[tokio::test]
async fn a_host_is_not_left_through_a_link() {
    let linked = call("read-file", "/link", "");
    std::os::unix::fs::symlink(linked.path("outside.txt"), linked.path("hosts/web1/link")).unwrap();
    assert_eq!(linked.fails().await.1, FailureKind::Missing);
    let up = call("write-file", "/up/outside.txt", "");
    std::os::unix::fs::symlink("../..", up.path("hosts/web1/up")).unwrap();
    let (ran, _) = up.outputs().await;
    assert_eq!(std::fs::read_to_string(ran.dir.path().join("outside.txt")).unwrap(), "outside");
    assert!(ran.dir.path().join("hosts/web1/outside.txt").is_file());
    assert_eq!(call("write-file", "/../../outside.txt", "").fails().await.1, FailureKind::Invalid);
}

#[tokio::test]
async fn a_tree_is_uploaded_whole_and_once() {
    let upload = |before: fn(&Step)| {
        let step = call("upload", "/srv/releases/r7", "");
        let (digest, _) = relrun_store::capture(&*step.blobs, &step.path("step/in/work"), CaptureMode::Copy).unwrap();
        before(&step);
        step.with(|call| call.config["digest"] = json!(digest.to_string()))
    };
    let (ran, _) = upload(|_| ()).outputs().await;
    let releases = ran.dir.path().join("hosts/web1/srv/releases");
    assert_eq!(std::fs::read_to_string(releases.join("r7/hello.txt")).unwrap(), "hello");
    assert_eq!(std::fs::read_dir(&releases).unwrap().count(), 1);
    let taken = upload(|step| std::fs::create_dir_all(step.path("hosts/web1/srv/releases/r7")).unwrap());
    assert_eq!(taken.fails().await.1, FailureKind::Invalid);
}

#[tokio::test]
async fn a_tree_of_others_is_not_uploaded() {
    let step = call("upload", "/srv/x", "");
    let (digest, _) = relrun_store::capture(&*step.blobs, &step.path("step/in/work"), CaptureMode::Copy).unwrap();
    let digest = digest.to_string();
    let halves = step.with(|call| (call.config["digest"], call.config["tail"]) = (json!(digest[..30]), json!(digest[30..])));
    assert_eq!(halves.fails().await.1, FailureKind::Denied);
}

#[tokio::test]
async fn what_is_not_granted_there_or_known_is_said() {
    let (ran, kind, message) =
        step(json!({ "do": "hosts", "call": "stat", "host": "web1", "path": "/" })).may("host \"db*\"").fails().await;
    assert_eq!(kind, FailureKind::Denied);
    assert!(message.contains("add `host \"web1\"` to the step's `grant` block"), "{message}");
    assert_eq!(ran.heard.denied(), ["host \"web1\""]);
}

#[tokio::test]
async fn plan_and_verify_look_and_do_not_touch() {
    for name in ["write-file", "make-dir", "remove", "rename", "symlink", "claim", "disclaim"] {
        let (ran, kind, message) = call(name, "/a", "/b").with(|call| call.operation = Operation::Plan).fails().await;
        assert_eq!(kind, FailureKind::Denied, "{name}: {message}");
        assert_eq!(std::fs::read_dir(ran.dir.path().join("hosts/web1")).unwrap().count(), 0, "{name}");
    }
    assert!(call("stat", "/", "").with(|call| call.operation = Operation::Plan).run().await.1.is_ok());
}

#[tokio::test]
async fn a_directory_has_one_ledger() {
    let marked = |name: &str, mark: Value| {
        let step = call(name, "/srv", "");
        std::fs::create_dir_all(step.path("hosts/web1/srv")).unwrap();
        std::fs::write(step.path("hosts/web1/srv/.relrun.json"), mark.to_string()).unwrap();
        step
    };
    let theirs = json!({ "ledger": "theirs", "release": "r3", "fence": 1 });
    let newer = json!({ "ledger": "ours", "release": "r9", "fence": 6 });
    let (ran, _) = call("claim", "/srv", "").outputs().await;
    let mark = std::fs::read_to_string(ran.dir.path().join("hosts/web1/srv/.relrun.json")).unwrap();
    insta::assert_snapshot!(mark, @r#"{"ledger":"ours","release":"r7","fence":5}"#);
    marked("claim", json!({ "ledger": "ours", "release": "r6", "fence": 4 })).outputs().await;
    for name in ["claim", "disclaim"] {
        let (_, kind, message) = marked(name, theirs.clone()).fails().await;
        assert_eq!(kind, FailureKind::Denied);
        assert!(message.starts_with("/srv on web1: it belongs to the ledger theirs (release r3)"), "{message}");
        assert!(message.ends_with(relrun_host::ADOPT), "{message}");
        assert_eq!(marked(name, newer.clone()).fails().await.1, FailureKind::Denied);
        assert_eq!(marked(name, json!("no mark")).fails().await.1, FailureKind::Denied);
        marked(name, theirs.clone()).with(|call| call.mark.adopt = true).outputs().await;
    }
    let (ran, _) = marked("disclaim", json!({ "ledger": "ours", "release": "r7", "fence": 5 })).outputs().await;
    assert!(!ran.dir.path().join("hosts/web1/srv/.relrun.json").exists());
    call("disclaim", "/srv", "").outputs().await;
}

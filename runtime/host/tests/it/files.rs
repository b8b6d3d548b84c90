//! What a step sees of files, and the trees that it names.

use crate::support::step;
use relrun_ledger::{Digest, FailureKind};
use relrun_store::{BlobStore, CaptureMode};
use serde_json::json;

#[tokio::test]
async fn inputs_are_read_only_and_nothing_else_is_there() {
    let (_, outputs) = step(json!({ "do": "read", "path": "/in/work/hello.txt" })).outputs().await;
    assert_eq!(outputs, json!({ "value": "hello" }));
    for path in ["/in/work/new", "/in/work/hello.txt", "/etc/new", "/new", "/tmp/../../outside.txt", "/out/new"] {
        let (ran, outputs) = step(json!({ "do": "write", "path": path, "text": "x" })).outputs().await;
        assert!(outputs["value"].as_str().is_some_and(|value| value.starts_with("refused")), "{path}: {outputs}");
        assert_eq!(std::fs::read_to_string(ran.dir.path().join("outside.txt")).unwrap(), "outside");
    }
    for path in ["/tmp/a", "/out/dist/a"] {
        let (_, outputs) = step(json!({ "do": "write", "path": path, "text": "x" })).outputs().await;
        assert_eq!(outputs, json!({ "value": "written" }), "{path}");
    }
    for path in ["/etc/passwd", "/in/work/../../../outside.txt", "/proc/self/environ"] {
        assert_eq!(step(json!({ "do": "read", "path": path })).fails().await.1, FailureKind::Missing, "{path}");
    }
}

#[tokio::test]
async fn a_link_does_not_lead_out() {
    let linked = step(json!({ "do": "read", "path": "/tmp/link" }));
    std::os::unix::fs::symlink(linked.path("outside.txt"), linked.path("step/tmp/link")).unwrap();
    assert_eq!(linked.fails().await.1, FailureKind::Missing);
    let captured = step(json!({ "do": "capture", "dir": "/tmp/link" }));
    std::os::unix::fs::symlink("../..", captured.path("step/tmp/link")).unwrap();
    assert_ne!(captured.fails().await.1, FailureKind::Trapped);
}

#[tokio::test]
async fn granted_directories_are_at_their_own_paths() {
    let grant = |config, line: &str| {
        let step = step(config);
        std::fs::create_dir_all(step.path("tree/data")).unwrap();
        std::fs::write(step.path("tree/data/a"), "a").unwrap();
        step.may(line)
    };
    let (_, outputs) = grant(json!({ "do": "read", "path": "data/a" }), "read \"data\"").outputs().await;
    assert_eq!(outputs, json!({ "value": "a" }));
    let (_, outputs) = grant(json!({ "do": "write", "path": "data/b", "text": "x" }), "read \"data\"").outputs().await;
    assert_ne!(outputs, json!({ "value": "written" }));
    let (ran, outputs) = grant(json!({ "do": "write", "path": "data/b", "text": "x" }), "write \"data\"").outputs().await;
    assert_eq!(outputs, json!({ "value": "written" }));
    assert!(ran.dir.path().join("tree/data/b").is_file());
}

#[tokio::test]
async fn a_granted_file_is_alone_in_its_directory() {
    let grant = |path: &str| {
        let step = step(json!({ "do": "read", "path": path })).may("read \"data/a\"").may("read \"top\"");
        std::fs::create_dir_all(step.path("tree/data")).unwrap();
        for file in ["tree/data/a", "tree/data/b", "tree/top"] {
            std::fs::write(step.path(file), file).unwrap();
        }
        step
    };
    assert_eq!(grant("data/a").outputs().await.1, json!({ "value": "tree/data/a" }));
    assert_eq!(grant("top").outputs().await.1, json!({ "value": "tree/top" }));
    assert_eq!(grant("data/b").fails().await.1, FailureKind::Missing);
}

#[tokio::test]
async fn trees_go_round() {
    let (ran, outputs) = step(json!({ "do": "round", "dir": "/in/work", "to": "/out/dist/copy" })).outputs().await;
    assert_eq!(outputs["same"], json!(true));
    assert_eq!(std::fs::read_to_string(ran.dir.path().join("step/out/dist/copy/hello.txt")).unwrap(), "hello");
    assert!(ran.blobs.has(outputs["digest"].as_str().unwrap().parse().unwrap()).unwrap());
}

#[tokio::test]
async fn a_tree_is_restored_only_by_a_step_that_it_was_given_to() {
    let kept = || {
        let step = step(json!({}));
        let (digest, _) = relrun_store::capture(&*step.blobs, &step.path("step/in/work"), CaptureMode::Copy).unwrap();
        (step, digest)
    };
    let config = |head: &str, tail: &str| json!({ "do": "restore", "digest": head, "tail": tail, "dir": "/tmp/new" });
    let (named, digest) = kept();
    assert_eq!(named.with(|call| call.config = config(&digest.to_string(), "")).outputs().await.1, json!({ "value": null }));
    let halves = |digest: Digest| config(&digest.to_string()[..30], &digest.to_string()[30..]);
    let (staged, digest) = kept();
    let staged = staged.with(|call| (call.config, call.trees) = (halves(digest), vec![digest]));
    assert_eq!(staged.outputs().await.1, json!({ "value": null }));
    let (guessed, digest) = kept();
    let (_, kind, message) = guessed.with(|call| call.config = halves(digest)).fails().await;
    assert_eq!(kind, FailureKind::Denied);
    assert!(message.contains("is not this step's"), "{message}");
}

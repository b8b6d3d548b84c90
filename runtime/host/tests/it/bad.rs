//! Bad plugins: each ends as a typed failure, in bounded time and memory, and the next step runs as if nothing had been.

use crate::support::{HOST, bytes, source, step};
use relrun_host::HostError;
use relrun_ledger::FailureKind;
use serde_json::json;
use std::time::{Duration, Instant};

async fn fails(config: serde_json::Value) -> (FailureKind, String) {
    let began = Instant::now();
    let bad = step(config).with(|call| {
        call.limits.cpu = Duration::from_secs(2);
        call.limits.log = 1 << 20;
        call.limits.output = 4 << 20;
    });
    let (_, kind, message) = bad.fails().await;
    assert!(began.elapsed() < Duration::from_mins(10), "{message}");
    (kind, message)
}

#[tokio::test]
async fn traps_are_said_in_a_persons_words() {
    let (kind, message) = fails(json!({ "do": "panic", "text": "oh s3cr3t-t0ken-value" })).await;
    assert_eq!(kind, FailureKind::Trapped);
    assert!(message.starts_with("the plugin panicked: oh *** ("), "{message}");
    assert_eq!(fails(json!({ "do": "exit" })).await, (FailureKind::Trapped, "the plugin ended itself with exit code 1".into()));
    let (kind, message) = fails(json!({ "do": "recurse" })).await;
    assert_eq!(kind, FailureKind::Trapped);
    assert_eq!(message, "the plugin trapped: it reached outside its memory (a recursion without end?)");
}

#[tokio::test]
async fn what_has_no_end_meets_its_limit() {
    for (name, words) in [
        ("loop", "it used more than 2 s of CPU time"),
        ("memory", "it asked for more than 256 MiB of memory"),
        ("flood-log", "it wrote more than 1048576 bytes of log"),
        ("flood-stdout", "it wrote more than 1048576 bytes of log"),
    ] {
        assert_eq!(fails(json!({ "do": name })).await, (FailureKind::Limit, words.to_owned()), "{name}");
    }
    for path in ["/tmp/big", "/out/dist/big"] {
        let (kind, message) = fails(json!({ "do": "fill", "path": path })).await;
        assert_eq!(kind, FailureKind::Limit, "{message}");
        assert!(message.ends_with("bytes under /out, /tmp and /work; its limit is 4194304"), "{message}");
    }
}

#[tokio::test]
async fn broken_answers_are_faults_of_the_plugin() {
    for (name, words) in [
        ("bad-outputs", "the outputs cannot be read as JSON"),
        ("listed-outputs", "the outputs are no JSON object, but a list"),
        ("bad-receipt", "the receipt cannot be read as JSON"),
        ("deep-outputs", "recursion limit exceeded"),
        ("broken-text", "invalid utf-8"),
    ] {
        let (kind, message) = fails(json!({ "do": name })).await;
        assert_eq!(kind, FailureKind::Trapped, "{name}");
        assert!(message.contains(words), "{name}: {message}");
    }
    let (kind, message) = fails(json!({ "do": "huge-outputs" })).await;
    assert!(matches!(kind, FailureKind::Trapped | FailureKind::Limit), "{message}");
}

#[tokio::test]
async fn a_resolve_without_end_ends() {
    let began = Instant::now();
    let error = HOST.resolve(&source(), &json!({ "do": "loop-in-resolve" })).await.expect_err("ended");
    // Ten seconds of CPU or thirty on the wall, whichever comes first on a machine that runs every other test beside this one.
    let said = error.to_string();
    assert!(said.contains("CPU time") || said.contains("longer than 30 s"), "{said}");
    assert!(began.elapsed() < Duration::from_mins(10));
}

#[tokio::test]
async fn open_files_are_bounded() {
    let (ran, reply) = step(json!({ "do": "open-many" })).run().await;
    // Either its own library gives up first, or the table of handles is full and ends the step: long before this process is out of descriptors.
    assert!(std::fs::read_dir(ran.dir.path().join("step/tmp")).unwrap().count() <= 2_000, "{reply:?}");
    let (_, outputs) = step(json!({ "do": "context" })).outputs().await;
    assert_eq!(outputs["step"], "web");
}

#[tokio::test]
async fn what_is_no_plugin_is_named() {
    let unfit = async |component: &[u8]| match HOST.describe(&bytes(component)).await {
        Err(HostError::Unfit { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(unfit(b"").await, "it is empty");
    assert_eq!(unfit(b"#!/bin/sh\n").await, "it is no WebAssembly");
    assert_eq!(unfit(&wat::parse_str("(module)").unwrap()).await, "it is a core module, not a component");
    let empty = unfit(&wat::parse_str("(component)").unwrap()).await;
    assert_eq!(empty, "it is a component, but does not export relrun:plugin/step; it exports nothing");
    let other = "(component (instance $i) (export \"relrun:plugin/step@0.9.0\" (instance $i)))";
    assert_eq!(unfit(&wat::parse_str(other).unwrap()).await, "built for relrun:plugin@0.9.0; this relrun runs 0.1 and 0.2");
    let reaching =
        "(component (import \"acme:bomb/fuse@1.0.0\" (instance)) (instance $i) (export \"relrun:plugin/step@0.1.0\" (instance $i)))";
    assert_eq!(unfit(&wat::parse_str(reaching).unwrap()).await, "it imports acme:bomb/fuse@1.0.0, which relrun does not offer");
    let hollow = "(component (instance $i) (export \"relrun:plugin/step@0.1.0\" (instance $i)))";
    assert!(unfit(&wat::parse_str(hollow).unwrap()).await.starts_with("it does not fit the world relrun:plugin@0.1"));
    let mut torn = wat::parse_str("(component (core module))").unwrap();
    torn.truncate(torn.len() - 2);
    assert!(unfit(&torn).await.starts_with("it does not compile"));
}

//! Pure steps: the same in every run, and nothing but their inputs.

use crate::support::{Step, step};
use relrun_ledger::{FailureKind, StepKind};
use serde_json::{Value, json};

fn pure(config: Value) -> Step {
    step(config).with(|call| call.kind = StepKind::Pure)
}

#[tokio::test]
async fn clock_and_chance_are_the_same_in_every_run() {
    let (_, once) = pure(json!({ "do": "chance" })).outputs().await;
    let (_, again) = pure(json!({ "do": "chance" })).outputs().await;
    let (_, other) = pure(json!({ "do": "chance", "another": "config" })).outputs().await;
    assert_eq!(once, again);
    assert_eq!((once["now"].as_u64(), once["later"].as_bool()), (Some(1_577_836_800), Some(true)));
    assert_ne!(once["random"], other["random"]);
    let (_, effect) = step(json!({ "do": "chance" })).outputs().await;
    assert_ne!(effect["now"], once["now"]);
    assert_ne!(effect["random"], once["random"]);
}

#[tokio::test]
async fn the_context_is_empty() {
    let (_, outputs) = pure(json!({ "do": "context" })).outputs().await;
    insta::assert_snapshot!(outputs.to_string(), @r#"{"attempt":1,"deployment":null,"environment":null,"key":"","labels":[],"package":"","previous":null,"release":"","started":0,"step":"","unfinished":null,"version":"","who":null}"#);
}

#[tokio::test]
async fn http_hosts_secrets_and_checkpoints_are_denied_whatever_is_granted() {
    for config in [
        json!({ "do": "http", "url": "http://127.0.0.1:1/" }),
        json!({ "do": "hosts", "call": "stat", "host": "web1", "path": "/" }),
        json!({ "do": "secret", "name": "token" }),
    ] {
        let granted = pure(config).may("http \"http://127.0.0.1:1\" private=#true").may("host \"*\"").may("secret \"token\" reveal=#true");
        let (ran, kind, message) = granted.fails().await;
        assert_eq!(kind, FailureKind::Denied, "{message}");
        assert!(message.starts_with("a pure step has no "), "{message}");
        assert_eq!(ran.heard.denied().len(), 1);
    }
    let (_, outputs) = pure(json!({ "do": "checkpoint", "state": "{}" })).outputs().await;
    assert_eq!(outputs, json!({ "saved": false }));
    let (_, outputs) = pure(json!({ "do": "hosts", "call": "names" })).may("host \"*\"").outputs().await;
    assert_eq!(outputs, json!({ "value": [] }));
}

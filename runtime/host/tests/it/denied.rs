//! Every capability that a step was not given, asked for in each of the worlds that are served: the same refusal, said and recorded in the same words.

use crate::support::{Step, next, source, step};
use relrun_host::{ComponentSource, Operation};
use relrun_ledger::{FailureKind, StepKind};
use serde_json::{Value, json};

/// What is asked for, and what is granted instead.
struct Case {
    asks: Value,
    grants: &'static [&'static str],
}

fn case(asks: Value, grants: &'static [&'static str]) -> Case {
    Case { asks, grants }
}

/// Each capability: without any grant, and with one beside it.
fn cases() -> Vec<Case> {
    let host =
        |call: &str| json!({ "do": "hosts", "call": call, "host": "web1", "path": "/srv/a", "to": "/srv/b", "text": "x", "digest": "00" });
    let run = |more: Value| {
        let mut asks = json!({ "do": "run", "argv": ["true", "now"] });
        asks.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asks
    };
    let http = |method: &str| json!({ "do": "http", "url": "http://127.0.0.1:1/", "method": method });
    let mut cases = vec![
        case(run(json!({})), &[]),
        case(run(json!({})), &["run \"true\" \"later\"", "run \"false\" \"**\"", "run \"true\" \"now\" on=\"*\""]),
        case(run(json!({ "env": { "LD_PRELOAD": "/x" } })), &["run \"true\" \"**\"", "env \"LD_LIBRARY_PATH\""]),
        case(run(json!({ "host": "web1" })), &["run \"true\" \"**\"", "host \"*\""]),
        case(run(json!({ "host": "web1" })), &["run \"true\" \"**\" on=\"*\"", "host \"db*\""]),
        case(json!({ "do": "spawn", "argv": ["true", "now"] }), &["run \"true\""]),
        case(http("GET"), &[]),
        case(http("GET"), &["http \"http://127.0.0.1:2\" private=#true"]),
        case(http("GET"), &["http \"http://127.0.0.1:1\""]),
        case(http("POST"), &["http \"http://127.0.0.1:1\" private=#true"]),
        case(json!({ "do": "secret", "name": "token" }), &[]),
        case(json!({ "do": "secret", "name": "token" }), &["secret \"token\" to=\"https://example.com\""]),
        case(json!({ "do": "sign", "name": "token" }), &["secret \"token\" to=\"https://example.com\""]),
        // In halves: what a config names whole, a step may use.
        case(json!({ "do": "restore", "digest": "0".repeat(32), "tail": "0".repeat(32), "dir": "/out/dist" }), &[]),
        case(json!({ "do": "cluster" }), &[]),
        case(
            json!({ "do": "cluster" }),
            &["kubernetes context=\"prod\" namespace=\"other\"", "kubernetes context=\"test\" namespace=\"shop\""],
        ),
        case(json!({ "do": "registry" }), &[]),
        case(json!({ "do": "registry" }), &["registry \"127.0.0.1:1/acme/other\""]),
    ];
    let calls = ["read-dir", "stat", "make-dir", "symlink", "rename", "read-file", "write-file", "remove", "claim", "disclaim"];
    cases.extend(calls.iter().flat_map(|call| [case(host(call), &[]), case(host(call), &["host \"db*\""])]));
    cases
}

fn asking(from: &ComponentSource, asks: &Value, grants: &[&str]) -> Step {
    let step = step(asks.clone()).with(|call| call.component = from.clone());
    grants.iter().fold(step, |step, grant| step.may(grant))
}

/// Asks in both worlds, and returns what was said where both say the same.
async fn refused(asks: &Value, grants: &[&str], change: impl Fn(Step) -> Step) -> (FailureKind, Vec<String>) {
    let mut said = Vec::new();
    for from in [source(), next()] {
        let (ran, kind, message) = change(asking(&from, asks, grants)).fails().await;
        said.push((kind, ran.heard.denied(), message));
    }
    assert_eq!(said[0], said[1], "both worlds refuse alike: {asks} {grants:?}");
    let (kind, denied, _) = said.swap_remove(0);
    (kind, denied)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_that_no_grant_covers() {
    for Case { asks, grants } in cases() {
        let (kind, denied) = refused(&asks, grants, |step| step).await;
        assert_eq!(kind, FailureKind::Denied, "{asks} with {grants:?}");
        let is_tree = asks["do"] == "restore";
        assert!(is_tree || !denied.is_empty(), "the refusal is recorded: {asks} with {grants:?}");
    }
}

/// What would be let through, if the step were an effect.
fn granted() -> Vec<Case> {
    let host = |call: &str| json!({ "do": "hosts", "call": call, "host": "web1", "path": "/srv/a", "to": "/srv/b", "text": "x" });
    let calls = ["make-dir", "symlink", "rename", "write-file", "remove", "claim", "disclaim"];
    let mut cases: Vec<Case> = calls.iter().map(|call| case(host(call), &["host \"*\""])).collect();
    cases.extend([
        case(json!({ "do": "run", "argv": ["true"] }), &["run \"true\""]),
        case(
            json!({ "do": "http", "url": "http://127.0.0.1:1/", "method": "POST" }),
            &["http \"http://127.0.0.1:1\" methods=\"POST\" private=#true"],
        ),
        case(json!({ "do": "tag" }), &["registry \"127.0.0.1:1/acme/shop\""]),
    ]);
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_where_an_operation_only_looks() {
    for Case { asks, grants } in granted() {
        for operation in [Operation::Plan, Operation::Find] {
            let look = |step: Step| step.with(|call| call.operation = operation.clone());
            // A step of 0.1 that cannot take over is not asked.
            if operation == Operation::Find {
                let (_, kind, _) = look(asking(&next(), &asks, grants)).fails().await;
                assert_eq!(kind, FailureKind::Denied, "find: {asks}");
                continue;
            }
            let (kind, _) = refused(&asks, grants, look).await;
            assert_eq!(kind, FailureKind::Denied, "{operation:?}: {asks}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pure_step_reaches_nothing_whatever_is_granted() {
    let pure = |step: Step| step.with(|call| call.kind = StepKind::Pure);
    let cases = [
        case(json!({ "do": "hosts", "call": "stat", "host": "web1", "path": "/" }), &["host \"*\""]),
        case(json!({ "do": "http", "url": "http://127.0.0.1:1/" }), &["http \"http://127.0.0.1:1\" private=#true"]),
        case(json!({ "do": "secret", "name": "token" }), &["secret \"token\" reveal=#true"]),
        case(json!({ "do": "cluster" }), &["kubernetes context=\"prod\" namespace=\"shop\""]),
        case(json!({ "do": "registry" }), &["registry \"127.0.0.1:1/acme/shop\""]),
    ];
    for Case { asks, grants } in cases {
        let (kind, _) = refused(&asks, grants, pure).await;
        assert_eq!(kind, FailureKind::Denied, "{asks}");
    }
}

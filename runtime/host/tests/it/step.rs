//! A step that behaves: what it is asked, what it knows, what it says.

use crate::support::{HOST, source, step};
use relrun_host::{Change, Health, HostError, Level, LineSource, Operation, Recovery, Reply};
use relrun_ledger::{FailureKind, StepKind};
use serde_json::json;

#[tokio::test]
async fn it_says_what_it_is_and_needs() {
    let found = HOST.describe(&source()).await.expect("describes");
    assert_eq!((found.name.as_str(), found.version.as_str(), found.world.as_str()), ("test", "0.1.0", "0.1.1"));
    assert_eq!(found.config_schema["properties"]["argv"]["type"], "array");
    let needs = HOST.resolve(&source(), &json!({ "kind": "pure", "needs": ["run \"make\" \"*\""] })).await.expect("resolves");
    assert_eq!((needs.kind, needs.idempotent), (StepKind::Pure, true));
    assert_eq!(needs.requests[0].capability.to_string(), "run \"make\" \"*\"");
}

#[tokio::test]
async fn what_is_asked_before_anything_runs_reaches_nothing() {
    let error = HOST.resolve(&source(), &json!({ "do": "reach" })).await.expect_err("refused");
    assert!(error.to_string().contains("reach nothing"), "{error}");
    let error = HOST.resolve(&source(), &json!({ "needs": ["fly \"away\""] })).await.expect_err("refused");
    assert!(matches!(&error, HostError::Answer { reason, .. } if reason.contains("fly")), "{error}");
}

#[tokio::test]
async fn it_knows_its_release() {
    let (_, outputs) = step(json!({ "do": "context" })).outputs().await;
    insta::assert_snapshot!(outputs.to_string(), @r#"{"attempt":2,"deployment":"shop","environment":"staging","key":"abababababababababababababababababababababababababababababababab","labels":[["tier","test"]],"package":"acme/shop","previous":"{\"release\":\"r6\"}","release":"r7","started":1700000000,"step":"web","unfinished":"{\"begun\":1}","version":"1.4.2","who":"Stage"}"#);
}

#[tokio::test]
async fn its_words_are_lines() {
    let (ran, _) = step(json!({ "do": "say", "text": "one\n\u{1b}[31mred\u{1b}[0m" })).outputs().await;
    let lines = ran.heard.lines.lock().unwrap().clone();
    let expected = [(Level::Warn, "one"), (Level::Warn, "red"), (Level::Info, "out one"), (Level::Info, "err"), (Level::Info, "red")];
    assert_eq!(lines, expected.map(|(level, text)| (level, LineSource::Plugin, text.to_owned())));
    assert_eq!(*ran.heard.progress.lock().unwrap(), [("saying".to_owned(), 1, Some(2))]);
}

#[tokio::test]
async fn a_checkpoint_reaches_the_sink_and_must_be_json() {
    let (ran, outputs) = step(json!({ "do": "checkpoint", "state": "{\"at\":1}" })).outputs().await;
    assert_eq!((outputs, ran.heard.checkpoints.lock().unwrap().clone()), (json!({ "saved": true }), vec![json!({ "at": 1 })]));
    let (ran, outputs) = step(json!({ "do": "checkpoint", "state": "{" })).outputs().await;
    assert_eq!((outputs, ran.heard.checkpoints.lock().unwrap().len()), (json!({ "saved": false }), 0));
}

#[tokio::test]
async fn every_operation_has_its_reply() {
    let operation = |operation| step(json!({ "do": "context" })).with(|call| call.operation = operation).run();
    assert!(matches!(operation(Operation::Plan).await.1, Ok(Reply::Changes(changes)) if changes.len() == 1));
    assert_eq!(operation(Operation::Recover(None)).await.1, Ok(Reply::Recovery(Recovery::NotDone)));
    assert_eq!(operation(Operation::Recover(Some(json!([1])))).await.1, Ok(Reply::Recovery(Recovery::Partly(json!([1])))));
    let drift = Change { summary: "{\"a\":1}".into(), detail: None };
    assert_eq!(operation(Operation::Verify(json!({ "a": 1 }))).await.1, Ok(Reply::Health(Health::Drifted(vec![drift]))));
    assert_eq!(operation(Operation::Verify(json!(null))).await.1, Ok(Reply::Health(Health::Gone)));
    let (_, undone) = operation(Operation::Undo(json!({ "a": 1 }))).await;
    assert!(matches!(undone, Ok(Reply::Outcome(outcome)) if outcome.outputs["undone"] == "{\"a\":1}" && outcome.summary == "done well"));
    assert!(matches!(operation(Operation::Destroy(json!(1))).await.1, Ok(Reply::Outcome(_))));
}

#[tokio::test]
async fn its_errors_keep_their_kind_and_lose_their_secrets() {
    let (_, kind, message) = step(json!({ "do": "fail", "text": "no s3cr3t-t0ken-value today" })).fails().await;
    assert_eq!((kind, message.as_str()), (FailureKind::Transient, "no *** today"));
}

#[tokio::test]
async fn an_answer_that_holds_a_secret_fails() {
    let answer = step(json!({ "do": "read", "path": "/tmp/secret" }));
    std::fs::write(answer.path("step/tmp/secret"), "s3cr3t-t0ken-value").expect("written");
    let (_, kind, message) = answer.fails().await;
    assert_eq!(kind, FailureKind::Permanent);
    assert!(message.contains("\"token\""), "{message}");
}

#[tokio::test]
async fn a_cancelled_step_is_told_once_and_may_clean_up() {
    let waiting = step(json!({ "do": "wait-for-stop" }));
    let canceller = &waiting.canceller;
    canceller.cancel();
    let (ran, outputs) = waiting.outputs().await;
    assert_eq!(outputs, json!({ "told": "Error::Cancelled", "cleaned": true }));
    assert_eq!(ran.heard.checkpoints.lock().unwrap().last(), Some(&json!({ "clean": true })));
}

#[tokio::test]
async fn a_step_out_of_time_is_told_and_then_ended() {
    let short = |name: &str| {
        step(json!({ "do": name })).may("host \"web1\"").with(|call| {
            call.limits.timeout = std::time::Duration::from_millis(100);
            call.limits.grace = std::time::Duration::from_millis(200);
        })
    };
    let (_, outputs) = short("wait-for-stop").outputs().await;
    assert!(outputs["told"].as_str().is_some_and(|told| told.contains("TimedOut")), "{outputs}");
    for name in ["ignore-stop", "loop", "sleep"] {
        let (_, kind, message) = short(name).fails().await;
        assert_eq!(kind, FailureKind::TimedOut, "{name}");
        assert_eq!(message, "it took longer than 0.1 s, and did not return within 0.2 s more");
    }
}

//! The worlds side by side: a component says which one it speaks, and each gets what its own world has.

use crate::support::{HOST, next, source, step};
use relrun_host::{Level, Operation, Reply};
use relrun_ledger::FailureKind;
use serde_json::json;

#[tokio::test]
async fn a_component_says_which_world_it_speaks() {
    assert_eq!(HOST.describe(&source()).await.unwrap().world, "0.1.1");
    assert_eq!(HOST.describe(&next()).await.unwrap().world, "0.2.0");
}

#[tokio::test]
async fn the_same_step_does_the_same_in_both() {
    for operation in [Operation::Apply, Operation::Undo(json!({ "a": 1 })), Operation::Verify(json!({ "a": 1 })), Operation::Plan] {
        let mut replies = Vec::new();
        for from in [source(), next()] {
            let asked = step(json!({ "do": "context" })).with(|call| (call.component, call.operation) = (from, operation.clone()));
            replies.push(asked.run().await.1.unwrap());
        }
        assert_eq!(format!("{:?}", replies[0]), format!("{:?}", replies[1]));
    }
}

#[tokio::test]
async fn a_step_of_the_next_world_can_be_asked_what_stands() {
    let find = |from| step(json!({ "do": "context" })).with(|call| (call.component, call.operation) = (from, Operation::Find));
    let (_, reply) = find(next()).run().await;
    assert!(matches!(&reply, Ok(Reply::Outcome(outcome)) if outcome.summary == "found"), "{reply:?}");
    let (_, kind, message) = find(source()).fails().await;
    assert_eq!(kind, FailureKind::Missing);
    assert!(message.contains("exports no relrun:plugin/adoption"), "{message}");
}

#[tokio::test]
async fn a_finding_is_a_line_with_its_place_masked_and_tamed() {
    let found =
        json!({ "do": "find-fault", "text": "s3cr3t-t0ken-value\u{1b}[31m is here\nand there", "path": "/in/work/src/a\u{1b}[2J.c" });
    let (ran, _) = step(found).with(|call| call.component = next()).outputs().await;
    assert_eq!(ran.heard.text(), "src/a.c:12: *** is here and there\nof no place\n");
    assert_eq!(ran.heard.levels(), [Level::Warn, Level::Info]);
    let flood = json!({ "do": "find-fault", "text": "x".repeat(2_000), "path": "a" });
    let (_, kind, message) = step(flood).with(|call| (call.component, call.limits.log) = (next(), 1_000)).fails().await;
    assert_eq!((kind, message.as_str()), (FailureKind::Limit, "it wrote more than 1000 bytes of log"));
}

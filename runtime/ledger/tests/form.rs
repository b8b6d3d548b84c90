//! The written form of version 1. What fails here breaks every ledger there is: a change of form needs a new version, and a way from the old.

mod common;

use common::*;
use proptest::prelude::*;
use relrun_ledger::{
    Cause, Event, FailureKind, Files, Finding, Git, Mark, Offer, Origin, PackageDigest, Record, ReleaseId, ReleaseKind, RunKind, StepId,
    Verdict,
};
use serde_json::json;

/// Every event, and every shape that one has.
fn samples() -> Vec<Event> {
    let step = StepId(3);
    let mut rollback = start(8, vec![decl("site", None, relrun_ledger::StepKind::Pure, true)]);
    rollback.kind = ReleaseKind::Rollback { to: ReleaseId(5) };
    let mut retry = start(9, vec![]);
    retry.kind = ReleaseKind::Retry { of: ReleaseId(5) };
    retry.actor.job = Some("build 12".into());
    let mut packaged = start(10, vec![]);
    packaged.kind = ReleaseKind::Package { reference: "acme/shop@1.4.@".into() };
    packaged.git = Some(Git { commit: "0123456789abcdef".into(), dirty: true });
    packaged.files = Some(Files { tree: digest("files"), directory: "shop".into() });
    packaged.taken_from = Some(PackageDigest("sha256:e3b0c442".into()));
    let mut samples = vec![
        Event::ReleaseStarted(Box::new(start(7, decls()[2..4].to_vec()))),
        Event::ReleaseStarted(Box::new(rollback)),
        Event::ReleaseStarted(Box::new(retry)),
        Event::RunStarted { run: RunKind::Apply, actor: actor(), steps: None },
        Event::RunStarted { run: RunKind::Settle, actor: actor(), steps: Some(vec![step]) },
        Event::StepStarted { step, attempt: 2, config: digest("config") },
        Event::Checkpoint { step, state: json!({ "begun": 1 }) },
        Event::StepSucceeded { step, outcome: outcome(Some(json!({ "dir": "r7" }))), origin: Origin::Ran { fingerprint: None } },
        Event::StepSucceeded { step, outcome: outcome(None), origin: Origin::Cached { fingerprint: digest("print") } },
        Event::StepSucceeded { step, outcome: outcome(None), origin: Origin::Copied { release: ReleaseId(5) } },
        Event::StepFailed { step, failure: failure("no route to host") },
        Event::StepRecovered { step, finding: Finding::NotDone, by: Cause::Rule },
        Event::StepRecovered { step, finding: Finding::Done { outcome: outcome(None) }, by: Cause::Person },
        Event::StepRecovered { step, finding: Finding::Partly { receipt: json!({ "begun": 1 }) }, by: Cause::Plugin },
        Event::StepRecovered { step, finding: Finding::Unknown { reason: "nobody saw".into() }, by: Cause::Plugin },
        Event::UndoStarted { step },
        Event::UndoFinished { step, summary: "went back".into() },
        Event::UndoFailed { step, failure: failure("gone") },
        Event::DestroyStarted { step },
        Event::DestroyFinished { step, summary: "removed".into() },
        Event::DestroyFailed { step, failure: failure("busy") },
        Event::Approved {
            gate: "live/release-managers".into(),
            actor: actor(),
            comment: Some("go".into()),
            plan: None,
            signature: None,
            claims: None,
        },
        Event::Capability { step, capability: "run \"make\"".into(), denied: false, detail: None },
        Event::RunEnded { verdict: Verdict::Waiting { on: vec!["approve live/release-managers".into()] } },
        Event::Marked { mark: Mark::Bad, set: true, actor: actor() },
        Event::Marked { mark: Mark::Pinned, set: false, actor: actor() },
        Event::ReleaseStarted(Box::new(packaged)),
        Event::StepSucceeded { step, outcome: outcome(None), origin: Origin::Packaged },
        Event::Published {
            reference: "registry.example.com/acme/shop:1.4.2".into(),
            digest: PackageDigest("sha256:e3b0c442".into()),
            actor: actor(),
        },
    ];
    samples.extend(
        [Verdict::Succeeded, Verdict::Failed, Verdict::Cancelled, Verdict::Undone, Verdict::Destroyed, Verdict::Stopped]
            .map(|verdict| Event::RunEnded { verdict }),
    );
    samples.extend([RunKind::Retry, RunKind::Continue, RunKind::Undo, RunKind::Destroy].map(|run| Event::RunStarted {
        run,
        actor: actor(),
        steps: None,
    }));
    samples.extend(KINDS.map(|kind| Event::StepFailed { step, failure: relrun_ledger::Failure { kind, message: "no".into() } }));
    samples.extend(beside_the_steps());
    samples
}

fn claims() -> relrun_ledger::Claims {
    relrun_ledger::Claims {
        principal: "ana".into(),
        issuer: "https://ci.example.com".into(),
        audience: "relrun".into(),
        key: "k1".into(),
        expires: relrun_ledger::Timestamp::UNIX_EPOCH,
        claims: [("repository".to_owned(), json!("acme/shop"))].into(),
    }
}

/// What is written down beside the steps: words of people, and words to them.
fn beside_the_steps() -> [Event; 12] {
    let signature = relrun_ledger::Signature { principal: "ana@example.com".into(), key: "SHA256:k".into(), text: "-----BEGIN".into() };
    [
        Event::Approved {
            gate: "live/release-managers".into(),
            actor: actor(),
            comment: None,
            plan: Some(digest("plan")),
            signature: Some(Box::new(signature)),
            claims: None,
        },
        Event::Approved {
            gate: "live/release-managers".into(),
            actor: actor(),
            comment: None,
            plan: None,
            signature: None,
            claims: Some(Box::new(claims())),
        },
        Event::CancelAsked { actor: actor() },
        Event::BrokeGlass { environments: vec!["live".into()], reason: "the shop is down".into(), actor: actor() },
        Event::Described { metadata: [("commit".to_owned(), json!("abc"))].into() },
        Event::Notified { to: "https://hooks.example.com".into(), about: "started".into(), tries: 1, failure: None },
        Event::Notified { to: "https://hooks.example.com".into(), about: "failed".into(), tries: 5, failure: Some("503".into()) },
        Event::ReleaseStarted(Box::new(dependent())),
        Event::DependencyLocked { name: "db".into(), version: "2.0.1".into() },
        Event::DependencyMet { environment: "live".into(), name: "queue".into(), provider: Box::new(provider(Some("amqp"))) },
        Event::DependencyMet { environment: "live".into(), name: "db".into(), provider: Box::new(provider(None)) },
        Event::Offered {
            environment: "live".into(),
            offer: Offer {
                outputs: [("url".to_owned(), json!("https://shop.example"))].into(),
                interfaces: [("shop".to_owned(), [("port".to_owned(), json!(443))].into())].into(),
            },
        },
    ]
}

const KINDS: [FailureKind; 9] = [
    FailureKind::Invalid,
    FailureKind::Denied,
    FailureKind::Missing,
    FailureKind::TimedOut,
    FailureKind::Cancelled,
    FailureKind::Transient,
    FailureKind::Other,
    FailureKind::Trapped,
    FailureKind::Limit,
];

/// A new event makes this fail to compile: then it belongs among the samples, and this number grows.
fn number(event: &Event) -> usize {
    match event {
        Event::ReleaseStarted(_) => 0,
        Event::RunStarted { .. } => 1,
        Event::StepStarted { .. } => 2,
        Event::Checkpoint { .. } => 3,
        Event::StepSucceeded { .. } => 4,
        Event::StepFailed { .. } => 5,
        Event::StepRecovered { .. } => 6,
        Event::UndoStarted { .. } => 7,
        Event::UndoFinished { .. } => 8,
        Event::UndoFailed { .. } => 9,
        Event::DestroyStarted { .. } => 10,
        Event::DestroyFinished { .. } => 11,
        Event::DestroyFailed { .. } => 12,
        Event::Approved { .. } => 13,
        Event::Capability { .. } => 14,
        Event::RunEnded { .. } => 15,
        Event::Marked { .. } => 16,
        Event::BrokeGlass { .. } => 17,
        Event::Described { .. } => 18,
        Event::Notified { .. } => 19,
        Event::Published { .. } => 20,
        Event::CancelAsked { .. } => 21,
        Event::DependencyLocked { .. } => 22,
        Event::DependencyMet { .. } => 23,
        Event::Offered { .. } => 24,
    }
}

#[test]
fn the_form_of_every_event_is_pinned() {
    let mut seen: Vec<usize> = samples().iter().map(number).collect();
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.into_iter().eq(0..25), "an event has no sample");
    let lines: Vec<String> =
        (0_u64..).zip(samples()).map(|(seq, event)| serde_json::to_string(&record(seq, event)).expect("events are JSON")).collect();
    insta::assert_snapshot!("events", lines.join("\n"));
    assert_eq!(relrun_ledger::LEDGER_VERSION, 1);
}

#[test]
fn what_was_written_without_later_fields_is_still_read() {
    let text =
        r#"{"seq":0,"at":"2026-01-02T03:04:05Z","event":{"type":"run-started","run":"apply","actor":{"user":"a","host":"b","pid":1}}}"#;
    let record: Record = serde_json::from_str(text).expect("it is of version 1");
    assert!(matches!(record.event, Event::RunStarted { steps: None, .. }));
}

proptest! {
    #[test]
    fn every_event_comes_back_as_it_was_written(event in events(7), seq in any::<u64>()) {
        let written = Record { seq, at: at(seq % 1000), event };
        let text = serde_json::to_string(&written).expect("events are JSON");
        prop_assert_eq!(serde_json::from_str::<Record>(&text).expect("and come back"), written);
    }
}

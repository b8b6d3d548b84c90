//! Releases by a few words, and every event there can be.

#![allow(dead_code, reason = "each test file uses a part of it")]

use proptest::prelude::*;
use relrun_ledger::{
    Actor, Cause, Digest, Event, Failure, FailureKind, Finding, Mark, Offer, OnFailure, Origin, Outcome, PartOf, Provider, Record,
    ReleaseId, ReleaseKind, Requirement, RunKind, Start, StepDecl, StepId, StepKind, Timestamp, Verdict,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn actor() -> Actor {
    Actor { user: "ada".into(), host: "lathe".into(), pid: 42, job: None, person: None }
}

pub(crate) fn decl(name: &str, environment: Option<&str>, kind: StepKind, idempotent: bool) -> StepDecl {
    StepDecl {
        name: name.into(),
        phase: "roll-out".into(),
        environment: environment.map(Into::into),
        deployment: environment.map(|_| "shop".into()),
        kind,
        idempotent,
        on_failure: OnFailure::Undo,
        fingerprint: digest(name),
    }
}

/// One of each kind, in two environments.
pub(crate) fn decls() -> Vec<StepDecl> {
    vec![
        decl("site", None, StepKind::Pure, true),
        decl("mail", None, StepKind::Effect, false),
        decl("page", Some("staging"), StepKind::Pure, true),
        decl("web", Some("staging"), StepKind::Effect, true),
        decl("seed", Some("staging"), StepKind::Effect, false),
        decl("web", Some("live"), StepKind::Effect, true),
        decl("seed", Some("live"), StepKind::Effect, false),
    ]
}

pub(crate) fn start(number: u32, steps: Vec<StepDecl>) -> Start {
    Start {
        release: ReleaseId(number),
        package: "acme/shop".into(),
        version: "1.4.2".into(),
        kind: ReleaseKind::Apply,
        identity: digest("identity"),
        manifest: digest("manifest"),
        lock: digest("lock"),
        environments: None,
        given: BTreeMap::from([("who".into(), json!("World"))]),
        inputs: BTreeMap::from([("who".into(), json!("World"))]),
        set: BTreeMap::new(),
        settings: BTreeMap::from([("staging".into(), BTreeMap::from([("who".into(), json!("Stage"))]))]),
        steps,
        description: Some("Greet everybody".into()),
        actor: actor(),
        git: None,
        files: None,
        taken_from: None,
        requires: BTreeMap::new(),
        part_of: None,
    }
}

/// A release that depends on a package and consumes an interface, and is itself a part of another deployment.
pub(crate) fn dependent() -> Start {
    let interface = Requirement::Interface { interface: "amqp".into(), provider: Some("acme/queue:blue".into()) };
    let set = BTreeMap::from([("size".into(), json!("small"))]);
    let package = Requirement::Package { package: "acme/database".into(), version: "2.@".into(), set };
    Start {
        requires: BTreeMap::from([("queue".into(), interface), ("db".into(), package)]),
        part_of: Some(PartOf { package: "acme/mall".into(), deployment: "mall".into(), release: ReleaseId(3), name: "shop".into() }),
        ..start(11, decls())
    }
}

pub(crate) fn provider(interface: Option<&str>) -> Provider {
    Provider {
        package: "acme/database".into(),
        deployment: "shop-db".into(),
        release: ReleaseId(4),
        version: "2.0.1".into(),
        interface: interface.map(Into::into),
        outputs: BTreeMap::from([("url".into(), json!("postgres://db"))]),
    }
}

/// A second for each event, so that times tell the order.
pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + i64::try_from(second).expect("tests are short")).expect("it is this century")
}

pub(crate) fn record(seq: u64, event: Event) -> Record {
    Record { seq, at: at(seq), event }
}

pub(crate) fn failure(message: &str) -> Failure {
    Failure { kind: FailureKind::Permanent, message: message.into() }
}

pub(crate) fn outcome(receipt: Option<Value>) -> Outcome {
    let outputs = json!({ "url": "https://shop.example" }).as_object().cloned().unwrap_or_default();
    Outcome { summary: "done".into(), outputs, artifacts: BTreeMap::from([("dist".into(), digest("dist"))]), receipt }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(null)), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from)]
        .prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let receipts = prop::option::of(values().prop_filter("JSON knows no null receipt", |value| !value.is_null()));
    (".*", prop::collection::btree_map("[a-z]{1,4}", values(), 0..3), prop::collection::btree_map("[a-z]{1,4}", digests(), 0..2), receipts)
        .prop_map(|(summary, outputs, artifacts, receipt)| Outcome { summary, outputs: outputs.into_iter().collect(), artifacts, receipt })
}

fn digests() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn failures() -> impl Strategy<Value = Failure> {
    use FailureKind::{Cancelled, Denied, Invalid, Limit, Missing, Other, Permanent, TimedOut, Transient, Trapped};
    let kinds = prop::sample::select(vec![Invalid, Denied, Missing, TimedOut, Cancelled, Transient, Permanent, Other, Trapped, Limit]);
    (kinds, ".*").prop_map(|(kind, message)| Failure { kind, message })
}

fn findings() -> impl Strategy<Value = Finding> {
    prop_oneof![
        Just(Finding::NotDone),
        outcomes().prop_map(|outcome| Finding::Done { outcome }),
        values().prop_map(|receipt| Finding::Partly { receipt }),
        ".*".prop_map(|reason| Finding::Unknown { reason }),
    ]
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Succeeded),
        Just(Verdict::Failed),
        prop::collection::vec(".*", 0..2).prop_map(|on| Verdict::Waiting { on }),
        Just(Verdict::Cancelled),
        Just(Verdict::Undone),
        Just(Verdict::Destroyed),
        Just(Verdict::Stopped),
    ]
}

fn origins() -> impl Strategy<Value = Origin> {
    prop_oneof![
        prop::option::of(digests()).prop_map(|fingerprint| Origin::Ran { fingerprint }),
        digests().prop_map(|fingerprint| Origin::Cached { fingerprint }),
        any::<u32>().prop_map(|release| Origin::Copied { release: ReleaseId(release) }),
    ]
}

fn actors() -> impl Strategy<Value = Actor> {
    (".*", ".*", any::<u32>(), prop::option::of(".*"), prop::option::of(".*")).prop_map(|(user, host, pid, job, person)| Actor {
        user,
        host,
        pid,
        job,
        person,
    })
}

/// Any event about one of `steps` steps or of one more that is not there; attempts are small, so that some fit.
fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["db", "queue", "nothing"]).prop_map(str::to_owned)
}

fn places() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["staging", "live", "nowhere"]).prop_map(str::to_owned)
}

pub(crate) fn events(steps: u32) -> impl Strategy<Value = Event> {
    let step = || (0..=steps).prop_map(StepId);
    let runs =
        prop::sample::select(vec![RunKind::Apply, RunKind::Retry, RunKind::Continue, RunKind::Undo, RunKind::Destroy, RunKind::Settle]);
    let causes = prop::sample::select(vec![Cause::Plugin, Cause::Rule, Cause::Person]);
    let run = (runs, actors(), prop::option::of(prop::collection::vec(step(), 0..3)));
    prop_oneof![
        1 => run.prop_map(|(run, actor, steps)| Event::RunStarted { run, actor, steps }),
        4 => (step(), 1..4_u32, digests()).prop_map(|(step, attempt, config)| Event::StepStarted { step, attempt, config }),
        2 => (step(), values()).prop_map(|(step, state)| Event::Checkpoint { step, state }),
        4 => (step(), outcomes(), origins()).prop_map(|(step, outcome, origin)| Event::StepSucceeded { step, outcome, origin }),
        2 => (step(), failures()).prop_map(|(step, failure)| Event::StepFailed { step, failure }),
        4 => (step(), findings(), causes).prop_map(|(step, finding, by)| Event::StepRecovered { step, finding, by }),
        2 => step().prop_map(|step| Event::UndoStarted { step }),
        2 => (step(), ".*").prop_map(|(step, summary)| Event::UndoFinished { step, summary }),
        1 => (step(), failures()).prop_map(|(step, failure)| Event::UndoFailed { step, failure }),
        2 => step().prop_map(|step| Event::DestroyStarted { step }),
        2 => (step(), ".*").prop_map(|(step, summary)| Event::DestroyFinished { step, summary }),
        1 => (step(), failures()).prop_map(|(step, failure)| Event::DestroyFailed { step, failure }),
        1 => (".*", actors(), prop::option::of(".*")).prop_map(|(gate, actor, comment)| Event::Approved { gate, actor, comment, plan: None, signature: None, claims: None }),
        1 => (".*", actors()).prop_map(|(reason, actor)| Event::BrokeGlass { environments: vec!["live".into()], reason, actor }),
        1 => actors().prop_map(|actor| Event::CancelAsked { actor }),
        1 => (".*", values()).prop_map(|(name, value)| Event::Described { metadata: [(name, value)].into() }),
        1 => (".*", ".*", prop::option::of(".*")).prop_map(|(to, about, failure)| Event::Notified { to, about, tries: 1, failure }),
        1 => (step(), ".*", any::<bool>(), prop::option::of(".*")).prop_map(|(step, capability, denied, detail)| Event::Capability { step, capability, denied, detail }),
        1 => verdicts().prop_map(|verdict| Event::RunEnded { verdict }),
        1 => (prop::sample::select(vec![Mark::Bad, Mark::Pinned]), any::<bool>(), actors()).prop_map(|(mark, set, actor)| Event::Marked { mark, set, actor }),
        1 => Just(Event::ReleaseStarted(Box::new(start(7, decls())))),
        1 => (names(), ".*").prop_map(|(name, version)| Event::DependencyLocked { name, version }),
        6 => (places(), names()).prop_map(|(environment, name)| Event::DependencyMet { environment, name, provider: Box::new(provider(None)) }),
        2 => places().prop_map(|environment| Event::Offered { environment, offer: Offer::default() }),
    ]
}

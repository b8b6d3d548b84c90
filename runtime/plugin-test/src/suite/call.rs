//! One call of the plugin, and what came of it.

use super::scene::{Scene, grants};
use super::{Suite, SuiteError};
use crate::record::{Record, Recorder};
use relrun_host::{
    CallLimits, Canceller, Context, Description, HostError, Invocation, Needs, Operation, Recovery, Reply, StepDirs, TargetMark,
};
use relrun_ledger::{Failure, FailureKind, Outcome, StepKind};
use relrun_manifest::case::{Case, CaseOperation};
use relrun_manifest::{Capability, Policy, effective};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// No call of a test takes longer.
const LONGEST: Duration = Duration::from_mins(2);

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Described(Description),
    Needs(Needs),
    Reply(Reply),
    Failed(Failure),
    /// It was cut off, as the case says.
    Crashed,
}

/// A call, and what the plugin did in it.
pub(super) struct Called {
    pub(super) answer: Answer,
    pub(super) records: Vec<Record>,
}

impl Called {
    fn new(answer: Answer) -> Self {
        Self { answer, records: Vec::new() }
    }

    /// What the host refuses before the plugin is asked is the config's fault.
    pub(super) fn refused(reason: String) -> Self {
        Self::new(Answer::Failed(Failure { kind: FailureKind::Invalid, message: reason }))
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        match &self.answer {
            Answer::Reply(Reply::Outcome(outcome) | Reply::Recovery(Recovery::Done(outcome))) => Some(outcome),
            _ => None,
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.answer {
            Answer::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    pub(super) fn checkpoints(&self) -> Vec<&Value> {
        self.records.iter().filter_map(|record| if let Record::Checkpoint(state) = record { Some(state) } else { None }).collect()
    }
}

/// Calls one operation.
pub(super) async fn run(
    suite: &Suite,
    scene: &Scene,
    case: &Case,
    operation: CaseOperation,
    config: &Value,
    given: Option<Value>,
    recorder: Recorder,
) -> Result<Called, SuiteError> {
    let given_or_null = || given.clone().unwrap_or_default();
    let operation = match operation {
        CaseOperation::Describe => return Ok(Called::new(Answer::Described(suite.description.clone()))),
        CaseOperation::Resolve => return Ok(Called::new(resolve(suite, scene, config).await?.map_or_else(Answer::Failed, Answer::Needs))),
        CaseOperation::Plan => Operation::Plan,
        CaseOperation::Apply => Operation::Apply,
        CaseOperation::Recover => Operation::Recover(given.clone()),
        CaseOperation::Verify => Operation::Verify(given_or_null()),
        CaseOperation::Undo => Operation::Undo(given_or_null()),
        CaseOperation::Destroy => Operation::Destroy(given_or_null()),
    };
    let needs = match resolve(suite, scene, config).await? {
        Ok(needs) => needs,
        Err(failure) => return Ok(Called::new(Answer::Failed(failure))),
    };
    let requests: Vec<Capability> = needs.requests.iter().map(|request| request.capability.clone()).collect();
    let capabilities = match effective(&requests, &grants(case, &requests), &Policy::default()) {
        Ok(capabilities) => capabilities,
        Err(missing) => {
            let lines: Vec<String> = missing.iter().map(|missing| missing.request.to_string()).collect();
            let message = format!("it asks for what the case does not grant: {}", lines.join(", "));
            return Ok(Called::new(Answer::Failed(Failure { kind: FailureKind::Denied, message })));
        }
    };
    Ok(enter(suite, scene, case, needs.kind, operation, (config, capabilities), recorder).await)
}

async fn resolve(suite: &Suite, scene: &Scene, config: &Value) -> Result<Result<Needs, Failure>, SuiteError> {
    Ok(match scene.host.resolve(&suite.component, config).await {
        Ok(needs) => Ok(needs),
        Err(HostError::Refused { reason, .. }) => Err(Failure { kind: FailureKind::Invalid, message: reason }),
        Err(HostError::Answer { reason, .. }) => Err(Failure { kind: FailureKind::Other, message: reason }),
        Err(error) => return Err(error.into()),
    })
}

async fn enter(
    suite: &Suite,
    scene: &Scene,
    case: &Case,
    kind: StepKind,
    operation: Operation,
    (config, capabilities): (&Value, Vec<Capability>),
    recorder: Recorder,
) -> Called {
    // Held to the end of the call: a token whose canceller is gone is never cancelled.
    let (canceller, cancel) = Canceller::new();
    let recorder = Arc::new(recorder.cancelling(canceller));
    let granted = |name: &str| capabilities.iter().any(|capability| matches!(capability, Capability::Env(granted) if granted == name));
    let env = case.env.iter().filter(|(name, _)| granted(name)).cloned().collect();
    let invocation = Invocation {
        component: suite.component.clone(),
        operation,
        config: config.clone(),
        kind,
        context: if kind == StepKind::Pure { Context { attempt: 1, ..Context::default() } } else { scene.context.clone() },
        dirs: StepDirs {
            root: scene.root().to_path_buf(),
            inputs: case.reads.iter().map(|(name, _)| name.clone()).collect(),
            outputs: case.writes.clone(),
            work_tree: scene.root().to_path_buf(),
        },
        limits: CallLimits { timeout: LONGEST, ..CallLimits::default() },
        hosts: scene.hosts.clone(),
        mark: TargetMark { ledger: "bench".to_owned(), release: scene.context.release.clone(), fence: 1, adopt: false },
        secrets: Arc::clone(&scene.secrets),
        env,
        blobs: Arc::clone(&scene.blobs),
        trees: scene.trees.clone(),
        sink: recorder.clone(),
        cancel,
        capabilities,
    };
    recorder.begin();
    let answer = tokio::select! {
        biased;
        () = recorder.crashed() => Answer::Crashed,
        answer = scene.host.call(invocation) => answer.map_or_else(Answer::Failed, Answer::Reply),
    };
    Called { answer, records: recorder.take() }
}

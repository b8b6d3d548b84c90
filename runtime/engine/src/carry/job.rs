//! One operation of one step: stage, call, capture. Runs in a task of its own and never touches the ledger.

use super::Carrier;
use super::sink::{Message, Sink};
use crate::fingerprint::Parts;
use crate::prepare::Prepared;
use crate::staging::{Stage, lay_out};
use crate::survey::JobInput;
use crate::{Workspace, survey};
use relrun_gate::{Masker, Secrets};
use relrun_graph::NodeId;
use relrun_host::{CallLimits, CancelToken, Context, Invocation, Operation, Recovery, Reply, TargetMark};
use relrun_ledger::{Digest, Failure, FailureKind, Finding, Outcome, StepId, StepKind};
use relrun_manifest::Capability;
use relrun_report::OperationName;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The secrets of a run, and what keeps them out of everything written.
pub(crate) struct Secrecy {
    /// The secrets.
    pub secrets: Arc<Secrets>,
    /// Finds and masks them.
    pub masker: Arc<Masker>,
}

/// Which operation, with what it takes.
pub(super) enum Work {
    Apply { parts: Option<Parts>, inputs: Vec<(String, JobInput)> },
    Recover(Option<Value>),
    Undo(Value),
    Destroy(Value),
}

impl Work {
    /// Returns the operation's part of the idempotency key. `recover` asks about an `apply`, so it has that one's.
    fn word(&self) -> &'static str {
        match self {
            Self::Apply { .. } | Self::Recover(_) => "apply",
            Self::Undo(_) => "undo",
            Self::Destroy(_) => "destroy",
        }
    }
}

/// How a job ended.
pub(super) enum JobEnd {
    Applied { result: Result<Box<Outcome>, Failure>, fingerprint: Option<Digest> },
    Recovered(Box<Finding>),
    Back(Result<String, Failure>),
}

/// One operation of one step.
pub(super) struct Job {
    workspace: Arc<Workspace>,
    prepared: Arc<Prepared>,
    node: NodeId,
    step: StepId,
    work: Work,
    config: Value,
    kind: StepKind,
    context: Context,
    mark: TargetMark,
    secrecy: Arc<Secrecy>,
    cancel: CancelToken,
    sender: mpsc::UnboundedSender<Message>,
}

impl Job {
    pub(super) fn new(carrier: &Carrier<'_>, node: NodeId, step: StepId, work: Work, config: Value) -> Self {
        let start = &carrier.journal.release().start;
        let decl = &start.steps[step.index()];
        let kind = decl.kind;
        let context = match kind {
            StepKind::Pure => Context { attempt: 1, ..Context::default() },
            StepKind::Effect => context(carrier, node, step, &config, work.word()),
        };
        let key = decl.environment.as_ref().zip(decl.deployment.as_ref());
        let key = key.map(|(environment, deployment)| crate::locks::deployment_key(&start.package, environment, deployment));
        let mark = TargetMark {
            ledger: carrier.workspace.runs.ledger_id().unwrap_or_default(),
            release: start.release.to_string(),
            fence: key.and_then(|key| carrier.locks.fence(&key)).unwrap_or_default(),
            adopt: carrier.options.adopt,
        };
        Self {
            workspace: Arc::clone(&carrier.workspace),
            prepared: Arc::clone(&carrier.prepared),
            node,
            step,
            work,
            config,
            kind,
            context,
            mark,
            secrecy: Arc::clone(&carrier.secrecy),
            cancel: carrier.cancel.clone(),
            sender: carrier.sender.clone(),
        }
    }

    pub(super) fn name(&self) -> OperationName {
        match self.work {
            Work::Apply { .. } => OperationName::Apply,
            Work::Recover(_) => OperationName::Recover,
            Work::Undo(_) => OperationName::Undo,
            Work::Destroy(_) => OperationName::Destroy,
        }
    }

    pub(super) async fn run(mut self) -> JobEnd {
        let work = std::mem::replace(&mut self.work, Work::Recover(None));
        match work {
            Work::Apply { parts, inputs } => self.apply(parts, inputs).await,
            Work::Recover(checkpoint) => JobEnd::Recovered(Box::new(self.recover(checkpoint).await)),
            Work::Undo(receipt) => JobEnd::Back(self.back(Operation::Undo(receipt)).await),
            Work::Destroy(receipt) => JobEnd::Back(self.back(Operation::Destroy(receipt)).await),
        }
    }

    async fn apply(&self, parts: Option<Parts>, inputs: Vec<(String, JobInput)>) -> JobEnd {
        if parts.is_some() {
            survey::keep_trees(&self.workspace, &inputs);
        }
        let result = self.apply_and_capture(inputs).await;
        let (Ok(outcome), Some(parts)) = (&result, parts) else {
            return JobEnd::Applied { result: result.map(Box::new), fingerprint: None };
        };
        let label = &self.prepared.nodes[self.node.index()].label;
        let package = self.prepared.loaded.manifest.package.name.value.to_string();
        match survey::remember(&self.workspace, label, &package, &parts, outcome) {
            Ok(fingerprint) => JobEnd::Applied { result: result.map(Box::new), fingerprint: Some(fingerprint) },
            Err(error) => JobEnd::Applied { result: Err(permanent(crate::staging::with_sources(&error))), fingerprint: None },
        }
    }

    async fn apply_and_capture(&self, inputs: Vec<(String, JobInput)>) -> Result<Outcome, Failure> {
        let stage = self.stage(inputs).await?;
        let reply = self.call(&stage, Operation::Apply).await?;
        let Reply::Outcome(mut outcome) = reply else { return Err(permanent("the plugin answered another operation")) };
        self.check_secrets(&outcome)?;
        let workspace = Arc::clone(&self.workspace);
        let prepared = Arc::clone(&self.prepared);
        let node = self.node;
        let masker = Arc::clone(&self.secrecy.masker);
        // Only what was handed a secret can write it down; looking for one costs reading every byte.
        let handed = prepared.nodes[node.index()].capabilities.iter().any(|capability| matches!(capability, Capability::Secret(_)));
        blocking(move || {
            if handed {
                stage.check_secrets(&masker, &prepared.step(node).writes)?;
            }
            outcome.artifacts = stage.capture(&workspace, &prepared.step(node).writes)?;
            lay_out(&workspace, &prepared, node, &outcome)?;
            Ok(outcome)
        })
        .await
    }

    async fn recover(&self, checkpoint: Option<Value>) -> Finding {
        let answer = async {
            let stage = self.stage(Vec::new()).await?;
            self.call(&stage, Operation::Recover(checkpoint)).await
        };
        match answer.await {
            Ok(Reply::Recovery(Recovery::NotDone)) => Finding::NotDone,
            Ok(Reply::Recovery(Recovery::Done(outcome))) => match self.check_secrets(&outcome) {
                Ok(()) => Finding::Done { outcome },
                Err(failure) => Finding::Unknown { reason: failure.message },
            },
            Ok(Reply::Recovery(Recovery::Partly(receipt))) => Finding::Partly { receipt },
            Ok(_) => Finding::Unknown { reason: "the plugin answered another operation".to_owned() },
            Err(failure) => Finding::Unknown { reason: format!("the plugin could not tell: {}", failure.message) },
        }
    }

    async fn back(&self, operation: Operation) -> Result<String, Failure> {
        let stage = self.stage(Vec::new()).await?;
        match self.call(&stage, operation).await? {
            Reply::Outcome(outcome) => Ok(outcome.summary),
            _ => Err(permanent("the plugin answered another operation")),
        }
    }

    async fn stage(&self, inputs: Vec<(String, JobInput)>) -> Result<Stage, Failure> {
        let workspace = Arc::clone(&self.workspace);
        let prepared = Arc::clone(&self.prepared);
        let node = self.node;
        blocking(move || Stage::set(&workspace, &prepared.loaded.directory, &inputs, &prepared.step(node).writes)).await
    }

    async fn call(&self, stage: &Stage, operation: Operation) -> Result<Reply, Failure> {
        let command = self.command(&operation);
        let capabilities = crate::prepare::capabilities_for(&self.workspace, &self.prepared, self.node, &self.config).await?;
        let invocation = Invocation {
            component: self.prepared.plugin(self.node).source.clone(),
            operation,
            config: self.config.clone(),
            kind: self.kind,
            env: granted_variables(&self.workspace, &capabilities),
            capabilities,
            context: self.context.clone(),
            dirs: stage.dirs.clone(),
            limits: limits(&self.workspace, &self.prepared, self.node),
            hosts: self.prepared.environment(self.node).map(|environment| self.workspace.hosts(environment)).unwrap_or_default(),
            mark: self.mark.clone(),
            secrets: Arc::clone(&self.secrecy.secrets),
            blobs: Arc::clone(&self.workspace.blobs),
            trees: stage.trees.clone(),
            sink: Arc::new(Sink { step: self.step, attempt: self.context.attempt, sender: self.sender.clone() }),
            cancel: self.cancel.clone(),
        };
        let limits = invocation.limits;
        let began = Instant::now();
        self.workspace.host.call(invocation).await.map_err(|failure| self.advise(failure, (limits.timeout, began.elapsed()), &command))
    }

    /// Says a failure to the person who runs the release: the host told it to the plugin.
    fn advise(&self, mut failure: Failure, (timeout, took): (Duration, Duration), command: &str) -> Failure {
        // A request or a command of the plugin's may have had a shorter time of its own.
        if failure.kind == FailureKind::TimedOut && took >= timeout {
            failure.message = super::advice::timed_out(&self.prepared, self.node, timeout);
        }
        super::advice::adopt(failure, command)
    }

    /// Returns the command that does this again.
    fn command(&self, operation: &Operation) -> String {
        let release = &self.mark.release;
        let environment = self.prepared.environment(self.node).map(|environment| format!(" -e {}", environment.name.value));
        match (operation, environment) {
            (Operation::Undo(_), Some(environment)) => format!("relrun undo {release}{environment}"),
            (Operation::Destroy(_), Some(environment)) => format!("relrun destroy{environment}"),
            _ => format!("relrun retry {release}"),
        }
    }

    /// Refuses an outcome that holds a secret in any form: what is written down is there for good.
    fn check_secrets(&self, outcome: &Outcome) -> Result<(), Failure> {
        let text = serde_json::to_string(outcome).unwrap_or_default();
        match self.secrecy.masker.contains_secret(text.as_bytes()) {
            None => Ok(()),
            Some(name) => Err(permanent(format!("its outputs or receipt hold the secret \"{name}\"; nothing of them was kept"))),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(permanent(format!("a worker of relrun failed: {error}"))),
    }
}

fn permanent(message: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Permanent, message: message.into() }
}

/// Returns the variables that the step was granted, where they are set.
pub(crate) fn granted_variables(workspace: &Workspace, capabilities: &[Capability]) -> BTreeMap<String, String> {
    let names = capabilities.iter().filter_map(|capability| match capability {
        Capability::Env(name) => Some(name),
        _ => None,
    });
    names.filter_map(|name| workspace.variables.get(name).map(|value| (name.clone(), value.clone()))).collect()
}

/// Returns a step's limits: the contract's, where the manifest raises none, and never more than policy lets through.
pub(crate) fn limits(workspace: &Workspace, prepared: &Prepared, node: NodeId) -> CallLimits {
    let step = prepared.step(node);
    let usual = CallLimits::default();
    let asked = CallLimits {
        timeout: step.timeout.unwrap_or(usual.timeout),
        cpu: step.limits.cpu.unwrap_or(step.timeout.unwrap_or(usual.cpu)),
        memory: step.limits.memory.unwrap_or(usual.memory),
        log: step.limits.log.unwrap_or(usual.log),
        output: step.limits.output.unwrap_or(usual.output),
        grace: usual.grace,
    };
    crate::policy::bounded(&workspace.project.policy, asked)
}

fn context(carrier: &Carrier<'_>, node: NodeId, step: StepId, config: &Value, operation: &str) -> Context {
    let release = carrier.journal.release();
    let start = &release.start;
    let decl = &start.steps[step.index()];
    let environment = carrier.prepared.environment(node);
    let settings = decl.environment.as_ref().and_then(|name| start.settings.get(name)).unwrap_or(&start.inputs);
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut key = blake3::Hasher::new_derive_key("relrun 2026 idempotency key v1");
    let ledger = carrier.workspace.runs.ledger_id().unwrap_or_default();
    let release_id = start.release.to_string();
    for part in [&ledger, &start.package, &release_id, &decl.label(), operation, &crate::fingerprint::canonical(config)] {
        key.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    Context {
        package: start.package.clone(),
        version: start.version.clone(),
        release: release_id,
        step: decl.name.clone(),
        attempt: release.step(step).attempts.max(1),
        idempotency_key: key.finalize().to_hex().to_string(),
        environment: decl.environment.clone(),
        deployment: decl.deployment.clone(),
        labels: environment.map(|environment| environment.labels.clone()).unwrap_or_default(),
        settings: settings.iter().map(|(name, value)| (name.clone(), as_text(value))).collect(),
        previous: carrier.found.get(&step).cloned().or_else(|| carrier.previous_step(node).and_then(|record| record.receipt.clone())),
        unfinished: (operation == "apply").then(|| release.step(step).receipt.clone()).flatten(),
        started_at: u64::try_from(release.created.as_second()).unwrap_or_default(),
    }
}

//! What may start now, and how it starts: from the cache, or as a job.

use super::job::{Job, Work};
use super::{Carrier, Message};
use crate::EngineError;
use crate::survey::Made;
use crate::values::{Known, output};
use backon::BackoffBuilder;
use relrun_graph::NodeId;
use relrun_ledger::{Digest, Event, Failure, FailureKind, Origin, Outcome, StepId, StepKind, StepState};
use relrun_report::{OperationName, ReportEvent, StepResult};
use serde_json::Value;
use std::time::Duration;

impl Carrier<'_> {
    /// Starts what is ready and may start, up to the number of jobs. What comes from the cache takes no job.
    pub(super) fn start_ready(&mut self) -> Result<(), EngineError> {
        let mut kept = Vec::new();
        while self.running.len() + self.launches.len() < self.options.jobs {
            let Some(node) = self.schedule.take() else { break };
            let Some(step) = self.step_of[node.index()] else { continue };
            if !self.may_start(step)? {
                kept.push(node);
                continue;
            }
            self.start(node, step)?;
        }
        for node in kept {
            self.schedule.give_back(node);
        }
        Ok(())
    }

    /// What is in doubt waits for a person. After a failure only environments that were begun go on, so that they end whole.
    fn may_start(&mut self, step: StepId) -> Result<bool, EngineError> {
        if self.cancelled_at.is_some() {
            return Ok(false);
        }
        let release = self.journal.release();
        if matches!(release.step(step).state, StepState::Unknown(_)) {
            return Ok(false);
        }
        let Some(environment) = release.start.steps[step.index()].environment.clone() else { return Ok(!self.failed) };
        if self.closed.contains(&environment) || self.waits_at_a_gate(step) || self.waits_for_others(&environment)? {
            return Ok(false);
        }
        let release = self.journal.release();
        let begun = |id: &StepId| {
            let other = &release.start.steps[id.index()];
            other.environment.as_ref() == Some(&environment)
                && other.kind == StepKind::Effect
                && release.step(*id).state != StepState::Waiting
        };
        Ok(!self.failed || release.step_ids().any(|id| begun(&id)))
    }

    /// Notes the approvals that the step's environment and phase still wait for, and returns whether there is one.
    fn waits_at_a_gate(&mut self, step: StepId) -> bool {
        let Some(node) = self.node_of[step.index()] else { return false };
        let Some(environment) = self.prepared.environment(node) else { return false };
        if matches!(self.journal.release().start.kind, relrun_ledger::ReleaseKind::Rollback { .. }) {
            // Gates already passed are not asked again.
            return false;
        }
        let phase = self.prepared.phase(node);
        // Whoever passed the gates of the deployment that it is a part of passed the environment's for all of it.
        let gates = match self.journal.release().start.part_of {
            Some(_) => crate::approval::gates_of_phase(phase),
            None => crate::approval::gates(environment, phase),
        };
        let closed: Vec<String> =
            gates.into_iter().filter(|gate| !self.is_open(gate)).map(|gate| format!("approve {}", gate.name)).collect();
        let waits = !closed.is_empty();
        self.tally.waiting_on.extend(closed);
        waits
    }

    /// Whether a gate was passed by somebody who may. It is looked at once in a run: nobody can pass one while it is carried.
    fn is_open(&mut self, gate: &crate::approval::Gate) -> bool {
        if let Some(open) = self.gates.get(&gate.name) {
            return *open;
        }
        let release = self.journal.release();
        let counts = release.approved.get(&gate.name).map(|approval| crate::approval::counts(&self.workspace, release, gate, approval));
        if let Some(Err(why)) = &counts {
            let text = format!("the approval of {} does not count: {why}", gate.name);
            (self.emit)(super::tally::notice(relrun_report::LineLevel::Warn, &text));
        }
        let open = matches!(counts, Some(Ok(())));
        self.gates.insert(gate.name.clone(), open);
        open
    }

    fn start(&mut self, node: NodeId, step: StepId) -> Result<(), EngineError> {
        let config = match self.config(node) {
            Ok(config) => config,
            Err(failure) => return self.fail_before_start(step, failure),
        };
        let made = match self.survey.make(&self.workspace, &self.prepared, node, config, &|template| self.artifact(node, template)) {
            Ok(made) => made,
            Err(failure) => return self.fail_before_start(step, failure),
        };
        let pure = self.journal.release().start.steps[step.index()].kind == StepKind::Pure;
        if pure && !self.options.no_cache && self.serve(node, step, &made)? {
            return Ok(());
        }
        self.begin_job(node, step, &made, pure)
    }

    /// Serves a pure step from the cache, where its outcome and all that it captured are there.
    fn serve(&mut self, node: NodeId, step: StepId, made: &Made) -> Result<bool, EngineError> {
        let fingerprint = made.parts.digest();
        let Some(outcome) = crate::survey::recall(&self.workspace, fingerprint)? else { return Ok(false) };
        if let Err(failure) = crate::staging::lay_out(&self.workspace, &self.prepared, node, &outcome) {
            self.fail_before_start(step, failure)?;
            return Ok(true);
        }
        let summary = outcome.summary.clone();
        self.journal.note(Event::StepSucceeded { step, outcome, origin: Origin::Cached { fingerprint } })?;
        self.report(step, OperationName::Apply, StepResult::Cached, summary, Duration::ZERO);
        self.tally.succeeded.push(step);
        self.tally.cached += 1;
        self.release_dependents(step);
        Ok(true)
    }

    fn begin_job(&mut self, node: NodeId, step: StepId, made: &Made, pure: bool) -> Result<(), EngineError> {
        let attempt = self.journal.release().step(step).attempts + 1;
        let canonical = crate::fingerprint::canonical(&made.config);
        let digest = if pure { Digest::of(canonical.as_bytes()) } else { self.workspace.blobs.put(canonical.as_bytes())? };
        let why = if pure { Some(crate::survey::why(&self.workspace, &self.prepared, node, made).join("; ")) } else { None };
        self.journal.note(Event::StepStarted { step, attempt, config: digest })?;
        self.say_started(step, OperationName::Apply, why.filter(|why| !why.is_empty()));
        let work = Work::Apply { parts: pure.then(|| made.parts.clone()), inputs: made.inputs.clone() };
        let job = self.job(node, step, work, made.config.clone());
        *self.tries.entry(step).or_default() += 1;
        self.launches.push((step, job));
        Ok(())
    }

    /// Records a step that could not even begin: a value that is not there, an input that changed under it.
    fn fail_before_start(&mut self, step: StepId, failure: Failure) -> Result<(), EngineError> {
        let attempt = self.journal.release().step(step).attempts + 1;
        self.journal.note(Event::StepStarted { step, attempt, config: Digest::of(b"null") })?;
        self.say_started(step, OperationName::Apply, None);
        self.apply_failed(step, failure, Duration::ZERO)
    }

    pub(super) fn say_started(&mut self, step: StepId, operation: OperationName, why: Option<String>) {
        let attempt = self.journal.release().step(step).attempts;
        let step = self.label(step);
        (self.emit)(ReportEvent::StepStarted { step, operation, attempt, why });
    }

    /// Puts a step aside until its next try, where its failure is transient and its `retry` has tries left.
    pub(super) fn rest_before_next_try(&mut self, step: StepId, failure: &Failure) -> bool {
        let Some(node) = self.node_of[step.index()] else { return false };
        let retry = &self.prepared.step(node).retry;
        let tried = self.tries.get(&step).copied().unwrap_or_default();
        if failure.kind != FailureKind::Transient || tried >= retry.attempts || self.cancelled_at.is_some() {
            return false;
        }
        let delays = self.backoffs.entry(step).or_insert_with(|| {
            backon::ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(retry.backoff)
                .with_max_delay(Duration::from_mins(5))
                .with_max_times(retry.attempts as usize)
                .build()
        });
        let Some(delay) = delays.next() else { return false };
        let in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let label = self.label(step);
        (self.emit)(ReportEvent::StepRetrying { step: label, in_ms, reason: failure.message.clone() });
        self.resting.insert(step);
        let sender = self.sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = sender.send(Message::RetryDue { step });
        });
        true
    }

    /// A step's wait for its next try is over.
    pub(super) fn rested(&mut self, step: StepId) {
        if self.resting.remove(&step)
            && let Some(node) = self.node_of[step.index()]
        {
            self.schedule.give_back(node);
        }
    }

    /// Returns the config with every reference resolved.
    fn config(&self, node: NodeId) -> Result<Value, Failure> {
        let prepared = &self.prepared.nodes[node.index()];
        if prepared.complete {
            return Ok(prepared.config.clone());
        }
        let step = self.prepared.step(node);
        let plugin = self.prepared.plugin(node);
        let invalid = |message: String| Failure { kind: FailureKind::Invalid, message };
        let shaped = self.with_known(node, |known| {
            relrun_manifest::shape(&step.config, &plugin.description.config_schema, &|reference| known.resolve(reference))
        });
        if let Some((_, reference)) = shaped.unknown.first() {
            return Err(invalid(format!("{reference} has no value: the step it names gave no such output")));
        }
        let wrong = relrun_manifest::check(&shaped, &plugin.schema);
        match wrong.first() {
            Some(mistake) => Err(invalid(format!("the config does not fit {}: {mistake}", step.plugin.value))),
            None => Ok(shaped.json),
        }
    }

    /// Returns the artifact that a `reads` names.
    fn artifact(&self, node: NodeId, template: &relrun_manifest::Template) -> Option<Digest> {
        let [relrun_manifest::Part::Ref(reference)] = template.parts.as_slice() else { return None };
        self.with_known(node, |known| known.resolve(reference)).and_then(|value| value.as_str()?.parse().ok())
    }

    fn with_known<T>(&self, node: NodeId, then: impl FnOnce(&Known<'_>) -> T) -> T {
        let environment = self.prepared.environment(node);
        let name = environment.map(|environment| environment.name.value.as_str());
        let start = &self.journal.release().start;
        let previous = self.previous_outcome(node);
        then(&Known {
            inputs: name.and_then(|name| start.settings.get(name)).unwrap_or(&start.inputs),
            environment,
            deployment: self.prepared.nodes[node.index()].deployment.as_deref(),
            package: &self.prepared.loaded.manifest.package.name.value,
            release: Some((start.release, &start.version)),
            variables: &self.workspace.variables,
            steps: &|step, path| self.outcome(step, name).and_then(|outcome| output(outcome, path)),
            previous: previous.as_ref(),
            dependencies: self.met_in(name),
        })
    }

    fn previous_outcome(&self, node: NodeId) -> Option<Outcome> {
        self.previous_step(node).and_then(|record| record.outcome.clone())
    }

    /// Returns what this step of this deployment recorded in the release that stood before.
    pub(super) fn previous_step(&self, node: NodeId) -> Option<&relrun_ledger::StepRecord> {
        let environment = &self.prepared.environment(node)?.name.value;
        let release = self.previous.get(environment)?.as_ref()?;
        let name = &self.prepared.step(node).name.value;
        release.find(name, Some(environment)).map(|step| release.step(step))
    }

    /// Makes a job for one operation of a step.
    pub(super) fn job(&self, node: NodeId, step: StepId, work: Work, config: Value) -> Job {
        Job::new(self, node, step, work, config)
    }
}

//! What the jobs say, read by the dispatcher: lines, checkpoints and ends, each noted before anything follows from it.

use super::job::JobEnd;
use super::sink::{self, Message};
use super::{Carrier, undo};
use crate::EngineError;
use relrun_ledger::{Event, Failure, FailureKind, Finding, Origin, StepId};
use relrun_report::{FoundAt, OperationName, ReportEvent, StepResult};
use std::path::Path;
use std::time::Duration;

impl Carrier<'_> {
    /// Reads what the jobs said; what they wait for is written in one go, then they are told.
    pub(super) fn read(&mut self, inbox: &mut Vec<Message>) -> Result<(), EngineError> {
        let mut acks = Vec::new();
        let mut lines = Vec::new();
        for message in inbox.drain(..) {
            match message {
                Message::Line(line) => {
                    let step = self.label(line.step);
                    let finding = line.finding.clone().map(|found| self.seen_from_the_user(found));
                    (self.emit)(ReportEvent::StepLine {
                        step,
                        source: sink::source(line.source),
                        level: sink::level(line.level),
                        text: line.text.clone(),
                        finding,
                    });
                    lines.push(line.into_log());
                }
                Message::Progress { step, what, done, total } => {
                    let step = self.label(step);
                    (self.emit)(ReportEvent::StepProgress { step, what, done, total });
                }
                Message::Capability { step, capability, denied, detail } => {
                    self.journal.note(Event::Capability { step, capability, denied, detail })?;
                }
                Message::Checkpoint { step, state, ack } => {
                    self.journal.note(Event::Checkpoint { step, state })?;
                    acks.push(ack);
                }
                Message::RetryDue { step } => self.rested(step),
                Message::Done { step, end } => self.ended(step, end)?,
            }
        }
        if !lines.is_empty() {
            self.workspace.runs.append_log(self.journal.stream(), &lines)?;
        }
        if !acks.is_empty() {
            self.journal.flush()?;
            moment!("checkpoint.durable");
            for ack in acks {
                let _ = ack.send(());
            }
        }
        Ok(())
    }

    /// Names the file of a finding from where the user named the manifest: a CI system knows it from there.
    fn seen_from_the_user(&self, found: FoundAt) -> FoundAt {
        let folder = Path::new(&self.prepared.loaded.name).parent();
        let file = folder.map_or_else(|| found.file.clone(), |folder| folder.join(&found.file).display().to_string());
        FoundAt { file, ..found }
    }

    fn ended(&mut self, step: StepId, end: JobEnd) -> Result<(), EngineError> {
        let Some(running) = self.running.remove(&step) else { return Ok(()) };
        let took = running.since.elapsed();
        match end {
            JobEnd::Applied { result: Ok(outcome), fingerprint } => {
                let outcome = *outcome;
                let summary = outcome.summary.clone();
                self.journal.note(Event::StepSucceeded { step, outcome, origin: Origin::Ran { fingerprint } })?;
                self.report(step, running.operation, StepResult::Succeeded, summary, took);
                self.tally.succeeded.push(step);
                self.release_dependents(step);
                if let Some(environment) = self.journal.release().start.steps[step.index()].environment.clone() {
                    self.offer(&environment)?;
                }
            }
            JobEnd::Applied { result: Err(failure), .. } => self.apply_failed(step, failure, took)?,
            JobEnd::Recovered(finding) => self.recovered(step, *finding, took)?,
            JobEnd::Back(result) => self.back_ended(step, result, took)?,
        }
        Ok(())
    }

    pub(super) fn apply_failed(&mut self, step: StepId, mut failure: Failure, took: Duration) -> Result<(), EngineError> {
        let effect = self.journal.release().start.steps[step.index()].kind == relrun_ledger::StepKind::Effect;
        if effect && self.cancelled_at.is_some() {
            // Whatever it says of it, it was told to stop: how far it came is found out before it is begun again.
            failure.kind = FailureKind::Cancelled;
        }
        self.journal.note(Event::StepFailed { step, failure: failure.clone() })?;
        let result = if failure.kind == FailureKind::Cancelled { StepResult::Cancelled } else { StepResult::Failed };
        self.report(step, OperationName::Apply, result, failure.message.clone(), took);
        if self.rest_before_next_try(step, &failure) {
            return Ok(());
        }
        self.tally.failed.push((step, failure));
        self.failed = true;
        let decl = &self.journal.release().start.steps[step.index()];
        if let Some(environment) = decl.environment.clone() {
            self.closed.insert(environment.clone());
            if decl.on_failure == relrun_ledger::OnFailure::Undo && self.cancelled_at.is_none() {
                self.open_undo(&environment, undo::Way::Undo);
            }
        }
        Ok(())
    }

    pub(super) fn release_dependents(&mut self, step: StepId) {
        if let Some(node) = self.node_of[step.index()] {
            self.schedule.finish(node);
        }
    }

    fn recovered(&mut self, step: StepId, finding: Finding, took: Duration) -> Result<(), EngineError> {
        let (result, summary) = match &finding {
            Finding::NotDone => (StepResult::Succeeded, "it was not done".to_owned()),
            Finding::Done { outcome } => (StepResult::Succeeded, format!("it was done: {}", outcome.summary)),
            Finding::Partly { .. } => (StepResult::Failed, "it was partly done".to_owned()),
            Finding::Unknown { reason } => (StepResult::Unknown, reason.clone()),
        };
        self.note_finding(step, finding)?;
        self.report(step, OperationName::Recover, result, summary, took);
        Ok(())
    }
}

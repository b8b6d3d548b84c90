//! The way back: what a release did in an environment, undone or destroyed in reverse order, one step at a time.

use super::Carrier;
use super::job::Work;
use crate::EngineError;
use relrun_graph::NodeId;
use relrun_ledger::{Event, Failure, StepId, StepKind, StepState};
use relrun_report::{OperationName, StepResult};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// Which way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To what stood before.
    Undo,
    /// To nothing.
    Destroy,
}

impl Carrier<'_> {
    /// Queues what stands in an environment, last first.
    pub(super) fn open_undo(&mut self, environment: &str, way: Way) {
        if self.undo.contains_key(environment) {
            return;
        }
        let release = self.journal.release();
        let order: Vec<NodeId> = self.prepared.graph.topological().collect();
        let queue: VecDeque<StepId> = order
            .into_iter()
            .rev()
            .filter_map(|node| self.step_of[node.index()])
            .filter(|&id| {
                let decl = &release.start.steps[id.index()];
                decl.environment.as_deref() == Some(environment) && decl.kind == StepKind::Effect && release.step(id).may_stand()
            })
            .collect();
        self.closed.insert(environment.to_owned());
        self.undo.insert(environment.to_owned(), queue);
        self.way = way;
    }

    /// Queues what stands in every environment of the selected steps.
    pub(super) fn open_undo_of_all(&mut self, way: Way) {
        let release = self.journal.release();
        let environments: std::collections::BTreeSet<String> = release
            .step_ids()
            .filter(|&id| release.is_selected(id))
            .filter_map(|id| release.start.steps[id.index()].environment.clone())
            .collect();
        for environment in environments {
            self.open_undo(&environment, way);
        }
    }

    /// Starts the next step of each way back, where nothing of this run works in the environment any more.
    pub(super) fn pump_undo(&mut self) -> Result<(), EngineError> {
        let environments: Vec<String> = self.undo.iter().filter(|(_, queue)| !queue.is_empty()).map(|(name, _)| name.clone()).collect();
        for environment in environments {
            while self.cancelled_or_working(&environment) == Some(false) {
                let Some(step) = self.undo.get_mut(&environment).and_then(VecDeque::pop_front) else { break };
                if !self.begin_undo(&environment, step)? {
                    self.undo.insert(environment.clone(), VecDeque::new());
                }
            }
        }
        Ok(())
    }

    /// `None` where the run was cancelled: then nothing more begins.
    fn cancelled_or_working(&self, environment: &str) -> Option<bool> {
        if self.cancel.is_cancelled() {
            return None;
        }
        let here = |step: &StepId| self.journal.release().start.steps[step.index()].environment.as_deref() == Some(environment);
        let launching = self.launches.iter().any(|(step, _)| here(step));
        Some(launching || self.running.keys().any(here) || self.resting.iter().any(here))
    }

    /// Begins one step's way back; gives whether the queue may go on.
    fn begin_undo(&mut self, environment: &str, step: StepId) -> Result<bool, EngineError> {
        let record = self.journal.release().step(step).clone();
        // It was queued before it was known how far a dead process had come with it.
        if !record.may_stand() {
            return Ok(true);
        }
        if matches!(record.state, StepState::Unknown(_) | StepState::Interrupted) {
            self.tally.waiting_on.insert(format!("settle {}", self.label(step)));
            return Ok(false);
        }
        let Some(receipt) = record.receipt else {
            self.note_nothing_left(step)?;
            return Ok(true);
        };
        let Some(node) = self.node_of[step.index()] else {
            let message =
                format!("the step or environment \"{environment}\" is no longer declared; bring it back into the manifest or relrun.kdl");
            self.note_back_failed(step, Failure { kind: relrun_ledger::FailureKind::Missing, message }, Duration::ZERO)?;
            return Ok(false);
        };
        self.note_back_started(step)?;
        let work = match self.way {
            Way::Undo => Work::Undo(receipt),
            Way::Destroy => Work::Destroy(receipt),
        };
        let config = self.recorded_config(step)?;
        let job = self.job(node, step, work, config);
        self.say_started(step, job.name(), None);
        self.launches.push((step, job));
        Ok(true)
    }

    fn note_back_started(&mut self, step: StepId) -> Result<(), EngineError> {
        self.journal.note(match self.way {
            Way::Undo => Event::UndoStarted { step },
            Way::Destroy => Event::DestroyStarted { step },
        })
    }

    /// A step without a receipt left nothing that could be taken back: that is recorded, and no plugin is asked.
    fn note_nothing_left(&mut self, step: StepId) -> Result<(), EngineError> {
        self.note_back_started(step)?;
        let summary = "it left nothing to take back".to_owned();
        self.journal.note(match self.way {
            Way::Undo => Event::UndoFinished { step, summary },
            Way::Destroy => Event::DestroyFinished { step, summary },
        })?;
        self.tally.undone.push(step);
        Ok(())
    }

    fn note_back_failed(&mut self, step: StepId, failure: Failure, took: Duration) -> Result<(), EngineError> {
        if !matches!(self.journal.release().step(step).state, StepState::Undoing | StepState::Destroying) {
            self.note_back_started(step)?;
        }
        let (event, operation) = match self.way {
            Way::Undo => (Event::UndoFailed { step, failure: failure.clone() }, OperationName::Undo),
            Way::Destroy => (Event::DestroyFailed { step, failure: failure.clone() }, OperationName::Destroy),
        };
        self.journal.note(event)?;
        self.report(step, operation, StepResult::Failed, failure.message.clone(), took);
        self.tally.undo_failed.push((step, failure));
        self.failed = true;
        if let Some(environment) = self.journal.release().start.steps[step.index()].environment.clone() {
            self.undo.insert(environment, VecDeque::new());
        }
        Ok(())
    }

    pub(super) fn back_ended(&mut self, step: StepId, result: Result<String, Failure>, took: Duration) -> Result<(), EngineError> {
        let summary = match result {
            Ok(summary) => summary,
            Err(failure) => return self.note_back_failed(step, failure, took),
        };
        let (event, operation) = match self.way {
            Way::Undo => (Event::UndoFinished { step, summary: summary.clone() }, OperationName::Undo),
            Way::Destroy => (Event::DestroyFinished { step, summary: summary.clone() }, OperationName::Destroy),
        };
        self.journal.note(event)?;
        self.report(step, operation, StepResult::Succeeded, summary, took);
        self.tally.undone.push(step);
        Ok(())
    }

    /// Returns the config that the step's last `apply` began with.
    pub(super) fn recorded_config(&self, step: StepId) -> Result<Value, EngineError> {
        let digest = self.journal.release().step(step).config;
        let Some(digest) = digest else { return Ok(Value::Null) };
        let bytes = self.workspace.blobs.get(digest)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            EngineError::input(format!("the recorded config of {} cannot be read: {error}", self.label(step)), "type `relrun cache verify`")
        })
    }
}

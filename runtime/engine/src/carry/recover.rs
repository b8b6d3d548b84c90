//! What a dead process left: each interrupted step is asked how far it came, before anything else starts.

use super::job::Work;
use super::{Aim, Carrier};
use crate::EngineError;
use relrun_graph::NodeId;
use relrun_ledger::{Cause, Event, Finding, StepId, StepKind, StepState};

impl Carrier<'_> {
    /// Begins to find out about every interrupted step.
    pub(super) fn begin_recovery(&mut self) -> Result<(), EngineError> {
        let release = self.journal.release();
        let interrupted: Vec<StepId> = release.step_ids().filter(|&id| release.step(id).state == StepState::Interrupted).collect();
        for step in interrupted {
            if self.journal.release().start.steps[step.index()].kind == StepKind::Pure {
                self.journal.note(Event::StepRecovered { step, finding: Finding::NotDone, by: Cause::Rule })?;
                continue;
            }
            if let Some(node) = self.node_of[step.index()] {
                self.ask(node, step)?;
            } else {
                let reason = "its step or environment is no longer declared, so its plugin cannot be asked".to_owned();
                self.note_finding(step, Finding::Unknown { reason })?;
            }
        }
        self.go_on_back();
        self.journal.flush()?;
        self.launch();
        Ok(())
    }

    /// Where a dead process was on the way back, that goes on before anything else, and the release has failed as it had then.
    fn go_on_back(&mut self) {
        if self.aim != Aim::Forward {
            return;
        }
        for environment in self.journal.release().going_back.clone() {
            self.failed = true;
            self.open_undo(&environment, super::undo::Way::Undo);
            let text = format!("{environment}: what was being undone there is undone first");
            (self.emit)(super::tally::notice(relrun_report::LineLevel::Warn, &text));
        }
    }

    fn ask(&mut self, node: NodeId, step: StepId) -> Result<(), EngineError> {
        let config = self.recorded_config(step)?;
        let checkpoint = self.journal.release().step(step).receipt.clone();
        let job = self.job(node, step, Work::Recover(checkpoint), config);
        self.say_started(step, job.name(), Some("it was interrupted".to_owned()));
        self.launches.push((step, job));
        Ok(())
    }

    /// Records a finding. Where nobody can tell, an idempotent step may run again; any other waits for a person's word.
    pub(super) fn note_finding(&mut self, step: StepId, finding: Finding) -> Result<(), EngineError> {
        let idempotent = self.journal.release().start.steps[step.index()].idempotent;
        let (finding, by) = match finding {
            Finding::Unknown { .. } | Finding::Partly { .. } if idempotent => (Finding::NotDone, Cause::Rule),
            finding => (finding, Cause::Plugin),
        };
        if matches!(finding, Finding::Unknown { .. }) {
            // Nothing is built on what nobody knows.
            self.closed.extend(self.journal.release().start.steps[step.index()].environment.clone());
        }
        let done = matches!(finding, Finding::Done { .. });
        let partly = matches!(finding, Finding::Partly { .. });
        self.journal.note(Event::StepRecovered { step, finding, by })?;
        if done {
            self.tally.succeeded.push(step);
            self.release_dependents(step);
        } else if partly {
            self.half_done(step);
        }
        Ok(())
    }

    /// A step that is no longer to be run twice and is partly done has failed: its environment goes back.
    fn half_done(&mut self, step: StepId) {
        if self.aim != Aim::Forward {
            // It was to go back anyway, and goes with all the others.
            return;
        }
        let StepState::Failed(failure) = self.journal.release().step(step).state.clone() else { return };
        self.tally.failed.push((step, failure));
        self.failed = true;
        let decl = self.journal.release().start.steps[step.index()].clone();
        if let Some(environment) = decl.environment {
            self.closed.insert(environment.clone());
            if decl.on_failure == relrun_ledger::OnFailure::Undo {
                self.open_undo(&environment, super::undo::Way::Undo);
            }
        }
    }
}

//! A person's word: on a step that nobody can tell about, on a gate, on a release.

use super::{Taken, find};
use crate::{EngineError, Workspace};
use relrun_ledger::{Cause, Event, Finding, Mark, Outcome, ReleaseId, RunKind, StepId, StepState, Verdict};
use std::time::Duration;

/// What a person found out about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It was done.
    Done,
    /// It was not done, and nothing of it stands.
    NotDone,
}

/// Settles a step that is unknown.
pub fn settle(workspace: &Workspace, package: &str, id: ReleaseId, label: &str, word: Word, patience: Duration) -> Result<(), EngineError> {
    let id = find(workspace, package, Some(id))?;
    let taken = Taken::take_up_blocked(workspace, package, id, &patience.into())?;
    let step = step_named(&taken, label)?;
    match &taken.release.step(step).state {
        StepState::Unknown(_) | StepState::Interrupted | StepState::Running => {}
        state => {
            return Err(EngineError::input(
                format!("there is no doubt about {label} of {id}: it is {state}"),
                format!("type `relrun status` to see what {id} needs"),
            ));
        }
    }
    let finding = match word {
        Word::Done => {
            let outcome = Outcome {
                summary: "settled by hand as done".into(),
                receipt: taken.release.step(step).receipt.clone(),
                ..Outcome::default()
            };
            Finding::Done { outcome }
        }
        Word::NotDone => Finding::NotDone,
    };
    let mut journal = taken.journal(workspace, RunKind::Settle)?;
    journal.note(Event::StepRecovered { step, finding, by: Cause::Person })?;
    let release = journal.release();
    let doubts: Vec<String> = release
        .step_ids()
        .filter(|&id| matches!(release.step(id).state, StepState::Unknown(_) | StepState::Interrupted))
        .map(|id| format!("settle {}", release.start.steps[id.index()].label()))
        .collect();
    let on = if doubts.is_empty() { vec!["continue".to_owned()] } else { doubts };
    journal.note(Event::RunEnded { verdict: Verdict::Waiting { on } })?;
    journal.flush_with_summary()
}

fn step_named(taken: &Taken, label: &str) -> Result<StepId, EngineError> {
    let release = &taken.release;
    let labels: Vec<String> = release.start.steps.iter().map(relrun_ledger::StepDecl::label).collect();
    release.step_ids().find(|id| labels[id.index()] == label).ok_or_else(|| {
        let help = match relrun_manifest::nearest(label, labels.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("its steps are {}", crate::text::join(&labels)),
        };
        EngineError::input(format!("{} has no step \"{label}\"", release.start.release), help)
    })
}

/// Sets a mark, or takes it away.
pub fn mark(workspace: &Workspace, package: &str, id: ReleaseId, mark: Mark, set: bool) -> Result<(), EngineError> {
    let id = find(workspace, package, Some(id))?;
    let taken = Taken::hold(workspace, package, id)?;
    let mut journal = taken.resume(workspace);
    journal.note(Event::Marked { mark, set, actor: workspace.actor.clone() })?;
    journal.flush_with_summary()
}

//! What a run did, for the words at its end.

use crate::journal::Journal;
use crate::prepare::Prepared;
use relrun_graph::NodeId;
use relrun_ledger::{EnvironmentState, Failure, ReleaseId, ReleaseKind, StepDecl, StepId, StepKind, StepState, Verdict};
use relrun_report::{EnvironmentLine, FailedStep, LineLevel, Place, ReportEvent, RunFinished, RunVerdict, StepInfo};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a run did so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) succeeded: Vec<StepId>,
    pub(super) cached: usize,
    pub(super) failed: Vec<(StepId, Failure)>,
    pub(super) undone: Vec<StepId>,
    pub(super) undo_failed: Vec<(StepId, Failure)>,
    pub(super) waiting_on: BTreeSet<String>,
}

impl Tally {
    /// A command that was refused by a stranger's mark is refused again unless it adopts.
    fn with_adopt(&self, next: String) -> String {
        let all = self.failed.iter().chain(&self.undo_failed);
        if all.map(|(_, failure)| failure).any(super::advice::asks_to_adopt) { format!("{next} --adopt") } else { next }
    }

    pub(super) fn finish(&self, journal: &Journal, verdict: &Verdict, took: Duration) -> RunFinished {
        let release = journal.release();
        let label = |id: &StepId| release.start.steps[id.index()].label();
        let failed = |list: &[(StepId, Failure)]| {
            list.iter().map(|(id, failure)| FailedStep { step: label(id), reason: failure.message.clone() }).collect::<Vec<_>>()
        };
        let not_started = |id: &StepId| release.is_selected(*id) && release.step(*id).state == StepState::Waiting;
        let waiting_on = match verdict {
            Verdict::Waiting { on } => on.clone(),
            _ => Vec::new(),
        };
        RunFinished {
            package: release.start.package.clone(),
            release: Some(release.start.release.to_string()),
            version: Some(release.start.version.clone()),
            verdict: verdict_name(verdict),
            succeeded: self.succeeded.iter().map(label).collect(),
            cached: self.cached,
            failed: failed(&self.failed),
            undone: self.undone.iter().map(label).collect(),
            undo_failed: failed(&self.undo_failed),
            not_started: release.step_ids().filter(|id| not_started(id)).map(|id| label(&id)).collect(),
            next: next(release, verdict, &waiting_on).map(|next| self.with_adopt(next)),
            waiting_on,
            environments: environments(release, verdict),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn verdict_name(verdict: &Verdict) -> RunVerdict {
    match verdict {
        Verdict::Succeeded | Verdict::Stopped | Verdict::Staged => RunVerdict::Succeeded,
        Verdict::Failed => RunVerdict::Failed,
        Verdict::Waiting { .. } => RunVerdict::Waiting,
        Verdict::Cancelled => RunVerdict::Cancelled,
        Verdict::Undone => RunVerdict::Undone,
        Verdict::Destroyed => RunVerdict::Destroyed,
    }
}

fn environments(release: &relrun_ledger::Release, verdict: &Verdict) -> Vec<EnvironmentLine> {
    // Of a destroy only where it worked is of interest: what the release did elsewhere is not what was asked.
    let worked = |name: &str| {
        let here = |id: &StepId| release.start.steps[id.index()].environment.as_deref() == Some(name);
        *verdict != Verdict::Destroyed || release.step_ids().any(|id| release.is_selected(id) && here(&id))
    };
    if matches!(release.start.kind, ReleaseKind::Errand { .. }) {
        // It is active nowhere, whatever it did.
        return Vec::new();
    }
    let touched = release.environments().into_iter().map(|name| (name, release.environment(name)));
    touched
        .filter(|(name, state)| *state != EnvironmentState::Untouched && worked(name))
        .map(|(name, state)| EnvironmentLine {
            environment: name.to_owned(),
            state: crate::words::environment_state(state).to_owned(),
            active: (state == EnvironmentState::Deployed).then(|| release.start.release.to_string()),
        })
        .collect()
}

/// Returns the command to type next.
fn next(release: &relrun_ledger::Release, verdict: &Verdict, waiting_on: &[String]) -> Option<String> {
    let id: ReleaseId = release.start.release;
    let blocked = release.environments().into_iter().find(|name| release.environment(name) == EnvironmentState::UndoFailed);
    match verdict {
        Verdict::Waiting { .. } => waiting_on.first().map(|what| match what.split_once(' ') {
            Some(("settle", step)) => format!("relrun settle {id} {step} --done|--not-done"),
            Some(("approve", gate)) => format!("relrun approve {id} {gate}"),
            _ => format!("relrun continue {id}"),
        }),
        Verdict::Cancelled if blocked.is_none() => Some(format!("relrun continue {id}")),
        Verdict::Failed | Verdict::Cancelled => Some(match blocked {
            Some(environment) if release.steps.iter().any(|step| matches!(step.state, StepState::DestroyFailed(_))) => {
                let deployment = release.start.steps.iter().find_map(|step| step.deployment.as_deref());
                format!("relrun destroy -e {environment}{}", crate::words::deployment_option(&release.start.package, deployment))
            }
            Some(environment) => format!("relrun undo {id} -e {environment}"),
            None => format!("relrun retry {id}"),
        }),
        Verdict::Succeeded | Verdict::Undone | Verdict::Destroyed | Verdict::Stopped | Verdict::Staged => None,
    }
}

pub(super) fn step_info(decl: &StepDecl) -> StepInfo {
    StepInfo { step: decl.label(), phase: decl.phase.clone(), environment: decl.environment.clone(), pure: decl.kind == StepKind::Pure }
}

pub(super) fn place(prepared: &Prepared, node: NodeId) -> Place {
    let (line, column) = prepared.loaded.line_column(prepared.step(node).name.span);
    Place { file: prepared.loaded.name.clone(), line, column }
}

pub(super) fn notice(level: LineLevel, text: &str) -> ReportEvent {
    ReportEvent::Notice { level, text: text.to_owned() }
}

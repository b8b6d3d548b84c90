//! Whether the ledger knows a release of this very identity, and what became of it.

use super::{Tools, read};
use crate::{EngineError, Workspace};
use relrun_ledger::{DeploymentKey, Deployments, Digest, EnvironmentState, ReleaseId, Status, StepId, StepState, Summary, Verdict};
use relrun_store::StreamId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which release is sought, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    /// Its package.
    pub package: String,
    /// Who it is.
    pub identity: Digest,
    /// The steps that are selected; absent: all.
    pub steps: Option<BTreeSet<StepId>>,
    /// The environments of these steps; absent: all.
    pub environments: Option<BTreeSet<String>>,
    /// The environments that have what is asked for by another release, which are not among these steps.
    pub standing: BTreeMap<String, ReleaseId>,
    /// The environments in which what stands was deployed with other values of its dependencies than there are now.
    pub outdated: BTreeSet<String>,
    /// Every environment that is declared.
    pub declared: BTreeSet<String>,
}

impl Sought {
    /// Whether what was left out because it stands by another release still does.
    pub(crate) fn still_stands(&self, summaries: &[Summary], deployment: Option<&str>) -> bool {
        let deployments = Deployments::of(summaries);
        self.standing.iter().all(|(environment, release)| {
            let deployment = super::settings::deployment_name(&self.package, deployment).to_owned();
            let key = DeploymentKey { environment: environment.clone(), deployment };
            deployments.active(&key).is_some_and(|active| active.release == *release)
        })
    }

    /// Returns the release that has all that is bound to an environment, where nothing else is due.
    fn stands_elsewhere(&self) -> Option<ReleaseId> {
        let is_all = self.environments.as_ref().is_some_and(BTreeSet::is_empty);
        self.standing.values().copied().max().filter(|_| is_all)
    }
}

/// What the ledger knows of this identity.
pub(super) enum Same {
    /// Nothing, or releases that something else stands over now: as many as this.
    None(usize),
    /// A release that did all that is selected, and stands.
    Done(Box<Summary>),
    /// A release whose other environments were carried; these are untouched.
    Goes(ReleaseId),
    /// A release that was begun and not finished.
    Unfinished(ReleaseId, Box<EngineError>),
}

/// Like [`find_same`], but waits for a process that carries the very release, as for any lock.
pub(super) fn find_same_at_rest(tools: &Tools<'_>, sought: &Sought) -> Result<Same, EngineError> {
    let find = || find_same(&tools.workspace, &super::summaries(&tools.workspace, &sought.package)?, sought);
    let same = find()?;
    let Same::Unfinished(release, _) = same else { return Ok(same) };
    // Only a living process holds this lock: what a dead one left is there to be taken up.
    let stream = StreamId { package: sought.package.clone(), release };
    drop(super::lock_run(&tools.workspace, &stream, &BTreeSet::new(), &tools.options.patience())?);
    find()
}

/// Looks for the release among the package's. What only they can tell is read from their records.
pub(super) fn find_same(workspace: &Workspace, summaries: &[Summary], sought: &Sought) -> Result<Same, EngineError> {
    let Some(summary) = summaries.iter().rev().find(|summary| summary.identity == sought.identity) else {
        let elsewhere = sought.stands_elsewhere().and_then(|id| summaries.iter().find(|summary| summary.release == id));
        return Ok(elsewhere.map_or(Same::None(0), |summary| Same::Done(Box::new(summary.clone()))));
    };
    let deployments = Deployments::of(summaries);
    let id = summary.release;
    if overtaken(&deployments, sought, summary) {
        return Ok(Same::None(made(summaries, sought.identity)));
    }
    // A whole release that succeeded needs no fold: this is the way of every run with nothing to do.
    if sought.steps.is_none() && sought.outdated.is_empty() && summary.status == Status::Ended(Verdict::Succeeded) && all_done(summary) {
        return Ok(Same::Done(Box::new(summary.clone())));
    }
    let release = read(workspace, &sought.package, id)?;
    let selected: Vec<StepId> = match &sought.steps {
        Some(steps) => steps.iter().copied().collect(),
        None => release.step_ids().collect(),
    };
    // Where its process died before it could write that it was through, that is still to be written.
    let is_at_rest = release.status != Status::Running;
    if is_at_rest && selected.iter().all(|&step| matches!(release.step(step).state, StepState::Succeeded(_))) {
        // Where others give something else now, the same must be deployed with it.
        let is_current = sought.outdated.is_empty();
        return Ok(if is_current { Same::Done(Box::new(summary.clone())) } else { Same::None(made(summaries, sought.identity)) });
    }
    // What was destroyed was meant to go; asked for again, it is another release.
    let gone = |step: &StepId| matches!(release.step(*step).state, StepState::Waiting | StepState::Succeeded(_) | StepState::Destroyed);
    if release.status == Status::Ended(Verdict::Destroyed) && selected.iter().all(gone) {
        return Ok(Same::None(made(summaries, sought.identity)));
    }
    let untouched = |step: &StepId| matches!(release.step(*step).state, StepState::Waiting | StepState::Succeeded(_));
    if release.status == Status::Ended(Verdict::Succeeded) && selected.iter().all(untouched) {
        return Ok(if sought.outdated.is_empty() { Same::Goes(id) } else { Same::None(made(summaries, sought.identity)) });
    }
    let command = match &release.status {
        Status::Running
        | Status::Ended(Verdict::Waiting { .. } | Verdict::Cancelled | Verdict::Stopped | Verdict::Staged | Verdict::Succeeded) => {
            "continue"
        }
        Status::Ended(Verdict::Failed | Verdict::Undone | Verdict::Destroyed) => "retry",
    };
    let message = format!("{id} is of this very manifest, inputs and files, and it is not finished ({})", at_rest(&release.status));
    let help = format!("type `relrun {command} {id}`; `relrun apply --force` makes a new release");
    Ok(Same::Unfinished(id, Box::new(EngineError::input(message, help))))
}

/// Returns what a release is that no process holds.
fn at_rest(status: &Status) -> &'static str {
    if *status == Status::Running { "left in the middle by a process that died" } else { crate::words::status(status) }
}

/// Returns how many releases of an identity there are.
pub(super) fn made(summaries: &[Summary], identity: Digest) -> usize {
    summaries.iter().filter(|summary| summary.identity == identity).count()
}

fn all_done(summary: &Summary) -> bool {
    summary.free_done && summary.environments.values().all(|there| there.state == EnvironmentState::Deployed)
}

/// Whether another release stands now where this one did.
fn overtaken(deployments: &Deployments, sought: &Sought, summary: &Summary) -> bool {
    let selected = |environment: &str| sought.environments.as_ref().is_none_or(|environments| environments.contains(environment));
    summary.environments.iter().filter(|(name, there)| there.state == EnvironmentState::Deployed && selected(name)).any(|(name, there)| {
        there.deployments.iter().any(|deployment| {
            let key = DeploymentKey { environment: name.clone(), deployment: deployment.clone() };
            deployments.active(&key).is_some_and(|active| active.release != summary.release)
        })
    })
}

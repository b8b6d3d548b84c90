//! `apply`: a release of what the manifest, the inputs and the work tree are now.

use super::start::Draft;
use super::{Taken, Tools, read};
use crate::carry::Aim;
use crate::inputs::Inputs;
use crate::prepare::{LockFile, Prepared};
use crate::survey::Survey;
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::Selection;
use relrun_ledger::{
    DeploymentKey, Deployments, Digest, EnvironmentState, ReleaseId, ReleaseKind, RunKind, Status, StepId, StepState, Summary, Verdict,
};
use relrun_report::{RunFinished, RunVerdict};
use relrun_store::StreamId;
use std::collections::BTreeSet;

/// What is asked of `apply` and `plan`.
#[derive(Clone, Debug, Default)]
pub struct ApplyRequest {
    /// `-e`: narrows which environments are expanded.
    pub environments: Vec<String>,
    /// `--phase`: narrows which phases run.
    pub phases: Vec<String>,
    /// `-i`: name and text.
    pub inputs: Vec<(String, String)>,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--force`: a new id, and effects run again.
    pub force: bool,
    /// One line about it: the commit's first line.
    pub description: Option<String>,
    /// The identity that a saved plan was made for.
    pub planned: Option<Digest>,
    /// Which release this one follows, where `retry -i` makes it.
    pub follows: Option<ReleaseId>,
}

/// A manifest made ready for one request.
pub struct Applied {
    /// Its steps.
    pub prepared: Prepared,
    /// What they are made from.
    pub survey: Survey,
    /// The components.
    pub lock: LockFile,
    /// Who it is.
    pub identity: Digest,
    /// What is selected; absent: all.
    pub steps: Option<BTreeSet<StepId>>,
}

/// Prepares a manifest for a request, and says which release it would be. Runs nothing.
pub async fn identity_of(workspace: &Workspace, loaded: Loaded, request: &ApplyRequest) -> Result<Applied, EngineError> {
    let inputs = Inputs::settle(&loaded, &request.inputs)?;
    prepare(workspace, loaded, inputs, request).await
}

async fn prepare(workspace: &Workspace, loaded: Loaded, inputs: Inputs, request: &ApplyRequest) -> Result<Applied, EngineError> {
    let prepared = Prepared::new(workspace, loaded, inputs, None, request.deployment.as_deref()).await?;
    let steps = select(&prepared, request)?;
    let survey = Survey::new(workspace, &prepared, &|_| true)?;
    let lock = LockFile::of(&prepared.plugins);
    let identity = survey.identity(&prepared, &lock);
    Ok(Applied { prepared, survey, lock, identity, steps })
}

fn select(prepared: &Prepared, request: &ApplyRequest) -> Result<Option<BTreeSet<StepId>>, EngineError> {
    if request.environments.is_empty() && request.phases.is_empty() {
        return Ok(None);
    }
    let some = |names: &[String]| (!names.is_empty()).then(|| names.iter().cloned().collect::<BTreeSet<_>>());
    let selection =
        Selection { environments: some(&request.environments), phases: some(&request.phases), deployment: request.deployment.clone() };
    let loaded = &prepared.loaded;
    let narrow = relrun_graph::Graph::expand(&loaded.manifest, &loaded.environments, &selection)
        .map_err(|errors| EngineError::graph(errors, loaded))?;
    let nodes = narrow.nodes().iter().filter_map(|node| prepared.meant(&node.name, node.environment_name.as_deref()));
    Ok(Some(nodes.map(|node| StepId(node.0)).collect()))
}

/// Carries a release of what the manifest is now as far as it goes.
pub async fn apply(tools: Tools<'_>, loaded: Loaded, request: &ApplyRequest) -> Result<RunFinished, EngineError> {
    let applied = identity_of(&tools.workspace, loaded, request).await?;
    carry(tools, applied, request).await
}

/// Carries a release whose inputs are typed already.
pub(super) async fn apply_with(
    tools: Tools<'_>,
    loaded: Loaded,
    inputs: Inputs,
    request: &ApplyRequest,
) -> Result<RunFinished, EngineError> {
    let applied = prepare(&tools.workspace, loaded, inputs, request).await?;
    carry(tools, applied, request).await
}

async fn carry(tools: Tools<'_>, applied: Applied, request: &ApplyRequest) -> Result<RunFinished, EngineError> {
    if request.planned.is_some_and(|planned| planned != applied.identity) {
        return Err(EngineError::input(
            "what the plan saw has changed since: the manifest, an input, a plugin or a file that a step reads",
            "make a new plan: `relrun plan --out FILE`",
        ));
    }
    let same = if request.force { Same::None(usize::MAX) } else { find_same_at_rest(&tools, &applied)? };
    // A secret that is missing must be known before there is a release.
    let secrecy = || crate::secrets::read(&tools.workspace, &applied.prepared.loaded);
    let (secrecy, taken) = match same {
        Same::Done(summary) => return Ok(nothing_to_do(&applied, &summary)),
        Same::Unfinished(_, error) => return Err(*error),
        Same::Goes(id) => {
            (secrecy()?, Taken::take_up(&tools.workspace, &package(&applied), id, applied.steps.clone(), tools.options.lock_wait)?)
        }
        Same::None(seen) => (secrecy()?, draft(&applied, request).begin(&tools, seen)?),
    };
    tools.carry(applied.prepared, applied.survey, taken, secrecy, (RunKind::Apply, Aim::Forward, "apply")).await
}

fn draft<'a>(applied: &'a Applied, request: &ApplyRequest) -> Draft<'a> {
    Draft {
        prepared: &applied.prepared,
        survey: &applied.survey,
        kind: request.follows.map_or(ReleaseKind::Apply, |of| ReleaseKind::Retry { of }),
        lock: applied.lock.clone(),
        identity: applied.identity,
        steps: applied.steps.clone(),
        record: None,
        version: None,
        description: request.description.clone(),
    }
}

fn package(applied: &Applied) -> String {
    applied.prepared.loaded.manifest.package.name.value.to_string()
}

/// What the ledger knows of this identity.
enum Same {
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
fn find_same_at_rest(tools: &Tools<'_>, applied: &Applied) -> Result<Same, EngineError> {
    let same = find_same(&tools.workspace, applied)?;
    let Same::Unfinished(release, _) = same else { return Ok(same) };
    // Only a living process holds this lock: what a dead one left is there to be taken up.
    let stream = StreamId { package: package(applied), release };
    drop(super::lock_run(&tools.workspace, &stream, &BTreeSet::new(), tools.options.lock_wait)?);
    find_same(&tools.workspace, applied)
}

fn find_same(workspace: &Workspace, applied: &Applied) -> Result<Same, EngineError> {
    let package = package(applied);
    let summaries = super::summaries(workspace, &package)?;
    let Some(summary) = summaries.iter().rev().find(|summary| summary.identity == applied.identity) else { return Ok(Same::None(0)) };
    let deployments = Deployments::of(&summaries);
    let id = summary.release;
    if overtaken(&deployments, applied, summary) {
        return Ok(Same::None(made(&summaries, applied.identity)));
    }
    // A whole release that succeeded needs no fold: this is the way of every run with nothing to do.
    if applied.steps.is_none() && summary.status == Status::Ended(Verdict::Succeeded) && all_done(summary) {
        return Ok(Same::Done(Box::new(summary.clone())));
    }
    let release = read(workspace, &package, id)?;
    let selected: Vec<StepId> = match &applied.steps {
        Some(steps) => steps.iter().copied().collect(),
        None => release.step_ids().collect(),
    };
    // Where its process died before it could write that it was through, that is still to be written.
    let is_at_rest = release.status != Status::Running;
    if is_at_rest && selected.iter().all(|&step| matches!(release.step(step).state, StepState::Succeeded(_))) {
        return Ok(Same::Done(Box::new(summary.clone())));
    }
    let untouched = |step: &StepId| matches!(release.step(*step).state, StepState::Waiting | StepState::Succeeded(_));
    if release.status == Status::Ended(Verdict::Succeeded) && selected.iter().all(untouched) {
        return Ok(Same::Goes(id));
    }
    let command = match &release.status {
        Status::Running | Status::Ended(Verdict::Waiting { .. } | Verdict::Cancelled | Verdict::Stopped | Verdict::Succeeded) => "continue",
        Status::Ended(Verdict::Failed | Verdict::Undone | Verdict::Destroyed) => "retry",
    };
    let message =
        format!("{id} is of this very manifest, inputs and files, and it is not finished ({})", crate::words::status(&release.status));
    let help = format!("type `relrun {command} {id}`; `relrun apply --force` makes a new release");
    Ok(Same::Unfinished(id, Box::new(EngineError::input(message, help))))
}

/// Returns how many releases of an identity there are.
pub(super) fn made(summaries: &[Summary], identity: Digest) -> usize {
    summaries.iter().filter(|summary| summary.identity == identity).count()
}

fn all_done(summary: &Summary) -> bool {
    summary.free_done && summary.environments.values().all(|there| there.state == EnvironmentState::Deployed)
}

/// Whether another release stands now where this one did.
fn overtaken(deployments: &Deployments, applied: &Applied, summary: &Summary) -> bool {
    let selected = |environment: &str| {
        applied.steps.as_ref().is_none_or(|steps| {
            steps.iter().any(|step| {
                let node = relrun_graph::NodeId(step.0);
                applied.prepared.environment(node).is_some_and(|found| *found.name == *environment)
            })
        })
    };
    summary.environments.iter().filter(|(name, there)| there.state == EnvironmentState::Deployed && selected(name)).any(|(name, there)| {
        there.deployments.iter().any(|deployment| {
            let key = DeploymentKey { environment: name.clone(), deployment: deployment.clone() };
            deployments.active(&key).is_some_and(|active| active.release != summary.release)
        })
    })
}

fn nothing_to_do(applied: &Applied, summary: &Summary) -> RunFinished {
    RunFinished {
        package: package(applied),
        release: Some(summary.release.to_string()),
        version: Some(summary.version.clone()),
        verdict: RunVerdict::NothingToDo,
        ..RunFinished::default()
    }
}

//! `undo` and `destroy`: the way back, by hand.

use super::due::Gone;
use super::{Taken, Tools, read, snapshot, summaries};
use crate::carry::Aim;
use crate::dependency::{Board, User};
use crate::survey::Survey;
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{DeploymentKey, Deployments, EnvironmentState, Release, ReleaseId, RunKind, StepId};
use relrun_report::{RunFinished, RunVerdict};
use std::collections::BTreeSet;

/// What is asked of `undo` and `destroy`.
#[derive(Clone, Debug, Default)]
pub struct BackRequest {
    /// Which release; for `destroy`, always the one that stands there.
    pub release: Option<ReleaseId>,
    /// `-e`; all of the release's environments where it is empty.
    pub environments: Vec<String>,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--force`: destroy it though others use what it gives.
    pub force: bool,
}

/// Undoes what a release did, in reverse order, where nothing newer stands over it.
pub async fn undo(tools: Tools<'_>, loaded: Loaded, request: &BackRequest) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let id = super::find_of(&tools.workspace, &package, request.release, request.deployment.as_deref())?;
    let release = read(&tools.workspace, &package, id)?;
    let environments = chosen(&release, &request.environments)?;
    let deployments = Deployments::of(&summaries(&tools.workspace, &package)?);
    for environment in &environments {
        check_on_top(&release, &deployments, environment)?;
    }
    go(tools, loaded, release, &environments, (RunKind::Undo, Aim::Undo, "undo")).await
}

/// Destroys the deployment that stands in each environment, whatever its history.
pub async fn destroy(tools: Tools<'_>, loaded: Loaded, request: &BackRequest) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.clone();
    let deployment = request.deployment.clone().unwrap_or_else(|| package.name.clone());
    let package = package.to_string();
    let releases = summaries(&tools.workspace, &package)?;
    let deployments = Deployments::of(&releases);
    let [environment] = request.environments.as_slice() else {
        return Err(EngineError::input("destroy needs one environment", "type `relrun destroy -e ENVIRONMENT`"));
    };
    let key = DeploymentKey { environment: environment.clone(), deployment: deployment.clone() };
    // What could not be destroyed the first time is tried again before anything else.
    let left = releases.iter().rev().find(|summary| {
        summary.environments.get(environment).is_some_and(|there| {
            there.deployments.contains(&deployment)
                && matches!(there.state, EnvironmentState::UndoFailed | EnvironmentState::Half | EnvironmentState::Working)
        })
    });
    let id = left.map(|summary| summary.release).or_else(|| deployments.active(&key).map(|active| active.release));
    let Some(id) = id else {
        return Err(EngineError::input(
            format!("nothing of {package} stands in {environment} as \"{deployment}\""),
            "type `relrun status` to see what is where",
        ));
    };
    if !request.force {
        check_unused(&tools.workspace, &package, &key)?;
    }
    let release = read(&tools.workspace, &package, id)?;
    go(tools, loaded, release, &BTreeSet::from([environment.clone()]), (RunKind::Destroy, Aim::Destroy, "destroy")).await
}

/// Refuses to take away what others use.
fn check_unused(workspace: &Workspace, package: &str, place: &DeploymentKey) -> Result<(), EngineError> {
    let board = Board::read(workspace)?;
    let users = board.users(package, place);
    let Some(first) = users.first() else { return Ok(()) };
    let words: Vec<String> = users.iter().map(User::words).collect();
    let verb = if users.len() == 1 { "uses" } else { "use" };
    let option = crate::words::deployment_option(&first.package, Some(&first.place.1));
    let help = format!("destroy that first: `relrun destroy -m {} -e {}{option}`; or say `--force`", first.package, first.place.0);
    Err(EngineError::input(format!("{} {verb} what {package} gives in {}", crate::text::join(&words), place.environment), help))
}

/// Destroys what stands in environments that are declared no longer, one after another. Where a step of one fails the others still go.
/// `before` is what was done before it; the last run's end is returned, the others' are told.
pub(super) async fn destroy_gone(
    mut tools: Tools<'_>,
    loaded: &Loaded,
    gone: &[Gone],
    before: RunFinished,
) -> Result<RunFinished, EngineError> {
    let mut ended = before;
    let mut failed = None;
    for Gone { place, .. } in gone {
        let request = BackRequest {
            release: None,
            environments: vec![place.environment.clone()],
            deployment: Some(place.deployment.clone()),
            // Whatever uses it there stands in an environment that is gone too.
            force: true,
        };
        tools.tell(ended);
        ended = Box::pin(destroy(tools.again(), loaded.clone(), &request)).await?;
        if ended.verdict != RunVerdict::Destroyed {
            failed = Some(ended.clone());
        }
    }
    match failed {
        // A later one that went well must not hide it.
        Some(failed) if ended.verdict == RunVerdict::Destroyed => {
            tools.tell(ended);
            Ok(failed)
        }
        _ => Ok(ended),
    }
}

async fn go(
    tools: Tools<'_>,
    loaded: Loaded,
    release: Release,
    environments: &BTreeSet<String>,
    run: (RunKind, Aim, &'static str),
) -> Result<RunFinished, EngineError> {
    let steps: BTreeSet<StepId> = release
        .step_ids()
        .filter(|step| release.start.steps[step.index()].environment.as_ref().is_some_and(|name| environments.contains(name)))
        .collect();
    let prepared = snapshot(&tools.workspace, &release, &loaded).await?;
    let survey = Survey::new(&tools.workspace, &prepared, &|_| false)?;
    let secrecy = {
        let there = |node: relrun_graph::NodeId| prepared.environment(node).is_some_and(|found| environments.contains(&found.name.value));
        crate::secrets::read(&tools.workspace, &prepared, &there)?
    };
    let (package, id) = (release.start.package.clone(), release.start.release);
    let taken = Taken::take_up(&tools.workspace, &package, id, Some(steps), &tools.options.patience())?;
    tools.carry(prepared, survey, taken, secrecy, run).await
}

fn chosen(release: &Release, asked: &[String]) -> Result<BTreeSet<String>, EngineError> {
    let id = release.start.release;
    let there: BTreeSet<String> = release.environments().into_iter().map(str::to_owned).collect();
    let standing: BTreeSet<String> = release
        .environments()
        .into_iter()
        .filter(|name| {
            let state = release.environment(name);
            !matches!(state, EnvironmentState::Untouched | EnvironmentState::Undone | EnvironmentState::Destroyed)
        })
        .map(str::to_owned)
        .collect();
    for name in asked {
        if !there.contains(name) {
            let known: Vec<&String> = there.iter().collect();
            return Err(EngineError::input(format!("{id} has no environment \"{name}\""), format!("it has {}", crate::text::join(&known))));
        }
        if !standing.contains(name) {
            return Err(EngineError::input(format!("nothing of {id} stands in {name}"), "type `relrun status` to see what is where"));
        }
    }
    if standing.is_empty() {
        return Err(EngineError::input(format!("nothing of {id} stands in any environment"), "type `relrun status` to see what is where"));
    }
    Ok(if asked.is_empty() { standing } else { asked.iter().cloned().collect() })
}

/// Undoing what another release stands on would break that one.
fn check_on_top(release: &Release, deployments: &Deployments, environment: &str) -> Result<(), EngineError> {
    let id = release.start.release;
    if release.environment(environment) != EnvironmentState::Deployed {
        return Ok(());
    }
    let bound = release.start.steps.iter().filter(|step| step.environment.as_deref() == Some(environment));
    for deployment in bound.filter_map(|step| step.deployment.as_ref()) {
        let key = DeploymentKey { environment: environment.to_owned(), deployment: deployment.clone() };
        if let Some(active) = deployments.active(&key).filter(|active| active.release != id) {
            return Err(EngineError::input(
                format!("{} stands over {id} in {environment}", active.release),
                format!(
                    "type `relrun undo {}`, or `relrun rollback -e {environment}{} --to {id}`",
                    active.release,
                    crate::words::deployment_option(&release.start.package, Some(deployment))
                ),
            ));
        }
    }
    Ok(())
}

//! The first part of `release`: a release is built, tested, deployed to a scratch environment, checked there, and destroyed again.
//!
//! All of it is one release. Which of it is which is read from the manifest: phases without an environment build and test; of those that are for
//! the scratch environment, the ones with a `deploy` deploy, and the others check. What stands somewhere for good is never touched.

use super::apply::{ApplyRequest, apply, identity_of};
use super::package::{published_of, short};
use super::{BackRequest, Tools, destroy, read};
use crate::given::Given;
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{DeploymentKey, Deployments, EnvironmentState, Git, Release, StepState};
use relrun_manifest::{Phase, Role, Version, VersionRule, following};
use relrun_report::{RunFinished, RunVerdict};

/// A part that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The phases without an environment whose name is `test`, or begins with `test-`.
    Test,
    /// The scratch environment, and all that happens there.
    Deploy,
    /// The phases of the scratch environment that deploy nothing.
    Smoke,
    /// What was deployed stays.
    Destroy,
}

/// What is asked of the first part of `release`.
#[derive(Clone, Debug, Default)]
pub struct RehearseRequest {
    /// `-i`.
    pub inputs: Given,
    /// `--scratch`.
    pub scratch: Option<String>,
    /// `--skip`.
    pub skip: Vec<Skip>,
    /// `--force`.
    pub force: bool,
    /// One line about it.
    pub description: Option<String>,
    /// What git knows of the work tree.
    pub git: Option<Git>,
    /// The versions that the registry has.
    pub taken: Vec<Version>,
}

/// The label of a scratch environment.
const SCRATCH: &str = "scratch";

/// Builds and tries a release. What comes back is how its last run ended: any verdict but `failed` and its like says that it may be packed.
pub async fn rehearse(mut tools: Tools<'_>, loaded: Loaded, request: &RehearseRequest) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    check_may(&tools.workspace, &loaded, &package, request)?;
    let scratch = scratch(&tools.workspace, &loaded, &package, request)?;
    let mut asked = ApplyRequest {
        environments: scratch.iter().cloned().collect(),
        phases: phases(&loaded, scratch.is_some(), request),
        inputs: request.inputs.clone(),
        force: request.force,
        description: request.description.clone(),
        git: request.git.clone(),
        taken: request.taken.clone(),
        ..ApplyRequest::default()
    };
    if let Some(same) = same(&tools.workspace, &loaded, &asked).await?.filter(|_| !request.force) {
        // What was made of another commit, or before this one was, is not what a release of this commit is.
        asked.force = same.start.git != request.git;
        if !asked.force && is_tried(&same, &asked) {
            return Ok(RunFinished {
                package,
                release: Some(same.start.release.to_string()),
                version: Some(same.start.version),
                verdict: RunVerdict::NothingToDo,
                ..RunFinished::default()
            });
        }
    }
    let finished = Box::pin(apply(tools.again(), loaded.clone(), &asked)).await?;
    let went_well = matches!(finished.verdict, RunVerdict::Succeeded | RunVerdict::NothingToDo);
    let Some(environment) = scratch.filter(|_| went_well && !request.skip.contains(&Skip::Destroy)) else { return Ok(finished) };
    let (release, version) = (finished.release.clone(), finished.version.clone());
    tools.tell(finished);
    let back = BackRequest { environments: vec![environment], ..BackRequest::default() };
    let gone = Box::pin(destroy(tools, loaded, &back)).await?;
    Ok(RunFinished { release, version, ..gone })
}

/// Refuses what cannot be made again of a commit, a commit that has a version already, and a version that something else has.
fn check_may(workspace: &Workspace, loaded: &Loaded, package: &str, request: &RehearseRequest) -> Result<(), EngineError> {
    if request.force {
        return Ok(());
    }
    if let Some(git) = &request.git {
        if git.dirty {
            let message = format!("the work tree differs from its commit {}", short(&git.commit));
            return Err(EngineError::input(message, "commit first; or say `--force`"));
        }
        if let Some(other) = published_of(workspace, package, &git.commit, None)? {
            let message = format!("the commit {} was released already, as {} ({})", short(&git.commit), other.version, other.release);
            return Err(EngineError::input(message, "commit something new; or say `--force`, which makes the next id"));
        }
    }
    match &loaded.manifest.package.version.value {
        VersionRule::Exact(version) if request.taken.contains(version) => {
            let help = format!(
                "write `version=\"{}\"`, or `version=\"{}.{}.@\"` for the next free one",
                following(version),
                version.major,
                version.minor
            );
            Err(EngineError::input(format!("version {version} exists in the registry already"), help))
        }
        _ => Ok(()),
    }
}

/// Finds where it is tried; nowhere, where it is deployed nowhere or that is left out.
fn scratch(workspace: &Workspace, loaded: &Loaded, package: &str, request: &RehearseRequest) -> Result<Option<String>, EngineError> {
    let deploys = loaded.manifest.phases.iter().any(|phase| phase.environments.is_some());
    if !deploys || request.skip.contains(&Skip::Deploy) {
        return Ok(None);
    }
    let name = match &request.scratch {
        Some(name) => {
            super::promote::check_environment(loaded, name)?;
            name.clone()
        }
        None => labelled(loaded)?,
    };
    let summaries = super::summaries(workspace, package)?;
    let key = DeploymentKey { environment: name.clone(), deployment: loaded.manifest.package.name.value.name.clone() };
    if let Some(there) = Deployments::of(&summaries).active(&key) {
        let message = format!("{} stands in {name}, and what is tried there is destroyed", there.release);
        return Err(EngineError::input(message, format!("name another with `--scratch`, or make room: `relrun destroy -e {name}`")));
    }
    Ok(Some(name))
}

fn labelled(loaded: &Loaded) -> Result<String, EngineError> {
    let labelled: Vec<&str> = loaded
        .environments
        .iter()
        .filter(|environment| environment.labels.contains_key(SCRATCH))
        .map(|environment| environment.name.value.as_str())
        .collect();
    match labelled.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(EngineError::input(
            "there is no environment to try it in",
            "give one `label \"scratch\" \"yes\"`, name one with `--scratch ENV`, or leave it out with `--skip deploy`",
        )),
        many => Err(EngineError::input(
            format!("{} are labelled `scratch`", crate::text::join(many)),
            format!("say which: `--scratch {}`", many.join("`, or `--scratch ")),
        )),
    }
}

fn phases(loaded: &Loaded, is_tried: bool, request: &RehearseRequest) -> Vec<String> {
    let is_left_out = |phase: &&Phase| {
        let is_free = phase.environments.is_none();
        let is_test = phase.name.value == "test" || phase.name.value.starts_with("test-");
        let is_errand = phase.steps.iter().all(|step| step.role == Role::Errand);
        let deploys = phase.steps.iter().any(|step| step.role == Role::Deploy);
        (is_free && is_test && request.skip.contains(&Skip::Test))
            || (!is_free && !is_tried)
            || (!is_free && !deploys && request.skip.contains(&Skip::Smoke))
            || is_errand
    };
    let kept = loaded.manifest.phases.iter().filter(|phase| !is_left_out(phase));
    kept.map(|phase| phase.name.value.clone()).collect()
}

/// Returns the last release of this very identity.
async fn same(workspace: &Workspace, loaded: &Loaded, asked: &ApplyRequest) -> Result<Option<Release>, EngineError> {
    let sought = identity_of(workspace, loaded.clone(), asked).await?.sought;
    let summaries = super::summaries(workspace, &sought.package)?;
    let last = summaries.iter().rev().find(|summary| summary.identity == sought.identity);
    last.map(|last| read(workspace, &sought.package, last.release)).transpose()
}

/// Returns whether a release was built, tried and destroyed: what failed then was behind that.
fn is_tried(release: &Release, asked: &ApplyRequest) -> bool {
    let is_gone = |environment: &String| release.environment(environment) == EnvironmentState::Destroyed;
    let mut wanted = release.step_ids().filter(|&step| release.start.steps[step.index()].environment.is_none() && release.is_wanted(step));
    asked.environments.first().is_some_and(is_gone) && wanted.all(|step| matches!(release.step(step).state, StepState::Succeeded(_)))
}

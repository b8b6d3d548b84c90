//! `rollback`: a new release from an earlier record. Nothing is built, and nothing depends on the health of what it replaces.

use super::bring::{Bringing, bring, stood_as};
use super::{Tools, deployment_of, prepared_from, read};
use crate::dependency::{Needed, Uses};
use crate::inputs::Inputs;
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::Selection;
use relrun_ledger::{DeploymentKey, Deployments, ReleaseId, ReleaseKind};
use relrun_report::RunFinished;

/// What is asked of `rollback`.
#[derive(Clone, Debug, Default)]
pub struct RollbackRequest {
    /// `-e`.
    pub environment: String,
    /// `--to`; the last that was active and good where it is absent.
    pub to: Option<ReleaseId>,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--use`: the providers that are meant.
    pub uses: Uses,
}

/// Deploys an earlier record again.
pub async fn rollback(tools: Tools<'_>, loaded: Loaded, request: &RollbackRequest) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.clone();
    let deployment = request.deployment.clone().unwrap_or_else(|| package.name.clone());
    let package = package.to_string();
    let key = DeploymentKey { environment: request.environment.clone(), deployment };
    let target = choose(&tools.workspace, &package, &key, request.to)?;
    let record = read(&tools.workspace, &package, target)?;
    let selection = Selection { deployment: deployment_of(&record), ..Selection::default() };
    let prepared = prepared_from(&tools.workspace, &record, &loaded, &selection, |then| Inputs::recorded(then, &record.start)).await?;
    let bringing = Bringing {
        kind: ReleaseKind::Rollback { to: target },
        environments: std::slice::from_ref(&request.environment),
        planned: None,
        needed: Needed::of_record(&prepared.loaded, &record, record.start.part_of.clone(), &request.uses)?,
        description: format!("rollback to {target}"),
        command: "rollback",
    };
    bring(tools, &loaded, prepared, &record, bringing).await
}

fn options(package: &str, key: &DeploymentKey) -> String {
    format!("-e {}{}", key.environment, crate::words::deployment_option(package, Some(&key.deployment)))
}

fn choose(workspace: &Workspace, package: &str, key: &DeploymentKey, to: Option<ReleaseId>) -> Result<ReleaseId, EngineError> {
    let summaries = super::summaries(workspace, package)?;
    let deployments = Deployments::of(&summaries);
    let environment = &crate::words::place(package, &key.environment, Some(&key.deployment));
    if let Some(to) = to {
        let known = once_whole(workspace, package, &summaries, key)?;
        if known.contains(&to) {
            return Ok(to);
        }
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let help =
            if known.is_empty() { "nothing was deployed there".to_owned() } else { format!("there were {}", crate::text::join(&known)) };
        return Err(EngineError::input(format!("{to} was never deployed whole in {environment}"), help));
    }
    let Some(active) = deployments.active(key) else {
        let help = match once_whole(workspace, package, &summaries, key)?.last() {
            Some(last) => {
                format!("{last} was deployed there last; to bring it back, type `relrun rollback {} --to {last}`", options(package, key))
            }
            None => "type `relrun status` to see what is where".to_owned(),
        };
        return Err(EngineError::input(format!("nothing of {package} stands in {environment}"), help));
    };
    // What an earlier rollback brought back is its target's record, not a release to go back to.
    let stands = stood_as(&summaries, active.release);
    let earlier = deployments.history(key).iter().rev().skip(1).filter(|deployed| deployed.good);
    earlier.map(|deployed| deployed.release).find(|&release| stood_as(&summaries, release) != stands).ok_or_else(|| {
        EngineError::input(
            format!("there is nothing to go back to in {environment}: {} is the only good release that was active there", active.release),
            "type `relrun releases list`, and name one with `--to`",
        )
    })
}

/// Returns the releases that were deployed there whole at some time, oldest first: also those that were undone or destroyed since. A rollback
/// needs their record, and nothing of what stands there now.
fn once_whole(
    workspace: &Workspace,
    package: &str,
    summaries: &[relrun_ledger::Summary],
    key: &DeploymentKey,
) -> Result<Vec<ReleaseId>, EngineError> {
    let there = |summary: &&relrun_ledger::Summary| {
        let there = summary.environments.get(&key.environment);
        there.is_some_and(|there| there.deployed_at.is_some() && there.deployments.contains(&key.deployment))
    };
    let mut whole = Vec::new();
    for summary in summaries.iter().filter(there) {
        let release = read(workspace, package, summary.release)?;
        let mut wanted = release.step_ids().filter(|&step| {
            let decl = &release.start.steps[step.index()];
            release.is_wanted(step) && decl.environment.as_ref().is_none_or(|name| *name == key.environment)
        });
        if wanted.all(|step| release.step(step).outcome.is_some()) {
            whole.push(summary.release);
        }
    }
    Ok(whole)
}

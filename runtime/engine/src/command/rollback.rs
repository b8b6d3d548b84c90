//! `rollback`: a new release from an earlier record. Nothing is built, and nothing depends on the health of what it replaces.

use super::bring::{Bringing, bring, stood_as};
use super::{Tools, read, snapshot};
use crate::{EngineError, Loaded, Workspace};
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
}

/// Deploys an earlier record again.
pub async fn rollback(tools: Tools<'_>, loaded: Loaded, request: &RollbackRequest) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.clone();
    let deployment = request.deployment.clone().unwrap_or_else(|| package.name.clone());
    let package = package.to_string();
    let key = DeploymentKey { environment: request.environment.clone(), deployment };
    let target = choose(&tools.workspace, &package, &key, request.to)?;
    let record = read(&tools.workspace, &package, target)?;
    let prepared = snapshot(&tools.workspace, &record, &loaded).await?;
    let bringing = Bringing {
        kind: ReleaseKind::Rollback { to: target },
        environment: &request.environment,
        description: format!("rollback to {target}"),
        command: "rollback",
    };
    bring(tools, &loaded, prepared, &record, bringing).await
}

fn choose(workspace: &Workspace, package: &str, key: &DeploymentKey, to: Option<ReleaseId>) -> Result<ReleaseId, EngineError> {
    let summaries = super::summaries(workspace, package)?;
    let deployments = Deployments::of(&summaries);
    let environment = &key.environment;
    if let Some(to) = to {
        let deployed = deployments.history(key).iter().any(|deployed| deployed.release == to);
        if deployed {
            return Ok(to);
        }
        let known: Vec<String> = deployments.history(key).iter().map(|deployed| deployed.release.to_string()).collect();
        let help =
            if known.is_empty() { "nothing was deployed there".to_owned() } else { format!("there were {}", crate::text::join(&known)) };
        return Err(EngineError::input(format!("{to} was never deployed whole in {environment}"), help));
    }
    let Some(active) = deployments.active(key) else {
        return Err(EngineError::input(
            format!("nothing of {package} stands in {environment}"),
            "type `relrun status` to see what is where",
        ));
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

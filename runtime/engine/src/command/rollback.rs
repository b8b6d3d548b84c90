//! `rollback`: a new release from an earlier record. Nothing is built, and nothing depends on the health of what it replaces.

use super::start::Draft;
use super::{Tools, read, snapshot};
use crate::carry::Aim;
use crate::prepare::LockFile;
use crate::survey::Survey;
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{DeploymentKey, Deployments, Release, ReleaseId, ReleaseKind, RunKind, StepId};
use relrun_report::RunFinished;
use std::collections::BTreeSet;

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
    if prepared.loaded.environment(&request.environment).is_none() {
        return Err(EngineError::input(
            format!("environment \"{}\" is no longer declared", request.environment),
            "bring it back into relrun.kdl",
        ));
    }
    let survey = Survey::new(&tools.workspace, &prepared, &|node| prepared.environment(node).is_some())?;
    let steps: BTreeSet<StepId> = prepared
        .graph
        .topological()
        .filter(|&node| prepared.environment(node).is_some_and(|environment| *environment.name == request.environment))
        .map(|node| StepId(node.0))
        .collect();
    let lock = LockFile::of(&prepared.plugins);
    let identity = identity(&record, &prepared.loaded, tools.workspace.runs.summaries(&package)?.len());
    let secrecy = crate::secrets::read(&tools.workspace, &prepared.loaded)?;
    let draft = Draft {
        prepared: &prepared,
        survey: &survey,
        kind: ReleaseKind::Rollback { to: target },
        lock,
        identity,
        steps: Some(steps),
        record: Some(&record),
        version: Some(record.start.version.clone()),
        description: Some(format!("rollback to {target}")),
    };
    let taken = draft.begin(&tools, usize::MAX)?;
    tools.carry(prepared, survey, taken, secrecy, (RunKind::Apply, Aim::Forward, "rollback")).await
}

/// Every rollback is a release of its own, even to the same record twice.
fn identity(record: &Release, loaded: &Loaded, count: usize) -> relrun_ledger::Digest {
    let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 rollback identity v1");
    hasher.update(&record.start.identity.0).update(&loaded.digest.0).update(&(count as u64).to_le_bytes());
    hasher.finalize().into()
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
    let stands = origin_of(&summaries, active.release);
    let earlier = deployments.history(key).iter().rev().skip(1).filter(|deployed| deployed.good);
    earlier.map(|deployed| deployed.release).find(|&release| origin_of(&summaries, release) != stands).ok_or_else(|| {
        EngineError::input(
            format!("there is nothing to go back to in {environment}: {} is the only good release that was active there", active.release),
            "type `relrun releases list`, and name one with `--to`",
        )
    })
}

fn origin_of(summaries: &[relrun_ledger::Summary], id: ReleaseId) -> ReleaseId {
    let mut at = id;
    // Each rollback points to an older release, so this ends.
    while let Some(ReleaseKind::Rollback { to }) = summaries.iter().find(|summary| summary.release == at).map(|summary| &summary.kind) {
        at = *to;
    }
    at
}

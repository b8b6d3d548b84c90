//! Drift: whether what was deployed still stands as it was left. Each plugin is asked about what it did, and nothing is changed.

use crate::ask::{Asker, Question};
use crate::prepare::Prepared;
use crate::{EngineError, Loaded, Workspace};
use relrun_host::{Health, Operation, Reply};
use relrun_ledger::{DeploymentKey, Deployments, Release, ReleaseId, StepId, StepKind, StepState};
use std::collections::BTreeMap;

/// What a plugin says of one step's work.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Where it stands.
    pub deployment: DeploymentKey,
    /// The release that did it.
    pub release: ReleaseId,
    /// The step.
    pub step: String,
    /// What was found, or why the plugin could not tell.
    pub health: Result<Health, String>,
}

impl Verified {
    /// Whether it stands as it was left.
    pub fn is_intact(&self) -> bool {
        self.health == Ok(Health::Intact)
    }
}

/// Asks about everything that is active where it is wanted.
///
/// # Errors
/// Where a release cannot be read. What a plugin cannot tell is an answer.
pub async fn verify(workspace: &Workspace, now: &Loaded, wanted: &dyn Fn(&DeploymentKey) -> bool) -> Result<Vec<Verified>, EngineError> {
    let package = now.manifest.package.name.value.to_string();
    let deployments = Deployments::of(&crate::command::summaries(workspace, &package)?);
    let mut places: BTreeMap<ReleaseId, Vec<DeploymentKey>> = BTreeMap::new();
    for (key, active) in deployments.all().filter(|(key, _)| wanted(key)) {
        places.entry(active.release).or_default().push(key.clone());
    }
    let mut found = Vec::new();
    for (id, keys) in places {
        let release = crate::command::read(workspace, &package, id)?;
        let prepared = crate::command::snapshot(workspace, &release, now).await?;
        let asker = {
            let there = |node: relrun_graph::NodeId| {
                prepared.environment(node).is_some_and(|found| keys.iter().any(|key| key.environment == *found.name))
            };
            Asker::new(workspace, &prepared, &there)?
        };
        for key in keys {
            for step in effects_at(&release, &key) {
                let health = one(workspace, &asker, &prepared, &release, step).await;
                let step = release.start.steps[step.index()].name.clone();
                found.push(Verified { deployment: key.clone(), release: id, step, health });
            }
        }
    }
    Ok(found)
}

fn effects_at(release: &Release, key: &DeploymentKey) -> Vec<StepId> {
    let is_there = |step: &StepId| {
        let decl = &release.start.steps[step.index()];
        let here = decl.environment.as_ref() == Some(&key.environment) && decl.deployment.as_ref() == Some(&key.deployment);
        here && decl.kind == StepKind::Effect && matches!(release.step(*step).state, StepState::Succeeded(_))
    };
    release.step_ids().filter(is_there).collect()
}

async fn one(workspace: &Workspace, asker: &Asker<'_>, prepared: &Prepared, release: &Release, step: StepId) -> Result<Health, String> {
    let decl = &release.start.steps[step.index()];
    let node = prepared
        .meant(&decl.name, decl.environment.as_deref())
        .filter(|&node| prepared.environment(node).map(|found| found.name.value.as_str()) == decl.environment.as_deref())
        .ok_or("the environment is no longer what it was")?;
    let record = release.step(step);
    let receipt = record.receipt.clone().unwrap_or_default();
    let digest = record.config.ok_or("its config was not recorded")?;
    let bytes = workspace.blobs.get(digest).map_err(|error| format!("its recorded config cannot be read: {error}"))?;
    let config = serde_json::from_slice(&bytes).map_err(|error| format!("its recorded config cannot be read: {error}"))?;
    let id = release.start.release.to_string();
    let question =
        Question { prepared, node, operation: Operation::Verify(receipt.clone()), config, release: &id, previous: Some(receipt) };
    match asker.ask(question).await {
        Ok(Reply::Health(health)) => Ok(health),
        Ok(_) => Err("the plugin answered another operation".to_owned()),
        Err(failure) => Err(failure.message),
    }
}

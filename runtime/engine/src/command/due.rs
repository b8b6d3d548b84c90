//! What is due: which environments have already what a manifest asks for, and which are gone from it.
//!
//! An environment that was added must get its deployment, and the others must not get theirs again: what stands there is compared with what is
//! asked for, as each step's own part of the identity tells it. Nothing here looks at the world.

use super::apply::environments_of;
use super::{Sought, read};
use crate::prepare::{LockFile, Prepared};
use crate::survey::Survey;
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_graph::NodeId;
use relrun_ledger::{DeploymentKey, Deployments, Digest, EnvironmentState, Release, ReleaseId, StepId, StepState, Summary};
use relrun_manifest::Manifest;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked for, beside what stands.
pub(super) struct Asked<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) prepared: &'a Prepared,
    pub(super) survey: &'a Survey,
    pub(super) lock: &'a LockFile,
}

impl Asked<'_> {
    /// Takes out of what is sought the environments that have it by another release: nothing is due there.
    pub(super) fn leave_out_standing(&self, mut sought: Sought) -> Result<Sought, EngineError> {
        let all: BTreeSet<StepId> = self.prepared.graph.topological().map(|node| StepId(node.0)).collect();
        let mut steps = sought.steps.clone().unwrap_or(all);
        let summaries = super::summaries(self.workspace, &sought.package)?;
        let deployments = Deployments::of(&summaries);
        // What stands by the last release of this identity is found by it, but where that has to be made again for another environment.
        let last = summaries.iter().rev().find(|summary| summary.identity == sought.identity).map(|summary| summary.release);
        let last = last.filter(|_| sought.outdated.is_empty());
        for environment in environments_of(self.prepared, &steps).difference(&sought.outdated.clone()).cloned() {
            let here: BTreeSet<StepId> = steps.iter().copied().filter(|step| self.environment(*step) == Some(&environment)).collect();
            let deployment = here.iter().find_map(|step| self.prepared.nodes[step.index()].deployment.clone());
            let Some(deployment) = deployment else { continue };
            let key = DeploymentKey { environment: environment.clone(), deployment };
            let Some(active) = deployments.active(&key).filter(|active| Some(active.release) != last) else { continue };
            let release = read(self.workspace, &sought.package, active.release)?;
            if self.is_what_stands(&release, &environment, &here)? {
                steps.retain(|step| !here.contains(step));
                sought.standing.insert(environment, active.release);
            }
        }
        if !sought.standing.is_empty() {
            sought.environments = Some(environments_of(self.prepared, &steps));
            sought.steps = Some(steps);
        }
        Ok(sought)
    }

    fn environment(&self, step: StepId) -> Option<&String> {
        self.prepared.environment(NodeId(step.0)).map(|environment| &environment.name.value)
    }

    /// Whether a release was made of the same and did all of it.
    fn is_what_stands(&self, release: &Release, environment: &str, here: &BTreeSet<StepId>) -> Result<bool, EngineError> {
        let start = &release.start;
        let inputs = &self.prepared.inputs;
        let free = self.prepared.graph.topological().filter(|&node| self.prepared.environment(node).is_none()).map(|node| StepId(node.0));
        let mut wanted = free.chain(here.iter().copied());
        let lock = serde_json::to_vec(self.lock).map(|bytes| Digest::of(&bytes)).ok();
        let same = start.inputs == inputs.free
            && start.settings.get(environment) == inputs.bound.get(environment)
            && Some(start.lock) == lock
            && wanted.all(|step| self.is_done(release, step))
            && self.has_no_more(release, environment);
        Ok(same && self.is_same_manifest(start.manifest)?)
    }

    fn is_done(&self, release: &Release, step: StepId) -> bool {
        let node = NodeId(step.0);
        let name = &self.prepared.step(node).name.value;
        release.find(name, self.environment(step).map(String::as_str)).is_some_and(|there| {
            release.start.steps[there.index()].fingerprint == self.survey.static_of(node)
                && matches!(release.step(there).state, StepState::Succeeded(_))
        })
    }

    /// Whether nothing stands there of a step that the manifest has no longer.
    fn has_no_more(&self, release: &Release, environment: &str) -> bool {
        let mut here = release.start.steps.iter().zip(&release.steps).filter(|(decl, _)| decl.environment.as_deref() == Some(environment));
        here.all(|(decl, step)| !step.may_stand() || self.prepared.meant(&decl.name, Some(environment)).is_some())
    }

    /// Whether two manifests say the same, but for environments and for where it stands in the text.
    fn is_same_manifest(&self, then: Digest) -> Result<bool, EngineError> {
        let loaded = &self.prepared.loaded;
        if then == loaded.digest {
            return Ok(true);
        }
        let text = String::from_utf8_lossy(&self.workspace.blobs.get(then)?).into_owned();
        let then = Loaded::new(self.workspace, Source::new(loaded.name.clone(), loaded.directory.clone(), text))?;
        Ok(said(&then.manifest) == said(&loaded.manifest))
    }
}

fn said(manifest: &Manifest) -> Value {
    let manifest = Manifest { environments: Vec::new(), ..manifest.clone() };
    let mut said = serde_json::to_value(&manifest).unwrap_or_default();
    forget_places(&mut said);
    said
}

fn forget_places(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_places),
        Value::Object(fields) if fields.len() == 2 && fields.contains_key("start") && fields.contains_key("len") => *value = Value::Null,
        Value::Object(fields) => fields.values_mut().for_each(forget_places),
        _ => {}
    }
}

/// A deployment in an environment that is declared no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Where it stands.
    pub place: DeploymentKey,
    /// The release that stands there, or what is left of it.
    pub release: ReleaseId,
}

/// Returns what stands in environments that are declared no longer.
pub fn gone(workspace: &Workspace, loaded: &Loaded) -> Result<Vec<Gone>, EngineError> {
    let declared: BTreeSet<String> = loaded.environments.iter().map(|environment| environment.name.value.clone()).collect();
    Ok(gone_of(&super::summaries(workspace, &loaded.manifest.package.name.value.to_string())?, &declared))
}

/// Like [`gone`], of the releases that there are.
pub(super) fn gone_of(summaries: &[Summary], declared: &BTreeSet<String>) -> Vec<Gone> {
    use EnvironmentState as State;
    let mut gone: BTreeMap<DeploymentKey, ReleaseId> = BTreeMap::new();
    let active = Deployments::of(summaries);
    gone.extend(active.all().map(|(key, active)| (key.clone(), active.release)));
    for summary in summaries {
        // What could not be taken away whole is still to be taken away.
        let left = |state: State| matches!(state, State::UndoFailed | State::Half | State::Working | State::Unknown);
        for (environment, there) in summary.environments.iter().filter(|(_, there)| left(there.state)) {
            let key = |deployment: &String| DeploymentKey { environment: environment.clone(), deployment: deployment.clone() };
            gone.extend(there.deployments.iter().map(|deployment| (key(deployment), summary.release)));
        }
    }
    gone.retain(|key, _| !declared.contains(&key.environment));
    gone.into_iter().map(|(place, release)| Gone { place, release }).collect()
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_manifest_says_the_same_with_other_environments_and_in_another_place() {
        let read = |text: &str| said(&relrun_manifest::parse("release.kdl", text, &["build"]).expect("it is valid"));
        let step = "step \"site\" plugin=\"build\" { config { command \"make\" } }";
        let before = read(&format!("package \"acme/shop\" version=\"1.4.@\"\n{step}"));
        let moved = format!("// a shop\npackage \"acme/shop\" version=\"1.4.@\"\nenvironment \"staging\" {{ approval \"us\" }}\n\n{step}");
        assert_eq!(before, read(&moved));
        assert_ne!(before, read(&moved.replace("1.4.@", "1.5.@")));
        assert_ne!(before, read(&moved.replace("\"make\"", "\"make\" \"all\"")));
        assert_ne!(before, read(&moved.replace("plugin=\"build\"", "plugin=\"build\" on-failure=\"stop\"")));
    }
}

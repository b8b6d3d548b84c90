//! Which release is active where: derived from the releases' summaries.

use crate::{DeploymentKey, EnvironmentState, Mark, ReleaseId, Summary};
use std::collections::BTreeMap;

/// A release that stands in an environment under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Which release.
    pub release: ReleaseId,
    /// When the last of its steps there succeeded.
    pub at: jiff::Timestamp,
    /// Whether a rollback may choose it.
    pub good: bool,
}

/// All deployments of a package, each with what was deployed there, oldest first; the last one is active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployments {
    history: BTreeMap<DeploymentKey, Vec<Deployed>>,
}

impl Deployments {
    /// Derives them from the releases' summaries, in any order.
    pub fn of<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Self {
        let mut history: BTreeMap<DeploymentKey, Vec<Deployed>> = BTreeMap::new();
        for summary in summaries {
            for (environment, there) in &summary.environments {
                let (EnvironmentState::Deployed, Some(at)) = (there.state, there.deployed_at) else { continue };
                for deployment in &there.deployments {
                    let key = DeploymentKey { environment: environment.clone(), deployment: deployment.clone() };
                    let good = !summary.marks.contains(&Mark::Bad);
                    history.entry(key).or_default().push(Deployed { release: summary.release, at, good });
                }
            }
        }
        for stack in history.values_mut() {
            stack.sort_by_key(|deployed| (deployed.at, deployed.release));
        }
        Self { history }
    }

    /// Returns what is active.
    pub fn active(&self, key: &DeploymentKey) -> Option<&Deployed> {
        self.history.get(key).and_then(|stack| stack.last())
    }

    /// Returns what a rollback without a target chooses: the last before the active one that is good.
    pub fn before_active(&self, key: &DeploymentKey) -> Option<&Deployed> {
        self.history.get(key).and_then(|stack| stack.iter().rev().skip(1).find(|deployed| deployed.good))
    }

    /// Returns every deployment with what is active there.
    pub fn all(&self) -> impl Iterator<Item = (&DeploymentKey, &Deployed)> {
        self.history.iter().filter_map(|(key, stack)| stack.last().map(|last| (key, last)))
    }

    /// Returns what was deployed there and still stands on record, oldest first.
    pub fn history(&self, key: &DeploymentKey) -> &[Deployed] {
        self.history.get(key).map_or(&[], Vec::as_slice)
    }
}

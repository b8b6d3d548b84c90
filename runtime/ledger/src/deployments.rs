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

/// All deployments of a package, each with what was deployed there, oldest first; the last one is active. What was undone, and what a destroy
/// took with it, is not among them: after an undo the one before is active again, after a destroy none is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployments {
    history: BTreeMap<DeploymentKey, Vec<Deployed>>,
}

impl Deployments {
    /// Derives them from the releases' summaries, in any order.
    pub fn of<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Self {
        let mut history: BTreeMap<DeploymentKey, Vec<Deployed>> = BTreeMap::new();
        let mut destroyed: BTreeMap<DeploymentKey, (jiff::Timestamp, ReleaseId)> = BTreeMap::new();
        for summary in summaries {
            for (environment, there) in &summary.environments {
                for deployment in &there.deployments {
                    let key = DeploymentKey { environment: environment.clone(), deployment: deployment.clone() };
                    if let Some(at) = there.destroyed_at {
                        let last = destroyed.entry(key.clone()).or_insert((at, summary.release));
                        *last = (at, summary.release).max(*last);
                    }
                    let (EnvironmentState::Deployed, Some(at)) = (there.state, there.deployed_at) else { continue };
                    let good = !summary.marks.contains(&Mark::Bad);
                    history.entry(key).or_default().push(Deployed { release: summary.release, at, good });
                }
            }
        }
        for (key, (at, by)) in destroyed {
            if let Some(stack) = history.get_mut(&key) {
                // A destroy takes everything with it that was there before. The release that was destroyed may stand there again since.
                stack.retain(|deployed| deployed.at > at || deployed.release == by);
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

//! What a list shows of a release without folding its whole stream. It is derived, and can be made again at any time.

use crate::{Actor, Digest, EnvironmentState, Mark, Offer, PartOf, Provider, Release, ReleaseId, ReleaseKind, Status, StepState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A release in a few words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id.
    pub release: ReleaseId,
    /// Its version.
    pub version: String,
    /// What it is.
    pub kind: ReleaseKind,
    /// Its identity.
    pub identity: Digest,
    /// What is true of it as a whole.
    pub status: Status,
    /// Whether every environment-free step succeeded, and no run left a bound one out on purpose where its environment was carried: then
    /// [`Summary::environments`] tells whether all is done.
    pub free_done: bool,
    /// What is true of it in each environment.
    pub environments: BTreeMap<String, EnvironmentSummary>,
    /// Its marks.
    pub marks: BTreeSet<Mark>,
    /// When it came to be.
    pub created: jiff::Timestamp,
    /// Who made it.
    pub actor: Actor,
    /// One line.
    pub description: Option<String>,
    /// What its manifest's `metadata` says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// Whether it was deployed in a freeze.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broke_glass: bool,
    /// The commit that it was made of, where the work tree was just that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The deployment that it was brought for, as a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<PartOf>,
}

/// A release in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSummary {
    /// What is true of it there.
    pub state: EnvironmentState,
    /// The deployments that it makes there.
    pub deployments: BTreeSet<String>,
    /// What `relrun env set` set there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, serde_json::Value>,
    /// When the last of its steps there succeeded.
    pub deployed_at: Option<jiff::Timestamp>,
    /// When the last of what stood there of it was destroyed, and with it whatever was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed_at: Option<jiff::Timestamp>,
    /// What met its requirements there, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub met: BTreeMap<String, Provider>,
    /// What it gives to others there.
    #[serde(default, skip_serializing_if = "Offer::is_empty")]
    pub offer: Offer,
}

impl Summary {
    /// Sums up a release.
    pub fn of(release: &Release) -> Self {
        let environments =
            release.environments().into_iter().map(|name| (name.to_owned(), EnvironmentSummary::of(release, name))).collect();
        let free_done = release.step_ids().all(|id| {
            let bound = release.start.steps[id.index()].environment.is_some();
            matches!(release.step(id).state, StepState::Succeeded(_)) || (bound && release.is_wanted(id))
        });
        Self {
            release: release.start.release,
            version: release.start.version.clone(),
            kind: release.start.kind.clone(),
            identity: release.start.identity,
            status: release.status.clone(),
            free_done,
            environments,
            marks: release.marks.clone(),
            created: release.created,
            actor: release.start.actor.clone(),
            description: release.start.description.clone(),
            metadata: release.metadata.clone(),
            broke_glass: !release.broken_glass.is_empty(),
            part_of: release.start.part_of.clone(),
            commit: release.start.git.as_ref().filter(|git| !git.dirty).map(|git| git.commit.clone()),
        }
    }
}

impl EnvironmentSummary {
    fn of(release: &Release, name: &str) -> Self {
        let bound = release.start.steps.iter().filter(|step| step.environment.as_deref() == Some(name));
        Self {
            state: release.environment(name),
            deployments: bound.filter_map(|step| step.deployment.clone()).collect(),
            set: release.start.set.get(name).cloned().unwrap_or_default(),
            deployed_at: release.deployed_at.get(name).copied(),
            destroyed_at: release.destroyed_at.get(name).copied(),
            met: release.met_in(name).clone(),
            offer: release.offers.get(name).cloned().unwrap_or_default(),
        }
    }
}

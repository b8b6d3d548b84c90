//! What a plan says of the things that a deployment needs of others.

use crate::dependency::{Absence, Found, Wiring};
use relrun_ledger::{Provider, ReleaseId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What it needs of others in one environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedDependency {
    /// The environment.
    pub environment: String,
    /// By which name steps refer to it.
    pub name: String,
    /// What meets it, what would be brought for it, or what would be waited for.
    #[serde(flatten)]
    pub state: DependencyState,
}

/// What would become of a need.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum DependencyState {
    /// It is met.
    Met {
        /// The package.
        package: String,
        /// Under which name it is deployed.
        deployment: String,
        /// The release that is active there.
        release: ReleaseId,
        /// Its version.
        version: String,
    },
    /// A part that would be deployed first.
    Brought {
        /// The package.
        package: String,
        /// Which version: the highest of these.
        version: String,
        /// Under which name.
        deployment: String,
    },
    /// It would be waited for.
    Waited {
        /// For what.
        what: String,
    },
}

/// Says what is needed where, and what meets it.
pub(super) fn planned_dependencies(wiring: &Wiring) -> Vec<PlannedDependency> {
    let state = |environment: &str, found: &Found| match found {
        Found::Met(provider) => {
            let (package, deployment) = (provider.package.clone(), provider.deployment.clone());
            DependencyState::Met { package, deployment, release: provider.release, version: provider.version.clone() }
        }
        Found::Absent(Absence::Part { package, version, selector, deployment }) => {
            let version = version.clone().unwrap_or_else(|| selector.clone());
            DependencyState::Brought { package: package.clone(), version, deployment: deployment.clone() }
        }
        Found::Absent(absence) => DependencyState::Waited { what: absence.words(environment) },
        Found::Refused { message, .. } => DependencyState::Waited { what: message.clone() },
    };
    let of = |(environment, found): (&String, &BTreeMap<String, Found>)| {
        let one = |(name, found): (&String, &Found)| PlannedDependency {
            environment: environment.clone(),
            name: name.clone(),
            state: state(environment, found),
        };
        found.iter().map(one).collect::<Vec<_>>()
    };
    wiring.iter().flat_map(of).collect()
}

/// Returns what is met already.
pub(super) fn met(wiring: &Wiring) -> BTreeMap<String, BTreeMap<String, Provider>> {
    let one = |(name, found): (&String, &Found)| match found {
        Found::Met(provider) => Some((name.clone(), (**provider).clone())),
        Found::Absent(_) | Found::Refused { .. } => None,
    };
    wiring.iter().map(|(environment, found)| (environment.clone(), found.iter().filter_map(one).collect())).collect()
}

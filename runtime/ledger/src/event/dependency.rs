//! What a release needs of others, and what it gives to them.

use crate::ReleaseId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a deployment of a release needs beside itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "needs", rename_all = "kebab-case")]
pub enum Requirement {
    /// An interface that something in the same environment provides.
    Interface {
        /// Its name.
        interface: String,
        /// The provider that was named, `owner/name` or `owner/name:deployment`; absent: the one of before, or the only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
    },
    /// A package of which each deployment has one of its own.
    Package {
        /// The package.
        package: String,
        /// Which version may be chosen.
        version: String,
        /// The values of inputs that it is deployed with.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        set: BTreeMap<String, Value>,
    },
}

/// Of which deployment a release is a part: it was deployed because that one depends on its package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// The package that depends on it.
    pub package: String,
    /// The name of the deployment that it is a part of.
    pub deployment: String,
    /// The release for which it was brought.
    pub release: ReleaseId,
    /// By which name it is referred to there.
    pub name: String,
}

/// What met a requirement in an environment, and what it gave then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The package.
    pub package: String,
    /// Under which name it is deployed.
    pub deployment: String,
    /// The release that was active there.
    pub release: ReleaseId,
    /// Its version.
    pub version: String,
    /// The interface that it was taken by; absent: it is a part, and gives its own outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What it gave.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
}

/// What a deployment gives to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its own outputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// The interfaces that it provides, each with what is given by it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interfaces: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Provider {
    /// Whether it is the same deployment, giving the same: its release may be another one.
    pub fn gives_as(&self, other: &Self) -> bool {
        let of = |provider: &Self| (provider.package.clone(), provider.deployment.clone(), provider.interface.clone());
        of(self) == of(other) && self.outputs == other.outputs
    }
}

impl Offer {
    /// Returns what is given by an interface, or the outputs of its own where none is named.
    pub fn by(&self, interface: Option<&str>) -> Option<&BTreeMap<String, Value>> {
        match interface {
            None => Some(&self.outputs),
            Some(interface) => self.interfaces.get(interface),
        }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.interfaces.is_empty()
    }
}

//! How a release came to be: what its first event holds.

use super::Actor;
use crate::{Digest, ReleaseId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a release came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Its id.
    pub release: ReleaseId,
    /// The package, `owner/name`.
    pub package: String,
    /// Its version.
    pub version: String,
    /// What it is.
    pub kind: ReleaseKind,
    /// The digest of manifest, lock, inputs and pure fingerprints.
    pub identity: Digest,
    /// The manifest's text in the blob store.
    pub manifest: Digest,
    /// The lock in the blob store.
    pub lock: Digest,
    /// The environments as they were, in the blob store: one that is gone later can still be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Digest>,
    /// The values that were given with `-i`.
    #[serde(default)]
    pub given: BTreeMap<String, Value>,
    /// The values of the inputs, as environment-free steps see them.
    pub inputs: BTreeMap<String, Value>,
    /// The values of the inputs as each environment's steps see them, where they differ.
    #[serde(default)]
    pub settings: BTreeMap<String, BTreeMap<String, Value>>,
    /// What `relrun env set` set in each environment; these values are among the settings too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, BTreeMap<String, Value>>,
    /// Its steps, expanded per environment, in the graph's order.
    pub steps: Vec<StepDecl>,
    /// One line about it: the commit's first line where there is one.
    pub description: Option<String>,
    /// Who.
    pub actor: Actor,
    /// What git knew of the work tree that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// The files that travel with it: what `include` names, and what steps of environments read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// The package that it was taken from, where it was not made of a work tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<PackageDigest>,
    /// What a deployment of it needs beside itself, by the name that its steps refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, super::Requirement>,
    /// The deployment that it was brought for, as a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<super::PartOf>,
}

/// What git knows of a work tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Git {
    /// The commit that is checked out.
    pub commit: String,
    /// Whether something differs from it.
    pub dirty: bool,
}

/// Files of a work tree, in the blob store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The tree; its paths are relative to the project's root.
    pub tree: Digest,
    /// The manifest's directory in it; empty where that is the root.
    pub directory: String,
}

/// The digest of a package's manifest in a registry, such as `sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageDigest(pub String);

impl std::fmt::Display for PackageDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a release is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ReleaseKind {
    /// An `apply`.
    Apply,
    /// A `retry -i`: an apply with other inputs.
    Retry {
        /// Which it follows.
        of: ReleaseId,
    },
    /// A `rollback`: an earlier record, deployed again.
    Rollback {
        /// Whose record.
        to: ReleaseId,
    },
    /// A `promote`: what stands elsewhere, deployed here too.
    Promote {
        /// Whose record.
        of: ReleaseId,
        /// The environment that it was active in, where one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// An `errand`: a task that was run against what stands in an environment.
    Errand {
        /// Against which release.
        of: ReleaseId,
        /// The environment.
        environment: String,
        /// Which errand.
        name: String,
    },
    /// An `env set`: what stands in an environment, with other settings.
    Settings {
        /// Whose record.
        of: ReleaseId,
        /// The environment.
        environment: String,
    },
    /// What a package holds, deployed.
    Package {
        /// How it was asked for: `acme/shop@1.4.@`.
        reference: String,
    },
}

impl ReleaseKind {
    /// Returns whether its version is of its own making, and not that of a record or a package which it brings somewhere.
    pub fn is_made(&self) -> bool {
        matches!(self, Self::Apply | Self::Retry { .. })
    }

    /// Returns the release whose record this one brings to an environment: nothing is built anew.
    pub fn record(&self) -> Option<ReleaseId> {
        match self {
            Self::Rollback { to } => Some(*to),
            Self::Promote { of, .. } | Self::Settings { of, .. } | Self::Errand { of, .. } => Some(*of),
            Self::Apply | Self::Retry { .. } | Self::Package { .. } => None,
        }
    }
}

/// A step of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDecl {
    /// Its name in the manifest.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// The environment that it is bound to.
    pub environment: Option<String>,
    /// The deployment that it is part of.
    pub deployment: Option<String>,
    /// Pure or effect.
    pub kind: StepKind,
    /// Whether it may run again when a crash left it in doubt.
    pub idempotent: bool,
    /// What happens in its environment when it fails.
    pub on_failure: OnFailure,
    /// What it is made from, as far as that was known before anything ran: the part of the identity that is this step's.
    pub fingerprint: Digest,
}

/// What happens in an environment when one of its steps fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// What the release did there is undone, in reverse order.
    Undo,
    /// It stays as it is.
    Stop,
}

impl StepDecl {
    /// Returns the name for people: `web@staging`, or `site`.
    pub fn label(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{}@{environment}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Pure or effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Depends on its inputs alone.
    Pure,
    /// Changes the world.
    Effect,
}

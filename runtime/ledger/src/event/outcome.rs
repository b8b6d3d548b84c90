//! What became of a step: its outcome, its failure, or what was found out about it.

use crate::{Digest, ReleaseId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What an `apply` left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One line.
    pub summary: String,
    /// What other steps may refer to.
    #[serde(default)]
    pub outputs: serde_json::Map<String, Value>,
    /// The trees and files that were captured, by name.
    #[serde(default)]
    pub artifacts: BTreeMap<String, Digest>,
    /// What finds it again.
    #[serde(default)]
    pub receipt: Option<Value>,
}

/// Where an outcome comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Origin {
    /// It ran.
    Ran {
        /// A pure step's fingerprint.
        fingerprint: Option<Digest>,
    },
    /// A pure step's fingerprint was in the cache.
    Cached {
        /// The fingerprint.
        fingerprint: Digest,
    },
    /// A rollback took it from an earlier record.
    Copied {
        /// Whose.
        release: ReleaseId,
    },
    /// It came with the package that the release was taken from.
    Packaged,
    /// It stood at the target when the release took that over.
    Adopted,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// What a person reads.
    pub message: String,
}

/// The kinds of failure: those of the plugin world, and those of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The author's mistake.
    Invalid,
    /// No grant, or policy forbids it.
    Denied,
    /// Something is not there.
    Missing,
    /// Too long.
    TimedOut,
    /// The release was cancelled.
    Cancelled,
    /// Another try may help.
    Transient,
    /// Another try cannot help.
    Permanent,
    /// A kind of a newer world.
    Other,
    /// The component trapped, panicked, or broke the world's rules.
    Trapped,
    /// The component went over a limit.
    Limit,
}

/// What was found out about an interrupted step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum Finding {
    /// Nothing of it stands.
    NotDone,
    /// It was done.
    Done {
        /// With this outcome.
        outcome: Outcome,
    },
    /// Some of it stands.
    Partly {
        /// What `undo` gets.
        receipt: Value,
    },
    /// Nobody can tell.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// Who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The plugin's `recover`.
    Plugin,
    /// The step is pure or idempotent: it may run again.
    Rule,
    /// A person, with `settle`.
    Person,
}

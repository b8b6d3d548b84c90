//! What is written down. The form is frozen by [`crate::LEDGER_VERSION`]: a field may be added with a default, none may change its meaning.

use crate::{Digest, ReleaseId, StepId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in its release's stream, from 0, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: jiff::Timestamp,
    /// What happened.
    pub event: Event,
}

/// Who did it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user's name.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The CI job, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The release came to be. Always the first, and only the first.
    ReleaseStarted(Box<Start>),
    /// A process took the release up. Whatever was running then was interrupted.
    RunStarted {
        /// Why.
        run: RunKind,
        /// Who.
        actor: Actor,
        /// The steps that it is to carry; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<Vec<StepId>>,
    },
    /// An operation is about to begin. Durable before its first byte goes out.
    StepStarted {
        /// Which step.
        step: StepId,
        /// Counts from 1 over the release's whole life.
        attempt: u32,
        /// The config with every reference resolved, in the blob store: what `recover`, `undo` and `destroy` get.
        config: Digest,
    },
    /// The plugin's own note before a mutation. Durable when the plugin goes on.
    Checkpoint {
        /// Which step.
        step: StepId,
        /// What it wrote.
        state: Value,
    },
    /// `apply` came back with an outcome, or one was found.
    StepSucceeded {
        /// Which step.
        step: StepId,
        /// What it left.
        outcome: Outcome,
        /// Where the outcome comes from.
        origin: Origin,
    },
    /// `apply` came back with an error.
    StepFailed {
        /// Which step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// What was found out about an interrupted step.
    StepRecovered {
        /// Which step.
        step: StepId,
        /// What was found.
        finding: Finding,
        /// Who found it.
        by: Cause,
    },
    /// An undo is about to begin.
    UndoStarted {
        /// Which step.
        step: StepId,
    },
    /// What the step did is undone.
    UndoFinished {
        /// Which step.
        step: StepId,
        /// One line.
        summary: String,
    },
    /// The undo failed: a state of its own, which blocks the environment.
    UndoFailed {
        /// Which step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// A destroy is about to begin.
    DestroyStarted {
        /// Which step.
        step: StepId,
    },
    /// What the step deployed is gone.
    DestroyFinished {
        /// Which step.
        step: StepId,
        /// One line.
        summary: String,
    },
    /// The destroy failed.
    DestroyFailed {
        /// Which step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// Somebody passed a gate.
    Approved {
        /// Which gate: `ENVIRONMENT/NAME` or `PHASE/NAME`.
        gate: String,
        /// Who.
        actor: Actor,
        /// What they said.
        comment: Option<String>,
        /// The saved plan that they looked at: the blake3 of its file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Digest>,
        /// Their signature, where policy asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Box<Signature>>,
    },
    /// Somebody passed a freeze: the run that this stands in deploys though policy forbids it now.
    BrokeGlass {
        /// The environments that are frozen.
        environments: Vec<String>,
        /// Why it had to be.
        reason: String,
        /// Who.
        actor: Actor,
    },
    /// What the manifest's `metadata` says of the release, as far as the steps gave it. The last one counts.
    Described {
        /// Each value by its name.
        metadata: BTreeMap<String, Value>,
    },
    /// Somebody who is to hear of the release was told, or could not be.
    Notified {
        /// The origin that it was sent to.
        to: String,
        /// What about: `started`, `waiting`, `failed`, `succeeded` or `rolled-back`.
        about: String,
        /// How often it was tried.
        tries: u32,
        /// Why it failed in the end; absent: it was taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
    /// A capability was used or refused.
    Capability {
        /// Which step.
        step: StepId,
        /// The grant line used, or what was asked for.
        capability: String,
        /// Whether it was refused.
        denied: bool,
        /// What the ledger keeps beside it: a program's digest, an address.
        detail: Option<String>,
    },
    /// The process let go of the release.
    RunEnded {
        /// How it ended. The fold refuses one that the steps do not bear out.
        verdict: Verdict,
    },
    /// It was pushed as a package.
    Published {
        /// Where to: the repository and the version's tag.
        reference: String,
        /// What it is there.
        digest: PackageDigest,
        /// Who.
        actor: Actor,
    },
    /// Somebody marked the release.
    Marked {
        /// How.
        mark: Mark,
        /// Whether the mark was set, or taken away.
        set: bool,
        /// Who.
        actor: Actor,
    },
}

/// A signature under an approval. What was signed is made again of the release and the event whenever it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Whose it is, as the allowed signers named them then.
    pub principal: String,
    /// The key's fingerprint, `SHA256:…`.
    pub key: String,
    /// The signature as `ssh-keygen -Y sign` writes it.
    pub text: String,
}

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

/// Why a process took a release up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// `apply` or `rollback`.
    Apply,
    /// `retry`.
    Retry,
    /// `continue`.
    Continue,
    /// `undo`, or `cancel` of another's.
    Undo,
    /// `destroy`.
    Destroy,
    /// `settle`.
    Settle,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every step succeeded.
    Succeeded,
    /// A step failed.
    Failed,
    /// It waits.
    Waiting {
        /// For what: gates, or steps to settle.
        on: Vec<String>,
    },
    /// It was interrupted or cancelled.
    Cancelled,
    /// What stood is undone.
    Undone,
    /// What stood is destroyed.
    Destroyed,
    /// It settled or recorded something, and went no further.
    Stopped,
    /// It is recorded whole, and waits to be promoted: settings that are not deployed yet.
    Staged,
}

/// A person's word on a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Never chosen by a rollback.
    Bad,
    /// Never pruned.
    Pinned,
}

impl Event {
    /// Returns the step that the event is about.
    pub fn step(&self) -> Option<StepId> {
        match self {
            Self::StepStarted { step, .. }
            | Self::Checkpoint { step, .. }
            | Self::StepSucceeded { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepRecovered { step, .. }
            | Self::UndoStarted { step }
            | Self::UndoFinished { step, .. }
            | Self::UndoFailed { step, .. }
            | Self::DestroyStarted { step }
            | Self::DestroyFinished { step, .. }
            | Self::DestroyFailed { step, .. }
            | Self::Capability { step, .. } => Some(*step),
            Self::ReleaseStarted(_)
            | Self::RunStarted { .. }
            | Self::RunEnded { .. }
            | Self::Approved { .. }
            | Self::BrokeGlass { .. }
            | Self::Described { .. }
            | Self::Notified { .. }
            | Self::Published { .. }
            | Self::Marked { .. } => None,
        }
    }
}

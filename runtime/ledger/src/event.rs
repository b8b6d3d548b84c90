//! What is written down. The form is frozen by [`crate::LEDGER_VERSION`]: a field may be added with a default, none may change its meaning.

mod dependency;
mod outcome;
mod run;
mod start;

pub use dependency::{Offer, PartOf, Provider, Requirement};
pub use outcome::{Cause, Failure, FailureKind, Finding, Origin, Outcome};
pub use run::{Claims, Mark, RunKind, Signature, Verdict};
pub use start::{Files, Git, OnFailure, PackageDigest, ReleaseKind, Start, StepDecl, StepKind};

use crate::{Digest, StepId};
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
    /// Who started the job, as the CI system says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
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
    /// Somebody asked the process that holds the release to stop and to undo what it did.
    CancelAsked {
        /// Who.
        actor: Actor,
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
        /// What their ID token said, where policy takes one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claims: Option<Box<Claims>>,
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
    /// A version was chosen of a package that it depends on: the release keeps to it from now on.
    DependencyLocked {
        /// By which name it is referred to.
        name: String,
        /// The version.
        version: String,
    },
    /// What it needs in an environment is there. Its steps there see these values until nothing of it stands there any more.
    DependencyMet {
        /// The environment.
        environment: String,
        /// By which name it is referred to.
        name: String,
        /// What met it.
        provider: Box<Provider>,
    },
    /// What it gives to others in an environment where it is deployed. The last one counts.
    Offered {
        /// The environment.
        environment: String,
        /// What it gives.
        offer: Offer,
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
            | Self::CancelAsked { .. }
            | Self::Approved { .. }
            | Self::BrokeGlass { .. }
            | Self::Described { .. }
            | Self::DependencyLocked { .. }
            | Self::DependencyMet { .. }
            | Self::Offered { .. }
            | Self::Notified { .. }
            | Self::Published { .. }
            | Self::Marked { .. } => None,
        }
    }
}

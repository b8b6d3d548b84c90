//! The ledger's events, and the pure fold from which every state is derived.
//!
//! This room does no I/O. An [`Event`] is an intent or a fact; [`Release::apply`] folds one more into the state and refuses what may not
//! follow. Nothing outside this room decides whether a transition is legal, and nothing inside it knows where events are kept.

mod acts;
mod deployments;
mod event;
mod id;
mod names;
mod release;
mod step;
mod summary;

pub use acts::acts;
pub use deployments::{Deployed, Deployments};
pub use event::{
    Actor, Cause, Claims, Event, Failure, FailureKind, Files, Finding, Git, Mark, Offer, OnFailure, Origin, Outcome, PackageDigest, PartOf,
    Provider, Record, ReleaseKind, Requirement, RunKind, Signature, Start, StepDecl, StepKind, Verdict,
};
pub use id::{BadReleaseId, DeploymentKey, Digest, ReleaseId, StepId};
pub use jiff::Timestamp;
pub use release::{Approval, BrokenGlass, EnvironmentState, Illegal, Release, Status};
pub use step::{StepRecord, StepState};
pub use summary::{EnvironmentSummary, Summary};

/// The version of the events' written form. A ledger of a newer version is refused, never guessed at.
pub const LEDGER_VERSION: u32 = 1;

//! A step's life: one enum, and a transition for each event, which is whole or refused.
//!
//! A finished effect has no transition back to running, but through an undo or a destroy that took it away: that is what "at most once"
//! means here, and the properties in `tests/` hold it. What this may never do: guess. Where the events do not tell whether something
//! stands, it stands.

use crate::{Cause, Digest, Event, Failure, FailureKind, Finding, Origin, Outcome, StepDecl, StepKind};
use jiff::Timestamp;
use serde_json::Value;

/// What is true of a step now.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Never begun, or found not to have been.
    Waiting,
    /// `apply` was begun by the process that holds the release, and has not answered.
    Running,
    /// `apply` was begun by a process that is gone, or was told to stop; how far it came is to be found out.
    Interrupted,
    /// It was done, once.
    Succeeded(Outcome),
    /// `apply` answered with an error. What the last checkpoint names may stand.
    Failed(Failure),
    /// Nobody can tell whether it was done. Only a person's word leads on.
    Unknown(String),
    /// `undo` was begun and has not answered. It may be begun again.
    Undoing,
    /// Nothing of it stands any more.
    Undone,
    /// `undo` answered with an error. It may be begun again.
    UndoFailed(Failure),
    /// `destroy` was begun and has not answered. It may be begun again.
    Destroying,
    /// What it deployed is gone.
    Destroyed,
    /// `destroy` answered with an error. It may be begun again.
    DestroyFailed(Failure),
}

/// A step, and what is kept for its recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// What is true of it now.
    pub state: StepState,
    /// How often `apply` was begun.
    pub attempts: u32,
    /// What `undo` gets: the outcome's receipt, else the last checkpoint of an `apply`. Absent where the step left nothing that could be taken
    /// back: it never began to change anything, or what it did is undone.
    pub receipt: Option<Value>,
    /// The last outcome, kept through undo and destroy.
    pub outcome: Option<Outcome>,
    /// Why the last `apply` failed, kept through undo and destroy; absent once another was begun.
    pub failure: Option<Failure>,
    /// Where that came from.
    pub origin: Option<Origin>,
    /// The config of the last `apply`, in the blob store.
    pub config: Option<Digest>,
    /// When it was last begun.
    pub started: Option<Timestamp>,
    /// When it last came to rest.
    pub ended: Option<Timestamp>,
}

impl StepRecord {
    pub(crate) fn new() -> Self {
        Self {
            state: StepState::Waiting,
            attempts: 0,
            receipt: None,
            outcome: None,
            failure: None,
            origin: None,
            config: None,
            started: None,
            ended: None,
        }
    }

    /// Returns whether its last `apply` was told to stop.
    pub(crate) fn was_cancelled(&self) -> bool {
        matches!(&self.state, StepState::Failed(failure) if failure.kind == FailureKind::Cancelled)
    }

    /// Returns whether something that it did may stand in its environment.
    pub fn may_stand(&self) -> bool {
        match self.state {
            StepState::Failed(_) | StepState::Waiting => self.receipt.is_some(),
            StepState::Undone | StepState::Destroyed => false,
            // Succeeded, in doubt, or on a way that did not end.
            _ => true,
        }
    }
}

impl StepRecord {
    /// Folds one event into the step, or says why it may not follow and leaves the step as it is.
    pub(crate) fn change(&mut self, event: &Event, decl: &StepDecl, at: Timestamp) -> Result<(), String> {
        match event {
            Event::StepStarted { attempt, config, .. } => self.start(*attempt, *config, decl.kind, at),
            Event::Checkpoint { state, .. } => self.checkpoint(state, decl.kind),
            Event::StepSucceeded { outcome, origin, .. } => self.succeed(outcome, *origin, decl, at),
            Event::StepFailed { failure, .. } => self.fail(failure, at),
            Event::StepRecovered { finding, by, .. } => self.recover(finding, *by, decl, at),
            Event::UndoStarted { .. } => self.begin_back("undo", StepState::Undoing, decl, at),
            Event::UndoFinished { .. } => self.end_back("undo", &StepState::Undoing, StepState::Undone, at),
            Event::UndoFailed { failure, .. } => self.only_from("undo", &StepState::Undoing, StepState::UndoFailed(failure.clone()), at),
            Event::DestroyStarted { .. } => self.begin_back("destroy", StepState::Destroying, decl, at),
            Event::DestroyFinished { .. } => self.end_back("destroy", &StepState::Destroying, StepState::Destroyed, at),
            Event::DestroyFailed { failure, .. } => {
                self.only_from("destroy", &StepState::Destroying, StepState::DestroyFailed(failure.clone()), at)
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, attempt: u32, config: Digest, kind: StepKind, at: Timestamp) -> Result<(), String> {
        match self.state {
            // What it made may be lost, and it may be made as often as one likes.
            StepState::Succeeded(_) if kind == StepKind::Pure => {}
            StepState::Waiting | StepState::Failed(_) | StepState::Undone | StepState::Destroyed => {}
            _ => return Err(format!("it may not start from {}", self.state)),
        }
        if attempt != self.attempts + 1 {
            return Err(format!("attempt {attempt} follows attempt {}", self.attempts));
        }
        self.attempts = attempt;
        self.config = Some(config);
        self.failure = None;
        self.started = Some(at);
        self.state = StepState::Running;
        Ok(())
    }

    fn checkpoint(&mut self, state: &Value, kind: StepKind) -> Result<(), String> {
        if kind == StepKind::Pure {
            return Err("a pure step has no checkpoints".into());
        }
        match self.state {
            StepState::Running => self.receipt = Some(state.clone()),
            // A way back that is begun again gets what it got the first time: its own notes say nothing about what the apply did.
            StepState::Undoing | StepState::Destroying => {}
            _ => return Err(format!("a checkpoint does not fit {}", self.state)),
        }
        Ok(())
    }

    fn succeed(&mut self, outcome: &Outcome, origin: Origin, decl: &StepDecl, at: Timestamp) -> Result<(), String> {
        match (origin, decl.kind) {
            (Origin::Ran { .. }, _) => self.must_be("success", &[StepState::Running])?,
            (Origin::Cached { .. }, StepKind::Effect) => return Err("an effect is never served from a cache".into()),
            (Origin::Copied { .. } | Origin::Packaged | Origin::Adopted, StepKind::Effect) if decl.environment.is_some() => {
                return Err("what an effect did in an environment cannot be copied from a record".into());
            }
            (Origin::Copied { .. } | Origin::Packaged | Origin::Adopted, StepKind::Effect) => {
                self.must_be("copy", &[StepState::Waiting])?;
            }
            // A pure step may have failed, or been found unfinished, before another release filled the cache.
            (Origin::Cached { .. } | Origin::Copied { .. } | Origin::Packaged | Origin::Adopted, StepKind::Pure) => match self.state {
                StepState::Waiting | StepState::Running | StepState::Interrupted | StepState::Failed(_) | StepState::Succeeded(_) => {}
                _ => return Err(format!("a cached outcome does not fit {}", self.state)),
            },
        }
        self.rest_done(outcome, at);
        self.origin = Some(origin);
        Ok(())
    }

    fn must_be(&self, what: &str, states: &[StepState]) -> Result<(), String> {
        if states.contains(&self.state) { Ok(()) } else { Err(format!("a {what} does not fit {}", self.state)) }
    }

    fn rest_done(&mut self, outcome: &Outcome, at: Timestamp) {
        // JSON knows no difference between a receipt of null and none.
        if let Some(receipt) = outcome.receipt.as_ref().filter(|receipt| !receipt.is_null()) {
            self.receipt = Some(receipt.clone());
        }
        self.outcome = Some(outcome.clone());
        self.failure = None;
        self.ended = Some(at);
        self.state = StepState::Succeeded(outcome.clone());
    }

    fn fail(&mut self, failure: &Failure, at: Timestamp) -> Result<(), String> {
        self.only_from("failure", &StepState::Running, StepState::Failed(failure.clone()), at)?;
        self.failure = Some(failure.clone());
        Ok(())
    }

    fn recover(&mut self, finding: &Finding, by: Cause, decl: &StepDecl, at: Timestamp) -> Result<(), String> {
        if !matches!(self.state, StepState::Interrupted | StepState::Unknown(_)) {
            return Err(format!("there is nothing to recover from {}", self.state));
        }
        let pure = decl.kind == StepKind::Pure;
        if pure && *finding != Finding::NotDone {
            return Err("a pure step runs again: there is nothing to find out".into());
        }
        if by == Cause::Rule && !pure && !(decl.idempotent && *finding == Finding::NotDone) {
            return Err("no rule tells how far an effect came that may not run twice".into());
        }
        match finding {
            Finding::NotDone => {
                // An idempotent step that runs again by rule may have left something: what its checkpoint names stays known.
                if by != Cause::Rule {
                    self.receipt = None;
                }
                self.state = StepState::Waiting;
            }
            Finding::Done { outcome } => {
                self.rest_done(outcome, at);
                self.origin = Some(Origin::Ran { fingerprint: None });
            }
            Finding::Partly { receipt } => {
                self.receipt = Some(receipt.clone());
                self.ended = Some(at);
                let message = "it was interrupted, and partly done".to_owned();
                let failure = Failure { kind: FailureKind::Other, message };
                self.failure = Some(failure.clone());
                self.state = StepState::Failed(failure);
            }
            Finding::Unknown { reason } => self.state = StepState::Unknown(reason.clone()),
        }
        Ok(())
    }

    /// Begins an undo or a destroy. One that a dead process began may be begun again, or the other in its place: both may be done twice.
    fn begin_back(&mut self, what: &str, to: StepState, decl: &StepDecl, at: Timestamp) -> Result<(), String> {
        if decl.kind == StepKind::Pure {
            return Err(format!("a pure step left nothing to {what}"));
        }
        match self.state {
            StepState::Succeeded(_)
            | StepState::Undoing
            | StepState::Destroying
            | StepState::UndoFailed(_)
            | StepState::DestroyFailed(_) => {}
            StepState::Failed(_) | StepState::Waiting if self.receipt.is_some() => {}
            _ => return Err(format!("{what} may not begin from {}", self.state)),
        }
        self.started = Some(at);
        self.state = to;
        Ok(())
    }

    fn end_back(&mut self, what: &str, from: &StepState, to: StepState, at: Timestamp) -> Result<(), String> {
        self.only_from(what, from, to, at)?;
        self.receipt = None;
        Ok(())
    }

    fn only_from(&mut self, what: &str, from: &StepState, to: StepState, at: Timestamp) -> Result<(), String> {
        if self.state != *from {
            return Err(format!("a {what} does not fit {}", self.state));
        }
        self.ended = Some(at);
        self.state = to;
        Ok(())
    }
}

impl std::fmt::Display for StepState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed(_) => "undo-failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
            Self::DestroyFailed(_) => "destroy-failed",
        })
    }
}

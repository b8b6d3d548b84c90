//! The fold: from a release's events to what is true of it now.
//!
//! A step's life is one enum; a transition is a method that returns an error. A finished effect has no transition back to running: that is
//! what "at most once" means here, and the properties in `tests/` hold it.

use crate::{Cause, Event, Failure, Finding, Mark, Outcome, Record, ReleaseId, Start, StepId, StepKind, Verdict};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An event that may not follow what was folded so far.
#[derive(Debug, thiserror::Error)]
#[error("event {seq} of {release} is illegal: {what}")]
pub struct Illegal {
    /// Which release.
    pub release: ReleaseId,
    /// Which event.
    pub seq: u64,
    /// Why.
    pub what: String,
}

/// What is true of a step now.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Never begun, or found not to have been.
    Waiting,
    /// `apply` was begun by the process that holds the release, and has not answered.
    Running,
    /// `apply` was begun by a process that is gone.
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
    /// What `undo` gets: the outcome's receipt, else the last checkpoint. Present exactly where something of it may stand.
    pub receipt: Option<Value>,
    /// The last outcome, kept through undo and destroy.
    pub outcome: Option<Outcome>,
    /// Where that came from.
    pub origin: Option<crate::Origin>,
    /// The config of the last `apply`, in the blob store.
    pub config: Option<crate::Digest>,
    /// When it was last begun.
    pub started: Option<jiff::Timestamp>,
    /// When it last came to rest.
    pub ended: Option<jiff::Timestamp>,
}

impl StepRecord {
    fn new() -> Self {
        Self { state: StepState::Waiting, attempts: 0, receipt: None, outcome: None, origin: None, config: None, started: None, ended: None }
    }

    /// Returns whether something that it did may stand in its environment.
    pub fn may_stand(&self) -> bool {
        match self.state {
            StepState::Succeeded(_) | StepState::Running | StepState::Interrupted | StepState::Unknown(_) => true,
            StepState::Undoing | StepState::UndoFailed(_) | StepState::Destroying | StepState::DestroyFailed(_) => true,
            StepState::Failed(_) | StepState::Waiting => self.receipt.is_some(),
            StepState::Undone | StepState::Destroyed => false,
        }
    }
}

/// What is true of a release in one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentState {
    /// Nothing of it stands there, and nothing ever did.
    Untouched,
    /// Every step of it there succeeded.
    Deployed,
    /// Some of it stands, or may stand, there: half deployed.
    Half,
    /// A process works there now.
    Working,
    /// Nobody can tell what stands there.
    Unknown,
    /// What stood there could not be undone: the environment is blocked.
    UndoFailed,
    /// What stood there is undone.
    Undone,
    /// What stood there is destroyed.
    Destroyed,
}

/// What is true of a release as a whole.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// A process took it up and has not let go: it works, or it died.
    Running,
    /// It was let go of like this.
    Ended(Verdict),
}

/// A release, folded.
#[derive(Clone, Debug)]
pub struct Release {
    /// How it came to be.
    pub start: Start,
    /// When.
    pub created: jiff::Timestamp,
    /// Its steps, by [`StepId`].
    pub steps: Vec<StepRecord>,
    /// The gates passed.
    pub approved: BTreeMap<String, crate::Actor>,
    /// Its marks.
    pub marks: BTreeSet<Mark>,
    /// What is true of it as a whole.
    pub status: Status,
    /// The steps that the last run was to carry; absent: all.
    pub selected: Option<BTreeSet<StepId>>,
    /// The next event's place.
    pub next_seq: u64,
    /// When, in each environment, the last of its steps succeeded.
    pub deployed_at: BTreeMap<String, jiff::Timestamp>,
}

impl Release {
    /// Folds a whole stream.
    pub fn fold(records: &[Record]) -> Result<Option<Self>, Illegal> {
        let Some((first, rest)) = records.split_first() else { return Ok(None) };
        let mut release = Self::begin(first)?;
        for record in rest {
            release.apply(record)?;
        }
        Ok(Some(release))
    }

    /// Begins a release with its first event.
    pub fn begin(record: &Record) -> Result<Self, Illegal> {
        let Event::ReleaseStarted(start) = &record.event else {
            return Err(Illegal { release: ReleaseId(0), seq: record.seq, what: "a stream begins with release-started".into() });
        };
        Ok(Self {
            start: (**start).clone(),
            created: record.at,
            steps: vec![StepRecord::new(); start.steps.len()],
            approved: BTreeMap::new(),
            marks: BTreeSet::new(),
            status: Status::Ended(Verdict::Stopped),
            selected: None,
            next_seq: record.seq + 1,
            deployed_at: BTreeMap::new(),
        })
    }

    /// Folds one more event.
    pub fn apply(&mut self, record: &Record) -> Result<(), Illegal> {
        if record.seq != self.next_seq {
            return Err(self.illegal(record, format!("its place should be {}", self.next_seq)));
        }
        self.change(record).map_err(|what| self.illegal(record, what))?;
        self.next_seq += 1;
        Ok(())
    }

    /// Returns a step's record.
    pub fn step(&self, id: StepId) -> &StepRecord {
        &self.steps[id.index()]
    }

    /// Returns the steps with their ids.
    pub fn step_ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..u32::try_from(self.steps.len()).unwrap_or(u32::MAX)).map(StepId)
    }

    /// Returns the environments that its steps are bound to, sorted.
    pub fn environments(&self) -> BTreeSet<&str> {
        self.start.steps.iter().filter_map(|step| step.environment.as_deref()).collect()
    }

    /// Returns what is true of it in one environment.
    pub fn environment(&self, name: &str) -> EnvironmentState {
        let bound = || self.start.steps.iter().zip(&self.steps).filter(|(decl, _)| decl.environment.as_deref() == Some(name));
        let any = |test: fn(&StepState) -> bool| bound().any(|(_, step)| test(&step.state));
        let all = |test: fn(&StepState) -> bool| bound().next().is_some() && bound().all(|(_, step)| test(&step.state));
        if any(|s| matches!(s, StepState::Running | StepState::Undoing | StepState::Destroying)) && self.status == Status::Running {
            EnvironmentState::Working
        } else if any(|s| matches!(s, StepState::Unknown(_) | StepState::Interrupted)) {
            EnvironmentState::Unknown
        } else if any(|s| matches!(s, StepState::UndoFailed(_) | StepState::DestroyFailed(_))) {
            EnvironmentState::UndoFailed
        } else if all(|s| matches!(s, StepState::Succeeded(_))) {
            EnvironmentState::Deployed
        } else if bound().any(|(decl, step)| decl.kind == StepKind::Effect && step.may_stand()) {
            EnvironmentState::Half
        } else if any(|s| matches!(s, StepState::Destroyed)) {
            EnvironmentState::Destroyed
        } else if any(|s| matches!(s, StepState::Undone)) {
            EnvironmentState::Undone
        } else {
            EnvironmentState::Untouched
        }
    }

    fn illegal(&self, record: &Record, what: String) -> Illegal {
        Illegal { release: self.start.release, seq: record.seq, what }
    }

    fn change(&mut self, record: &Record) -> Result<(), String> {
        match &record.event {
            Event::ReleaseStarted(_) => Err("a release starts once".into()),
            Event::RunStarted { steps, .. } => self.take_up(steps.as_deref()),
            Event::RunEnded { verdict } => self.let_go(verdict),
            Event::Approved { gate, actor, .. } => {
                self.approved.insert(gate.clone(), actor.clone());
                Ok(())
            }
            Event::Marked { mark, set, .. } => {
                if *set { self.marks.insert(*mark) } else { self.marks.remove(mark) };
                Ok(())
            }
            event => self.change_step(event, record.at),
        }
    }

    /// Returns whether the last run was to carry the step.
    pub fn is_selected(&self, id: StepId) -> bool {
        self.selected.as_ref().is_none_or(|selected| selected.contains(&id))
    }

    fn take_up(&mut self, steps: Option<&[StepId]>) -> Result<(), String> {
        if let Some(id) = steps.unwrap_or_default().iter().find(|id| id.index() >= self.steps.len()) {
            return Err(format!("there is no step {}", id.0));
        }
        self.selected = steps.map(|steps| steps.iter().copied().collect());
        self.status = Status::Running;
        for step in &mut self.steps {
            if step.state == StepState::Running {
                step.state = StepState::Interrupted;
            }
        }
        Ok(())
    }

    fn let_go(&mut self, verdict: &Verdict) -> Result<(), String> {
        if self.status != Status::Running {
            return Err("no process holds the release".into());
        }
        if let Some(id) = self.step_ids().find(|&id| self.step(id).state == StepState::Running) {
            return Err(format!("{} is still running", self.label(id)));
        }
        if *verdict == Verdict::Succeeded
            && let Some(id) = self.step_ids().find(|&id| self.is_selected(id) && !matches!(self.step(id).state, StepState::Succeeded(_)))
        {
            return Err(format!("{} did not succeed", self.label(id)));
        }
        self.status = Status::Ended(verdict.clone());
        Ok(())
    }

    fn label(&self, id: StepId) -> String {
        self.start.steps[id.index()].label()
    }

    fn change_step(&mut self, event: &Event, at: jiff::Timestamp) -> Result<(), String> {
        let id = event.step().ok_or("the event names no step")?;
        let decl = self.start.steps.get(id.index()).ok_or_else(|| format!("there is no step {}", id.0))?.clone();
        if self.status != Status::Running {
            return Err(format!("no process holds the release, and {} would change", decl.label()));
        }
        let step = &mut self.steps[id.index()];
        step.change(event, decl.kind, at).map_err(|what| format!("{}: {what}", decl.label()))?;
        if matches!(step.state, StepState::Succeeded(_))
            && let Some(environment) = decl.environment
        {
            self.deployed_at.insert(environment, at);
        }
        Ok(())
    }
}

impl StepRecord {
    fn change(&mut self, event: &Event, kind: StepKind, at: jiff::Timestamp) -> Result<(), String> {
        match event {
            Event::StepStarted { attempt, config, .. } => self.start(*attempt, *config, at),
            Event::Checkpoint { state, .. } => self.checkpoint(state, kind),
            Event::StepSucceeded { outcome, origin, .. } => self.succeed(outcome, *origin, at),
            Event::StepFailed { failure, .. } => self.fail(failure, at),
            Event::StepRecovered { finding, by, .. } => self.recover(finding, *by, at),
            Event::UndoStarted { .. } => self.begin_undo(at),
            Event::UndoFinished { .. } => self.end_undo(at),
            Event::UndoFailed { failure, .. } => self.only_from("undo", &StepState::Undoing, StepState::UndoFailed(failure.clone()), at),
            Event::DestroyStarted { .. } => self.begin_destroy(at),
            Event::DestroyFinished { .. } => self.end_destroy(at),
            Event::DestroyFailed { failure, .. } => {
                self.only_from("destroy", &StepState::Destroying, StepState::DestroyFailed(failure.clone()), at)
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, attempt: u32, config: crate::Digest, at: jiff::Timestamp) -> Result<(), String> {
        match self.state {
            StepState::Waiting | StepState::Failed(_) | StepState::Undone | StepState::Destroyed => {}
            _ => return Err(format!("it may not start from {}", self.state)),
        }
        if attempt != self.attempts + 1 {
            return Err(format!("attempt {attempt} follows attempt {}", self.attempts));
        }
        self.attempts = attempt;
        self.config = Some(config);
        self.started = Some(at);
        self.state = StepState::Running;
        Ok(())
    }

    fn checkpoint(&mut self, state: &Value, kind: StepKind) -> Result<(), String> {
        if kind == StepKind::Pure {
            return Err("a pure step has no checkpoints".into());
        }
        if !matches!(self.state, StepState::Running | StepState::Undoing | StepState::Destroying) {
            return Err(format!("a checkpoint does not fit {}", self.state));
        }
        self.receipt = Some(state.clone());
        Ok(())
    }

    fn succeed(&mut self, outcome: &Outcome, origin: crate::Origin, at: jiff::Timestamp) -> Result<(), String> {
        let served = !matches!(origin, crate::Origin::Ran { .. });
        match self.state {
            StepState::Running => {}
            StepState::Waiting if served => {}
            _ => return Err(format!("it may not succeed from {}", self.state)),
        }
        self.rest_done(outcome, at);
        self.origin = Some(origin);
        Ok(())
    }

    fn rest_done(&mut self, outcome: &Outcome, at: jiff::Timestamp) {
        if outcome.receipt.is_some() {
            self.receipt.clone_from(&outcome.receipt);
        }
        self.outcome = Some(outcome.clone());
        self.ended = Some(at);
        self.state = StepState::Succeeded(outcome.clone());
    }

    fn fail(&mut self, failure: &Failure, at: jiff::Timestamp) -> Result<(), String> {
        self.only_from("failure", &StepState::Running, StepState::Failed(failure.clone()), at)
    }

    fn recover(&mut self, finding: &Finding, by: Cause, at: jiff::Timestamp) -> Result<(), String> {
        if !matches!(self.state, StepState::Interrupted | StepState::Unknown(_)) {
            return Err(format!("there is nothing to recover from {}", self.state));
        }
        match finding {
            Finding::NotDone => {
                // An idempotent step that runs again by rule may have left something: what its checkpoint names stays known.
                if by != Cause::Rule {
                    self.receipt = None;
                }
                self.state = StepState::Waiting;
            }
            Finding::Done { outcome } => self.rest_done(outcome, at),
            Finding::Partly { receipt } => {
                self.receipt = Some(receipt.clone());
                let message = "it was interrupted, and partly done".to_owned();
                self.state = StepState::Failed(Failure { kind: crate::FailureKind::Other, message });
            }
            Finding::Unknown { reason } => self.state = StepState::Unknown(reason.clone()),
        }
        Ok(())
    }

    fn begin_undo(&mut self, at: jiff::Timestamp) -> Result<(), String> {
        match self.state {
            StepState::Succeeded(_) | StepState::UndoFailed(_) | StepState::Undoing | StepState::DestroyFailed(_) => {}
            StepState::Failed(_) | StepState::Waiting if self.receipt.is_some() => {}
            _ => return Err(format!("undo may not begin from {}", self.state)),
        }
        self.started = Some(at);
        self.state = StepState::Undoing;
        Ok(())
    }

    fn end_undo(&mut self, at: jiff::Timestamp) -> Result<(), String> {
        self.only_from("undo", &StepState::Undoing, StepState::Undone, at)?;
        self.receipt = None;
        Ok(())
    }

    fn begin_destroy(&mut self, at: jiff::Timestamp) -> Result<(), String> {
        match self.state {
            StepState::Succeeded(_) | StepState::Destroying | StepState::DestroyFailed(_) | StepState::UndoFailed(_) => {}
            StepState::Failed(_) | StepState::Waiting if self.receipt.is_some() => {}
            _ => return Err(format!("destroy may not begin from {}", self.state)),
        }
        self.started = Some(at);
        self.state = StepState::Destroying;
        Ok(())
    }

    fn end_destroy(&mut self, at: jiff::Timestamp) -> Result<(), String> {
        self.only_from("destroy", &StepState::Destroying, StepState::Destroyed, at)?;
        self.receipt = None;
        Ok(())
    }

    fn only_from(&mut self, what: &str, from: &StepState, to: StepState, at: jiff::Timestamp) -> Result<(), String> {
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
            Self::ReleaseStarted(_) | Self::RunStarted { .. } | Self::RunEnded { .. } | Self::Approved { .. } | Self::Marked { .. } => None,
        }
    }
}

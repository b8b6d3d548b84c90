//! The fold: from a release's events to what is true of it now.
//!
//! An event is folded whole or refused, and a refused one leaves everything as it was. A release never says of an environment that it is
//! deployed or clean while something else may stand there: half, unknown and undo-failed are states of their own.

use crate::names::Names;
use crate::{
    Event, Mark, Offer, OnFailure, PackageDigest, Provider, Record, ReleaseId, Requirement, RunKind, Start, StepDecl, StepId, StepKind,
    StepRecord, StepState, Verdict,
};
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

/// A gate that somebody passed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Approval {
    /// When.
    pub at: jiff::Timestamp,
    /// Who.
    pub actor: crate::Actor,
    /// What they said.
    pub comment: Option<String>,
    /// The saved plan that they looked at.
    pub plan: Option<crate::Digest>,
    /// Their signature.
    pub signature: Option<crate::Signature>,
    /// What their ID token said.
    pub claims: Option<crate::Claims>,
}

/// A freeze that somebody passed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BrokenGlass {
    /// When.
    pub at: jiff::Timestamp,
    /// The environments that were frozen.
    pub environments: Vec<String>,
    /// Why it had to be.
    pub reason: String,
    /// Who.
    pub actor: crate::Actor,
}

/// A release, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// How it came to be.
    pub start: Start,
    /// When.
    pub created: jiff::Timestamp,
    /// Its steps, by [`StepId`].
    pub steps: Vec<StepRecord>,
    /// The gates passed.
    pub approved: BTreeMap<String, Approval>,
    /// Each time that somebody passed a freeze.
    pub broken_glass: Vec<BrokenGlass>,
    /// What its manifest's `metadata` says of it.
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// The versions that were chosen of the packages that it depends on, by the name that its steps refer to.
    pub locked: BTreeMap<String, String>,
    /// What met its requirements, by environment and by name.
    pub met: BTreeMap<String, BTreeMap<String, Provider>>,
    /// What it gave to others in each environment when it was last deployed there.
    pub offers: BTreeMap<String, Offer>,
    /// Its marks.
    pub marks: BTreeSet<Mark>,
    /// What it was pushed as, and where to: by repository and tag.
    pub published: BTreeMap<String, PackageDigest>,
    /// What is true of it as a whole.
    pub status: Status,
    /// The steps that the last run was to carry; absent: all.
    pub selected: Option<BTreeSet<StepId>>,
    /// What the last run was to do; a person's word in between changes nothing about it. Absent before the first.
    pub run: Option<RunKind>,
    /// The environments in which a way back was begun, or must be, that no new attempt has followed. What a dead process left there goes on
    /// that way, and not forward again.
    pub going_back: BTreeSet<String>,
    /// The next event's place.
    pub next_seq: u64,
    /// When, in each environment, the last of its steps succeeded.
    pub deployed_at: BTreeMap<String, jiff::Timestamp>,
    /// When, in each environment, the last of what stood there of it was destroyed: whatever was there before is gone with it.
    pub destroyed_at: BTreeMap<String, jiff::Timestamp>,
    /// For each step, whether any run was to carry it forward.
    wanted: Vec<bool>,
    names: Names,
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
        if record.seq != 0 {
            return Err(Illegal { release: start.release, seq: record.seq, what: "a stream begins at 0".into() });
        }
        Ok(Self {
            start: (**start).clone(),
            created: record.at,
            steps: vec![StepRecord::new(); start.steps.len()],
            approved: BTreeMap::new(),
            broken_glass: Vec::new(),
            metadata: BTreeMap::new(),
            locked: BTreeMap::new(),
            met: BTreeMap::new(),
            offers: BTreeMap::new(),
            marks: BTreeSet::new(),
            published: BTreeMap::new(),
            status: Status::Ended(Verdict::Stopped),
            selected: None,
            run: None,
            going_back: BTreeSet::new(),
            next_seq: record.seq + 1,
            deployed_at: BTreeMap::new(),
            destroyed_at: BTreeMap::new(),
            wanted: vec![false; start.steps.len()],
            names: Names::default(),
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

    /// Returns the step of this name that is bound to this environment, or to none.
    pub fn find(&self, name: &str, environment: Option<&str>) -> Option<StepId> {
        self.names.find(&self.start.steps, name, environment)
    }

    /// Returns the steps with their ids.
    pub fn step_ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..u32::try_from(self.steps.len()).unwrap_or(u32::MAX)).map(StepId)
    }

    /// Returns the environments that its steps are bound to, sorted.
    pub fn environments(&self) -> BTreeSet<&str> {
        self.start.steps.iter().filter_map(|step| step.environment.as_deref()).collect()
    }

    /// Returns what is true of it in one environment. Steps that no run was to carry there do not count, and pure steps leave nothing.
    pub fn environment(&self, name: &str) -> EnvironmentState {
        let any = |test: fn(&StepState) -> bool| self.bound(name).any(|(_, step)| test(&step.state));
        let effect = |test: fn(&StepState) -> bool| self.effects(name).any(|step| test(&step.state));
        if any(|s| matches!(s, StepState::Running | StepState::Undoing | StepState::Destroying)) && self.status == Status::Running {
            EnvironmentState::Working
        } else if effect(|s| matches!(s, StepState::Unknown(_) | StepState::Interrupted)) {
            EnvironmentState::Unknown
        } else if effect(|s| matches!(s, StepState::UndoFailed(_) | StepState::DestroyFailed(_))) {
            EnvironmentState::UndoFailed
        } else if self.is_deployed(name) {
            EnvironmentState::Deployed
        } else if self.effects(name).any(StepRecord::may_stand) {
            EnvironmentState::Half
        } else if any(|s| matches!(s, StepState::Destroyed)) {
            EnvironmentState::Destroyed
        } else if any(|s| matches!(s, StepState::Undone)) {
            EnvironmentState::Undone
        } else {
            EnvironmentState::Untouched
        }
    }

    /// Every step that any run was to carry there succeeded, there is one, and of the others nothing may stand.
    fn is_deployed(&self, name: &str) -> bool {
        let mut some = false;
        for (at, step) in self.bound(name) {
            let done = matches!(step.state, StepState::Succeeded(_));
            let stands = self.start.steps[at].kind == StepKind::Effect && step.may_stand();
            if !done && (self.wanted[at] || stands) {
                return false;
            }
            some |= done;
        }
        some
    }

    fn bound(&self, name: &str) -> impl Iterator<Item = (usize, &StepRecord)> {
        let here = move |(_, (decl, _)): &(usize, (&StepDecl, &StepRecord))| decl.environment.as_deref() == Some(name);
        self.start.steps.iter().zip(&self.steps).enumerate().filter(here).map(|(at, (_, step))| (at, step))
    }

    fn effects(&self, name: &str) -> impl Iterator<Item = &StepRecord> {
        self.bound(name).filter(|(at, _)| self.start.steps[*at].kind == StepKind::Effect).map(|(_, step)| step)
    }

    fn illegal(&self, record: &Record, what: String) -> Illegal {
        Illegal { release: self.start.release, seq: record.seq, what }
    }

    fn change(&mut self, record: &Record) -> Result<(), String> {
        match &record.event {
            Event::ReleaseStarted(_) => Err("a release starts once".into()),
            Event::RunStarted { run, steps, .. } => self.take_up(*run, steps.as_deref()),
            Event::RunEnded { verdict } => self.let_go(verdict),
            Event::Approved { gate, actor, comment, plan, signature, claims } => {
                let approval = Approval {
                    at: record.at,
                    actor: actor.clone(),
                    comment: comment.clone(),
                    plan: *plan,
                    signature: signature.as_deref().cloned(),
                    claims: claims.as_deref().cloned(),
                };
                self.approved.insert(gate.clone(), approval);
                Ok(())
            }
            Event::BrokeGlass { environments, reason, actor } => {
                let (environments, reason, actor) = (environments.clone(), reason.clone(), actor.clone());
                self.broken_glass.push(BrokenGlass { at: record.at, environments, reason, actor });
                Ok(())
            }
            Event::Described { metadata } => {
                self.metadata.clone_from(metadata);
                Ok(())
            }
            Event::Notified { .. } | Event::CancelAsked { .. } => Ok(()),
            Event::DependencyLocked { name, version } => self.lock(name, version),
            Event::DependencyMet { environment, name, provider } => self.meet(environment, name, provider),
            Event::Offered { environment, offer } => self.offer(environment, offer),
            Event::Published { reference, digest, .. } => {
                self.published.insert(reference.clone(), digest.clone());
                Ok(())
            }
            Event::Marked { mark, set, .. } => {
                if *set {
                    self.marks.insert(*mark)
                } else {
                    self.marks.remove(mark)
                };
                Ok(())
            }
            event => self.change_step(event, record.at),
        }
    }

    fn lock(&mut self, name: &str, version: &str) -> Result<(), String> {
        if !matches!(self.start.requires.get(name), Some(Requirement::Package { .. })) {
            return Err(format!("it depends on no package as {name}"));
        }
        match self.locked.get(name) {
            Some(locked) if locked != version => Err(format!("{name} is locked to {locked} already")),
            _ => {
                self.locked.insert(name.to_owned(), version.to_owned());
                Ok(())
            }
        }
    }

    fn meet(&mut self, environment: &str, name: &str, provider: &Provider) -> Result<(), String> {
        if self.status != Status::Running {
            return Err("no process holds the release".into());
        }
        if !self.start.requires.contains_key(name) {
            return Err(format!("it requires nothing as {name}"));
        }
        if !self.environments().contains(environment) {
            return Err(format!("it has no step in {environment}"));
        }
        if self.met_in(environment).contains_key(name) && !self.may_be_met_anew(environment) {
            return Err(format!("its steps in {environment} have begun with another {name}"));
        }
        self.met.entry(environment.to_owned()).or_default().insert(name.to_owned(), provider.clone());
        Ok(())
    }

    fn offer(&mut self, environment: &str, offer: &Offer) -> Result<(), String> {
        if self.status != Status::Running || self.environment(environment) != EnvironmentState::Deployed {
            return Err(format!("it is not deployed in {environment}"));
        }
        self.offers.insert(environment.to_owned(), offer.clone());
        Ok(())
    }

    /// Returns what met its requirements in an environment, by name.
    pub fn met_in(&self, environment: &str) -> &BTreeMap<String, Provider> {
        static NOTHING: BTreeMap<String, Provider> = BTreeMap::new();
        self.met.get(environment).unwrap_or(&NOTHING)
    }

    /// Whether its steps in an environment may see other values than before: nothing there was made with those of before.
    pub fn may_be_met_anew(&self, environment: &str) -> bool {
        self.bound(environment).all(|(_, step)| match step.state {
            StepState::Waiting | StepState::Failed(_) => !step.may_stand(),
            StepState::Undone | StepState::Destroyed => true,
            _ => false,
        })
    }

    /// Returns the requirements that nothing meets in an environment yet.
    pub fn unmet_in(&self, environment: &str) -> impl Iterator<Item = (&str, &Requirement)> {
        let met = self.met_in(environment);
        self.start.requires.iter().filter(|(name, _)| !met.contains_key(*name)).map(|(name, requirement)| (name.as_str(), requirement))
    }

    /// Returns whether any run was to carry the step forward.
    pub fn is_wanted(&self, id: StepId) -> bool {
        self.wanted[id.index()]
    }

    /// Returns whether the last run was to carry the step.
    pub fn is_selected(&self, id: StepId) -> bool {
        self.selected.as_ref().is_none_or(|selected| selected.contains(&id))
    }

    fn take_up(&mut self, run: RunKind, steps: Option<&[StepId]>) -> Result<(), String> {
        if let Some(id) = steps.unwrap_or_default().iter().find(|id| id.index() >= self.steps.len()) {
            return Err(format!("there is no step {}", id.0));
        }
        self.selected = steps.map(|steps| steps.iter().copied().collect());
        self.status = Status::Running;
        if run != RunKind::Settle {
            self.run = Some(run);
        }
        if !matches!(run, RunKind::Settle | RunKind::Continue) {
            self.going_back.clear();
        }
        let forward = matches!(run, RunKind::Apply | RunKind::Retry | RunKind::Continue);
        if forward {
            let selected: Vec<StepId> = self.step_ids().filter(|&id| self.is_selected(id)).collect();
            for id in selected {
                self.wanted[id.index()] = true;
            }
        }
        for (step, decl) in self.steps.iter_mut().zip(&self.start.steps) {
            // An effect that was told to stop answered in the middle of its work, so that nobody knows how far it came. A way back does not
            // ask: it undoes what the last checkpoint names.
            let in_doubt = forward && decl.kind == StepKind::Effect && step.was_cancelled();
            if step.state == StepState::Running || in_doubt {
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
        let contradicts: fn(&StepDecl, &StepRecord) -> bool = match verdict {
            Verdict::Succeeded => |_, step| !matches!(step.state, StepState::Succeeded(_)),
            Verdict::Undone | Verdict::Destroyed => {
                |decl, step| decl.environment.is_some() && decl.kind == StepKind::Effect && step.may_stand()
            }
            _ => |_, _| false,
        };
        let against = |id: &StepId| self.is_selected(*id) && contradicts(&self.start.steps[id.index()], self.step(*id));
        if let Some(id) = self.step_ids().find(against) {
            return Err(format!("{} is {}", self.label(id), self.step(id).state));
        }
        self.status = Status::Ended(verdict.clone());
        Ok(())
    }

    fn label(&self, id: StepId) -> String {
        self.start.steps[id.index()].label()
    }

    fn change_step(&mut self, event: &Event, at: jiff::Timestamp) -> Result<(), String> {
        let id = event.step().ok_or("the event names no step")?;
        let decl = self.start.steps.get(id.index()).ok_or_else(|| format!("there is no step {}", id.0))?;
        if self.status != Status::Running {
            return Err(format!("no process holds the release, and {} would change", decl.label()));
        }
        if let (Event::StepStarted { .. }, Some(environment)) = (event, &decl.environment)
            && let Some((name, _)) = self.unmet_in(environment).next()
        {
            return Err(format!("{}: nothing meets {name} in {environment}", decl.label()));
        }
        self.steps[id.index()].change(event, decl, at).map_err(|what| format!("{}: {what}", decl.label()))?;
        let Some(environment) = decl.environment.clone() else { return Ok(()) };
        match event {
            Event::StepSucceeded { .. } | Event::StepRecovered { finding: crate::Finding::Done { .. }, .. } => {
                self.deployed_at.insert(environment, at);
            }
            Event::UndoStarted { .. } | Event::DestroyStarted { .. } => {
                self.going_back.insert(environment);
            }
            Event::StepRecovered { finding: crate::Finding::Partly { .. }, .. } if decl.on_failure == OnFailure::Undo => {
                self.going_back.insert(environment);
            }
            Event::DestroyFinished { .. } if !self.effects(&environment).any(StepRecord::may_stand) => {
                self.destroyed_at.insert(environment, at);
            }
            _ => {}
        }
        Ok(())
    }
}

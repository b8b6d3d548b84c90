//! A small engine, a world that it changes, and crashes at every point between the two.
//!
//! The engine here is the rules and no more: what it may begin, what it asks a plugin after a crash, how it goes back. The world knows what
//! really happened. What the ledger says is then held against what the world knows.

mod common;

use common::*;
use proptest::prelude::*;
use relrun_ledger::{
    Cause, EnvironmentState, Event, Failure, FailureKind, Finding, OnFailure, Origin, Record, Release, RunKind, StepDecl, StepId, StepKind,
    StepState, Verdict,
};
use serde_json::json;

/// What stands of an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Nothing,
    Half,
    Whole,
}

/// The process died. What it had written stays, and so does what it had done.
struct Crash;

struct World {
    release: Release,
    stands: Vec<Stands>,
    /// What happens next is drawn from here; when it is used up, nothing goes wrong any more.
    dice: Vec<u8>,
    rolled: usize,
    /// The run was told to stop.
    cancelled: bool,
}

impl World {
    fn new(steps: Vec<StepDecl>, dice: Vec<u8>) -> Self {
        let stands = vec![Stands::Nothing; steps.len()];
        let first = record(0, Event::ReleaseStarted(Box::new(start(7, steps))));
        Self { release: Release::begin(&first).expect("it begins"), stands, dice, rolled: 0, cancelled: false }
    }

    fn roll(&mut self, sides: u8) -> u8 {
        let face = self.dice.get(self.rolled).copied().unwrap_or(255);
        self.rolled += 1;
        if face == 255 { sides - 1 } else { face % sides }
    }

    /// One time in nine, as long as there are dice.
    fn unlucky(&mut self) -> bool {
        self.roll(9) == 0
    }

    fn maybe_crash(&mut self) -> Result<(), Crash> {
        if self.unlucky() { Err(Crash) } else { Ok(()) }
    }

    fn note(&mut self, event: Event) -> Result<(), Crash> {
        self.maybe_crash()?;
        let record = Record { seq: self.release.next_seq, at: at(self.release.next_seq), event };
        if let Err(illegal) = self.release.apply(&record) {
            panic!("the engine keeps to the rules: {illegal}");
        }
        self.check();
        self.maybe_crash()
    }

    /// What the ledger says of each environment, held against the world.
    fn check(&self) {
        for name in ["staging", "live"] {
            let effects: Vec<Stands> = self.effects(Some(name)).into_iter().map(|id| self.stands[id.index()]).collect();
            match self.release.environment(name) {
                EnvironmentState::Deployed => assert!(effects.iter().all(|&stands| stands == Stands::Whole), "deployed, and {effects:?}"),
                EnvironmentState::Untouched | EnvironmentState::Undone | EnvironmentState::Destroyed => {
                    assert!(effects.iter().all(|&stands| stands == Stands::Nothing), "clean, and {effects:?}");
                }
                EnvironmentState::Working | EnvironmentState::Half | EnvironmentState::Unknown | EnvironmentState::UndoFailed => {}
            }
        }
    }

    fn decl(&self, id: StepId) -> &StepDecl {
        &self.release.start.steps[id.index()]
    }

    fn effects(&self, environment: Option<&str>) -> Vec<StepId> {
        let here = |id: &StepId| self.decl(*id).kind == StepKind::Effect && self.decl(*id).environment.as_deref() == environment;
        self.release.step_ids().filter(here).collect()
    }

    fn doubts(&self) -> Vec<StepId> {
        let doubtful = |id: &StepId| matches!(self.release.step(*id).state, StepState::Interrupted | StepState::Unknown(_));
        self.release.step_ids().filter(doubtful).collect()
    }

    fn run(&mut self, run: RunKind) -> Result<(), Crash> {
        self.note(Event::RunStarted { run, actor: actor(), steps: None })?;
        let verdict = match run {
            RunKind::Settle => self.settle()?,
            RunKind::Undo | RunKind::Destroy => {
                self.recover()?;
                self.all_back(run == RunKind::Undo)?
            }
            RunKind::Apply | RunKind::Retry | RunKind::Continue => {
                self.recover()?;
                self.forward()?
            }
        };
        self.note(Event::RunEnded { verdict })
    }

    /// The plugin knows what it did, or says that it cannot tell.
    fn recover(&mut self) -> Result<(), Crash> {
        for step in self.doubts() {
            if !matches!(self.release.step(step).state, StepState::Interrupted) {
                continue;
            }
            let (pure, idempotent) = (self.decl(step).kind == StepKind::Pure, self.decl(step).idempotent);
            let knows = self.roll(3) > 0;
            let (finding, by) = match self.truth(step) {
                _ if pure => (Finding::NotDone, Cause::Rule),
                Finding::Partly { .. } if idempotent => (Finding::NotDone, Cause::Rule),
                finding if knows => (finding, Cause::Plugin),
                _ if idempotent => (Finding::NotDone, Cause::Rule),
                _ => (Finding::Unknown { reason: "it cannot tell".into() }, Cause::Plugin),
            };
            self.note(Event::StepRecovered { step, finding, by })?;
        }
        Ok(())
    }

    fn truth(&self, step: StepId) -> Finding {
        match self.stands[step.index()] {
            Stands::Nothing => Finding::NotDone,
            Stands::Half => Finding::Partly { receipt: json!({ "half": true }) },
            Stands::Whole => Finding::Done { outcome: outcome(Some(json!({ "whole": true }))) },
        }
    }

    fn settle(&mut self) -> Result<Verdict, Crash> {
        for step in self.doubts() {
            let pure = self.decl(step).kind == StepKind::Pure;
            let finding = if pure { Finding::NotDone } else { self.truth(step) };
            self.note(Event::StepRecovered { step, finding, by: Cause::Person })?;
        }
        Ok(Verdict::Stopped)
    }

    fn forward(&mut self) -> Result<Verdict, Crash> {
        if !self.doubts().is_empty() {
            return Ok(Verdict::Waiting { on: vec!["settle".into()] });
        }
        for step in self.release.step_ids() {
            let begins = matches!(
                self.release.step(step).state,
                StepState::Waiting | StepState::Failed(_) | StepState::Undone | StepState::Destroyed
            );
            if begins && !self.carry(step)? {
                if std::mem::take(&mut self.cancelled) {
                    return Ok(Verdict::Cancelled);
                }
                let decl = self.decl(step).clone();
                if let Some(environment) = decl.environment.filter(|_| decl.on_failure == OnFailure::Undo) {
                    self.back(&environment, true)?;
                }
                return Ok(Verdict::Failed);
            }
        }
        let all = self.release.steps.iter().all(|step| matches!(step.state, StepState::Succeeded(_)));
        Ok(if all { Verdict::Succeeded } else { Verdict::Failed })
    }

    fn carry(&mut self, step: StepId) -> Result<bool, Crash> {
        let attempt = self.release.step(step).attempts + 1;
        if self.decl(step).kind == StepKind::Pure {
            if self.roll(2) == 0 {
                let origin = Origin::Cached { fingerprint: digest("print") };
                self.note(Event::StepSucceeded { step, outcome: outcome(None), origin })?;
                return Ok(true);
            }
            self.note(Event::StepStarted { step, attempt, config: digest("config") })?;
        } else {
            self.note(Event::StepStarted { step, attempt, config: digest("config") })?;
            if self.unlucky() {
                self.note(Event::StepFailed { step, failure: failure("before anything") })?;
                return Ok(false);
            }
            self.note(Event::Checkpoint { step, state: json!({ "begun": attempt }) })?;
            self.change(step)?;
            if self.unlucky() {
                // It answers that it was told to stop, and may have been through by then.
                if self.roll(2) == 0 {
                    self.stands[step.index()] = Stands::Whole;
                }
                self.cancelled = true;
                self.note(Event::StepFailed { step, failure: Failure { kind: FailureKind::Cancelled, ..failure("told to stop") } })?;
                return Ok(false);
            }
        }
        if self.unlucky() && self.stands[step.index()] != Stands::Whole {
            self.note(Event::StepFailed { step, failure: failure("in the middle") })?;
            return Ok(false);
        }
        if self.decl(step).kind == StepKind::Effect {
            self.stands[step.index()] = Stands::Whole;
            self.maybe_crash()?;
        }
        let receipt = (self.roll(2) == 0).then(|| json!({ "whole": true }));
        self.note(Event::StepSucceeded { step, outcome: outcome(receipt), origin: Origin::Ran { fingerprint: None } })?;
        Ok(true)
    }

    /// The first byte goes out. This is where an effect would happen twice.
    fn change(&mut self, step: StepId) -> Result<(), Crash> {
        if !self.decl(step).idempotent {
            assert_ne!(self.stands[step.index()], Stands::Whole, "{} happens twice", self.decl(step).label());
        }
        if self.stands[step.index()] == Stands::Nothing {
            self.stands[step.index()] = Stands::Half;
        }
        self.maybe_crash()
    }

    fn all_back(&mut self, undo: bool) -> Result<Verdict, Crash> {
        let mut whole = true;
        for environment in ["staging", "live"] {
            whole &= self.back(environment, undo)?;
        }
        Ok(match (whole, undo) {
            (false, _) if !self.doubts().is_empty() => Verdict::Waiting { on: vec!["settle".into()] },
            (false, _) => Verdict::Failed,
            (true, true) => Verdict::Undone,
            (true, false) => Verdict::Destroyed,
        })
    }

    fn back(&mut self, environment: &str, undo: bool) -> Result<bool, Crash> {
        for step in self.effects(Some(environment)).into_iter().rev() {
            if !self.release.step(step).may_stand() {
                continue;
            }
            if self.doubts().contains(&step) {
                return Ok(false);
            }
            self.note(if undo { Event::UndoStarted { step } } else { Event::DestroyStarted { step } })?;
            self.note(Event::Checkpoint { step, state: json!(null) })?;
            assert_ne!(self.release.step(step).receipt, Some(json!(null)), "what to undo is forgotten");
            if self.unlucky() {
                self.stands[step.index()] = Stands::Half;
                self.maybe_crash()?;
                let failure = failure("it is held");
                self.note(if undo { Event::UndoFailed { step, failure } } else { Event::DestroyFailed { step, failure } })?;
                return Ok(false);
            }
            self.stands[step.index()] = Stands::Nothing;
            self.maybe_crash()?;
            let summary = "gone".to_owned();
            self.note(if undo { Event::UndoFinished { step, summary } } else { Event::DestroyFinished { step, summary } })?;
        }
        Ok(true)
    }
}

fn commands() -> impl Strategy<Value = Vec<RunKind>> {
    let all = [RunKind::Apply, RunKind::Retry, RunKind::Continue, RunKind::Continue, RunKind::Undo, RunKind::Destroy, RunKind::Settle];
    prop::collection::vec(prop::sample::select(all.to_vec()), 1..12)
}

fn steps() -> impl Strategy<Value = Vec<StepDecl>> {
    prop::collection::vec(any::<bool>(), 7).prop_map(|stops| {
        let decls = decls().into_iter().zip(stops);
        decls.map(|(decl, stop)| StepDecl { on_failure: if stop { OnFailure::Stop } else { OnFailure::Undo }, ..decl }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_crash_makes_an_effect_happen_twice_or_the_ledger_lie(steps in steps(), commands in commands(), dice in prop::collection::vec(0..255_u8, 0..250)) {
        let mut world = World::new(steps, dice);
        for command in commands {
            let _ = world.run(command);
        }
    }

    /// Whatever happened, three commands lead to a good state once nothing goes wrong any more.
    #[test]
    fn there_is_always_a_way_on(steps in steps(), commands in commands(), dice in prop::collection::vec(0..255_u8, 0..250), forward in any::<bool>()) {
        let mut world = World::new(steps, dice);
        for command in commands {
            let _ = world.run(command);
        }
        world.rolled = world.dice.len();
        for command in [RunKind::Settle, if forward { RunKind::Retry } else { RunKind::Undo }] {
            prop_assert!(world.run(command).is_ok());
        }
        // Steps whose undo failed or never ended are not begun before the way back is over.
        if forward && !world.release.steps.iter().all(|step| matches!(step.state, StepState::Succeeded(_))) {
            prop_assert!(world.run(RunKind::Undo).is_ok());
            prop_assert!(world.run(RunKind::Retry).is_ok());
        }
        for name in ["staging", "live"] {
            let state = world.release.environment(name);
            let good = if forward { state == EnvironmentState::Deployed } else { !world.release.steps.iter().zip(&world.release.start.steps).any(|(step, decl)| decl.environment.as_deref() == Some(name) && decl.kind == StepKind::Effect && step.may_stand()) };
            prop_assert!(good, "{name} is {state:?}");
        }
    }
}

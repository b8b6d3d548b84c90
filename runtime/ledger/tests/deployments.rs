//! What is active where, over several releases.

mod common;

use common::*;
use relrun_ledger::{
    DeploymentKey, Deployments, EnvironmentState, Event, Mark, Origin, Record, Release, RunKind, StepId, StepKind, Summary, Verdict,
};

/// A clock that all releases share.
#[derive(Default)]
struct Book {
    now: u64,
    releases: Vec<Release>,
}

const WEB: StepId = StepId(0);
const SEED: StepId = StepId(1);

impl Book {
    fn note(&mut self, number: usize, event: Event) {
        self.now += 1;
        let release = &mut self.releases[number - 1];
        release.apply(&Record { seq: release.next_seq, at: at(self.now), event }).expect("it is legal");
    }

    fn run(&mut self, number: usize, run: RunKind, steps: Option<Vec<StepId>>) {
        self.note(number, Event::RunStarted { run, actor: actor(), steps });
    }

    fn end(&mut self, number: usize, verdict: Verdict) {
        self.note(number, Event::RunEnded { verdict });
    }

    fn make(&mut self) -> usize {
        let number = self.releases.len() + 1;
        let steps = ["web", "seed"].map(|name| decl(name, Some("live"), StepKind::Effect, false)).to_vec();
        let start = start(u32::try_from(number).expect("few"), steps);
        self.now += 1;
        let first = Record { seq: 0, at: at(self.now), event: Event::ReleaseStarted(Box::new(start)) };
        self.releases.push(Release::begin(&first).expect("it begins"));
        number
    }

    fn carry(&mut self, number: usize, steps: &[StepId]) {
        for &step in steps {
            let attempt = self.releases[number - 1].step(step).attempts + 1;
            self.note(number, Event::StepStarted { step, attempt, config: digest("config") });
            self.note(number, Event::StepSucceeded { step, outcome: outcome(None), origin: Origin::Ran { fingerprint: None } });
        }
    }

    fn deploy(&mut self) -> usize {
        let number = self.make();
        self.run(number, RunKind::Apply, None);
        self.carry(number, &[WEB, SEED]);
        self.end(number, Verdict::Succeeded);
        number
    }

    fn destroy_step(&mut self, number: usize, step: StepId) {
        self.note(number, Event::DestroyStarted { step });
        self.note(number, Event::DestroyFinished { step, summary: "gone".into() });
    }

    fn deployments(&self) -> Deployments {
        let summaries: Vec<Summary> = self.releases.iter().map(Summary::of).collect();
        Deployments::of(&summaries)
    }

    fn active(&self) -> Option<u32> {
        self.deployments().active(&live()).map(|deployed| deployed.release.0)
    }
}

fn live() -> DeploymentKey {
    DeploymentKey { environment: "live".into(), deployment: "shop".into() }
}

#[test]
fn the_last_deployed_is_active_and_an_undo_gives_way_to_the_one_before() {
    let mut book = Book::default();
    let (first, second) = (book.deploy(), book.deploy());
    assert_eq!((first, book.active()), (1, Some(2)));
    book.run(second, RunKind::Undo, None);
    for step in [SEED, WEB] {
        book.note(second, Event::UndoStarted { step });
        book.note(second, Event::UndoFinished { step, summary: "back".into() });
    }
    book.end(second, Verdict::Undone);
    assert_eq!((book.active(), book.releases[1].environment("live")), (Some(1), EnvironmentState::Undone));
}

#[test]
fn a_destroy_takes_what_was_there_before_with_it() {
    let mut book = Book::default();
    let (first, second) = (book.deploy(), book.deploy());
    book.run(second, RunKind::Destroy, None);
    book.destroy_step(second, SEED);
    assert_eq!(book.releases[1].destroyed_at.get("live"), None, "half of it stands");
    book.destroy_step(second, WEB);
    book.end(second, Verdict::Destroyed);
    assert_eq!((book.active(), book.deployments().history(&live())), (None, &[][..]));

    // The destroyed release may come back, and the one before it does not come back with it.
    book.run(second, RunKind::Retry, None);
    book.carry(second, &[WEB, SEED]);
    book.end(second, Verdict::Succeeded);
    assert_eq!((book.active(), book.deployments().before_active(&live())), (Some(2), None));

    // And one that is deployed after the destroy stands by itself.
    book.run(first, RunKind::Retry, Some(vec![]));
    book.end(first, Verdict::Stopped);
    let third = book.deploy();
    assert_eq!((third, book.active()), (3, Some(3)));
    assert_eq!(book.deployments().before_active(&live()).map(|deployed| deployed.release.0), Some(2));
}

#[test]
fn a_rollback_does_not_choose_what_is_marked_bad() {
    let mut book = Book::default();
    let numbers = [book.deploy(), book.deploy(), book.deploy()];
    book.note(numbers[1], Event::Marked { mark: Mark::Bad, set: true, actor: actor() });
    assert_eq!(book.deployments().before_active(&live()).map(|deployed| deployed.release.0), Some(1));
    book.note(numbers[1], Event::Marked { mark: Mark::Bad, set: false, actor: actor() });
    assert_eq!(book.deployments().before_active(&live()).map(|deployed| deployed.release.0), Some(2));
}

#[test]
fn steps_that_no_run_was_to_carry_do_not_make_an_environment_half() {
    let mut book = Book::default();
    let number = book.make();
    book.run(number, RunKind::Apply, Some(vec![WEB]));
    book.carry(number, &[WEB]);
    book.end(number, Verdict::Succeeded);
    assert_eq!(book.releases[0].environment("live"), EnvironmentState::Deployed);
    assert!(!Summary::of(&book.releases[0]).free_done, "there is a step that nobody carried");
    book.run(number, RunKind::Continue, None);
    assert_eq!(book.releases[0].environment("live"), EnvironmentState::Half, "now it is to be carried");
}

#[test]
fn a_late_word_of_a_capability_does_not_make_a_deployment_newer() {
    let mut book = Book::default();
    let number = book.make();
    book.run(number, RunKind::Apply, None);
    book.carry(number, &[WEB, SEED]);
    let before = book.releases[0].deployed_at.clone();
    book.note(number, Event::Capability { step: WEB, capability: "host \"web*\"".into(), denied: false, detail: None });
    assert_eq!(book.releases[0].deployed_at, before);
}

#[test]
fn a_verdict_that_the_steps_do_not_bear_out_is_refused() {
    let mut book = Book::default();
    let number = book.deploy();
    book.run(number, RunKind::Undo, None);
    for verdict in [Verdict::Undone, Verdict::Destroyed] {
        let release = &mut book.releases[number - 1];
        let record = Record { seq: release.next_seq, at: at(99), event: Event::RunEnded { verdict } };
        let refused = release.apply(&record).expect_err("it stands");
        assert_eq!(refused.what, "web@live is succeeded");
    }
}

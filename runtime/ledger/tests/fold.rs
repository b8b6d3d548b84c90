//! What holds for any events at all, sense or nonsense.

mod common;

use common::*;
use proptest::prelude::*;
use relrun_ledger::{Actor, Event, Finding, Mark, Origin, Record, Release, RunKind, Start, StepId, StepKind, Summary, Verdict};
use std::collections::BTreeSet;

fn begin() -> (Release, Vec<Record>) {
    begin_with(start(7, decls()))
}

fn begin_with(start: Start) -> (Release, Vec<Record>) {
    let first = record(0, Event::ReleaseStarted(Box::new(start)));
    (Release::begin(&first).expect("it begins"), vec![first])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_refused_event_leaves_everything_as_it_was(events in prop::collection::vec(events(7), 1..150)) {
        let (mut release, mut records) = begin();
        for event in events {
            let record = record(release.next_seq, event);
            let before = release.clone();
            if release.apply(&record).is_ok() {
                records.push(record);
            } else {
                prop_assert_eq!(&release, &before);
            }
        }
        prop_assert_eq!(usize::try_from(release.next_seq), Ok(records.len()));
    }

    #[test]
    fn a_log_that_is_cut_anywhere_folds_on_to_the_same(events in prop::collection::vec(events(7), 1..150)) {
        let (mut release, mut records) = begin();
        for event in events {
            let record = record(release.next_seq, event);
            if release.apply(&record).is_ok() {
                records.push(record);
            }
        }
        for cut in 1..=records.len() {
            let mut again = Release::fold(&records[..cut]).expect("a prefix is legal").expect("it has a start");
            for record in &records[cut..] {
                again.apply(record).expect("the rest follows");
            }
            prop_assert_eq!(&again, &release);
        }
        prop_assert_eq!(Summary::of(&Release::fold(&records).expect("legal").expect("begun")), Summary::of(&release));
    }

    /// Told from the events alone: nothing starts in an environment before all that it needs there is met.
    #[test]
    fn no_step_starts_before_what_it_needs_is_there(events in prop::collection::vec(events(7), 1..200)) {
        let (mut release, _) = begin_with(dependent());
        let mut met = BTreeSet::new();
        for event in events {
            let record = record(release.next_seq, event);
            if release.apply(&record).is_err() {
                continue;
            }
            match record.event {
                Event::DependencyMet { environment, name, .. } => drop(met.insert((environment, name))),
                Event::StepStarted { step, .. } => {
                    if let Some(environment) = &release.start.steps[step.index()].environment {
                        prop_assert!(["db", "queue"].iter().all(|name| met.contains(&(environment.clone(), (*name).to_owned()))));
                    }
                }
                _ => {}
            }
        }
    }

    /// Told from the events alone, without the fold's states.
    #[test]
    fn a_finished_effect_never_starts_again(events in prop::collection::vec(events(7), 1..200)) {
        let (mut release, _) = begin();
        let mut finished = BTreeSet::new();
        for event in events {
            let record = record(release.next_seq, event);
            if release.apply(&record).is_err() {
                continue;
            }
            let is_effect = |step: StepId| release.start.steps[step.index()].kind == StepKind::Effect;
            match record.event {
                Event::StepStarted { step, .. } | Event::StepSucceeded { step, .. } if !is_effect(step) => {}
                Event::StepStarted { step, .. } => prop_assert!(!finished.contains(&step)),
                Event::StepSucceeded { step, .. } | Event::StepRecovered { step, finding: Finding::Done { .. }, .. } => {
                    let again = !finished.insert(step);
                    prop_assert!(!again);
                }
                Event::UndoFinished { step, .. } | Event::DestroyFinished { step, .. } => {
                    prop_assert!(is_effect(step));
                    finished.remove(&step);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_gap_a_repetition_and_a_wrong_beginning_are_refused() {
    let (mut release, records) = begin();
    let ended = |seq| record(seq, Event::Marked { mark: relrun_ledger::Mark::Bad, set: true, actor: actor() });
    assert!(release.apply(&ended(2)).is_err());
    assert!(release.apply(&ended(0)).is_err());
    assert!(release.apply(&ended(1)).is_ok(), "a mark needs no run");
    assert!(Release::fold(&[ended(0)]).is_err());
    assert!(Release::begin(&Record { seq: 1, ..records[0].clone() }).is_err());
    assert!(Release::fold(&[]).expect("nothing is legal").is_none());
}

#[test]
fn a_way_back_is_remembered_until_somebody_goes_forward_again() {
    let (mut release, _) = begin();
    let web = StepId(3);
    let ran = Origin::Ran { fingerprint: None };
    let run = |run| Event::RunStarted { run, actor: actor(), steps: None };
    let fold = |release: &mut Release, events: &[Event]| {
        for event in events {
            release.apply(&record(release.next_seq, event.clone())).expect("it may follow");
        }
        (release.run, release.going_back.iter().cloned().collect::<Vec<_>>())
    };
    let begun = [
        run(RunKind::Apply),
        Event::StepStarted { step: web, attempt: 1, config: digest("config") },
        Event::StepSucceeded { step: web, outcome: outcome(Some(serde_json::json!(1))), origin: ran },
    ];
    assert_eq!(fold(&mut release, &begun), (Some(RunKind::Apply), vec![]));
    assert_eq!(fold(&mut release, &[Event::UndoStarted { step: web }]), (Some(RunKind::Apply), vec!["staging".to_owned()]));
    // It died. Neither a person's word nor another process that goes on changes what it was about.
    assert_eq!(fold(&mut release, &[run(RunKind::Settle)]), (Some(RunKind::Apply), vec!["staging".to_owned()]));
    assert_eq!(fold(&mut release, &[run(RunKind::Continue)]), (Some(RunKind::Continue), vec!["staging".to_owned()]));
    assert_eq!(fold(&mut release, &[run(RunKind::Retry)]), (Some(RunKind::Retry), vec![]));
}

#[test]
fn what_a_pure_step_made_may_be_made_again() {
    let (mut release, _) = begin();
    let outcome = || outcome(None);
    let done = |step, attempt| {
        let origin = Origin::Ran { fingerprint: None };
        [Event::StepStarted { step, attempt, config: digest("config") }, Event::StepSucceeded { step, outcome: outcome(), origin }]
    };
    let run = Event::RunStarted { run: RunKind::Apply, actor: actor(), steps: None };
    assert!(release.apply(&record(1, run)).is_ok());
    for (attempt, pure) in [(1, true), (2, true), (1, false), (2, false)] {
        let step = if pure { StepId(0) } else { StepId(1) };
        let folded = done(step, attempt).into_iter().all(|event| release.apply(&record(release.next_seq, event)).is_ok());
        assert_eq!(folded, pure || attempt == 1, "{step:?} {attempt}");
    }
}

#[test]
fn what_names_nobody_was_done_by_whoever_holds_the_release() {
    let actor = |user: &str| Actor { user: user.to_owned(), ..Actor::default() };
    let began = Start { actor: actor("ada"), ..start(1, decls()) };
    let started = |run, user: &str| Event::RunStarted { run, actor: actor(user), steps: None };
    let events = [
        Event::ReleaseStarted(Box::new(began)),
        started(RunKind::Apply, "ada"),
        Event::RunEnded { verdict: Verdict::Failed },
        Event::Marked { mark: Mark::Pinned, set: true, actor: actor("bob") },
        started(RunKind::Retry, "eve"),
        Event::CancelAsked { actor: actor("bob") },
        Event::RunEnded { verdict: Verdict::Cancelled },
    ];
    let records: Vec<Record> = (0..).zip(events).map(|(seq, event)| Record { seq, at: jiff::Timestamp::UNIX_EPOCH, event }).collect();
    let users: Vec<&str> = relrun_ledger::acts(&records).filter_map(|(_, actor)| Some(actor?.user.as_str())).collect();
    assert_eq!(users, ["ada", "ada", "ada", "bob", "eve", "bob", "eve"]);
    assert!(relrun_ledger::acts(&records[2..3]).all(|(_, actor)| actor.is_none()), "of a part of a stream nobody is made up");
}

#[test]
fn what_met_a_requirement_is_kept_until_nothing_made_with_it_stands() {
    let (mut release, _) = begin_with(dependent());
    let mut fold = |event: Event| release.apply(&record(release.next_seq, event)).map_err(|illegal| illegal.what);
    let run = || Event::RunStarted { run: RunKind::Apply, actor: actor(), steps: None };
    let met = |name: &str, release: u32| {
        let provider = Box::new(relrun_ledger::Provider { release: relrun_ledger::ReleaseId(release), ..provider(None) });
        Event::DependencyMet { environment: "staging".into(), name: name.into(), provider }
    };
    let web = StepId(3);
    let begun = || Event::StepStarted { step: web, attempt: 1, config: digest("config") };
    assert!(fold(met("db", 4)).is_err(), "nobody holds the release");
    assert_eq!(fold(run()), Ok(()));
    assert_eq!(fold(begun()), Err("web@staging: nothing meets db in staging".into()));
    assert_eq!(fold(met("db", 4)), Ok(()));
    assert_eq!(fold(met("db", 5)), Ok(()), "nothing has begun with the first one");
    assert_eq!(fold(met("queue", 2)), Ok(()));
    assert!(fold(met("cache", 2)).is_err(), "nothing is required by this name");
    assert_eq!(fold(begun()), Ok(()));
    assert_eq!(fold(met("db", 6)), Err("its steps in staging have begun with another db".into()));
    let ran = Origin::Ran { fingerprint: None };
    assert_eq!(fold(Event::StepSucceeded { step: web, outcome: outcome(Some(serde_json::json!(1))), origin: ran }), Ok(()));
    assert_eq!(fold(Event::UndoStarted { step: web }), Ok(()));
    assert!(fold(met("db", 6)).is_err(), "it may stand still");
    assert_eq!(fold(Event::UndoFinished { step: web, summary: "went back".into() }), Ok(()));
    assert_eq!(fold(met("db", 6)), Ok(()));
}

#[test]
fn a_locked_version_is_kept() {
    let (mut release, _) = begin_with(dependent());
    let mut lock = |name: &str, version: &str| {
        let event = Event::DependencyLocked { name: name.into(), version: version.into() };
        release.apply(&record(release.next_seq, event)).is_ok()
    };
    assert!(!lock("queue", "1.0.0"), "an interface has no version");
    assert!(lock("db", "2.0.0"));
    assert!(lock("db", "2.0.0"));
    assert!(!lock("db", "2.1.0"));
}

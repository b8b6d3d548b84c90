//! What is appended, and that it stays.

use super::*;
use crate::Durability;
use proptest::prelude::*;
use relrun_ledger::{Digest, Event, Mark, ReleaseKind, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn stream(package: &str, release: u32) -> StreamId {
    StreamId { package: package.to_owned(), release: ReleaseId(release) }
}

fn actor() -> Actor {
    Actor { user: "ada".into(), host: "here".into(), pid: std::process::id(), job: None, person: None }
}

fn record(seq: u64) -> Record {
    let event = Event::Marked { mark: Mark::Bad, set: seq.is_multiple_of(2), actor: actor() };
    Record { seq, at: jiff::Timestamp::from_second(1_000_000).unwrap(), event }
}

fn summary(release: u32) -> Summary {
    Summary {
        release: ReleaseId(release),
        version: "1.0.0".into(),
        kind: ReleaseKind::Apply,
        identity: Digest::of(b"identity"),
        status: Status::Running,
        free_done: false,
        environments: BTreeMap::new(),
        marks: BTreeSet::new(),
        created: jiff::Timestamp::from_second(1_000_000).unwrap(),
        actor: actor(),
        commit: None,
        description: None,
        metadata: BTreeMap::new(),
        broke_glass: false,
        part_of: None,
    }
}

fn batch(records: &[Record]) -> Batch<'_> {
    Batch { records, summary: None, fence: None, durability: Durability::Grouped }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    (folder, path)
}

#[test]
fn what_is_appended_is_read_again_after_a_reopen() {
    let (_folder, path) = place();
    let stream = stream("acme/shop", 1);
    let id = {
        let store = SqliteRunStore::open(&path).unwrap();
        store.append(&stream, &batch(&[record(0), record(1)])).unwrap();
        store.append(&stream, &Batch { durability: Durability::Durable, summary: Some(&summary(1)), ..batch(&[record(2)]) }).unwrap();
        store.ledger_id().unwrap()
    };
    let store = SqliteRunStore::open(&path).unwrap();
    assert_eq!(store.ledger_id().unwrap(), id);
    assert_eq!(store.read(&stream, 0).unwrap(), [record(0), record(1), record(2)]);
    assert_eq!(store.read(&stream, 2).unwrap(), [record(2)]);
    assert_eq!(store.summaries("acme/shop").unwrap(), [summary(1)]);
}

#[test]
fn a_stream_that_has_grown_refuses_the_same_place_twice() {
    let (_folder, path) = place();
    let (one, two) = (SqliteRunStore::open(&path).unwrap(), SqliteRunStore::open(&path).unwrap());
    let stream = stream("acme/shop", 1);
    one.append(&stream, &batch(&[record(0)])).unwrap();
    let refused = two.append(&stream, &Batch { summary: Some(&summary(1)), ..batch(&[record(0)]) });
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert!(two.summaries("acme/shop").unwrap().is_empty(), "a refused append writes nothing");
    assert!(matches!(two.append(&stream, &batch(&[record(2)])), Err(StoreError::Conflict { .. })), "no gap either");
    two.append(&stream, &batch(&[record(1)])).unwrap();
    assert_eq!(one.read(&stream, 0).unwrap().len(), 2);
}

#[test]
fn ids_are_never_given_twice() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    assert_eq!(store.claim("a/b").unwrap(), ReleaseId(1));
    assert_eq!(store.claim("a/b").unwrap(), ReleaseId(2));
    store.forget(&stream("a/b", 2)).unwrap();
    drop(store);
    let store = SqliteRunStore::open(&path).unwrap();
    assert_eq!(store.claim("a/b").unwrap(), ReleaseId(3));
    assert_eq!(store.claim("a/c").unwrap(), ReleaseId(1));
}

/// Copies what a killed process would leave, and opens that.
fn after_a_crash(path: &Path) -> (tempfile::TempDir, SqliteRunStore) {
    let (folder, copy) = place();
    fs::copy(path, &copy).unwrap();
    fs::copy(open::log_of(path), open::log_of(&copy)).unwrap();
    let store = SqliteRunStore::open(&copy).unwrap();
    (folder, store)
}

#[test]
fn a_crash_takes_nothing_that_was_appended() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    let stream = stream("acme/shop", store.claim("acme/shop").unwrap().0);
    for seq in 0..100 {
        let durability = if seq % 7 == 0 { Durability::Durable } else { Durability::Grouped };
        store.append(&stream, &Batch { durability, ..batch(&[record(seq)]) }).unwrap();
        if seq % 33 == 0 {
            let (_folder, found) = after_a_crash(&path);
            assert_eq!(found.read(&stream, 0).unwrap().len() as u64, seq + 1);
        }
    }
}

fn level(store: &SqliteRunStore) -> i64 {
    store.writer().connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
}

#[test]
fn only_a_durable_append_waits_for_the_disk_and_sync_makes_up_for_the_rest() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    let stream = stream("acme/shop", 1);
    store.append(&stream, &batch(&[record(0)])).unwrap();
    assert_eq!((level(&store), store.writer().unsynced), (1, true), "NORMAL");
    store.append(&stream, &Batch { durability: Durability::Durable, ..batch(&[record(1)]) }).unwrap();
    assert_eq!((level(&store), store.writer().unsynced), (2, false), "FULL");
    store.append(&stream, &batch(&[record(2)])).unwrap();
    store.sync().unwrap();
    assert_eq!((level(&store), store.writer().unsynced), (2, false));
}

#[test]
fn appends_of_many_threads_all_land_and_only_the_refused_one_is_refused() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    std::thread::scope(|scope| {
        for release in 1..=8 {
            let store = &store;
            scope.spawn(move || {
                let stream = stream("acme/shop", release);
                for seq in 0..25 {
                    store.append(&stream, &Batch { durability: Durability::Durable, ..batch(&[record(seq)]) }).unwrap();
                    let again = store.append(&stream, &batch(&[record(seq)]));
                    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
                }
            });
        }
    });
    for release in 1..=8 {
        assert_eq!(store.read(&stream("acme/shop", release), 0).unwrap().len(), 25);
    }
}

#[test]
fn two_stores_on_one_file_wait_for_each_other() {
    let (_folder, path) = place();
    let ids = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let store = SqliteRunStore::open(&path).unwrap();
                for _ in 0..50 {
                    let id = store.claim("acme/shop").unwrap();
                    store.append(&stream("acme/shop", id.0), &batch(&[record(0)])).unwrap();
                    ids.lock().unwrap().push(id.0);
                }
            });
        }
    });
    let mut ids = ids.into_inner().unwrap();
    ids.sort_unstable();
    assert_eq!(ids, (1..=150).collect::<Vec<_>>());
}

#[test]
fn only_packages_with_releases_are_listed() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    for package in ["b/b", "a/a", "c/c"] {
        store.claim(package).unwrap();
    }
    for package in ["b/b", "a/a"] {
        store.append(&stream(package, 1), &Batch { summary: Some(&summary(1)), ..batch(&[record(0)]) }).unwrap();
    }
    assert_eq!(store.packages().unwrap(), ["a/a", "b/b"]);
    store.forget(&stream("a/a", 1)).unwrap();
    assert_eq!(store.packages().unwrap(), ["b/b"]);
    assert_eq!(store.read(&stream("a/a", 1), 0).unwrap(), []);
}

#[test]
fn a_request_to_stop_is_taken_once() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    let stream = stream("acme/shop", 1);
    assert_eq!(store.take_cancel(&stream).unwrap(), None);
    store.request_cancel(&stream, &actor()).unwrap();
    assert_eq!(store.take_cancel(&stream).unwrap(), Some(actor()));
    assert_eq!(store.take_cancel(&stream).unwrap(), None);
}

#[test]
fn damaged_rows_are_named() {
    let (_folder, path) = place();
    let store = SqliteRunStore::open(&path).unwrap();
    let stream = stream("acme/shop", 1);
    store.append(&stream, &batch(&[record(0), record(1), record(2)])).unwrap();
    let reason = |store: &SqliteRunStore| match store.read(&stream, 0) {
        Err(StoreError::Record { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    store.writer().connection.execute("UPDATE events SET record = '{' WHERE seq = 2", []).unwrap();
    assert!(reason(&store).starts_with("event 2:"), "{}", reason(&store));
    store.writer().connection.execute("DELETE FROM events WHERE seq = 1", []).unwrap();
    assert_eq!(reason(&store), "event 1 is missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is appended, in batches of any size and durability, and across reopens, is read in order from any place on.
    #[test]
    fn streams_round_trip(batches in proptest::collection::vec((0_u32..3, 0_u64..5, any::<bool>(), any::<bool>()), 1..20)) {
        let (_folder, path) = place();
        let mut store = SqliteRunStore::open(&path).unwrap();
        let mut lengths = [0_u64; 3];
        for (release, count, durable, reopen) in batches {
            let next = &mut lengths[release as usize];
            let records: Vec<Record> = (*next..*next + count).map(record).collect();
            let durability = if durable { Durability::Durable } else { Durability::Grouped };
            store.append(&stream("acme/shop", release), &Batch { durability, ..batch(&records) }).unwrap();
            *next += count;
            if reopen {
                drop(store);
                store = SqliteRunStore::open(&path).unwrap();
            }
        }
        for (release, length) in (0..).zip(lengths) {
            let from = length / 2;
            prop_assert_eq!(store.read(&stream("acme/shop", release), from).unwrap(), (from..length).map(record).collect::<Vec<_>>());
        }
    }
}

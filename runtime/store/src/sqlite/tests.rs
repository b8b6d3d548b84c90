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
    Actor { user: "ada".into(), host: "here".into(), pid: std::process::id(), job: None }
}

fn record(seq: u64) -> Record {
    let event = Event::Marked { mark: Mark::Bad, set: seq % 2 == 0, actor: actor() };
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
        description: None,
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

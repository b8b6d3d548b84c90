//! Who may hold a lock, and what an old holder may still do.

use super::*;
use crate::{Batch, Durability};
use proptest::prelude::*;
use relrun_ledger::{Event, Mark};

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    (folder, path)
}

fn actor(user: &str) -> Actor {
    Actor { user: user.into(), host: "here".into(), pid: 7, job: None, person: None }
}

fn key() -> LockKey {
    LockKey::Deployment { package: "acme/shop".into(), environment: "live".into(), deployment: "shop".into() }
}

/// A store as another process sees it.
fn store_of(path: &Path, process: Process) -> SqliteRunStore {
    let mut store = open_plain(path);
    store.process = process;
    store
}

fn open_plain(path: &Path) -> SqliteRunStore {
    SqliteRunStore::open(path).unwrap()
}

/// Whether a lock that such a process took this long ago is taken over.
fn is_taken_over(process: Process, ago_ms: i64) -> bool {
    let (_folder, path) = place();
    store_of(&path, process).lock(&key(), &actor("ada"), None).unwrap().unwrap();
    let store = open_plain(&path);
    store.writer().connection.execute("UPDATE locks SET renewed = renewed - ?1", [ago_ms]).unwrap();
    store.lock(&key(), &actor("bob"), None).unwrap().is_ok()
}

const LONG_AGO: i64 = locks::LEASE_MS + 1000;

#[test]
fn a_holder_that_lives_keeps_its_lock_and_is_named() {
    let (_folder, path) = place();
    let (one, two) = (open_plain(&path), open_plain(&path));
    let lock = one.lock(&key(), &actor("ada"), Some(ReleaseId(3))).unwrap().unwrap();
    let refused = two.lock(&key(), &actor("bob"), None).unwrap().unwrap_err();
    assert_eq!(refused.lock, lock);
    assert_eq!((refused.lock.holder.actor, refused.lock.holder.release), (actor("ada"), Some(ReleaseId(3))));
    assert_eq!(two.locks().unwrap(), [lock]);
    assert!(!is_taken_over(Process::own(), LONG_AGO), "a process that is seen to live was only stopped for a while");
}

#[test]
fn a_process_that_is_gone_loses_its_lock_at_once() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    // Not waited for yet: a process that has ended holds nothing, whether or not its parent looked.
    while holder::started(pid).is_some() {
        std::thread::yield_now();
    }
    assert!(is_taken_over(Process { pid, ..Process::own() }, 0));
    child.wait().unwrap();
    assert!(is_taken_over(Process { pid, ..Process::own() }, 0));
}

#[test]
fn a_pid_that_was_given_again_is_not_the_holder() {
    assert!(is_taken_over(Process { started: Process::own().started + 1, ..Process::own() }, 0));
}

#[test]
fn a_process_of_an_earlier_boot_is_gone() {
    assert!(is_taken_over(Process { boot: "earlier".into(), ..Process::own() }, 0));
}

#[test]
fn a_process_that_cannot_be_seen_has_its_lease() {
    for process in [Process { namespace: "pid:[1]".into(), ..Process::own() }, Process { machine: "other".into(), ..Process::own() }] {
        assert!(!is_taken_over(process.clone(), 0));
        assert!(is_taken_over(process.clone(), LONG_AGO));
        assert!(is_taken_over(process, -LONG_AGO), "a clock that was set back is no reason to wait for ever");
    }
}

#[test]
fn an_old_fence_renews_unlocks_and_appends_nothing() {
    let (_folder, path) = place();
    let dead = store_of(&path, Process { boot: "earlier".into(), ..Process::own() });
    let old = dead.lock(&key(), &actor("ada"), None).unwrap().unwrap();
    let store = open_plain(&path);
    let new = store.lock(&key(), &actor("bob"), None).unwrap().unwrap();
    assert!(new.fence > old.fence);

    assert_eq!(dead.heartbeat(&[(key(), old.fence)]).unwrap(), [key()]);
    assert_eq!(store.heartbeat(&[(key(), new.fence)]).unwrap(), []);
    dead.unlock(&key(), old.fence).unwrap();
    assert_eq!(store.locks().unwrap().len(), 1, "only its own holder lets a lock go");

    let event = Event::Marked { mark: Mark::Bad, set: true, actor: actor("ada") };
    let records = [Record { seq: 0, at: jiff::Timestamp::UNIX_EPOCH, event }];
    let stream = StreamId { package: "acme/shop".into(), release: ReleaseId(1) };
    let key = key();
    let under = |fence| Batch { records: &records, summary: None, fence: Some((&key, fence)), durability: Durability::Durable };
    assert!(matches!(dead.append(&stream, &under(old.fence)), Err(StoreError::Conflict { .. })));
    assert_eq!(store.read(&stream, 0).unwrap(), []);
    store.append(&stream, &under(new.fence)).unwrap();
}

#[test]
fn a_broken_lock_is_lost_to_its_holder() {
    let (_folder, path) = place();
    let store = open_plain(&path);
    let lock = store.lock(&key(), &actor("ada"), None).unwrap().unwrap();
    assert!(store.break_lock(&key()).unwrap());
    assert!(!store.break_lock(&key()).unwrap());
    assert_eq!(store.heartbeat(&[(key(), lock.fence)]).unwrap(), [key()]);
}

#[test]
fn a_heartbeat_is_seen() {
    let (_folder, path) = place();
    let store = open_plain(&path);
    let lock = store.lock(&key(), &actor("ada"), None).unwrap().unwrap();
    store.writer().connection.execute("UPDATE locks SET renewed = 0", []).unwrap();
    store.heartbeat(&[(key(), lock.fence)]).unwrap();
    assert!(
        store.locks().unwrap()[0].holder.renewed >= lock.holder.since.round(jiff::Unit::Second).unwrap() - jiff::Span::new().seconds(1)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However locks are taken, let go, broken and reopened, each taking has a greater fence than every one before it.
    #[test]
    fn fences_grow(moves in proptest::collection::vec((0_u8..3, 0_u8..4), 1..40)) {
        let (_folder, path) = place();
        let mut store = open_plain(&path);
        let (mut newest, mut held) = (0, [None; 3]);
        for (which, what) in moves {
            let key = LockKey::Package(format!("acme/{which}"));
            let mine = &mut held[usize::from(which)];
            match (what, *mine) {
                (0, Some(fence)) => { store.unlock(&key, fence).unwrap(); *mine = None; }
                (1, _) => { prop_assert_eq!(store.break_lock(&key).unwrap(), mine.is_some()); *mine = None; }
                (2, _) => { drop(store); store = open_plain(&path); }
                (_, Some(_)) => prop_assert!(store.lock(&key, &actor("ada"), None).unwrap().is_err()),
                (_, None) => {
                    let lock = store.lock(&key, &actor("ada"), None).unwrap().unwrap();
                    prop_assert!(lock.fence > newest);
                    newest = lock.fence;
                    *mine = Some(lock.fence);
                }
            }
        }
    }
}

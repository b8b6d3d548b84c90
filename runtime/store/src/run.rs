//! The run store's seam.

use crate::StoreError;
use relrun_ledger::{Actor, Record, ReleaseId, StepId, Summary};
use serde::{Deserialize, Serialize};

/// One release's stream of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId {
    /// The package, `owner/name`.
    pub package: String,
    /// The release.
    pub release: ReleaseId,
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.package, self.release)
    }
}

/// When an append must be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the call returns: a power cut cannot take it back. For everything that stands before an effect.
    Durable,
    /// With the next durable one, or soon. A crash of the process cannot take it back, a power cut may.
    Grouped,
}

/// What one append writes, all or nothing.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The events; the first one's `seq` must be the stream's next.
    pub records: &'a [Record],
    /// The release's new summary, where it changed.
    pub summary: Option<&'a Summary>,
    /// The lock under which this is written; refused when its fence is no longer the newest.
    pub fence: Option<(&'a LockKey, u64)>,
    /// When it must be on disk.
    pub durability: Durability,
}

/// What a lock locks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKey {
    /// Taking an id, or a version.
    Package(String),
    /// Effects on one deployment.
    Deployment {
        /// The package.
        package: String,
        /// The environment.
        environment: String,
        /// The deployment.
        deployment: String,
    },
    /// A release being carried by a process, whatever its environments.
    Release(StreamId),
    /// A pure step's work.
    Fingerprint(relrun_ledger::Digest),
}

impl std::fmt::Display for LockKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package(package) => write!(f, "package {package}"),
            Self::Deployment { package, environment, deployment } => write!(f, "deployment {package} {environment}/{deployment}"),
            Self::Release(stream) => write!(f, "release {} {}", stream.package, stream.release),
            Self::Fingerprint(digest) => write!(f, "fingerprint {digest}"),
        }
    }
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub actor: Actor,
    /// For which release.
    pub release: Option<ReleaseId>,
    /// Since when.
    pub since: jiff::Timestamp,
    /// When it was last renewed.
    pub renewed: jiff::Timestamp,
}

/// A lock held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What it locks.
    pub key: LockKey,
    /// Who holds it.
    pub holder: Holder,
    /// Grows with every taking of this key; never reused, so that a holder that was thought dead is refused at the store and at the target.
    pub fence: u64,
}

/// A lock that another holds.
#[derive(Clone, Debug)]
pub struct LockRefused {
    /// What it locks and who holds it.
    pub lock: Lock,
}

/// One line of a step's log, masked before it came here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogLine {
    /// Which step.
    pub step: StepId,
    /// Which attempt.
    pub attempt: u32,
    /// When it was said.
    pub at: jiff::Timestamp,
    /// Who said it: `plugin`, `stdout` or `stderr`.
    pub source: String,
    /// The line.
    pub text: String,
}

/// Everything that a run store keeps, at one moment. Locks and requests to stop are of the processes there, and stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerCopy {
    /// The ledger's own id.
    pub ledger_id: String,
    /// The last fence that was given: hosts know it, so that the next one must be greater wherever the ledger lies.
    pub last_fence: u64,
    /// The last release id that each package gave.
    pub packages: std::collections::BTreeMap<String, u32>,
    /// The releases.
    pub streams: std::collections::BTreeMap<StreamId, StreamCopy>,
}

/// One release of a [`LedgerCopy`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCopy {
    /// Its records as they are written, from the first.
    pub records: Vec<String>,
    /// Its summary as it is written.
    pub summary: String,
    /// Its log's lines as they are written.
    pub log: Vec<String>,
}

/// Keeps events, ids and locks. Every method may block on a disk or a network.
pub trait RunStore: Send + Sync {
    /// Returns the ledger's own id: 32 hexadecimal digits, made when the store was.
    fn ledger_id(&self) -> Result<String, StoreError>;

    /// Takes the package's next release id. Called under the package's lock.
    fn claim(&self, package: &str) -> Result<ReleaseId, StoreError>;

    /// Appends to a stream.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the stream has grown, or the fence is old.
    fn append(&self, stream: &StreamId, batch: &Batch<'_>) -> Result<(), StoreError>;

    /// Makes everything that was appended so far durable, as one durable append would. Without anything to do it costs nothing.
    fn sync(&self) -> Result<(), StoreError>;

    /// Reads a stream from one place on.
    fn read(&self, stream: &StreamId, from: u64) -> Result<Vec<Record>, StoreError>;

    /// Appends lines to a release's log. They are no events: a power cut may take the last ones.
    fn append_log(&self, stream: &StreamId, lines: &[LogLine]) -> Result<(), StoreError>;

    /// Reads a release's log, one step's or all, in the order it came.
    fn read_log(&self, stream: &StreamId, step: Option<StepId>) -> Result<Vec<LogLine>, StoreError>;

    /// Returns the summaries of a package's releases, oldest first.
    fn summaries(&self, package: &str) -> Result<Vec<Summary>, StoreError>;

    /// Returns the packages that have releases, sorted.
    fn packages(&self) -> Result<Vec<String>, StoreError>;

    /// Forgets a release's stream and summary (`releases prune`). Its id is never given again.
    fn forget(&self, stream: &StreamId) -> Result<(), StoreError>;

    /// Takes a lock, from a holder that is dead too: one on this machine whose process is gone, or one that did not renew for the lease.
    fn lock(&self, key: &LockKey, actor: &Actor, release: Option<ReleaseId>) -> Result<Result<Lock, LockRefused>, StoreError>;

    /// Renews locks; gives those that are no longer ours.
    fn heartbeat(&self, locks: &[(LockKey, u64)]) -> Result<Vec<LockKey>, StoreError>;

    /// Lets a lock go, where the fence is still ours.
    fn unlock(&self, key: &LockKey, fence: u64) -> Result<(), StoreError>;

    /// Returns the locks held, dead holders' too.
    fn locks(&self) -> Result<Vec<Lock>, StoreError>;

    /// Breaks a lock, whoever holds it (`relrun lock release`).
    fn break_lock(&self, key: &LockKey) -> Result<bool, StoreError>;

    /// Returns everything at one moment, also while others write.
    fn copy(&self) -> Result<LedgerCopy, StoreError>;

    /// Takes in what another store had, all or nothing, durably. Nothing that is here is changed or lost: where this store is no earlier state of
    /// the very ledger, nor an empty one, what differs is returned instead.
    fn take_in(&self, copy: &LedgerCopy) -> Result<Result<(), Vec<String>>, StoreError>;

    /// Asks the holder of a release to stop, or undo; read by its heartbeat.
    fn request_cancel(&self, stream: &StreamId, actor: &Actor) -> Result<(), StoreError>;

    /// Takes a request to stop, where there is one.
    fn take_cancel(&self, stream: &StreamId) -> Result<Option<Actor>, StoreError>;
}

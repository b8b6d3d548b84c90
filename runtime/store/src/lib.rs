//! The stores: two seams, and nothing above them knows a backend or assumes one machine.
//!
//! [`RunStore`] keeps the ledger's events, ids and locks; [`BlobStore`] keeps content by its blake3 and remembers what a key once gave.
//! Embedded defaults: SQLite and a local directory. [`LocalCache`] is neither: it holds what this machine can always make again.

mod blob;
mod cache;
mod local;
mod run;
mod sqlite;
mod tree;

pub use blob::BlobStore;
pub use cache::{Globbed, LocalCache, StatCache, glob_files};
pub use local::{GcMode, GcOptions, GcReport, LocalBlobStore, StoreStat, SweptBlob, VerifyReport};
pub use run::{Batch, Durability, Holder, LedgerCopy, Lock, LockKey, LockRefused, LogLine, RunStore, StreamCopy, StreamId};
pub use sqlite::SqliteRunStore;
pub use tree::{CaptureMode, Entry, EntryKind, LaidOut, RestoreMode, Tree, capture, lay_out, restore, restore_tree, stage};

/// Why a store failed. All of these are exit code 6, but for a lock.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// The operating system said no: a full disk, a read-only folder.
    #[error("failed to {doing}")]
    #[diagnostic(code(relrun::store::io), help("check that there is room and that you may write there, then run the same command again"))]
    Io {
        /// What was being done, and to which path.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database said no.
    #[error("failed to {doing}: {reason}")]
    #[diagnostic(code(relrun::store::database))]
    Database {
        /// What was being done.
        doing: String,
        /// What the database said.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A blob's bytes are not what its digest says.
    #[error("blob {digest} is corrupt")]
    #[diagnostic(
        code(relrun::store::corrupt),
        help("type `relrun cache verify` to list and set aside what is corrupt; what is pure is made again")
    )]
    Corrupt {
        /// Which one.
        digest: relrun_ledger::Digest,
    },
    /// A blob is not there.
    #[error("blob {digest} is not in the store")]
    #[diagnostic(code(relrun::store::missing))]
    Missing {
        /// Which one.
        digest: relrun_ledger::Digest,
    },
    /// Somebody else appended first.
    #[error("somebody else wrote to {stream} in between")]
    #[diagnostic(code(relrun::store::conflict), help("another process works on this release; type `relrun status`"))]
    Conflict {
        /// Where.
        stream: String,
    },
    /// The ledger was written by a newer relrun.
    #[error("the ledger has version {found}, and this relrun knows up to {known}")]
    #[diagnostic(code(relrun::store::newer), help("use the newer relrun that wrote it; nothing was changed"))]
    Newer {
        /// Its version.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// A record could not be read.
    #[error("failed to read a record of {stream}: {reason}")]
    #[diagnostic(code(relrun::store::record), help("the ledger was damaged or changed by hand; restore it from a backup"))]
    Record {
        /// Where.
        stream: String,
        /// Why.
        reason: String,
    },
    /// A tree may not be captured or restored as it is.
    #[error("{path}: {reason}")]
    #[diagnostic(code(relrun::store::tree))]
    Tree {
        /// The path in the tree.
        path: String,
        /// Why.
        reason: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
}

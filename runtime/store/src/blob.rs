//! The blob store's seam, and what a tree is.

use crate::StoreError;
use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A directory as content: its entries, sorted by path. Its digest is the blake3 of its canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Every file, link and empty directory, with `/`-separated paths, sorted bytewise.
    pub entries: Vec<Entry>,
}

/// One path of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative, normal, UTF-8.
    pub path: String,
    /// What is there.
    pub kind: EntryKind,
}

/// What is at a path. No times, owners or modes beyond the executable bit: they are no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A file.
    File {
        /// Its bytes.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A link, as it is written; never absolute, never out of the tree.
    Link {
        /// Where it points.
        target: String,
    },
    /// A directory with nothing in it.
    Dir,
}

/// Keeps content by its blake3, and what a key once gave.
pub trait BlobStore: Send + Sync {
    /// Keeps bytes.
    fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError>;

    /// Keeps a file's content, by reflink or copy; `digest` is trusted only after the copy was hashed.
    fn put_file(&self, path: &Path) -> Result<(Digest, u64), StoreError>;

    /// Returns bytes, verified.
    fn get(&self, digest: Digest) -> Result<Vec<u8>, StoreError>;

    /// Lays a file down at a path where nothing is, verified: by reflink or copy, writable by its owner.
    fn get_file(&self, digest: Digest, path: &Path, executable: bool) -> Result<(), StoreError>;

    /// Returns whether a blob is there (not whether it is intact).
    fn has(&self, digest: Digest) -> Result<bool, StoreError>;

    /// Remembers what a key gave: a pure step's outcome by its fingerprint.
    fn remember(&self, key: Digest, value: &[u8]) -> Result<(), StoreError>;

    /// Recalls what a key gave.
    fn recall(&self, key: Digest) -> Result<Option<Vec<u8>>, StoreError>;
}

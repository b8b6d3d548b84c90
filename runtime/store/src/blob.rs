//! The blob store's seam.

use crate::StoreError;
use relrun_ledger::Digest;
use std::path::Path;

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

    /// Recalls what many keys gave, in their order.
    fn recall_many(&self, keys: &[Digest]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().map(|&key| self.recall(key)).collect()
    }

    /// Makes everything that was put so far durable: to be called before the ledger durably says that it is there.
    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Keeps a file's content and takes the file away: the store may move it in place of copying it. Nobody else may have the file open.
    fn take_file(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        self.put_file(path)
    }

    /// Lays a file down for a reader that cannot write to it (confined, and read-only): it may be one and the same file as the store's.
    fn link_file(&self, digest: Digest, size: u64, path: &Path, executable: bool) -> Result<(), StoreError> {
        let _ = size;
        self.get_file(digest, path, executable)
    }
}

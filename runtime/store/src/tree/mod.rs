//! What a tree is, as content: its entries and their canonical form.
//!
//! A tree that comes from anywhere is checked before anything believes it: no path and no link of it leads out of it.

mod capture;
mod layout;
mod links;
mod restore;
mod stage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_layout;

pub use capture::{CaptureMode, capture};
pub(crate) use capture::{FoundKind, kind_of};
pub use layout::{LaidOut, lay_out};
pub use restore::{RestoreMode, restore, restore_tree};
pub use stage::stage;

use crate::{BlobStore, StoreError};
use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};

/// A directory as content: its entries, sorted by path. Its digest is the blake3 of its canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Every file, link and empty directory, with `/`-separated paths, sorted bytewise. A single file is a tree of one entry with an empty path.
    pub entries: Vec<Entry>,
}

/// One path of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative, normal, UTF-8; empty for a tree that is one file.
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

impl Tree {
    /// Stands before a tree's entries, so that no other blob is taken for one.
    pub(crate) const MAGIC: &[u8] = b"relrun-tree 1\n";

    /// Makes a tree of entries in any order.
    ///
    /// # Errors
    /// [`StoreError::Tree`] for a path that is not relative and normal, stands twice or under a file, and for a link that leaves the tree.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, StoreError> {
        entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let tree = Self { entries };
        tree.check()?;
        Ok(tree)
    }

    /// Returns the canonical form: what is kept as a blob, and what the digest is of.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, Self::MAGIC.to_vec()).expect("writing to memory cannot fail, and every part of a tree can be written")
    }

    /// Reads the canonical form, and checks the tree.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let body = bytes.strip_prefix(Self::MAGIC).ok_or_else(|| refused("", "this artifact is no tree", None))?;
        let (tree, rest): (Self, _) =
            postcard::take_from_bytes(body).map_err(|e| refused("", format!("the tree cannot be read: {e}"), None))?;
        if !rest.is_empty() {
            return Err(refused("", "there is something behind the tree", None));
        }
        tree.check()?;
        Ok(tree)
    }

    /// Returns the digest of the canonical form.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// Gets a tree from a store.
    pub fn get(store: &dyn BlobStore, digest: Digest) -> Result<Self, StoreError> {
        Self::decode(&store.get(digest)?)
    }

    /// Keeps a tree in a store; its files must be there.
    pub fn put(&self, store: &dyn BlobStore) -> Result<Digest, StoreError> {
        store.put(&self.encode())
    }

    /// Returns the entry at a path.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok().map(|index| &self.entries[index])
    }

    /// Returns whether the tree is a single file.
    pub fn is_file(&self) -> bool {
        matches!(self.entries.as_slice(), [only] if only.path.is_empty())
    }

    /// Returns the bytes of its files.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|entry| if let EntryKind::File { size, .. } = entry.kind { size } else { 0 }).sum()
    }

    /// Returns the digests of its files.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        self.entries.iter().filter_map(|entry| if let EntryKind::File { digest, .. } = entry.kind { Some(digest) } else { None })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_file() && matches!(self.entries[0].kind, EntryKind::File { .. }) {
            return Ok(());
        }
        for entry in &self.entries {
            check_path(&entry.path)?;
        }
        if let Some(pair) = self.entries.windows(2).find(|pair| pair[0].path >= pair[1].path) {
            return Err(refused(&pair[1].path, "it stands twice in the tree, or out of order", None));
        }
        for entry in &self.entries {
            let above = entry.path.match_indices('/').map(|(end, _)| &entry.path[..end]);
            if let Some(parent) = above.into_iter().find_map(|parent| self.entry(parent)) {
                return Err(refused(&entry.path, format!("{} is no folder that it could be in", parent.path), None));
            }
        }
        links::check(self)
    }
}

fn check_path(path: &str) -> Result<(), StoreError> {
    let normal = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if path.split('/').all(normal) { Ok(()) } else { Err(refused(path, "it is no path within a tree", None)) }
}

/// Says why a path is refused.
pub(crate) fn refused(path: &str, reason: impl Into<String>, help: Option<&str>) -> StoreError {
    let path = if path.is_empty() { "." } else { path };
    StoreError::Tree { path: path.to_owned(), reason: reason.into(), help: help.map(ToOwned::to_owned) }
}

/// Returns where an entry lies below a folder. A tree that is one file lies at the path itself.
pub(crate) fn below(root: &std::path::Path, path: &str) -> std::path::PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(path) }
}

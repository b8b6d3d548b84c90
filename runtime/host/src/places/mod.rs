//! Where deployments live: one trait, so that a directory of this machine and a host behind SSH look alike to a step.

mod local;
mod mark;
mod ssh;

pub(crate) use local::store_reason;
pub use mark::ADOPT;
pub(crate) use mark::{claim, disclaim, mark};
pub(crate) use ssh::link;

use crate::error::CallError;
use relrun_ledger::Digest;
use relrun_manifest::{HostAddress, HostDecl};
use relrun_store::BlobStore;
use std::path::Path;
use std::sync::Arc;

/// What is at a path. A link is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Link(String),
    Other,
}

/// Whether a file that is there is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Replaced,
    Kept,
}

/// The longest file that is read through `hosts.read-file`.
pub(crate) const LONGEST_FILE: u64 = 16 << 20;

/// The files of one host. Paths are absolute there. What a step may do was checked before.
#[async_trait::async_trait]
pub(crate) trait Place: Send + Sync {
    /// Lays a tree into a new directory; says what was sent, where that is of interest.
    async fn upload(&self, blobs: Arc<dyn BlobStore>, digest: Digest, path: String) -> Result<Option<String>, CallError>;
    /// Records a directory as a tree, without what lies at some paths below it.
    async fn fetch(&self, blobs: Arc<dyn BlobStore>, path: String, without: Vec<String>) -> Result<Digest, CallError>;
    async fn read_dir(&self, path: String) -> Result<Vec<Entry>, CallError>;
    async fn stat(&self, path: String) -> Result<Option<Entry>, CallError>;
    async fn make_dir(&self, path: String) -> Result<(), CallError>;
    async fn symlink(&self, target: String, path: String) -> Result<(), CallError>;
    async fn rename(&self, old: String, new: String) -> Result<(), CallError>;
    async fn read_file(&self, path: String) -> Result<Vec<u8>, CallError>;
    /// Writes a file in one step; fails where one is there that is to be kept.
    async fn write_file(&self, path: String, data: Vec<u8>, existing: Existing) -> Result<(), CallError>;
    async fn remove(&self, path: String) -> Result<(), CallError>;
}

/// Returns the files of a host; relative directories are the work tree's. A host behind SSH is connected to.
pub(crate) async fn of(host: &HostDecl, work_tree: &Path, ssh: &relrun_ssh::Ssh) -> Result<Arc<dyn Place>, CallError> {
    Ok(match &host.address.value {
        HostAddress::Local(path) => Arc::new(local::Local::new(work_tree.join(path))),
        HostAddress::Ssh(address) => Arc::new(ssh::connect(ssh, address).await?),
    })
}

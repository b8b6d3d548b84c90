//! What every command works in: the project's root, its stores, the host. Opened by the command line, which alone knows the environment.

use crate::EngineError;
use relrun_host::{ComponentBytes, ComponentSource, Host};
use relrun_ledger::{Actor, Digest};
use relrun_manifest::{Environment, HostAddress, HostDecl};
use relrun_store::{BlobStore, LocalCache, RunStore, StatCache};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// A plugin that is embedded in the program.
#[derive(Clone, Copy, Debug)]
pub struct BundledPlugin {
    /// How manifests name it.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
    /// The blake3 of the component.
    pub digest: Digest,
}

impl BundledPlugin {
    /// Returns it as a source for the host.
    pub fn source(&self) -> ComponentSource {
        ComponentSource { digest: self.digest, bytes: ComponentBytes::Static(self.bytes) }
    }
}

/// What every command works in.
pub struct Workspace {
    /// The project's root; `.relrun/` lies in it.
    pub root: PathBuf,
    /// The folder of ledger and content: `.relrun/` of the root, or where `relrun.kdl` says.
    pub state: PathBuf,
    /// Events, ids, locks.
    pub runs: Arc<dyn RunStore>,
    /// Content by digest.
    pub blobs: Arc<dyn BlobStore>,
    /// What this machine can make again.
    pub cache: LocalCache,
    /// Digests of files, by what `stat` says of them; loaded when first asked.
    pub stats: OnceLock<Mutex<StatCache>>,
    /// Runs components.
    pub host: Host,
    /// The embedded plugins.
    pub bundled: Vec<BundledPlugin>,
    /// Who works.
    pub actor: Actor,
    /// When the command began.
    pub now: relrun_ledger::Timestamp,
    /// The variables that `env` grants and `env:` secrets may name.
    pub variables: BTreeMap<String, String>,
    /// All of standard input, for a secret that comes from there; read when it is first asked for.
    pub stdin: LazyLock<Result<String, String>>,
    /// What fetches plugins, and keeps bundles of them.
    pub supply: crate::Supply,
    /// What the project's `relrun.kdl` says; read once, when the workspace is opened.
    pub project: relrun_manifest::Project,
}

impl Workspace {
    /// Returns the folder for one process's private directories.
    pub fn scratch(&self) -> PathBuf {
        self.root.join(".relrun").join("tmp")
    }

    /// Returns an environment's hosts; one that is a folder lies below the project's root, whichever manifest names it.
    pub(crate) fn hosts(&self, environment: &Environment) -> Vec<HostDecl> {
        let mut hosts = environment.hosts.clone();
        for host in &mut hosts {
            if let HostAddress::Local(path) = &mut host.address.value {
                *path = self.root.join(&*path).display().to_string();
            }
        }
        hosts
    }

    /// Returns the stat cache.
    pub(crate) fn stats(&self) -> MutexGuard<'_, StatCache> {
        self.stats.get_or_init(|| Mutex::new(self.cache.stat())).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a text file; a missing one is an input error that names it.
    pub(crate) fn read_text(path: &Path) -> Result<String, EngineError> {
        std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                EngineError::input(format!("there is no file {}", path.display()), "name the manifest: `relrun apply release.kdl`")
            }
            std::io::ErrorKind::IsADirectory => {
                EngineError::input(format!("{} is a folder", path.display()), "name the manifest in it: `relrun apply FOLDER/release.kdl`")
            }
            std::io::ErrorKind::InvalidData => EngineError::input(format!("{} is no UTF-8 text", path.display()), "save it as UTF-8"),
            _ => EngineError::io(format!("read {}", path.display()), source),
        })
    }
}

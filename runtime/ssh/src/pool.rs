//! The connections of one run: made when they are first needed, shared, and made again where one was lost.

use crate::address::Address;
use crate::error::SshError;
use crate::link::Link;
use std::collections::HashMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::Mutex as AsyncMutex;

/// The name of a folder of control sockets begins with this, and then has the process that made it.
const SOCKETS: &str = "relrun-ssh-";
/// A socket's whole path must fit into 108 bytes, and ssh adds 17 while it makes it.
const LONGEST: usize = 70;

/// How hosts are reached.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// The program.
    pub program: PathBuf,
    /// A configuration to use in place of the user's and the system's.
    pub config: Option<PathBuf>,
    /// How long a connection may take to come about, where the configuration does not say.
    pub connect: Duration,
    /// How often a silent host is asked whether it is there, where the configuration does not say; it is given up after three times.
    pub alive: Duration,
    /// How long all of it may take, until the host has greeted.
    pub login: Duration,
    /// How long a host that owes an answer may be silent, although its connection stands.
    pub silent: Duration,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self {
            program: "ssh".into(),
            config: None,
            connect: Duration::from_secs(15),
            alive: Duration::from_secs(10),
            login: Duration::from_mins(1),
            silent: Duration::from_mins(1),
        }
    }
}

/// How long a failed connection stands for whoever asks next: those who waited for it do not wait for another.
const FRESH: Duration = Duration::from_millis(500);

/// What is known of one host.
enum Known {
    Nothing,
    Connected(Arc<Link>),
    Failed(SshError, Instant),
}

type Slot = Arc<AsyncMutex<Known>>;

/// The connections of one run.
pub struct Ssh {
    options: SshOptions,
    links: Mutex<HashMap<Address, Slot>>,
    sockets: Mutex<Option<TempDir>>,
    made: AtomicUsize,
}

impl Ssh {
    /// Makes a pool that has connected to nothing yet.
    pub fn new(options: SshOptions) -> Self {
        Self { options, links: Mutex::default(), sockets: Mutex::default(), made: AtomicUsize::new(0) }
    }

    /// Returns the connection to a host. Whoever asks while it is being made waits for it.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub async fn link(&self, address: &Address) -> Result<Arc<Link>, SshError> {
        let slot = self.slot(address);
        let mut slot = slot.lock().await;
        match &*slot {
            Known::Connected(link) if link.is_alive() => return Ok(Arc::clone(link)),
            Known::Failed(error, at) if at.elapsed() < FRESH => return Err(error.clone()),
            _ => *slot = Known::Nothing,
        }
        match Link::open(&self.options, address, self.socket()?).await {
            Ok(link) => {
                let link = Arc::new(link);
                *slot = Known::Connected(Arc::clone(&link));
                Ok(link)
            }
            Err(error) => {
                *slot = Known::Failed(error.clone(), Instant::now());
                Err(error)
            }
        }
    }

    fn slot(&self, address: &Address) -> Slot {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(links.entry(address.clone()).or_insert_with(|| Arc::new(AsyncMutex::new(Known::Nothing))))
    }

    fn socket(&self) -> Result<PathBuf, SshError> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.is_none() {
            *sockets =
                Some(folder().map_err(|error| SshError::permanent(format!("failed to make a folder for control sockets: {error}")))?);
        }
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(sockets.as_ref().map_or_else(PathBuf::new, |folder| folder.path().join(number.to_string())))
    }
}

/// Makes a private folder with a short path, and takes away those that killed processes left.
fn folder() -> std::io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let within = if usual.as_os_str().len() + SOCKETS.len() + 20 > LONGEST { PathBuf::from("/tmp") } else { usual };
    sweep(&within);
    let name = format!("{SOCKETS}{}-", std::process::id());
    tempfile::Builder::new().prefix(&name).permissions(Permissions::from_mode(0o700)).tempdir_in(within)
}

fn sweep(within: &Path) {
    let Ok(entries) = within.read_dir() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(SOCKETS)?.split('-').next()?.parse().ok());
        let ours = entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw());
        if let (Some(process), true) = (process.and_then(rustix::process::Pid::from_raw), ours)
            && rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
        {
            // Another process may take it away at the same moment.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

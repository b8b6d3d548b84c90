//! Commands on hosts behind SSH, as long as they run: to end the `ssh` here ends nothing there. Whatever way an attempt ends, none of its
//! commands may run on; what cannot be ended is said.

use crate::places;
use crate::words::Words;
use futures::future::join_all;
use relrun_ssh::{Left, Link, Ssh, SshError, SshErrorKind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a host that was lost may take to be connected to again, so that a command there can be ended.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a command has between the polite signal and the end.
pub(crate) const POLITE: Duration = Duration::from_secs(2);

/// The commands of one attempt that run on hosts, by their tokens.
pub(crate) struct Remotes {
    ssh: Arc<Ssh>,
    words: Arc<Words>,
    running: Mutex<BTreeMap<String, Running>>,
    /// Set once no more may begin.
    closed: AtomicBool,
}

/// One of them.
#[derive(Clone)]
struct Running {
    host: String,
    address: String,
    /// What was run, as a person would type it.
    line: String,
    link: Arc<Link>,
}

/// A command that runs on a host. Whoever drops it without having ended it leaves that to the end of the attempt.
pub(crate) struct Remote {
    token: String,
    running: Running,
    all: Arc<Remotes>,
}

impl Remotes {
    pub(crate) fn new(ssh: Arc<Ssh>, words: Arc<Words>) -> Self {
        Self { ssh, words, running: Mutex::default(), closed: AtomicBool::new(false) }
    }

    /// Counts a command as running, from before it is started; nothing where no more may begin.
    pub(crate) fn begin(self: &Arc<Self>, token: String, host: &str, address: &str, line: String, link: Arc<Link>) -> Option<Remote> {
        let running = Running { host: host.to_owned(), address: address.to_owned(), line, link };
        let mut all = self.running();
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        all.insert(token.clone(), running.clone());
        Some(Remote { token, running, all: Arc::clone(self) })
    }

    /// Lets no more begin. Returns whether there are any.
    pub(crate) fn close(&self) -> bool {
        let all = self.running();
        self.closed.store(true, Ordering::Relaxed);
        !all.is_empty()
    }

    /// Ends every command that still runs.
    pub(crate) async fn end_all(&self, polite: Duration) {
        self.close();
        let left = std::mem::take(&mut *self.running());
        join_all(left.iter().map(|(token, running)| self.end(token, running, polite))).await;
    }

    /// Ends one command, and says what could not be ended.
    async fn end(&self, token: &str, running: &Running, polite: Duration) {
        let Running { host, line, .. } = running;
        let said = match self.end_there(token, running, polite).await {
            Ok(Left::Nothing) => return,
            Ok(Left::Processes(left)) => format!("{host}: of `{line}`, which was ended, these processes are left: {}", left.join(", ")),
            Ok(Left::Unknown) => format!("{host}: nobody can know whether `{line}`, which was ended, still runs: the host has no /proc"),
            Err(error) => format!("{host}: nobody can know whether `{line}`, which was ended, still runs: {error}"),
        };
        self.words.warning(&said);
    }

    async fn end_there(&self, token: &str, running: &Running, polite: Duration) -> Result<Left, SshError> {
        if running.link.stands() {
            return running.link.end(token, polite).await;
        }
        // It runs on without its connection.
        match tokio::time::timeout(AGAIN, places::link(&self.ssh, &running.address)).await {
            Ok(Ok(link)) => link.end(token, polite).await,
            _ => Err(SshError { kind: SshErrorKind::Transient, message: "the connection was lost, and there was no other in time".into() }),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote {
    /// Returns the host's name.
    pub(crate) fn host(&self) -> &str {
        &self.running.host
    }

    /// It ended by itself, and there is nothing to be done.
    pub(crate) fn has_ended(&self) {
        self.all.running().remove(&self.token);
    }

    /// Returns whether its connection was lost. It may run on.
    pub(crate) async fn was_lost(&self) -> bool {
        self.running.link.was_lost().await
    }

    /// Ends it, where it has not ended.
    pub(crate) async fn end(&self, polite: Duration) {
        let running = self.all.running().get(&self.token).cloned();
        if let Some(running) = running {
            self.all.end(&self.token, &running, polite).await;
            // Last, so that one whose ending is given up is ended again with the attempt.
            self.has_ended();
        }
    }
}

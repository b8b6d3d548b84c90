//! The locks that a run holds: taken in one order, renewed while it lives, let go at its end.

use crate::{EngineError, Stop, Workspace};
use relrun_ledger::ReleaseId;
use relrun_store::{Lock, LockKey, RunStore, StreamId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often held locks are renewed; well under the lease of the store.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long to wait for another holder, and who may end the wait.
pub(crate) struct Patience {
    wait: Duration,
    stop: Option<watch::Receiver<Stop>>,
}

impl Patience {
    /// Waits so long, unless the run is asked to end.
    pub(crate) fn stoppable(wait: Duration, stop: &watch::Receiver<Stop>) -> Self {
        Self { wait, stop: Some(stop.clone()) }
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| *stop.borrow() != Stop::Go)
    }
}

impl From<Duration> for Patience {
    fn from(wait: Duration) -> Self {
        Self { wait, stop: None }
    }
}

/// Locks held; let go when dropped.
pub(crate) struct Locks {
    runs: Arc<dyn RunStore>,
    held: Vec<Lock>,
}

impl Locks {
    /// Holds nothing yet.
    pub(crate) fn new(workspace: &Workspace) -> Self {
        Self { runs: Arc::clone(&workspace.runs), held: Vec::new() }
    }

    /// Takes a lock, waiting for another holder to let it go while there is patience.
    pub(crate) fn take(
        &mut self,
        workspace: &Workspace,
        key: &LockKey,
        release: Option<ReleaseId>,
        patience: &Patience,
    ) -> Result<u64, EngineError> {
        let until = Instant::now() + patience.wait;
        loop {
            match self.runs.lock(key, &workspace.actor, release)? {
                Ok(lock) => {
                    let fence = lock.fence;
                    self.held.push(lock);
                    return Ok(fence);
                }
                Err(refused) if patience.is_stopped() => {
                    return Err(EngineError::Interrupted(Box::new(EngineError::Locked(Box::new(refused.lock)))));
                }
                Err(refused) if Instant::now() >= until => return Err(EngineError::Locked(Box::new(refused.lock))),
                Err(_) => std::thread::sleep(Duration::from_millis(100).min(patience.wait)),
            }
        }
    }

    /// Lets one lock go.
    pub(crate) fn give_back(&mut self, key: &LockKey) -> Result<(), EngineError> {
        if let Some(at) = self.held.iter().position(|lock| lock.key == *key) {
            let lock = self.held.swap_remove(at);
            self.runs.unlock(&lock.key, lock.fence)?;
        }
        Ok(())
    }

    /// Returns the fence of a lock held.
    pub(crate) fn fence(&self, key: &LockKey) -> Option<u64> {
        self.held.iter().find(|lock| lock.key == *key).map(|lock| lock.fence)
    }

    /// Renews all; gives those that another took.
    pub(crate) fn renew(&self) -> Result<Vec<LockKey>, EngineError> {
        let held: Vec<(LockKey, u64)> = self.held.iter().map(|lock| (lock.key.clone(), lock.fence)).collect();
        Ok(self.runs.heartbeat(&held)?)
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        for lock in &self.held {
            if let Err(error) = self.runs.unlock(&lock.key, lock.fence) {
                tracing::warn!(%error, key = %lock.key, "a lock could not be let go; it will expire");
            }
        }
    }
}

/// Returns the lock of a release being carried.
pub(crate) fn release_key(stream: &StreamId) -> LockKey {
    LockKey::Release(stream.clone())
}

/// Returns the lock of a deployment.
pub(crate) fn deployment_key(package: &str, environment: &str, deployment: &str) -> LockKey {
    LockKey::Deployment { package: package.to_owned(), environment: environment.to_owned(), deployment: deployment.to_owned() }
}

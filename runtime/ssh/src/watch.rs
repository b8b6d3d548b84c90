//! Hosts that answer no more although their connection stands: a stopped server, a disk that hangs. Nobody waits for one without end.

use crate::error::{SshError, SshErrorKind};
use crate::link::Link;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, sleep};

/// How often the host's silence is looked at, in parts of how long it may last.
const LOOKS: u32 = 8;

impl Link {
    /// Does work on the host; where that says nothing for too long, although it owes an answer, the connection is given up.
    ///
    /// # Errors
    /// What the work gives, or that the host is silent.
    pub async fn watched<T>(&self, work: impl Future<Output = Result<T, SshError>>) -> Result<T, SshError> {
        let silent = async {
            // What is taken by the connection counts too: a long answer to a slow host is no silence.
            let (mut heard, mut since) = (self.traffic(), Instant::now());
            while since.elapsed() < self.options.silent {
                sleep(self.options.silent / LOOKS).await;
                let now = self.traffic();
                if now != heard || self.local.load(Ordering::Relaxed) > 0 {
                    (heard, since) = (now, Instant::now());
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = silent => {
                self.lose();
                let waited = self.options.silent.as_secs();
                let reason = format!("`{}`: it did not answer for {waited} s, although it is connected: is its disk full or gone?", self.address);
                Err(SshError::new(SshErrorKind::TimedOut, reason))
            }
        }
    }

    /// Runs what reads or writes this machine's disk away from the scheduler. The host is owed that time.
    pub(crate) async fn locally<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, tokio::task::JoinError> {
        let _busy = Busy::new(self);
        tokio::task::spawn_blocking(work).await
    }
}

/// Counts as something else that is waited for than the host's SFTP, for as long as it is there.
pub(crate) struct Busy<'a>(&'a Link);

impl<'a> Busy<'a> {
    pub(crate) fn new(link: &'a Link) -> Self {
        link.local.fetch_add(1, Ordering::Relaxed);
        Self(link)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.local.fetch_sub(1, Ordering::Relaxed);
    }
}

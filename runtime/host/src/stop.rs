//! Tells a step to stop: once, at its next host call, and at once to a host call that waits. What it does with its grace is its own affair.

use crate::CancelToken;
use crate::bindings::types::Error;
use crate::error::CallError;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Why a step must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The release is being cancelled.
    Cancelled,
    /// Its time is over.
    TimedOut,
}

/// Where a stop is announced.
pub(crate) struct StopSignal {
    sender: watch::Sender<Option<Stop>>,
    told: AtomicBool,
    cancel: Option<CancelToken>,
}

impl StopSignal {
    /// Makes one that a token announces too. Who watches the call may not have come to it yet, and the next host call must say it all the same.
    pub(crate) fn new(cancel: Option<CancelToken>) -> Self {
        Self { sender: watch::Sender::new(None), told: AtomicBool::new(false), cancel }
    }

    /// Announces it.
    pub(crate) fn announce(&self, stop: Stop) {
        self.sender.send_replace(Some(stop));
    }

    /// Returns whether a stop was announced.
    pub(crate) fn is_announced(&self) -> bool {
        self.sender.borrow().is_some()
    }

    /// Fails once where a stop was announced and the step does not know.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        if !self.is_announced() && self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            self.announce(Stop::Cancelled);
        }
        match *self.sender.borrow() {
            Some(stop) if !self.told.swap(true, Ordering::Relaxed) => Err(error(stop)),
            _ => Ok(()),
        }
    }

    /// Waits for a host call's end, or for a stop that the step does not know of.
    pub(crate) async fn race<T>(&self, work: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        self.check()?;
        if self.told.load(Ordering::Relaxed) {
            return work.await;
        }
        let mut receiver = self.sender.subscribe();
        tokio::select! {
            biased;
            result = work => result,
            _ = receiver.wait_for(Option::is_some) => match self.check() {
                Err(stopped) => Err(stopped),
                Ok(()) => Err(CallError::Told(Error::Cancelled)),
            },
        }
    }
}

fn error(stop: Stop) -> CallError {
    CallError::Told(match stop {
        Stop::Cancelled => Error::Cancelled,
        Stop::TimedOut => Error::TimedOut("the step's time is over: clean up and return".into()),
    })
}

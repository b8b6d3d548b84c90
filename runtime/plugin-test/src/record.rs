//! What a plugin did, in order.

use relrun_host::{Canceller, Level, LineSource, StepSink};
use relrun_ledger::Failure;
use relrun_manifest::case::{Stop, Stopped};
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One thing that a plugin did.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It said a line.
    Line(Level, String),
    /// It said how far something has come.
    Progress(String, u64, Option<u64>),
    /// It used a capability for the first time.
    Used(String),
    /// It was refused a capability.
    Denied(String),
    /// It saved a checkpoint.
    Checkpoint(Value),
}

/// Keeps the records of one call, and stops it where that is asked for.
#[derive(Default)]
pub(crate) struct Recorder {
    records: Mutex<Vec<Record>>,
    stopped: Option<Stopped>,
    canceller: Option<Canceller>,
    crashed: Notify,
}

impl Recorder {
    /// Makes one that stops the call.
    pub(crate) fn stopped(stopped: Option<Stopped>) -> Self {
        Self { stopped, ..Self::default() }
    }

    /// Gives it what cancels the call.
    pub(crate) fn cancelling(self, canceller: Canceller) -> Self {
        Self { canceller: Some(canceller), ..self }
    }

    /// Says that the call begins.
    pub(crate) fn begin(&self) {
        if self.stopped.as_ref().is_some_and(|stopped| stopped.checkpoint == Some(0)) {
            self.stop();
        }
    }

    /// Waits until the call is to end as if the machine had died.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// Stops the call, and returns whether it ends there.
    fn stop(&self) -> bool {
        match self.stopped.as_ref().map(|stopped| stopped.how) {
            Some(Stop::Cancelled) => {
                if let Some(canceller) = &self.canceller {
                    canceller.cancel();
                }
                false
            }
            Some(Stop::Crashed) => {
                self.crashed.notify_one();
                true
            }
            None => false,
        }
    }

    fn push(&self, record: Record) {
        self.records().push(record);
    }

    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        // A record is pushed whole, so one that panicked left the list whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.records())
    }
}

#[async_trait::async_trait]
impl StepSink for Recorder {
    fn line(&self, level: Level, _: LineSource, text: &str) {
        self.push(Record::Line(level, text.to_owned()));
        let wanted = self.stopped.as_ref().and_then(|stopped| stopped.line.as_deref());
        if wanted.is_some_and(|wanted| text.contains(wanted)) {
            self.stop();
        }
    }

    fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.push(Record::Progress(what.to_owned(), done, total));
    }

    fn capability(&self, capability: &str, denied: bool, _: Option<&str>) {
        let capability = capability.to_owned();
        self.push(if denied { Record::Denied(capability) } else { Record::Used(capability) });
    }

    async fn checkpoint(&self, state: Value) -> Result<(), Failure> {
        let saved = {
            let mut records = self.records();
            records.push(Record::Checkpoint(state));
            records.iter().filter(|record| matches!(record, Record::Checkpoint(_))).count()
        };
        let wanted = self.stopped.as_ref().and_then(|stopped| stopped.checkpoint);
        if wanted.is_some_and(|wanted| wanted as usize == saved) && self.stop() {
            // It is durable, and its answer never comes.
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

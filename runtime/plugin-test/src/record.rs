//! What a plugin did, in order.

use relrun_host::{Level, LineSource, StepSink};
use relrun_ledger::Failure;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Keeps the records of one call.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<Record>>);

impl Recorder {
    fn push(&self, record: Record) {
        self.records().push(record);
    }

    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        // A record is pushed whole, so one that panicked left the list whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.records())
    }
}

#[async_trait::async_trait]
impl StepSink for Recorder {
    fn line(&self, level: Level, _: LineSource, text: &str) {
        self.push(Record::Line(level, text.to_owned()));
    }

    fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.push(Record::Progress(what.to_owned(), done, total));
    }

    fn capability(&self, capability: &str, denied: bool, _: Option<&str>) {
        let capability = capability.to_owned();
        self.push(if denied { Record::Denied(capability) } else { Record::Used(capability) });
    }

    async fn checkpoint(&self, state: Value) -> Result<(), Failure> {
        self.push(Record::Checkpoint(state));
        Ok(())
    }
}

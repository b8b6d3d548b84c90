//! The only writer of a release's stream: folds each event into the state before it writes it, and writes in groups.

use crate::EngineError;
use relrun_ledger::{Event, Record, Release, Summary};
use relrun_store::{Batch, Durability, LockKey, RunStore, StreamId};
use std::sync::Arc;

/// A release's state, and its stream.
pub(crate) struct Journal {
    runs: Arc<dyn RunStore>,
    stream: StreamId,
    /// The lock under which everything is written; its fence is checked at every append.
    guard: (LockKey, u64),
    release: Release,
    pending: Vec<Record>,
    urgent: bool,
}

impl Journal {
    /// Begins a release's stream with its first event.
    pub(crate) fn begin(runs: Arc<dyn RunStore>, stream: StreamId, guard: (LockKey, u64), first: Event) -> Result<Self, EngineError> {
        let record = Record { seq: 0, at: jiff::Timestamp::now(), event: first };
        let release = Release::begin(&record)?;
        Ok(Self { runs, stream, guard, release, pending: vec![record], urgent: true })
    }

    /// Takes up a release that is in the store.
    pub(crate) fn resume(runs: Arc<dyn RunStore>, stream: StreamId, guard: (LockKey, u64), release: Release) -> Self {
        Self { runs, stream, guard, release, pending: Vec::new(), urgent: false }
    }

    /// Returns what is true now, of everything recorded, written or not.
    pub(crate) fn release(&self) -> &Release {
        &self.release
    }

    /// Returns where it is written.
    pub(crate) fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Folds an event, to be written with the next [`Self::flush`].
    ///
    /// # Errors
    /// One that may not follow is refused, and nothing is changed: that is a fault of the engine.
    pub(crate) fn note(&mut self, event: Event) -> Result<(), EngineError> {
        moment!("ledger.note");
        let urgent = must_be_durable(&event);
        let record = Record { seq: self.release.next_seq, at: jiff::Timestamp::now(), event };
        self.release.apply(&record)?;
        self.pending.push(record);
        self.urgent |= urgent;
        Ok(())
    }

    /// Writes what was noted, all or nothing; on disk when it returns where one of the events asks for that.
    pub(crate) fn flush(&mut self) -> Result<(), EngineError> {
        self.write(None)
    }

    /// Writes what was noted together with a new summary, on disk when it returns.
    pub(crate) fn flush_with_summary(&mut self) -> Result<(), EngineError> {
        let summary = Summary::of(&self.release);
        self.urgent = true;
        self.write(Some(&summary))
    }

    fn write(&mut self, summary: Option<&Summary>) -> Result<(), EngineError> {
        if self.pending.is_empty() && summary.is_none() {
            return Ok(());
        }
        let batch = Batch {
            records: &self.pending,
            summary,
            fence: Some((&self.guard.0, self.guard.1)),
            durability: if self.urgent { Durability::Durable } else { Durability::Grouped },
        };
        moment!("ledger.append");
        self.runs.append(&self.stream, &batch)?;
        moment!("ledger.appended");
        self.pending.clear();
        self.urgent = false;
        Ok(())
    }
}

/// Whatever stands before a mutation, or says that one was made, must survive a power cut.
fn must_be_durable(event: &Event) -> bool {
    match event {
        Event::Capability { .. } => false,
        Event::StepSucceeded { origin, .. } => matches!(origin, relrun_ledger::Origin::Ran { fingerprint: None }),
        _ => true,
    }
}

//! Who did what: each event with the one who stands behind it.

use crate::{Actor, Event, Record};

impl Event {
    /// Returns who did it, where the event itself says so; of all others, that is whoever holds the release.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Self::ReleaseStarted(start) => Some(&start.actor),
            Self::RunStarted { actor, .. }
            | Self::CancelAsked { actor }
            | Self::Approved { actor, .. }
            | Self::BrokeGlass { actor, .. }
            | Self::Published { actor, .. }
            | Self::Marked { actor, .. } => Some(actor),
            Self::StepStarted { .. }
            | Self::Checkpoint { .. }
            | Self::StepSucceeded { .. }
            | Self::StepFailed { .. }
            | Self::StepRecovered { .. }
            | Self::UndoStarted { .. }
            | Self::UndoFinished { .. }
            | Self::UndoFailed { .. }
            | Self::DestroyStarted { .. }
            | Self::DestroyFinished { .. }
            | Self::DestroyFailed { .. }
            | Self::Described { .. }
            | Self::DependencyLocked { .. }
            | Self::DependencyMet { .. }
            | Self::Offered { .. }
            | Self::Notified { .. }
            | Self::Capability { .. }
            | Self::RunEnded { .. } => None,
        }
    }
}

/// Returns each event of a whole stream with who did it: what says nothing of its own was done by the process that took the release up last.
pub fn acts(records: &[Record]) -> impl Iterator<Item = (&Record, Option<&Actor>)> {
    let mut holder = None;
    records.iter().map(move |record| {
        if matches!(record.event, Event::ReleaseStarted(_) | Event::RunStarted { .. }) {
            holder = record.event.actor();
        }
        (record, record.event.actor().or(holder))
    })
}

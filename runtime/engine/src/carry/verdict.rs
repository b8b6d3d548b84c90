//! How a run ends, as its steps bear it out.

use super::{Aim, Carrier};
use relrun_ledger::{StepState, Verdict};

impl Carrier<'_> {
    /// Returns how the run ends.
    pub(super) fn verdict(&self) -> Verdict {
        let release = self.journal.release();
        let unknown: Vec<String> = release
            .step_ids()
            .filter(|&id| matches!(release.step(id).state, StepState::Unknown(_)))
            .map(|id| format!("settle {}", self.label(id)))
            .collect();
        if self.cancelled_at.is_some() {
            Verdict::Cancelled
        } else if self.failed {
            Verdict::Failed
        } else if !unknown.is_empty() {
            Verdict::Waiting { on: unknown }
        } else if !self.tally.waiting_on.is_empty() {
            Verdict::Waiting { on: self.tally.waiting_on.iter().cloned().collect() }
        } else {
            match self.aim {
                Aim::Forward => self.forward_verdict(),
                Aim::Undo => Verdict::Undone,
                Aim::Destroy => Verdict::Destroyed,
            }
        }
    }

    fn forward_verdict(&self) -> Verdict {
        let release = self.journal.release();
        let done = release.step_ids().all(|id| !release.is_selected(id) || matches!(release.step(id).state, StepState::Succeeded(_)));
        if done { Verdict::Succeeded } else { Verdict::Failed }
    }
}

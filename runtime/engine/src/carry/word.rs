//! What is said of a release beside its steps: its metadata, and words to those who are to hear of it. Nothing here decides about the release.

use super::Carrier;
use crate::EngineError;
use crate::notify::{self, Told};
use crate::values::{Known, output};
use relrun_ledger::{Event, Outcome, ReleaseKind, StepState, Verdict};
use relrun_manifest::{Occasion, Reference, Scalar, scalar_to_json};
use relrun_report::LineLevel;
use serde_json::Value;
use std::collections::BTreeMap;

impl Carrier<'_> {
    /// Notes what the manifest's `metadata` says, as far as it is known, where it is not noted yet.
    pub(super) fn describe(&mut self) -> Result<(), EngineError> {
        let metadata = self.metadata();
        if metadata != self.journal.release().metadata {
            self.journal.note(Event::Described { metadata })?;
        }
        Ok(())
    }

    fn metadata(&self) -> BTreeMap<String, Value> {
        let start = &self.journal.release().start;
        let package = &self.prepared.loaded.manifest.package;
        let known = Known {
            inputs: &start.inputs,
            environment: None,
            deployment: None,
            package: &package.name.value,
            release: Some((start.release, &start.version)),
            variables: &BTreeMap::new(),
            steps: &|step, path| self.any_outcome(step).and_then(|outcome| output(outcome, path)),
            previous: None,
            dependencies: None,
        };
        let value = |scalar: &Scalar| {
            let resolve = |reference: &Reference| known.resolve(reference);
            let is_known = match scalar {
                Scalar::String(template) => template.references().all(|reference| resolve(reference).is_some()),
                _ => true,
            };
            is_known.then(|| scalar_to_json(scalar, &resolve))
        };
        package.metadata.iter().filter_map(|one| Some((one.name.value.clone(), value(&one.value.value)?))).collect()
    }

    /// Returns what a step left: that of no environment, or the first of those where it is done.
    fn any_outcome(&self, name: &str) -> Option<&Outcome> {
        let release = self.journal.release();
        self.outcome(name, None).or_else(|| {
            release.start.steps.iter().zip(&release.steps).find_map(|(decl, step)| match &step.state {
                StepState::Succeeded(outcome) if decl.name == name => Some(outcome),
                _ => None,
            })
        })
    }

    /// Returns what a verdict is for those who hear of releases.
    pub(super) fn occasion(&self, verdict: &Verdict) -> Option<Occasion> {
        let rollback = matches!(self.journal.release().start.kind, ReleaseKind::Rollback { .. });
        match verdict {
            Verdict::Succeeded if rollback => Some(Occasion::RolledBack),
            Verdict::Succeeded => Some(Occasion::Succeeded),
            Verdict::Failed => Some(Occasion::Failed),
            Verdict::Waiting { .. } => Some(Occasion::Waiting),
            Verdict::Undone => Some(Occasion::RolledBack),
            Verdict::Cancelled | Verdict::Destroyed | Verdict::Stopped | Verdict::Staged => None,
        }
    }

    /// Begins to tell those who are to hear of it; nothing waits for it.
    pub(super) fn tell(&self, about: Occasion) -> Option<Told> {
        notify::tell(&self.workspace, &self.prepared.loaded, self.journal.release(), about, &self.tally.waiting_on)
    }

    /// Waits, bounded, until they were told, and notes how it went. One that fails is said, and fails nothing.
    pub(super) async fn heard(&mut self, told: Option<Told>) -> Result<(), EngineError> {
        let Some(mut told) = told else { return Ok(()) };
        while let Some(event) = told.next(self.cancelled_at.is_some()).await {
            if let Event::Notified { to, about, tries, failure: Some(failure) } = &event {
                let text = format!("{to} could not be told about \"{about}\" ({tries} tries): {failure}");
                (self.emit)(super::tally::notice(LineLevel::Warn, &text));
            }
            self.journal.note(event)?;
        }
        self.journal.flush()
    }
}

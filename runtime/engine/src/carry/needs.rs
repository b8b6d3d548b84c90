//! What an environment's steps need of others before the first of them starts, and what the deployment gives to others once it stands.

use super::Carrier;
use super::tally::notice;
use crate::EngineError;
use crate::dependency::{self, Absence, Found};
use crate::values::{Known, output};
use relrun_ledger::{EnvironmentState, Event, Offer, Provider};
use relrun_manifest::{Output, Reference, scalar_to_json};
use relrun_report::LineLevel;
use serde_json::Value;
use std::collections::BTreeMap;

impl Carrier<'_> {
    /// Notes what meets the requirements in an environment, and returns whether something is still waited for. It is looked at once in a run.
    pub(super) fn waits_for_others(&mut self, environment: &str) -> Result<bool, EngineError> {
        let release = self.journal.release();
        if release.start.requires.is_empty() {
            return Ok(false);
        }
        if let Some(waits) = self.waits.get(environment) {
            return Ok(*waits);
        }
        let waits = if release.may_be_met_anew(environment) { self.meet(environment)? } else { false };
        self.waits.insert(environment.to_owned(), waits);
        Ok(waits)
    }

    fn meet(&mut self, environment: &str) -> Result<bool, EngineError> {
        let found = self.wiring.get(environment).cloned().unwrap_or_default();
        let mut met = Vec::new();
        let mut waiting = Vec::new();
        for (name, found) in found {
            match found {
                Found::Met(provider) => met.push((name, provider)),
                Found::Refused { message, .. } => waiting.push(message),
                Found::Absent(absence) => {
                    waiting.push(absence.words(environment));
                    if matches!(absence, Absence::Part { .. }) {
                        self.parts.push((environment.to_owned(), name));
                    }
                }
            }
        }
        if !waiting.is_empty() {
            self.tally.waiting_on.extend(waiting);
            return Ok(true);
        }
        for (name, provider) in met {
            if self.journal.release().met_in(environment).get(&name) != Some(&*provider) {
                self.journal.note(Event::DependencyMet { environment: environment.to_owned(), name, provider })?;
            }
        }
        Ok(false)
    }

    /// Returns what met the requirements of an environment's steps: an errand sees what its deployment saw.
    pub(super) fn met_in(&self, environment: Option<&str>) -> Option<&BTreeMap<String, Provider>> {
        let environment = environment?;
        let release = self.journal.release();
        let errand = matches!(release.start.kind, relrun_ledger::ReleaseKind::Errand { .. });
        let of = if errand { self.previous.get(environment)?.as_ref()? } else { release };
        Some(of.met_in(environment))
    }

    /// Notes what the deployment gives to others, in every environment where it stands.
    pub(super) fn offer_everywhere(&mut self) -> Result<(), EngineError> {
        let environments: Vec<String> = self.journal.release().environments().into_iter().map(str::to_owned).collect();
        environments.iter().try_for_each(|environment| self.offer(environment))
    }

    /// Notes what the deployment gives to others in an environment, once it stands there: beside the event of its last step, so that nobody
    /// finds the one without the other. What an output refers to and nothing gave is said.
    pub(super) fn offer(&mut self, environment: &str) -> Result<(), EngineError> {
        let manifest = &self.prepared.loaded.manifest;
        let release = self.journal.release();
        let gives_nothing = manifest.outputs.is_empty() && manifest.provides.is_empty();
        let errand = matches!(release.start.kind, relrun_ledger::ReleaseKind::Errand { .. });
        if gives_nothing || errand || release.environment(environment) != EnvironmentState::Deployed {
            return Ok(());
        }
        let (offer, lacking) = self.offer_in(environment);
        if self.journal.release().offers.get(environment) == Some(&offer) {
            return Ok(());
        }
        for output in lacking {
            let text = format!("{environment}: the output \"{output}\" has no value, because no step gave what it refers to");
            (self.emit)(notice(LineLevel::Warn, &text));
        }
        self.journal.note(Event::Offered { environment: environment.to_owned(), offer })
    }

    fn offer_in(&self, name: &str) -> (Offer, Vec<String>) {
        let manifest = &self.prepared.loaded.manifest;
        let start = &self.journal.release().start;
        let environment = self.prepared.loaded.environment(name);
        let known = Known {
            inputs: start.settings.get(name).unwrap_or(&start.inputs),
            environment,
            deployment: start.steps.iter().find_map(|step| step.deployment.as_deref()),
            package: &manifest.package.name.value,
            release: Some((start.release, &start.version)),
            variables: &BTreeMap::new(),
            steps: &|step, path| self.outcome(step, Some(name)).and_then(|outcome| output(outcome, path)),
            previous: None,
            dependencies: self.met_in(Some(name)),
        };
        let mut lacking = Vec::new();
        let mut values = |outputs: &[Output]| {
            let mut values: BTreeMap<String, Value> = BTreeMap::new();
            for output in outputs {
                let resolve = |reference: &Reference| known.resolve(reference);
                let is_known = dependency::template(&output.value.value)
                    .is_none_or(|template| template.references().all(|reference| resolve(reference).is_some()));
                if is_known {
                    values.insert(output.name.value.clone(), scalar_to_json(&output.value.value, &resolve));
                } else {
                    lacking.push(output.name.value.clone());
                }
            }
            values
        };
        let outputs = values(&manifest.outputs);
        let interface = |provides: &relrun_manifest::Provides| {
            let own = if provides.outputs.is_empty() { outputs.clone() } else { values(&provides.outputs) };
            (provides.interface.value.clone(), own)
        };
        let interfaces = manifest.provides.iter().map(interface).collect();
        (Offer { outputs, interfaces }, lacking)
    }
}

//! The ways back: `undo` and `destroy`. Both look first, so that doing them twice does no harm.

use crate::api::{Api, Target};
use crate::config::Config;
use crate::events::Events;
use crate::{Before, Receipt, change, mark, rollout, sets, wait};
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Error, Result, log};
use std::time::{Duration, Instant};

/// How long an object may take to go.
const LONGEST: Duration = Duration::from_mins(2);

impl Receipt {
    /// Returns whether it is about the place that the config names.
    pub(crate) fn is_at(&self, config: &Config) -> bool {
        self.context == config.context && self.namespace == config.namespace
    }

    fn api(&self) -> Api {
        Api::new(&self.context, &self.namespace, &self.manager)
    }
}

/// Puts back what stood before, and waits for it.
pub(crate) fn undo(config: &Config, receipt: &Receipt) -> Result<String> {
    let api = receipt.api();
    // All are looked at before any is changed.
    let mut ours = Vec::new();
    for entry in &receipt.entries {
        let live = api.get(&entry.target)?;
        if is_still_ours(&entry.target, live.as_ref(), &entry.before) {
            is_this_releases(receipt, &entry.target, live.as_ref(), &entry.before)?;
            ours.push((entry, live));
        }
    }
    let mut events = Events::begin(&api)?;
    let mut back = Back { api: &api, receipt, restored: Vec::new(), removed: Vec::new(), lost: Vec::new() };
    for pruned in &receipt.pruned {
        match (&pruned.before, api.get(&pruned.target)?) {
            (_, Some(_)) => {}
            (Some(before), None) => back.put(&pruned.target, before, &Before::Nothing)?,
            (None, None) => back.lost.push(pruned.target.shown()),
        }
    }
    for (entry, live) in ours.iter().rev() {
        match (&entry.before, live) {
            (Before::Nothing, Some(_)) => {
                if change::remove(&api, &entry.target)? {
                    back.removed.push(&entry.target);
                }
            }
            (Before::Nothing, None) => {}
            (Before::Object(before), _) => back.put(&entry.target, before, &entry.before)?,
            (Before::Hidden, Some(_)) => {
                log::warn(&format!("{} stays as this release left it: what a secret held is kept in no receipt", entry.target.shown()));
            }
            (Before::Hidden, None) => back.lost.push(entry.target.shown()),
        }
    }
    for target in back.restored.iter().filter(|target| target.kind == "StatefulSet") {
        sets::free(&api, target)?;
    }
    wait_gone(&api, back.removed.iter().copied())?;
    let waited = wait::ready(&api, &back.restored, &mut events, config.patience()?);
    back.end(waited)
}

/// A way back, and how far it came.
struct Back<'r> {
    api: &'r Api,
    receipt: &'r Receipt,
    restored: Vec<Target>,
    removed: Vec<&'r Target>,
    /// Secrets that are gone: everything else is put back all the same.
    lost: Vec<String>,
}

impl Back<'_> {
    fn put(&mut self, target: &Target, object: &Value, before: &Before) -> Result<()> {
        let check = |live: Option<&Value>| is_this_releases(self.receipt, target, live, before);
        rollout::accepted(target, change::apply(self.api, target, object, true, check)?)?;
        log::info(&format!("{} is put back", target.shown()));
        self.restored.push(target.clone());
        Ok(())
    }

    fn end(self, waited: Result<()>) -> Result<String> {
        let (restored, removed) = (self.restored.len(), self.removed.len());
        let done = format!("{restored} objects of {} are as before, {removed} removed", self.receipt.namespace);
        if self.lost.is_empty() {
            waited.map_err(|error| error.context("what ran before does not come up again"))?;
            return Ok(done);
        }
        let also = waited.err().map_or_else(|| done, |error| format!("what ran before does not come up again: {}", error.message()));
        let lost = self.lost.join(" and ");
        Err(Error::permanent(format!("{lost} cannot be put back, because what a secret held is kept in no receipt: do it by hand; {also}")))
    }
}

/// Returns whether an object is as this rollout left it or found it. What another rollout or a person has taken meanwhile stays as it is.
fn is_still_ours(target: &Target, live: Option<&Value>, before: &Before) -> bool {
    let Some(live) = live else { return true };
    let as_found = match before {
        Before::Object(before) => mark::rollout(live) == mark::rollout(before),
        Before::Nothing => false,
        Before::Hidden => true,
    };
    if as_found || mark::is_ours(live) {
        return true;
    }
    let whose = mark::rollout(live).map_or_else(|| "nobody's".to_owned(), |rollout| format!("the rollout {rollout}'s"));
    log::warn(&format!("{} is not this rollout's any more but {whose}: it stays", target.shown()));
    false
}

/// Refuses to take back what another ledger has, or what a later release has put there.
fn is_this_releases(receipt: &Receipt, target: &Target, live: Option<&Value>, before: &Before) -> Result<()> {
    mark::check(live, &target.shown())?;
    let now = live.and_then(mark::of).and_then(mark::release);
    let then = match before {
        Before::Object(before) => mark::of(before).and_then(mark::release),
        Before::Nothing | Before::Hidden => None,
    };
    if now.is_none() || now == then || now.as_deref() == Some(&receipt.release) || *before == Before::Hidden {
        return Ok(());
    }
    let other = now.unwrap_or_default();
    Err(Error::permanent(format!(
        "{} is release {other}'s now, and {} cannot be taken back from under it",
        target.shown(),
        receipt.release
    )))
}

/// Removes everything that the receipt names, the last of it first.
pub(crate) fn destroy(receipt: &Receipt) -> Result<String> {
    let api = receipt.api();
    let mut removed = 0;
    for entry in receipt.entries.iter().rev() {
        removed += usize::from(change::remove(&api, &entry.target)?);
    }
    wait_gone(&api, receipt.entries.iter().map(|entry| &entry.target))?;
    Ok(format!("{removed} objects removed from {}", receipt.namespace))
}

fn wait_gone<'t>(api: &Api, targets: impl Iterator<Item = &'t Target>) -> Result<()> {
    let began = Instant::now();
    for target in targets {
        while let Some(live) = api.get(target)? {
            if !mark::is_ours(&live) {
                break;
            }
            if began.elapsed() > LONGEST {
                let holders = live["metadata"]["finalizers"].as_array().map_or_else(String::new, |names| {
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    format!(": {} holds it", names.join(", "))
                });
                return Err(Error::timed_out(format!("{} does not go{holders}", target.shown())));
            }
            crate::api::sleep(Duration::from_millis(250))?;
        }
    }
    Ok(())
}

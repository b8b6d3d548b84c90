//! The ways back: `undo` and `destroy`. Both look first, so that doing them twice does no harm.

use crate::api::{Api, Applied, Target};
use crate::config::Config;
use crate::events::Events;
use crate::{Before, Receipt, mark, rollout, wait};
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
    let mut lives = Vec::new();
    // All are looked at before any is changed.
    for entry in &receipt.entries {
        let live = api.get(&entry.target)?;
        mark::check(live.as_ref(), &entry.target.shown())?;
        if let Some(live) = &live {
            is_this_releases(receipt, &entry.target, live, &entry.before)?;
        }
        lives.push(live);
    }
    let mut events = Events::begin(&api)?;
    let mut restored = Vec::new();
    for pruned in &receipt.pruned {
        match (&pruned.before, api.get(&pruned.target)?) {
            (_, Some(_)) => {}
            (Some(before), None) => {
                put_back(&api, &pruned.target, before)?;
                restored.push(pruned.target.clone());
            }
            (None, None) => return Err(lost(&pruned.target)),
        }
    }
    let mut removed = 0;
    for (entry, live) in receipt.entries.iter().zip(&lives).rev() {
        match (&entry.before, live) {
            (Before::Nothing, Some(_)) => {
                api.delete(&entry.target)?;
                log::info(&format!("{} removed", entry.target.shown()));
                removed += 1;
            }
            (Before::Nothing, None) => {}
            (Before::Object(before), _) => {
                put_back(&api, &entry.target, before)?;
                restored.push(entry.target.clone());
            }
            (Before::Hidden, Some(_)) => {
                log::warn(&format!("{} stays as this release left it: what a secret held is kept in no receipt", entry.target.shown()));
            }
            (Before::Hidden, None) => return Err(lost(&entry.target)),
        }
    }
    let gone = receipt.entries.iter().filter(|entry| entry.before == Before::Nothing).map(|entry| &entry.target);
    wait_gone(&api, gone)?;
    wait::ready(&api, &restored, &mut events, config.patience()?)
        .map_err(|error| error.context("what ran before does not come up again"))?;
    Ok(format!("{} objects of {} are as before, {removed} removed", restored.len(), receipt.namespace))
}

fn lost(target: &Target) -> Error {
    Error::permanent(format!("{} is gone, and what a secret held is kept in no receipt: put it back by hand", target.shown()))
}

/// Refuses to take back what a later release has put there.
fn is_this_releases(receipt: &Receipt, target: &Target, live: &Value, before: &Before) -> Result<()> {
    let now = mark::of(live).and_then(mark::release);
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

fn put_back(api: &Api, target: &Target, before: &Value) -> Result<()> {
    rollout::accepted(target, api.apply(target, before, Applied::Done, true)?)?;
    log::info(&format!("{} is put back", target.shown()));
    Ok(())
}

/// Removes everything that the receipt names, the last of it first.
pub(crate) fn destroy(receipt: &Receipt) -> Result<String> {
    let api = receipt.api();
    let mut removed = 0;
    for entry in receipt.entries.iter().rev() {
        let Some(live) = api.get(&entry.target)? else { continue };
        if mark::of(&live).is_none() {
            log::warn(&format!("{} carries no mark of ours any more: it stays", entry.target.shown()));
            continue;
        }
        mark::check(Some(&live), &entry.target.shown())?;
        api.delete(&entry.target)?;
        log::info(&format!("{} removed", entry.target.shown()));
        removed += 1;
    }
    wait_gone(&api, receipt.entries.iter().map(|entry| &entry.target))?;
    Ok(format!("{removed} objects removed from {}", receipt.namespace))
}

fn wait_gone<'t>(api: &Api, targets: impl Iterator<Item = &'t Target>) -> Result<()> {
    let began = Instant::now();
    for target in targets {
        while let Some(live) = api.get(target)? {
            if mark::of(&live).is_none() {
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

//! `k8s-rollout`: applies manifests to a namespace of a Kubernetes cluster, and waits until they run.
//!
//! The server decides what an object becomes (server-side apply): this plugin keeps no defaults, merges nothing by itself, and must never change
//! anything before the server has tried all of it and what stood before is written down.

mod adopt;
mod again;
mod api;
mod back;
mod change;
mod config;
mod diff;
mod events;
mod fields;
mod manifests;
mod mark;
mod pods;
mod ready;
mod rollout;
mod set;
mod sets;
#[cfg(test)]
mod tests;
mod wait;
mod watch;

use api::{Api, Applied, Target, refused};
use config::Config;
use relrun_sdk::serde_json::Value;
use relrun_sdk::{About, Came, Change, Error, Health, Needs, Outcome, Plugin, Recovery, Result, Standing, need, outputs, receipt};

/// What a rollout tells the steps behind it.
#[outputs]
pub struct Outputs {
    /// The namespace.
    namespace: String,
    /// The objects that stand, such as `Deployment/web`.
    objects: Vec<String>,
    /// How many of them were made or changed.
    changed: usize,
    /// How many were removed, because the manifests name them no longer.
    pruned: usize,
}

/// What was applied, and what stood there before.
#[receipt]
pub struct Receipt {
    context: String,
    namespace: String,
    manager: String,
    release: String,
    phase: Phase,
    entries: Vec<Entry>,
    pruned: Vec<Pruned>,
}

/// How far it has come.
#[receipt]
#[derive(Copy, Eq)]
pub enum Phase {
    /// Objects are being applied and waited for.
    Applying,
    /// All stand; what is surplus is being removed.
    Pruning,
    /// All is done.
    Done,
}

/// One object.
#[receipt]
pub struct Entry {
    target: Target,
    /// What was applied; absent for a secret, which no receipt holds.
    applied: Option<Value>,
    before: Before,
}

/// What stood in an object's place.
#[receipt]
pub enum Before {
    /// Nothing.
    Nothing,
    /// These fields, of those that were ours or became ours.
    Object(Value),
    /// A secret.
    Hidden,
}

/// One object that was removed.
#[receipt]
pub struct Pruned {
    target: Target,
    /// What it was; absent for a secret.
    before: Option<Value>,
}

struct Rollout;

impl Plugin for Rollout {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Receipt;

    fn about() -> About {
        About {
            name: "k8s-rollout",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Rolls manifests out into a namespace of a Kubernetes cluster",
        }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        config.check()?;
        let need = need::kubernetes(&config.context, &config.namespace).because("its objects are applied there");
        Ok(Needs::effect().idempotent(true).with(need))
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        let api = Api::new(&config.context, &config.namespace, &config.field_manager);
        let wanted = rollout::survey(&api, config)?;
        let mut changes = Vec::new();
        for wanted in &wanted {
            let (shown, answer) = (wanted.target.shown(), wanted.tried(&api, config)?);
            if let Some(other) = mark::other(wanted.live.as_ref()) {
                changes.push(Change::new(format!("would be refused without --adopt: {shown} belongs to the rollout {other}")));
                continue;
            }
            if !matches!(answer.code, 200 | 201) {
                changes.push(Change::new(format!("would be refused: {}", refused(&shown, &answer).message())));
                continue;
            }
            let detail = || diff::unified(wanted.live.as_ref(), Some(&answer.body));
            match &wanted.live {
                None => changes.push(Change::new(format!("would make {shown}")).detail(detail())),
                Some(live) if !diff::is_same(live, &answer.body) => {
                    changes.push(Change::new(format!("would change {shown}")).detail(detail()));
                }
                Some(_) => {}
            }
        }
        for (target, live) in rollout::surplus(&api, config, &wanted, &again::Again::read(config)?)? {
            changes.push(Change::new(format!("would remove {}", target.shown())).detail(diff::unified(Some(&live), None)));
        }
        Ok(changes)
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Receipt>> {
        config.check()?;
        rollout::apply(&config)
    }

    fn recover(config: Config, came: Came<Receipt>) -> Result<Recovery<Outputs, Receipt>> {
        let receipt = match came {
            Came::Untouched | Came::Begun => return Ok(Recovery::NotDone),
            Came::Saved(receipt) => receipt,
        };
        let surplus_stays = receipt.phase == Phase::Applying && !receipt.pruned.is_empty();
        if surplus_stays || !drift(&receipt)?.is_empty() {
            return Ok(Recovery::Partly(receipt));
        }
        let api = Api::new(&receipt.context, &receipt.namespace, &receipt.manager);
        for pruned in &receipt.pruned {
            if api.get(&pruned.target)?.is_some() {
                return Ok(Recovery::Partly(receipt));
            }
        }
        let targets: Vec<Target> = receipt.entries.iter().map(|entry| entry.target.clone()).collect();
        Ok(match wait::ready(&api, &targets, &mut events::Events::begin(&api)?, config.patience()?) {
            Ok(()) => Recovery::Done(rollout::outcome(Receipt { phase: Phase::Done, ..receipt }, targets.len())),
            Err(_) => Recovery::Partly(receipt),
        })
    }

    fn verify(_: Config, receipt: Receipt) -> Result<Health> {
        let api = Api::new(&receipt.context, &receipt.namespace, &receipt.manager);
        let mut standing = 0;
        for entry in &receipt.entries {
            standing += usize::from(api.get(&entry.target)?.is_some());
        }
        if standing == 0 {
            return Ok(Health::Gone);
        }
        let drifted = drift(&receipt)?;
        Ok(if drifted.is_empty() { Health::Intact } else { Health::Drifted(drifted) })
    }

    fn find(config: Config) -> Result<Standing<Receipt>> {
        adopt::find(&config)
    }

    fn undo(config: Config, receipt: Receipt) -> Result<String> {
        back::undo(&config, &receipt)
    }

    fn destroy(_: Config, receipt: Receipt) -> Result<String> {
        back::destroy(&receipt)
    }
}

/// Returns what differs from what the receipt says: by a server-side dry run of what was applied.
fn drift(receipt: &Receipt) -> Result<Vec<Change>> {
    let api = Api::new(&receipt.context, &receipt.namespace, &receipt.manager);
    let mut drifted = Vec::new();
    for entry in &receipt.entries {
        let shown = entry.target.shown();
        let Some(live) = api.get(&entry.target)? else {
            drifted.push(Change::new(format!("{shown} is gone")));
            continue;
        };
        if let Some(other) = mark::other(Some(&live)) {
            drifted.push(Change::new(format!("{shown} belongs to the rollout {other} now")));
            continue;
        }
        if mark::of(&live).and_then(mark::release).is_none_or(|release| release != receipt.release) {
            drifted.push(Change::new(format!("{shown} does not carry the mark of release {}", receipt.release)));
            continue;
        }
        let Some(applied) = &entry.applied else {
            if fields::owned(&live, &receipt.manager).as_object().is_none_or(relrun_sdk::serde_json::Map::is_empty) {
                drifted.push(Change::new(format!("{shown} was taken over by another")));
            }
            continue;
        };
        let answer = api.apply(&entry.target, applied, Applied::Tried, true)?;
        match answer.code {
            200 | 201 if diff::is_same(&live, &answer.body) => {}
            200 | 201 => {
                let by = editors(&live, &receipt.manager);
                drifted.push(Change::new(format!("{shown} was changed{by}")).detail(diff::unified(Some(&answer.body), Some(&live))));
            }
            403 | 401 => return Err(refused(&shown, &answer)),
            _ => return Err(Error::permanent(refused(&shown, &answer).message())),
        }
    }
    Ok(drifted)
}

/// Names who else has written to an object, the last one first.
fn editors(live: &Value, manager: &str) -> String {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut others: Vec<(&str, &str)> = entries
        .filter(|entry| entry["manager"] != manager && entry["subresource"].is_null())
        .filter_map(|entry| Some((entry["time"].as_str().unwrap_or_default(), entry["manager"].as_str()?)))
        .collect();
    others.sort_unstable();
    others.last().map_or_else(String::new, |(_, name)| format!(" by \"{name}\""))
}

relrun_sdk::export!(Rollout);

//! The way forward: everything is tried by the server before anything is changed, and what stood before is written down before it goes.

use crate::again::{self, Again};
use crate::api::{Answer, Api, Applied, Target, refused};
use crate::config::{Config, Conflicts};
use crate::events::Events;
use crate::{Before, Entry, Outputs, Phase, Pruned, Receipt, adopt, change, diff, fields, manifests, mark, wait};
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Error, Outcome, Result, checkpoint, context, log};
use std::collections::BTreeSet;
use std::path::Path;

/// An object that is to stand, and what the server says of it.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) object: Value,
    pub(crate) live: Option<Value>,
}

impl Wanted {
    /// Has the server try it.
    pub(crate) fn tried(&self, api: &Api, config: &Config) -> Result<Answer> {
        api.apply(&self.target, &self.object, Applied::Tried, config.conflicts == Conflicts::Take)
    }
}

/// Reads the manifests, and looks at what is there. Changes nothing.
pub(crate) fn survey(api: &Api, config: &Config) -> Result<Vec<Wanted>> {
    let inventory = mark::inventory();
    let mut wanted = Vec::new();
    for mut object in manifests::read(config, Path::new("/in"))? {
        let target = api.target(&object)?;
        let live = api.get(&target)?;
        let mark = mark::check_free(live.as_ref(), &target.shown())?;
        mark::put(&mut object, &mark, &inventory);
        wanted.push(Wanted { target, object, live });
    }
    Ok(wanted)
}

/// Finds what belongs to this rollout and is in the manifests no longer: by the last receipt, and by the label.
pub(crate) fn surplus(api: &Api, config: &Config, wanted: &[Wanted], again: &Again) -> Result<Vec<(Target, Value)>> {
    if !config.prune {
        return Ok(Vec::new());
    }
    let kept: BTreeSet<&Target> = wanted.iter().map(|wanted| &wanted.target).collect();
    let previous = context::previous::<Receipt>()?.filter(|previous| previous.is_at(config));
    let mut known: BTreeSet<Target> = previous.iter().flat_map(|previous| &previous.entries).map(|entry| entry.target.clone()).collect();
    known.extend(again.targets().cloned());
    let places: BTreeSet<(String, String, String)> = kept
        .iter()
        .copied()
        .chain(&known)
        .map(|target| (target.api_version.clone(), target.kind.clone(), target.resource.clone()))
        .collect();
    let inventory = mark::inventory();
    for (api_version, kind, resource) in places {
        let answer = api.list(&api_version, &resource, &format!("{}={inventory}", mark::INVENTORY))?;
        for object in answer.body["items"].as_array().into_iter().flatten() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            known.insert(Target { api_version: api_version.clone(), kind: kind.clone(), resource: resource.clone(), name });
        }
    }
    let mut surplus = Vec::new();
    for target in known.into_iter().filter(|target| !kept.contains(target)) {
        let Some(live) = api.get(&target)? else { continue };
        if !mark::is_ours(&live) {
            log::warn(&format!("{} is no longer in the manifests, and not this rollout's any more: it stays", target.shown()));
            continue;
        }
        mark::check(Some(&live), &target.shown())?;
        surplus.push((target, live));
    }
    Ok(surplus)
}

/// Rolls out.
pub(crate) fn apply(config: &Config) -> Result<Outcome<Outputs, Receipt>> {
    let api = Api::new(&config.context, &config.namespace, &config.field_manager);
    let wanted = survey(&api, config)?;
    let again = Again::read(config)?;
    let mut entries = Vec::new();
    let mut changed = 0;
    for wanted in &wanted {
        let answer = wanted.tried(&api, config)?;
        let tried = accepted(&wanted.target, answer)?;
        changed += usize::from(wanted.live.as_ref().is_none_or(|live| !diff::is_same(live, &tried)));
        entries.push(entry(config, wanted, &tried, &again));
    }
    let kept: BTreeSet<&Target> = wanted.iter().map(|wanted| &wanted.target).collect();
    entries.extend(again.left(&kept));
    let surplus = surplus(&api, config, &wanted, &again)?;
    let pruned = again.with_removed(&kept, surplus.iter().map(|(target, live)| pruned(config, target, live)).collect());
    let mut receipt = Receipt {
        context: config.context.clone(),
        namespace: config.namespace.clone(),
        manager: config.field_manager.clone(),
        release: context::release(),
        phase: Phase::Applying,
        entries,
        pruned,
    };
    checkpoint(&receipt)?;
    let mut events = Events::begin(&api)?;
    for wanted in &wanted {
        bring(&api, config, wanted)?;
    }
    let targets: Vec<Target> = wanted.iter().map(|wanted| wanted.target.clone()).collect();
    wait::ready(&api, &targets, &mut events, config.patience()?)?;
    receipt.phase = Phase::Pruning;
    checkpoint(&receipt)?;
    for (target, _) in &surplus {
        change::remove(&api, target)?;
    }
    adopt::say_whose(config, &wanted)?;
    again::settle(&api, &mut receipt, wanted.len())?;
    receipt.phase = Phase::Done;
    Ok(outcome(receipt, changed))
}

/// Returns what an apply that is done leaves.
pub(crate) fn outcome(receipt: Receipt, changed: usize) -> Outcome<Outputs, Receipt> {
    let outputs = Outputs {
        namespace: receipt.namespace.clone(),
        objects: receipt.entries.iter().map(|entry| entry.target.shown()).collect(),
        changed,
        pruned: receipt.pruned.len(),
    };
    let count = receipt.entries.len();
    let objects = if count == 1 { "object stands" } else { "objects stand" };
    let summary = format!("{count} {objects} in {}, {changed} changed, {} removed", receipt.namespace, outputs.pruned);
    Outcome::new(summary, outputs).receipt(receipt)
}

fn bring(api: &Api, config: &Config, wanted: &Wanted) -> Result<()> {
    let check = |live: Option<&Value>| mark::check_free(live, &wanted.target.shown()).map(drop);
    let answer = change::apply(api, &wanted.target, &wanted.object, config.conflicts == Conflicts::Take, check)?;
    let did = match (answer.code, &wanted.live) {
        (201, _) | (_, None) => "made",
        (_, Some(live)) if diff::is_same(live, &answer.body) => "is as it was",
        _ => "changed",
    };
    accepted(&wanted.target, answer)?;
    log::info(&format!("{} {did}", wanted.target.shown()));
    Ok(())
}

/// Takes the object of an answer that is no refusal.
pub(crate) fn accepted(target: &Target, answer: Answer) -> Result<Value> {
    match answer.code {
        200 | 201 => Ok(answer.body),
        404 => {
            Err(Error::missing(format!("{}: {}", target.shown(), answer.body["message"].as_str().unwrap_or("the namespace is not there"))))
        }
        _ => Err(refused(&target.shown(), &answer)),
    }
}

/// Notes what is applied, and what stood there: our own fields, and those that we are about to set.
pub(crate) fn entry(config: &Config, wanted: &Wanted, tried: &Value, again: &Again) -> Entry {
    let secret = wanted.target.kind == "Secret";
    let before = match (again.before(&wanted.target, wanted.live.as_ref()), &wanted.live) {
        (Some(before), _) => before,
        (None, None) => Before::Nothing,
        (None, Some(_)) if secret => Before::Hidden,
        (None, Some(live)) => {
            let manager = &config.field_manager;
            let reached = fields::union(&fields::owned(live, manager), &fields::owned(tried, manager));
            Before::Object(fields::project(live, &reached))
        }
    };
    Entry { target: wanted.target.clone(), applied: (!secret).then(|| wanted.object.clone()), before }
}

fn pruned(config: &Config, target: &Target, live: &Value) -> Pruned {
    let whole = fields::project(live, &fields::owned(live, &config.field_manager));
    Pruned { target: target.clone(), before: (target.kind != "Secret").then_some(whole) }
}

//! What runs without relrun's doing. The manifests say which objects are meant; what runs says what the references of the config would have to be. It is
//! looked at, tried by the server, and changed by nobody: what stands is taken over only where the manifests make that very thing.

use crate::again::Again;
use crate::api::{Api, Applied, Target};
use crate::config::Config;
use crate::rollout::{self, Wanted};
use crate::set::{self, Place};
use crate::{Phase, Receipt, diff, manifests, mark};
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::{Error, Outcome, Result, Standing, context, log};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Finds what runs of what the manifests name.
pub(crate) fn find(config: &Config) -> Result<Standing<Receipt>> {
    config.check()?;
    if let Some(text) = [&config.context, &config.namespace].into_iter().chain(&config.manifest).find(|text| text.contains("${")) {
        return Err(Error::invalid(format!("{text} is not known before relrun has deployed, and says where to look")));
    }
    let api = Api::new(&config.context, &config.namespace, &config.field_manager);
    let root = Path::new("/in");
    let (mut known, open) = without_open(config);
    let stands = look(&api, manifests::read(&known, root)?)?;
    let mut stands_for = BTreeMap::new();
    for (place, template, is_image) in &open {
        let live = if *is_image { image(&stands, place)? } else { value(&stands, place)? };
        let (reference, value) = derive(template, &live).map_err(|why| Error::invalid(format!("{place}: {why}")))?;
        if let Some(other) = stands_for.insert(reference.clone(), value.clone()).filter(|other| *other != value) {
            return Err(Error::invalid(format!("{reference} would have to be both {other} and {value}")));
        }
        let into = if *is_image { &mut known.image } else { &mut known.set };
        into.insert(place.clone(), live);
    }
    let receipt = compare(&api, &known, manifests::read(&known, root)?, &stands)?;
    let names: Vec<String> = receipt.entries.iter().map(|entry| entry.target.shown()).collect();
    let outputs = stands_for.into_iter().map(|(reference, value)| (reference, Value::from(value))).collect();
    Ok(Outcome::new(format!("{} stand in {}", names.join(", "), config.namespace), outputs).receipt(receipt))
}

/// Where an image or a value of the config goes, what is written there, and whether it is an image.
type Open = (String, String, bool);

/// Takes out of a config what is known only of a release.
fn without_open(config: &Config) -> (Config, Vec<Open>) {
    let mut known = config.clone();
    let mut open = Vec::new();
    for (map, is_image) in [(&mut known.image, true), (&mut known.set, false)] {
        let (unknown, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(map).into_iter().partition(|(_, text)| text.contains("${"));
        *map = rest;
        open.extend(unknown.into_iter().map(|(place, text)| (place, text, is_image)));
    }
    (known, open)
}

/// Takes the one reference of a text, and what it would have to be for the text to be what stands.
fn derive(template: &str, live: &str) -> std::result::Result<(String, String), String> {
    let parts = template.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (inner, after))) = parts.filter(|(_, (_, after))| !after.contains("${")) else {
        return Err(format!("{template} holds more than one reference, so what stands does not say what each would be"));
    };
    let value = live.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| format!("{live} stands there, and {template} can never be that"))?;
    Ok((format!("${{{inner}}}"), value.to_owned()))
}

/// Returns each object of the manifests with what stands in its place.
fn look(api: &Api, objects: Vec<Value>) -> Result<Vec<(Value, Target, Value)>> {
    let mut stands = Vec::new();
    for object in objects {
        let target = api.target(&object)?;
        let shown = target.shown();
        let missing = || Error::missing(format!("{shown} is not there: nothing to take over; leave it out of the manifests until then"));
        let live = api.get(&target)?.ok_or_else(missing)?;
        if let Some(mark) = mark::of(&live) {
            return Err(Error::denied(format!(
                "{shown} is relrun's already, by the mark {mark}: `relrun apply --adopt` takes over what another ledger has"
            )));
        }
        stands.push((object, target, live));
    }
    Ok(stands)
}

/// Returns the image that runs where the manifests have the one of a name.
fn image(stands: &[(Value, Target, Value)], name: &str) -> Result<String> {
    let mut found = BTreeSet::new();
    for (object, target, live) in stands {
        for container in set::containers(object).into_iter().filter(|container| set::has_image(container, name)) {
            let of_name = |other: &&&Value| other["name"] == container["name"];
            let image = set::containers(live).iter().find(of_name).and_then(|other| other["image"].as_str());
            let name = &container["name"];
            found.insert(image.ok_or_else(|| Error::missing(format!("{} has no container {name}", target.shown())))?.to_owned());
        }
    }
    let images: Vec<String> = found.into_iter().collect();
    match images.as_slice() {
        [image] => Ok(image.clone()),
        [] => Err(Error::invalid(format!("image {name:?}: no container has an image of this name"))),
        several => Err(Error::invalid(format!("image {name:?}: several run ({}), and a release has one", several.join(", ")))),
    }
}

/// Returns the value that stands at a place.
fn value(stands: &[(Value, Target, Value)], place: &str) -> Result<String> {
    let place = Place::parse(place)?;
    let found = stands.iter().find(|(_, target, _)| target.shown() == place.object);
    let (_, target, live) = found.ok_or_else(|| Error::invalid(format!("set: no manifest holds {}", place.object)))?;
    match place.get(live) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        _ => Err(Error::missing(format!("{} has no value where the config sets one", target.shown()))),
    }
}

/// Refuses what the manifests would change, and returns what is taken over.
fn compare(api: &Api, config: &Config, objects: Vec<Value>, stands: &[(Value, Target, Value)]) -> Result<Receipt> {
    let again = Again::read(config)?;
    let (mut entries, mut differ) = (Vec::new(), Vec::new());
    for (object, (_, target, live)) in objects.into_iter().zip(stands) {
        let tried = rollout::accepted(target, api.apply(target, &object, Applied::Tried, true)?)?;
        // Labels of the config's own are put on when it is taken over.
        let mut stands = live.clone();
        for (name, value) in &config.label {
            stands["metadata"]["labels"][name] = json!(value);
        }
        if !diff::is_same(&stands, &tried) {
            differ.push(format!("{}\n{}", target.shown(), diff::unified(Some(&stands), Some(&tried))));
        }
        let wanted = Wanted { target: target.clone(), object, live: Some(live.clone()) };
        entries.push(rollout::entry(config, &wanted, &tried, &again));
    }
    if !differ.is_empty() {
        return Err(Error::invalid(format!(
            "what stands is not what the manifests make, and a rollback to it could not bring it back: correct the manifests, or the values \
             that are set, to what stands:\n{}",
            differ.join("\n")
        )));
    }
    Ok(Receipt {
        context: config.context.clone(),
        namespace: config.namespace.clone(),
        manager: config.field_manager.clone(),
        release: context::release(),
        phase: Phase::Done,
        entries,
        pruned: Vec::new(),
    })
}

/// Says to whom fields belong beside us that were taken over: whoever applied them before.
pub(crate) fn say_whose(config: &Config, wanted: &[Wanted]) -> Result<()> {
    let is_taken_over = wanted.iter().all(|wanted| wanted.live.as_ref().is_some_and(|live| mark::of(live).is_none()));
    if !is_taken_over || context::previous::<Receipt>()?.is_none() {
        return Ok(());
    }
    let entries = wanted.iter().filter_map(|wanted| wanted.live.as_ref()?["metadata"]["managedFields"].as_array()).flatten();
    let others: BTreeSet<&str> = entries
        .filter(|entry| entry["subresource"].is_null() && entry["manager"] != *config.field_manager)
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        log::warn(&format!(
            "fields of what was taken over belong to {others} too: a release that changes one is refused until its config says `conflicts \"take\"`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::derive;

    #[test]
    fn a_reference_is_what_is_left_of_what_stands() {
        let derived = |template: &str, live: &str| derive(template, live).map(|(_, value)| value);
        assert_eq!(derived("${step.push.reference}", "shop:1"), Ok("shop:1".to_owned()));
        assert_eq!(derive("shop@${step.push.digest}-x", "shop@sha256:0-x").expect("fits").0, "${step.push.digest}");
        assert_eq!(derived("shop@${step.push.digest}-x", "shop@sha256:0-x"), Ok("sha256:0".to_owned()));
        for (template, live) in [("shop@${step.a.b}", "other@1"), ("${step.a.b}x", "x"), ("${step.a.b}${step.c.d}", "xy"), ("${", "x")] {
            assert!(derived(template, live).is_err(), "{template} {live}");
        }
    }
}

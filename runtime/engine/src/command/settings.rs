//! Settings that make releases: `env set` records what stands in an environment with other settings, to be promoted when it is wanted.
//!
//! What was set goes on with every later release of that environment: it is part of what stands there, and a rollback takes it back.

use super::bring::{identity, steps_in};
use super::start::{Draft, MadeOf};
use super::{Tools, prepared_from, read};
use crate::dependency::{Needed, Uses};
use crate::given::Given;
use crate::inputs::{Inputs, Sets, Values};
use crate::prepare::LockFile;
use crate::survey::Survey;
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::Selection;
use relrun_ledger::{DeploymentKey, Deployments, Release, ReleaseId, ReleaseKind, Summary};
use serde_json::Value;

/// What is asked of `env set`, `env unset`, `env edit`.
#[derive(Clone, Debug, Default)]
pub struct SettingsEdit {
    /// Where.
    pub environment: String,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// What is set.
    pub set: Given,
    /// Names.
    pub unset: Vec<String>,
}

/// A setting as it stands in an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value; absent where nothing gives one.
    pub value: Option<Value>,
    /// Where the value comes from.
    pub from: SettingFrom,
}

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingFrom {
    /// From `-i`, when the active release was made.
    Given,
    /// From `relrun env set`.
    Set,
    /// From the environment's block.
    Environment,
    /// From the input's default.
    Default,
    /// From nowhere.
    Nothing,
}

/// Returns what was set, by environment, in what is active there now under a deployment's name; by default the package's.
pub(crate) fn standing(summaries: &[Summary], package: &str, deployment: Option<&str>) -> Sets {
    let name = deployment_name(package, deployment);
    let mut sets = Sets::new();
    for (key, active) in Deployments::of(summaries).all().filter(|(key, _)| key.deployment == name) {
        let summary = summaries.iter().find(|summary| summary.release == active.release);
        let set = summary.and_then(|summary| summary.environments.get(&key.environment)).map(|there| &there.set);
        if let Some(set) = set.filter(|set| !set.is_empty()) {
            sets.insert(key.environment.clone(), set.clone());
        }
    }
    sets
}

/// Returns every input as it stands in an environment.
pub fn list(workspace: &Workspace, loaded: &Loaded, environment: &str, deployment: Option<&str>) -> Result<Vec<Setting>, EngineError> {
    super::promote::check_environment(loaded, environment)?;
    let package = loaded.manifest.package.name.value.to_string();
    let summaries = super::summaries(workspace, &package)?;
    let set = standing(&summaries, &package, deployment).remove(environment).unwrap_or_default();
    let given = match active(&summaries, &package, environment, deployment) {
        Some(summary) => read(workspace, &package, summary.release)?.start.given,
        None => Values::new(),
    };
    let block = loaded.environment(environment).map_or(&[][..], |found| &found.settings);
    let settings = loaded.manifest.inputs.iter().map(|input| {
        let name = input.name.value.clone();
        let written = block.iter().find(|setting| *setting.name == *name).map(|setting| crate::inputs::plain(&setting.value.value));
        let default = input.default.as_ref().map(|default| crate::inputs::plain(&default.value));
        let (value, from) = match (given.get(&name), set.get(&name), written, default) {
            (Some(value), ..) => (Some(value.clone()), SettingFrom::Given),
            (_, Some(value), ..) => (Some(value.clone()), SettingFrom::Set),
            (_, _, Some(value), _) => (Some(value), SettingFrom::Environment),
            (_, _, _, Some(value)) => (Some(value), SettingFrom::Default),
            _ => (None, SettingFrom::Nothing),
        };
        Setting { name, value, from }
    });
    Ok(settings.collect())
}

/// Records what is active in an environment with other settings. Returns the new release; none where nothing would change.
pub async fn stage(tools: Tools<'_>, loaded: Loaded, edit: &SettingsEdit) -> Result<Option<ReleaseId>, EngineError> {
    super::promote::check_environment(&loaded, &edit.environment)?;
    let package = loaded.manifest.package.name.value.to_string();
    let summaries = super::summaries(&tools.workspace, &package)?;
    let Some(active) = active(&summaries, &package, &edit.environment, edit.deployment.as_deref()) else {
        let place = crate::words::place(&package, &edit.environment, edit.deployment.as_deref());
        let message = format!("nothing of {package} stands in {place}, and settings are changed of what stands");
        return Err(EngineError::input(message, "write `set` in the environment's block, or deploy first: `relrun apply`"));
    };
    super::promote::check_good(&summaries, active.release)?;
    let record = read(&tools.workspace, &package, active.release)?;
    let before = record.start.set.get(&edit.environment).cloned().unwrap_or_default();
    let after = edited(&loaded, &record, &before, edit)?;
    if after == before {
        return Ok(None);
    }
    let selection = Selection { deployment: super::deployment_of(&record), ..Selection::default() };
    let prepared = prepared_from(&tools.workspace, &record, &loaded, &selection, |then| {
        Inputs::restaged(then, &record.start, &edit.environment, after.clone())
    })
    .await?;
    let survey = Survey::beside(&tools.workspace, &prepared, &record)?;
    let steps = steps_in(&prepared, &edit.environment);
    let draft = Draft {
        prepared: &prepared,
        survey: &survey,
        kind: ReleaseKind::Settings { of: active.release, environment: edit.environment.clone() },
        lock: LockFile::of(&prepared.plugins),
        identity: identity(&record, &["env", &edit.environment], summaries.len()),
        steps: Some(steps),
        record: Some(&record),
        version: Some(record.start.version.clone()),
        description: Some(description(&before, &after)),
        made_of: MadeOf::of(&record),
        needed: Needed::of_record(&prepared.loaded, &record, record.start.part_of.clone(), &Uses::new())?,
    };
    draft.stage(&tools).map(Some)
}

/// Returns the name of a deployment; by default the package's.
pub(crate) fn deployment_name<'a>(package: &'a str, deployment: Option<&'a str>) -> &'a str {
    deployment.unwrap_or_else(|| package.rsplit('/').next().unwrap_or(package))
}

/// Returns the release that is active in an environment under a deployment's name.
pub(super) fn active<'s>(summaries: &'s [Summary], package: &str, environment: &str, deployment: Option<&str>) -> Option<&'s Summary> {
    let key = DeploymentKey { environment: environment.to_owned(), deployment: deployment_name(package, deployment).to_owned() };
    let active = Deployments::of(summaries).active(&key)?.release;
    summaries.iter().find(|summary| summary.release == active)
}

/// Returns what is set after an edit. All that is wrong with it is said at once.
fn edited(loaded: &Loaded, record: &Release, before: &Values, edit: &SettingsEdit) -> Result<Values, EngineError> {
    let mut after = before.clone();
    let mut wrong = Vec::new();
    for name in edit.set.values.keys().filter(|name| record.start.given.contains_key(*name)) {
        let id = record.start.release;
        wrong.push(format!("{id} was given {name} with -i, which is stronger than a setting"));
    }
    for name in edit.set.values.keys() {
        if let Some(step) = free_user(loaded, name) {
            wrong.push(format!("step \"{step}\" uses {name}, and is bound to no environment: it is made once, for all of them"));
        }
    }
    for name in &edit.unset {
        if after.remove(name).is_none() {
            wrong.push(format!("{name} is not set by `relrun env set` in {}", edit.environment));
        }
    }
    let (set, unfit) = Inputs::read(loaded, &edit.set);
    wrong.extend(unfit);
    if !wrong.is_empty() {
        return Err(EngineError::input(wrong.join("\n"), format!("type `relrun env list -e {}`", edit.environment)));
    }
    after.extend(set);
    Ok(after)
}

/// Returns a step that is bound to no environment and uses an input.
fn free_user<'l>(loaded: &'l Loaded, input: &str) -> Option<&'l str> {
    let free = loaded.manifest.phases.iter().filter(|phase| phase.environments.is_none()).flat_map(|phase| &phase.steps);
    let names = |reference: &relrun_manifest::Reference| {
        reference.namespace == relrun_manifest::Namespace::Input && reference.path.first().is_some_and(|name| name == input)
    };
    free.into_iter().find(|step| step.references().any(names)).map(|step| step.name.value.as_str())
}

fn description(before: &Values, after: &Values) -> String {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let words = names.into_iter().filter_map(|name| match (before.get(name), after.get(name)) {
        (None, Some(_)) => Some(format!("add:{name}")),
        (Some(_), None) => Some(format!("remove:{name}")),
        (Some(old), Some(new)) if old != new => Some(format!("change:{name}")),
        _ => None,
    });
    format!("env {}", words.collect::<Vec<_>>().join(" "))
}

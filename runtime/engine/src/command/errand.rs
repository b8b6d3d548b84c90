//! `errand`: a task that is run against what stands in an environment, with its inputs and outputs.
//!
//! Each run is a record of its own, which makes no deployment: what is active before is active after.

use super::bring::identity;
use super::start::{Draft, MadeOf};
use super::{Tools, deployment_of, prepared_from, read};
use crate::carry::Aim;
use crate::dependency::Needed;
use crate::inputs::Inputs;
use crate::prepare::{LockFile, Prepared};
use crate::survey::Survey;
use crate::{EngineError, Loaded};
use relrun_graph::{Errands, Selection};
use relrun_ledger::{Release, ReleaseKind, RunKind, StepId};
use relrun_manifest::{Manifest, Role};
use relrun_report::RunFinished;
use std::collections::BTreeSet;

/// What is asked of `errand`.
#[derive(Clone, Debug, Default)]
pub struct ErrandRequest {
    /// Which.
    pub name: String,
    /// `-e`.
    pub environment: String,
    /// `--deployment`.
    pub deployment: Option<String>,
}

/// Runs an errand of the release that is active, as that release knows it.
pub async fn errand(tools: Tools<'_>, loaded: Loaded, request: &ErrandRequest) -> Result<RunFinished, EngineError> {
    let ErrandRequest { name, environment, deployment } = request;
    super::promote::check_environment(&loaded, environment)?;
    let package = loaded.manifest.package.name.value.to_string();
    let summaries = super::summaries(&tools.workspace, &package)?;
    let Some(active) = super::settings::active(&summaries, &package, environment, deployment.as_deref()) else {
        let place = crate::words::place(&package, environment, deployment.as_deref());
        let option = crate::words::deployment_option(&package, deployment.as_deref());
        let message = format!("nothing of {package} stands in {place}, and an errand runs against what does");
        return Err(EngineError::input(message, format!("deploy first: `relrun apply -e {environment}{option}`")));
    };
    let record = read(&tools.workspace, &package, active.release)?;
    let selection = Selection { deployment: deployment_of(&record), errands: Errands::One(name.clone()), ..Selection::default() };
    let prepared = prepared_from(&tools.workspace, &record, &loaded, &selection, |then| Inputs::recorded(then, &record.start)).await?;
    let steps = steps(&prepared, &record, request)?;
    tools.check_freeze(&prepared.loaded, &BTreeSet::from([environment.clone()]))?;
    let survey = Survey::beside(&tools.workspace, &prepared, &record)?;
    let secrecy = crate::secrets::read(&tools.workspace, &prepared, &|node| steps.contains(&StepId(node.0)))?;
    let draft = Draft {
        prepared: &prepared,
        survey: &survey,
        kind: ReleaseKind::Errand { of: active.release, environment: environment.clone(), name: name.clone() },
        lock: LockFile::of(&prepared.plugins),
        identity: identity(&record, &["errand", name, environment], summaries.len()),
        steps: Some(steps),
        record: Some(&record),
        version: Some(record.start.version.clone()),
        description: Some(format!("errand {name} on {}", active.release)),
        made_of: MadeOf::of(&record),
        needed: Needed::default(),
    };
    let taken = draft.begin(&tools, usize::MAX)?;
    tools.carry(prepared, survey, taken, secrecy, (RunKind::Apply, Aim::Forward, "errand")).await
}

fn steps(prepared: &Prepared, record: &Release, request: &ErrandRequest) -> Result<BTreeSet<StepId>, EngineError> {
    let ErrandRequest { name, environment, .. } = request;
    let is_it = |node: &relrun_graph::NodeId| {
        prepared.step(*node).name.value == *name && prepared.environment(*node).is_some_and(|found| *found.name == *environment)
    };
    let steps: BTreeSet<StepId> = prepared.graph.topological().filter(is_it).map(|node| StepId(node.0)).collect();
    if !steps.is_empty() {
        return Ok(steps);
    }
    let known = errands(&prepared.loaded.manifest);
    if known.contains(&name.as_str()) {
        let message = format!("errand \"{name}\" is not for {environment}");
        return Err(EngineError::input(message, "its `environments` says where it may run"));
    }
    let id = record.start.release;
    let help = match relrun_manifest::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => format!("declare it: errand \"{name}\" plugin=\"deploy\" environments=\"*\" {{ … }}, and deploy that"),
        None => format!("there are {}", known.join(", ")),
    };
    Err(EngineError::input(format!("{id}, which stands in {environment}, has no errand \"{name}\""), help))
}

fn errands(manifest: &Manifest) -> Vec<&str> {
    let steps = manifest.phases.iter().flat_map(|phase| &phase.steps);
    steps.filter(|step| step.role == Role::Errand).map(|step| step.name.value.as_str()).collect()
}

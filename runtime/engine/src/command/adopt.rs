//! `adopt`: what stands in an environment without relrun's doing becomes its first release, so that the second one has something to go back to.
//!
//! Each plugin is asked what stands there, and what the values that its config refers to would have to be. With those the release is carried as any
//! other: its steps run, and find that nothing is to be done. Nothing is built but what a step of the environment reads (manifests, say): a plugin
//! sees by that what is meant. Nothing here knows what a plugin found.

use super::apply::{ApplyRequest, identity_of};
use super::bring::steps_in;
use super::start::{Adopted, Draft, MadeOf};
use super::{Applied, Tools};
use crate::ask::{Asker, Question, Silent};
use crate::carry::Aim;
use crate::dependency::{self, Needed};
use crate::given::Given;
use crate::prepare::Prepared;
use crate::staging::Stage;
use crate::values::output;
use crate::{EngineError, Loaded};
use relrun_graph::NodeId;
use relrun_host::{Operation, Reply};
use relrun_ledger::{DeploymentKey, Deployments, Digest, Outcome, ReleaseKind, RunKind, StepId, StepKind};
use relrun_manifest::{Namespace, Part, ReadsFrom, Reference, Template};
use relrun_report::RunFinished;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is asked of `adopt`.
#[derive(Clone, Debug, Default)]
pub struct AdoptRequest {
    /// `-e`.
    pub environment: String,
    /// `-i`.
    pub inputs: Given,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--done`: steps that a person says are done, because their plugins cannot look.
    pub done: Vec<String>,
}

/// What the plugins found.
#[derive(Default)]
struct Found {
    /// For the steps of the environment: what stands, as a receipt.
    receipts: BTreeMap<StepId, Value>,
    /// For the steps outside: what they would have given.
    outcomes: BTreeMap<StepId, Outcome>,
    /// By a person's word.
    done: Vec<Adopted>,
}

/// Makes what stands in an environment a release.
pub async fn adopt(tools: Tools<'_>, loaded: Loaded, request: &AdoptRequest) -> Result<RunFinished, EngineError> {
    let environment = &request.environment;
    let apply = ApplyRequest {
        environments: vec![environment.clone()],
        inputs: request.inputs.clone(),
        deployment: request.deployment.clone(),
        force: true,
        ..ApplyRequest::default()
    };
    let applied = identity_of(&tools.workspace, loaded, &apply).await?;
    let steps = steps_in(&applied.prepared, environment);
    check_stands_nothing(&tools, &applied, environment, &steps)?;
    check_done(&applied.prepared, environment, &steps, &request.done)?;
    tools.check_freeze(&applied.prepared.loaded, &BTreeSet::from([environment.clone()]))?;
    let read = crate::plan::built(&tools.workspace, &applied, &read_from(&applied.prepared, &steps)).await?;
    let found = ask(&tools, &applied, &steps, (&request.done, &read)).await?;
    let identity = identity(&applied, tools.workspace.runs.summaries(&applied.sought.package)?.len());
    let adopted = found.outcomes.into_iter().map(|(step, outcome)| Adopted { step, outcome, by_word: None });
    let adopted: Vec<Adopted> = adopted.chain(found.done).collect();
    let secrecy = crate::secrets::read(&tools.workspace, &applied.prepared, &|node| steps.contains(&StepId(node.0)))?;
    let locked = dependency::lock(&tools, &applied.needed.requires).await?;
    let others = adopted.iter().map(|adopted| adopted.step).chain(read.keys().map(|node| StepId(node.0)));
    let selected: BTreeSet<StepId> = others.chain(steps).collect();
    let draft = Draft {
        prepared: &applied.prepared,
        survey: &applied.survey,
        kind: ReleaseKind::Apply,
        lock: applied.lock.clone(),
        identity,
        steps: Some(selected),
        record: None,
        version: None,
        description: Some(format!("what stood in {environment}")),
        made_of: MadeOf { adopted, ..MadeOf::default() },
        needed: Needed { locked, ..applied.needed.clone() },
    };
    let mut taken = draft.begin(&tools, usize::MAX)?;
    taken.found = found.receipts;
    tools.carry(applied.prepared, applied.survey, taken, secrecy, (RunKind::Apply, Aim::Forward, "adopt")).await
}

/// Refuses where relrun has deployed already: that is no stranger's.
fn check_stands_nothing(tools: &Tools<'_>, applied: &Applied, environment: &str, steps: &BTreeSet<StepId>) -> Result<(), EngineError> {
    let deployments = Deployments::of(&super::summaries(&tools.workspace, &applied.sought.package)?);
    if steps.is_empty() {
        return Err(EngineError::input(
            format!("no step is bound to {environment}"),
            "a phase says with `environments=\"LABEL=VALUE\"` where its steps are carried",
        ));
    }
    for deployment in steps.iter().filter_map(|step| applied.prepared.nodes[step.index()].deployment.clone()) {
        let key = DeploymentKey { environment: environment.to_owned(), deployment };
        if let Some(active) = deployments.active(&key) {
            return Err(EngineError::input(
                format!("{} stands in {environment} already: there is nothing to take over", active.release),
                "type `relrun apply` to deploy there",
            ));
        }
    }
    Ok(())
}

fn check_done(prepared: &Prepared, environment: &str, steps: &BTreeSet<StepId>, done: &[String]) -> Result<(), EngineError> {
    let names: Vec<&str> = steps.iter().map(|step| prepared.step(NodeId(step.0)).name.value.as_str()).collect();
    match done.iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(EngineError::input(
            format!("--done {name}: no step of that name is bound to {environment}"),
            format!("there are {}", crate::text::join(&names)),
        )),
    }
}

/// A release of its own, whatever was or will be released of the same manifest.
fn identity(applied: &Applied, count: usize) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 identity of an adopted release v1");
    hasher.update(&applied.sought.identity.0).update(&(count as u64).to_le_bytes());
    hasher.finalize().into()
}

/// Asks the plugins of the steps what stands, in the order in which they would run.
async fn ask(
    tools: &Tools<'_>,
    applied: &Applied,
    steps: &BTreeSet<StepId>,
    (done, read): (&[String], &BTreeMap<NodeId, Outcome>),
) -> Result<Found, EngineError> {
    let prepared = &applied.prepared;
    let artifact = |template: &Template| match template.parts.as_slice() {
        [Part::Ref(reference)] => output(read.get(&outside(prepared, reference)?)?, &reference.path[1..])?.as_str()?.parse().ok(),
        _ => None,
    };
    let asker = Asker::new(&tools.workspace, prepared, &|node| steps.contains(&StepId(node.0)))?;
    let mut found = Found::default();
    for node in prepared.graph.topological().filter(|node| steps.contains(&StepId(node.0))) {
        let at = &prepared.nodes[node.index()];
        if at.kind == StepKind::Pure {
            continue;
        }
        let step = StepId(node.0);
        if done.contains(&prepared.step(node).name.value) {
            let config = tools.workspace.blobs.put(crate::fingerprint::canonical(&at.config).as_bytes())?;
            let outcome = Outcome { summary: "taken as done by a person's word".into(), ..Outcome::default() };
            found.done.push(Adopted { step, outcome, by_word: Some(config) });
            continue;
        }
        let question = Question { prepared, node, operation: Operation::Find, config: at.config.clone(), release: "", previous: None };
        let made = applied.survey.make(&tools.workspace, prepared, node, at.config.clone(), &artifact);
        let staged = made.and_then(|made| Stage::set(&tools.workspace, &prepared.loaded.directory, &made.inputs, &[]));
        let stage = staged.map_err(|failure| refused(prepared, node, &failure.message))?;
        let answer = match asker.ask_in(&stage, question, Arc::new(Silent)).await {
            Ok(Reply::Outcome(answer)) => answer,
            Ok(_) => return Err(refused(prepared, node, "the plugin answered another operation")),
            Err(failure) => return Err(refused(prepared, node, &failure.message)),
        };
        found.receipts.extend(answer.receipt.clone().map(|receipt| (step, receipt)));
        for (reference, value) in &answer.outputs {
            stand_in(prepared, node, (reference, value), (read, &mut found.outcomes))?;
        }
    }
    tools.workspace.blobs.sync()?;
    Ok(found)
}

/// Returns the pure steps outside of the environment from which its steps read, with those that these are made from.
fn read_from(prepared: &Prepared, steps: &BTreeSet<StepId>) -> BTreeSet<StepId> {
    let is_pure = |node: &NodeId| prepared.nodes[node.index()].kind == StepKind::Pure;
    let read = prepared.graph.topological().filter(|node| steps.contains(&StepId(node.0))).flat_map(|node| &prepared.step(node).reads);
    let mut open: Vec<NodeId> = read
        .filter_map(|reads| match &reads.from {
            ReadsFrom::Artifact(template) => template.references().next().and_then(|reference| outside(prepared, reference)),
            ReadsFrom::Files(_) => None,
        })
        .filter(is_pure)
        .collect();
    let mut found = BTreeSet::new();
    while let Some(node) = open.pop() {
        if found.insert(StepId(node.0)) {
            open.extend(prepared.step(node).references().filter_map(|reference| outside(prepared, reference)));
        }
    }
    found
}

/// Returns the step outside of all environments that a reference means.
fn outside(prepared: &Prepared, reference: &Reference) -> Option<NodeId> {
    let name = reference.path.first().filter(|_| reference.namespace == Namespace::Step)?;
    prepared.meant(name, None).filter(|&node| prepared.environment(node).is_none())
}

fn refused(prepared: &Prepared, node: NodeId, reason: &str) -> EngineError {
    let step = &prepared.step(node).name.value;
    EngineError::input(
        format!("{}: {reason}", prepared.nodes[node.index()].label),
        format!("nothing was changed; where this step is done already and has nothing to go back to, type the same with `--done {step}`"),
    )
}

/// Gives a step outside of the environment the value that a plugin says it would have to have given: `${step.site.dist}`.
fn stand_in(
    prepared: &Prepared,
    by: NodeId,
    (reference, value): (&str, &Value),
    (read, outcomes): (&BTreeMap<NodeId, Outcome>, &mut BTreeMap<StepId, Outcome>),
) -> Result<(), EngineError> {
    let path = reference.strip_prefix("${step.").and_then(|rest| rest.strip_suffix('}')).and_then(|rest| rest.split_once('.'));
    let node = path.and_then(|(name, _)| prepared.meant(name, None).filter(|&node| prepared.environment(node).is_none()));
    let (Some((_, name)), Some(node)) = (path, node) else {
        let message =
            format!("{} found a value for {reference}, which no step outside of the environment gives", prepared.nodes[by.index()].label);
        return Err(EngineError::input(message, "write the config with references to steps that are bound to no environment"));
    };
    if let Some(known) = read.get(&node) {
        if output(known, &[name.to_owned()]).as_ref() == Some(value) {
            return Ok(());
        }
        let message = format!("what stands is not what {reference} gives: {} would have to be {value}", prepared.nodes[by.index()].label);
        return Err(EngineError::input(message, "a step that others read is made, and not looked for: name what stands in another way"));
    }
    let outcome = outcomes.entry(StepId(node.0)).or_default();
    "it stood there before relrun".clone_into(&mut outcome.summary);
    // Where two steps take over different things, one of them would be switched to the other's.
    let differs = match value.as_str().and_then(|text| text.parse::<Digest>().ok()) {
        Some(tree) => outcome.artifacts.insert(name.to_owned(), tree).is_some_and(|other| other != tree),
        None => outcome.outputs.insert(name.to_owned(), value.clone()).is_some_and(|other| other != *value),
    };
    if differs {
        return Err(EngineError::input(
            format!("{reference} would have to be two things: {} found another than a step before it", prepared.nodes[by.index()].label),
            "deploy once more with what deployed them, so that they serve the same, or adopt them as packages of their own",
        ));
    }
    Ok(())
}

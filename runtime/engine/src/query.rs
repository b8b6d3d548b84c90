//! Questions that change nothing: why a step would run, whether what was deployed still stands, what a log says.

use crate::command::{Applied, ApplyRequest, identity_of};
use crate::fingerprint::Parts;
use crate::survey::{changes as changes_of, last_parts, recall};
use crate::values::{Known, output};
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::NodeId;
use relrun_ledger::{Outcome, StepKind};
use std::collections::BTreeMap;

/// Why a step would run, or would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its outcome is in the cache.
    Cached {
        /// What it is made from.
        parts: Box<Parts>,
    },
    /// It is not, because of this.
    Runs {
        /// What changed since it last ran here; empty where it never did, or its outcome was swept.
        changes: Vec<String>,
        /// Whether it ran here before.
        before: bool,
        /// What it is made from.
        parts: Box<Parts>,
    },
    /// It is an effect: the ledger says whether it is done.
    Effect,
    /// What it is made from is known only after another step.
    KnownAfter(String),
}

/// Says why each step of this name would run, one answer an environment.
pub async fn why(workspace: &Workspace, loaded: Loaded, step: &str, request: &ApplyRequest) -> Result<Vec<(String, Why)>, EngineError> {
    let applied = identity_of(workspace, loaded, request).await?;
    let Applied { prepared, survey, .. } = applied;
    let mut outcomes: BTreeMap<NodeId, Outcome> = BTreeMap::new();
    let mut answers = Vec::new();
    for node in prepared.graph.topological() {
        let label = &prepared.nodes[node.index()].label;
        let named = label == step || *prepared.step(node).name == *step;
        let answer = why_one(workspace, &prepared, &survey, &mut outcomes, node)?;
        if named {
            answers.push((label.clone(), answer));
        }
    }
    if answers.is_empty() {
        let labels: Vec<String> = prepared.nodes.iter().map(|node| node.label.clone()).collect();
        let help = match relrun_manifest::nearest(step, labels.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("its steps are {}", crate::text::join(&labels)),
        };
        return Err(EngineError::input(format!("there is no step \"{step}\""), help));
    }
    Ok(answers)
}

fn why_one(
    workspace: &Workspace,
    prepared: &crate::prepare::Prepared,
    survey: &crate::survey::Survey,
    outcomes: &mut BTreeMap<NodeId, Outcome>,
    node: NodeId,
) -> Result<Why, EngineError> {
    if prepared.nodes[node.index()].kind == StepKind::Effect {
        return Ok(Why::Effect);
    }
    let environment = prepared.environment(node);
    let name = environment.map(|environment| environment.name.value.as_str());
    let steps = prepared.step(node).references().filter(|reference| reference.namespace == relrun_manifest::Namespace::Step);
    for reference in steps {
        let other = reference.path.first().and_then(|step| prepared.meant(step, name));
        if let Some(other) = other.filter(|other| !outcomes.contains_key(other)) {
            return Ok(Why::KnownAfter(prepared.nodes[other.index()].label.clone()));
        }
    }
    let known = Known {
        inputs: prepared.inputs.of(name),
        environment,
        deployment: prepared.nodes[node.index()].deployment.as_deref(),
        package: &prepared.loaded.manifest.package.name.value,
        release: None,
        variables: &workspace.variables,
        steps: &|step, path| outcomes.get(&prepared.meant(step, name)?).and_then(|outcome| output(outcome, path)),
        previous: None,
        dependencies: None,
    };
    let schema = &prepared.plugin(node).description.config_schema;
    let config = relrun_manifest::shape(&prepared.step(node).config, schema, &|reference| known.resolve(reference)).json;
    let artifact = |template: &relrun_manifest::Template| known.resolve(template.single()?)?.as_str()?.parse().ok();
    let made = survey
        .make(workspace, prepared, node, config, &artifact)
        .map_err(|failure| EngineError::input(failure.message, "type `relrun check`"))?;
    if let Some(outcome) = recall(workspace, made.parts.digest())? {
        outcomes.insert(node, outcome);
        return Ok(Why::Cached { parts: Box::new(made.parts) });
    }
    let before = last_parts(workspace, prepared, node);
    let changes = before.as_ref().map(|before| changes_of(workspace, before, &made)).unwrap_or_default();
    Ok(Why::Runs { changes, before: before.is_some(), parts: Box::new(made.parts) })
}

//! What a release wrote into the work tree, laid there again where it is gone. What the user changed there is never overwritten.

use super::{Applied, Tools, read};
use crate::EngineError;
use crate::prepare::Prepared;
use relrun_graph::NodeId;
use relrun_ledger::{StepId, Summary};
use relrun_report::LineLevel;

/// Returns whether a step of it lays anything into the work tree.
pub(super) fn is_laid_out(prepared: &Prepared) -> bool {
    prepared.graph.topological().any(|node| lays_out(prepared, node))
}

fn lays_out(prepared: &Prepared, node: NodeId) -> bool {
    prepared.step(node).writes.iter().any(|output| output.to.is_some())
}

/// Lays out what is gone. What could not be laid out is said, and fails nothing: the release is as done as before.
pub(super) fn lay_out(tools: &mut Tools<'_>, applied: &Applied, summary: &Summary) -> Result<(), EngineError> {
    let prepared = &applied.prepared;
    let selected = |node: NodeId| applied.sought.steps.as_ref().is_none_or(|steps| steps.contains(&StepId(node.0)));
    let nodes: Vec<NodeId> = prepared.graph.topological().filter(|&node| selected(node) && lays_out(prepared, node)).collect();
    if nodes.is_empty() {
        return Ok(());
    }
    let release = read(&tools.workspace, &applied.sought.package, summary.release)?;
    for node in nodes {
        let environment = prepared.environment(node).map(|environment| environment.name.value.as_str());
        let name = &prepared.step(node).name.value;
        let Some(outcome) = release.find(name, environment).and_then(|step| release.step(step).outcome.as_ref()) else { continue };
        if let Err(failure) = crate::staging::lay_out_missing(&tools.workspace, prepared, node, outcome) {
            let label = &prepared.nodes[node.index()].label;
            let text = format!("{label}: what it writes was not laid out again: {}", failure.message);
            tools.say(LineLevel::Warn, text);
        }
    }
    Ok(())
}

//! Drawings of the graph: for Graphviz, for Mermaid, and as an SVG that needs neither.
//!
//! The texts hold every node. The picture folds a large graph together, because nobody reads ten thousand boxes, and says so in the drawing.

mod dot;
mod mermaid;
mod picture;
mod svg;

use crate::graph::Graph;
use crate::node::Node;

/// The nodes of each phase that has any, by the phase's place in file order.
fn by_phase(graph: &Graph) -> Vec<(usize, Vec<&Node>)> {
    let mut phases: Vec<(usize, Vec<&Node>)> = (0..graph.phases.len()).map(|phase| (phase, Vec::new())).collect();
    for node in graph.nodes() {
        phases[node.phase_index].1.push(node);
    }
    phases.retain(|(_, nodes)| !nodes.is_empty());
    phases
}

/// The phases that each phase waits for, those without nodes passed through.
struct Order<'g> {
    graph: &'g Graph,
    drawn: Vec<bool>,
}

impl<'g> Order<'g> {
    fn of(graph: &'g Graph) -> Self {
        let mut drawn = vec![false; graph.phases.len()];
        for node in graph.nodes() {
            drawn[node.phase_index] = true;
        }
        Self { graph, drawn }
    }

    fn before(&self, phase: usize) -> Vec<usize> {
        let mut before = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let mut open = self.graph.after.row(phase).to_vec();
        while let Some(earlier) = open.pop() {
            if !seen.insert(earlier) {
                continue;
            }
            if self.drawn[earlier] {
                before.push(earlier);
            } else {
                open.extend(self.graph.after.row(earlier));
            }
        }
        before.sort_unstable();
        before
    }
}

/// Returns the node's name and, on a second line, where it runs.
fn lines(node: &Node) -> Vec<String> {
    std::iter::once(node.name.to_string()).chain(node.environment_name.as_ref().map(|name| format!("@{name}"))).collect()
}

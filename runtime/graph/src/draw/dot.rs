//! Graphviz's language. A phase is a cluster, and phase order runs from cluster to cluster.

use super::{Order, by_phase, lines};
use crate::graph::Graph;
use crate::node::{Node, Reason};
use relrun_manifest::Role;
use std::fmt::{self, Write};

impl Graph {
    /// Returns the graph in Graphviz's language.
    pub fn to_dot(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = write(self, &mut out);
        out
    }
}

fn write(graph: &Graph, out: &mut String) -> fmt::Result {
    writeln!(out, "digraph release {{")?;
    writeln!(out, "    rankdir=LR; compound=true;")?;
    writeln!(out, "    node [shape=box, style=rounded, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\"];")?;
    let phases = by_phase(graph);
    for (phase, nodes) in &phases {
        writeln!(out, "    subgraph cluster_{phase} {{")?;
        writeln!(out, "        label=\"{}\"; style=rounded; color=gray;", escape(&graph.phases[*phase]))?;
        for node in nodes {
            writeln!(out, "        {}", declare(node))?;
        }
        writeln!(out, "    }}")?;
    }
    for node in graph.nodes() {
        for (needed, reason) in graph.reasons(node.id) {
            writeln!(out, "    n{} -> n{}{};", needed.0, node.id.0, look(*reason))?;
        }
    }
    let order = Order::of(graph);
    let first = |phase: usize| phases.iter().find(|(no, _)| *no == phase).and_then(|(_, nodes)| nodes.first());
    for (phase, nodes) in &phases {
        for earlier in order.before(*phase) {
            if let (Some(from), Some(to)) = (first(earlier), nodes.first()) {
                writeln!(out, "    n{} -> n{} [ltail=cluster_{earlier}, lhead=cluster_{phase}, color=gray];", from.id.0, to.id.0)?;
            }
        }
    }
    writeln!(out, "}}")
}

fn declare(node: &Node) -> String {
    let label = lines(node).iter().map(|line| escape(line)).collect::<Vec<_>>().join("\\n");
    match node.role {
        Role::Step | Role::Errand => format!("n{} [label=\"{label}\"];", node.id.0),
        Role::Deploy => format!("n{} [label=\"{label}\", shape=cds, style=solid];", node.id.0),
    }
}

fn look(reason: Reason) -> &'static str {
    match reason {
        Reason::Reference => "",
        Reason::Artifact => " [label=\"reads\"]",
        Reason::Needs => " [style=dashed]",
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "").replace('\n', "\\n")
}

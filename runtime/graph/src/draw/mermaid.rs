//! Mermaid's flowcharts, which forges draw in Markdown.

use super::{Order, by_phase, lines};
use crate::graph::Graph;
use crate::node::{Node, Reason};
use relrun_manifest::Role;
use std::fmt::{self, Write};

impl Graph {
    /// Returns the graph as a Mermaid flowchart.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = write(self, &mut out);
        out
    }
}

fn write(graph: &Graph, out: &mut String) -> fmt::Result {
    writeln!(out, "flowchart LR")?;
    let phases = by_phase(graph);
    for (phase, nodes) in &phases {
        writeln!(out, "    subgraph p{phase}[\"{}\"]", escape(&graph.phases[*phase]))?;
        for node in nodes {
            writeln!(out, "        {}", declare(node))?;
        }
        writeln!(out, "    end")?;
    }
    for node in graph.nodes() {
        for (needed, reason) in graph.reasons(node.id) {
            writeln!(out, "    n{} {} n{}", needed.0, arrow(*reason), node.id.0)?;
        }
    }
    let order = Order::of(graph);
    for (phase, _) in &phases {
        for earlier in order.before(*phase) {
            writeln!(out, "    p{earlier} ==> p{phase}")?;
        }
    }
    Ok(())
}

fn declare(node: &Node) -> String {
    let label = lines(node).iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>");
    match node.role {
        Role::Step | Role::Errand => format!("n{}(\"{label}\")", node.id.0),
        Role::Deploy => format!("n{}[[\"{label}\"]]", node.id.0),
    }
}

fn arrow(reason: Reason) -> &'static str {
    match reason {
        Reason::Reference => "-->",
        Reason::Artifact => "-- reads -->",
        Reason::Needs => "-.->",
    }
}

/// Mermaid has entities by number, and takes Markdown and HTML inside quotes.
fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => "<br/>".to_owned(),
            c if c.is_control() => String::new(),
            c if c.is_ascii_punctuation() && !matches!(c, '-' | '.' | '/' | '@' | ',') => format!("#{};", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

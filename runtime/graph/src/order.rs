//! The order of the steps before they are expanded, and the cycles that leave none.
//!
//! Phase order goes through two barriers a phase, one before its steps and one behind them. So 10,000 steps in two phases cost 20,000 edges
//! and not 25 million.

use crate::error::GraphError;
use crate::outline::{Outline, PhaseNo, StepNo};
use miette::LabeledSpan;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

/// What stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Step(StepNo),
    /// Everything that the phase waits for is over.
    Open(PhaseNo),
    /// Everything in the phase is over.
    Closed(PhaseNo),
}

/// Why one stop waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The place in [`Outline::wires`].
    Wire(usize),
    /// The place in [`Outline::after`].
    After(usize),
    /// A step lies between its phase's barriers.
    Inside,
}

/// An edge points from what waits to what it waits for.
type Waits = DiGraph<Stop, Why>;

/// How many cycles one answer reports: whoever has more has one mistake, many times.
const MOST_CYCLES: usize = 20;

/// Returns the stops so that each comes behind all that it waits for, as near to file order as can be; nothing where there are cycles.
pub(crate) fn stable(outline: &Outline<'_>, errors: &mut Vec<GraphError>) -> Option<Vec<Stop>> {
    let mut waits = build(outline);
    let order = sorted(&waits);
    if order.len() == waits.node_count() {
        return Some(order);
    }
    for _ in 0..MOST_CYCLES {
        let Some(cycle) = a_cycle(&waits) else { break };
        errors.push(explain(outline, &waits, &cycle));
        // What was reported is taken away, so that the next cycle found is another.
        let said: Vec<EdgeIndex> = cycle.iter().copied().filter(|&edge| waits[edge] != Why::Inside).collect();
        waits.retain_edges(|_, edge| !said.contains(&edge));
    }
    None
}

fn build(outline: &Outline<'_>) -> Waits {
    let (steps, phases) = (outline.steps.len(), outline.phases.len());
    let mut waits = Waits::with_capacity(steps + 2 * phases, 2 * steps + phases + outline.wires.len() + outline.after.len());
    // Steps come first, so that a step's number is its index.
    for step in 0..steps {
        waits.add_node(Stop::Step(step));
    }
    let barriers: Vec<(NodeIndex, NodeIndex)> =
        (0..phases).map(|phase| (waits.add_node(Stop::Open(phase)), waits.add_node(Stop::Closed(phase)))).collect();
    for &(open, closed) in &barriers {
        waits.add_edge(closed, open, Why::Inside);
    }
    for (step, (phase, _, _)) in outline.steps.iter().enumerate() {
        let (open, closed) = barriers[*phase];
        waits.add_edge(NodeIndex::new(step), open, Why::Inside);
        waits.add_edge(closed, NodeIndex::new(step), Why::Inside);
    }
    for (no, wire) in outline.wires.iter().enumerate() {
        waits.add_edge(NodeIndex::new(wire.from), NodeIndex::new(wire.to), Why::Wire(no));
    }
    for (no, after) in outline.after.iter().enumerate() {
        waits.add_edge(barriers[after.from].0, barriers[after.to].1, Why::After(no));
    }
    waits
}

/// Kahn's way with a heap instead of `petgraph::algo::toposort`, whose order is any; this one is file order wherever that is legal.
fn sorted(waits: &Waits) -> Vec<Stop> {
    let mut missing: Vec<usize> = waits.node_indices().map(|node| waits.neighbors(node).count()).collect();
    let urgency = |node: NodeIndex| match waits[node] {
        Stop::Step(step) => step + 1,
        Stop::Open(_) | Stop::Closed(_) => 0,
    };
    let mut ready: BinaryHeap<Reverse<(usize, NodeIndex)>> =
        waits.node_indices().filter(|node| missing[node.index()] == 0).map(|node| Reverse((urgency(node), node))).collect();
    let mut order = Vec::with_capacity(waits.node_count());
    while let Some(Reverse((_, node))) = ready.pop() {
        order.push(waits[node]);
        for waiting in waits.neighbors_directed(node, petgraph::Incoming) {
            missing[waiting.index()] -= 1;
            if missing[waiting.index()] == 0 {
                ready.push(Reverse((urgency(waiting), waiting)));
            }
        }
    }
    order
}

/// Returns the edges of a cycle, a shortest one through the first step that waits for itself.
fn a_cycle(waits: &Waits) -> Option<Vec<EdgeIndex>> {
    // Kosaraju's way and not Tarjan's: petgraph's Tarjan recurses, and a chain of 100,000 steps would overflow the stack.
    petgraph::algo::kosaraju_scc(waits)
        .into_iter()
        .filter(|knot| knot.len() > 1 || waits.contains_edge(knot[0], knot[0]))
        .min_by_key(|knot| knot.iter().min().copied())
        .and_then(|knot| shortest_round(waits, &knot))
}

fn shortest_round(waits: &Waits, knot: &[NodeIndex]) -> Option<Vec<EdgeIndex>> {
    let inside: BTreeSet<NodeIndex> = knot.iter().copied().collect();
    let named =
        |node: &&NodeIndex| waits.edges(**node).any(|edge| matches!(edge.weight(), Why::Wire(_)) && inside.contains(&edge.target()));
    let start = *inside.iter().find(named).or_else(|| inside.first())?;
    let mut came: Vec<Option<EdgeIndex>> = vec![None; waits.node_count()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for edge in waits.edges(node).filter(|edge| inside.contains(&edge.target())) {
            if edge.target() == start {
                return Some(walk_back(waits, &came, start, edge.id()));
            }
            if came[edge.target().index()].is_none() {
                came[edge.target().index()] = Some(edge.id());
                queue.push_back(edge.target());
            }
        }
    }
    None
}

fn walk_back(waits: &Waits, came: &[Option<EdgeIndex>], start: NodeIndex, last: EdgeIndex) -> Vec<EdgeIndex> {
    let mut cycle = vec![last];
    let mut at = waits.edge_endpoints(last).map(|(source, _)| source);
    while let Some(node) = at.filter(|&node| node != start) {
        let edge = came[node.index()];
        cycle.extend(edge);
        at = edge.and_then(|edge| waits.edge_endpoints(edge)).map(|(source, _)| source);
    }
    cycle.reverse();
    cycle
}

fn explain(outline: &Outline<'_>, waits: &Waits, cycle: &[EdgeIndex]) -> GraphError {
    let whys = || cycle.iter().map(|&edge| waits[edge]);
    let wires: Vec<usize> = whys().filter_map(|why| if let Why::Wire(no) = why { Some(no) } else { None }).collect();
    let crosses = whys().any(|why| matches!(why, Why::After(_)));
    if let ([wire], true) = (wires.as_slice(), crosses) {
        let wire = outline.wires[*wire];
        return GraphError::LaterPhase {
            by: outline.name(wire.from).to_owned(),
            by_phase: outline.phase_of(wire.from).name.value.clone(),
            verb: Outline::verb(wire.reason),
            name: outline.name(wire.to).to_owned(),
            phase: outline.phase_of(wire.to).name.value.clone(),
            span: wire.span.into(),
        };
    }
    let stops: Vec<String> = cycle
        .iter()
        .filter_map(|&edge| waits.edge_endpoints(edge))
        .filter_map(|(from, _)| named(outline, waits[from], wires.is_empty()))
        .collect();
    let around = stops.iter().chain(stops.first()).map(String::as_str).collect::<Vec<_>>();
    let what = match (wires.is_empty(), crosses) {
        (true, _) => "phases",
        (false, false) => "steps",
        (false, true) => "steps and phases",
    };
    GraphError::Cycle { what, path: around.join(" → "), lines: whys().filter_map(|why| line(outline, why)).collect() }
}

/// One name a phase is enough: the barrier behind its steps goes unsaid, and where only phases wait for one another, so do the steps.
fn named(outline: &Outline<'_>, stop: Stop, only_phases: bool) -> Option<String> {
    match stop {
        Stop::Open(phase) if only_phases => Some(outline.phases[phase].name.value.clone()),
        Stop::Step(_) if only_phases => None,
        Stop::Step(step) => Some(outline.name(step).to_owned()),
        Stop::Open(phase) => Some(format!("phase {}", outline.phases[phase].name.value)),
        Stop::Closed(_) => None,
    }
}

fn line(outline: &Outline<'_>, why: Why) -> Option<LabeledSpan> {
    let (text, span) = match why {
        Why::Wire(no) => {
            let wire = outline.wires[no];
            (format!("{} → {}", outline.name(wire.from), outline.name(wire.to)), wire.span)
        }
        Why::After(no) => {
            let after = outline.after[no];
            (format!("{} → {}", outline.phases[after.from].name.value, outline.phases[after.to].name.value), after.span)
        }
        Why::Inside => return None,
    };
    Some(LabeledSpan::new_with_span(Some(text), span))
}

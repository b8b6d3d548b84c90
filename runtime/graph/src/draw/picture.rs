//! What the picture shows: every node of a small graph, or a large one folded together.

use super::{Order, by_phase, lines};
use crate::graph::Graph;
use crate::node::Node;
use relrun_manifest::Role;
use std::collections::BTreeMap;

/// With more boxes than this, laying out takes seconds and reading it takes longer.
const MOST_BOXES: usize = 120;

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Phase,
    Step,
    Deploy,
    Note,
}

/// Why there is an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrow {
    /// A step names another.
    Named,
    /// Phase order.
    Order,
}

/// Boxes and arrows.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) boxes: Vec<(Kind, String)>,
    pub(super) arrows: Vec<(usize, usize, Arrow)>,
}

impl Picture {
    pub(super) fn of(graph: &Graph) -> Self {
        let phases = by_phase(graph);
        let boxes = graph.nodes().len() + phases.len();
        if boxes <= MOST_BOXES {
            return Self::whole(graph, &phases);
        }
        let folded: Vec<_> = phases.iter().take(MOST_BOXES).collect();
        let mut picture = Self::folded(graph, &folded);
        let mut note = format!("{} nodes in {} phases: folded by phase and environment", graph.nodes().len(), phases.len());
        let all = picture.boxes.len() + phases.len() - folded.len();
        if folded.len() < phases.len() || picture.boxes.len() > MOST_BOXES {
            let kept = picture.truncate(MOST_BOXES);
            note = format!("{note}; the first {kept} of {} boxes", all.max(kept));
        }
        note.push_str("\n`relrun graph --format dot` shows every node");
        picture.add(Kind::Note, note);
        picture
    }

    fn add(&mut self, kind: Kind, text: String) -> usize {
        self.boxes.push((kind, text));
        self.boxes.len() - 1
    }

    fn truncate(&mut self, most: usize) -> usize {
        self.boxes.truncate(most);
        let kept = self.boxes.len();
        self.arrows.retain(|&(from, to, _)| from < kept && to < kept);
        kept
    }

    /// A phase is a box of its own that its first steps hang on and the next phase hangs behind.
    fn whole(graph: &Graph, phases: &[(usize, Vec<&Node>)]) -> Self {
        let mut picture = Self::default();
        let mut place = vec![0; graph.nodes().len()];
        for node in graph.nodes() {
            let kind = if node.role == Role::Deploy { Kind::Deploy } else { Kind::Step };
            place[node.id.index()] = picture.add(kind, lines(node).join("\n"));
        }
        let mut heads: BTreeMap<usize, usize> = BTreeMap::new();
        let mut tails: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (phase, nodes) in phases {
            let inside = |id: &crate::NodeId| graph.node(*id).phase_index == *phase;
            let roots: Vec<usize> =
                nodes.iter().filter(|node| !graph.dependencies(node.id).iter().any(inside)).map(|node| place[node.id.index()]).collect();
            let ends = nodes.iter().filter(|node| !graph.dependents(node.id).iter().any(inside)).map(|node| place[node.id.index()]);
            tails.insert(*phase, ends.collect());
            // A lone step is its own phase, and needs no box to say so.
            let alone = nodes.len() == 1 && nodes[0].name == nodes[0].phase;
            let head = if alone { place[nodes[0].id.index()] } else { picture.add(Kind::Phase, graph.phases[*phase].to_string()) };
            heads.insert(*phase, head);
            if !alone {
                picture.arrows.extend(roots.into_iter().map(|root| (head, root, Arrow::Order)));
            }
        }
        for node in graph.nodes() {
            let named = graph.dependencies(node.id).iter().map(|needed| (place[needed.index()], place[node.id.index()], Arrow::Named));
            picture.arrows.extend(named);
        }
        let order = Order::of(graph);
        for (phase, head) in &heads {
            for tail in order.before(*phase).iter().flat_map(|earlier| &tails[earlier]) {
                if !picture.arrows.contains(&(*tail, *head, Arrow::Named)) {
                    picture.arrows.push((*tail, *head, Arrow::Order));
                }
            }
        }
        picture
    }

    /// One box for all of a phase's steps in one environment.
    fn folded(graph: &Graph, phases: &[&(usize, Vec<&Node>)]) -> Self {
        let mut picture = Self::default();
        let mut place: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let order = Order::of(graph);
        for (phase, nodes) in phases {
            let mut counts: BTreeMap<Option<&str>, (usize, Role)> = BTreeMap::new();
            for node in nodes {
                let (count, role) = counts.entry(node.environment_name.as_deref()).or_insert((0, Role::Step));
                *count += 1;
                *role = if node.role == Role::Deploy { Role::Deploy } else { *role };
            }
            for (environment, (count, role)) in counts {
                let place_of = environment.map(|name| format!("@{name} · ")).unwrap_or_default();
                let plural = if count == 1 { "step" } else { "steps" };
                let kind = if role == Role::Deploy { Kind::Deploy } else { Kind::Step };
                let at = picture.add(kind, format!("{}\n{place_of}{count} {plural}", graph.phases[*phase]));
                place.entry(*phase).or_default().push(at);
            }
        }
        for (phase, boxes) in &place {
            let tails = order.before(*phase).into_iter().filter_map(|earlier| place.get(&earlier)).flatten();
            let tails: Vec<usize> = tails.copied().collect();
            // Several boxes hang on one of their phase's own, so that arrows grow with the boxes and not with their square.
            let head = if let [only] = boxes.as_slice() { *only } else { picture.add(Kind::Phase, graph.phases[*phase].to_string()) };
            picture.arrows.extend(tails.into_iter().map(|tail| (tail, head, Arrow::Order)));
            picture.arrows.extend(boxes.iter().filter(|at| **at != head).map(|&at| (head, at, Arrow::Order)));
        }
        picture
    }
}

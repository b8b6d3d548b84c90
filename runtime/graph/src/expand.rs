//! From the outline to instances: each step once, or once in each of its phase's environments.

use crate::csr::Csr;
use crate::error::{GraphError, GraphErrors};
use crate::graph::{Graph, Wiring};
use crate::node::{EnvironmentId, Node, NodeId, Reason};
use crate::order::{self, Stop};
use crate::outline::{Outline, Wire};
use crate::select::{self, Places, Selection};
use relrun_manifest::{Environment, Manifest};
use std::sync::Arc;

impl Graph {
    /// Expands a manifest for the effective environments (the project's win; the caller resolves that), or returns every mistake at once.
    pub fn expand(manifest: &Manifest, environments: &[Environment], selection: &Selection) -> Result<Self, GraphErrors> {
        let mut errors = Vec::new();
        let outline = Outline::of(manifest, &mut errors);
        let mut places = select::places(outline.phases, environments, &mut errors);
        check_places(&outline, &places, environments, &mut errors);
        let order = order::stable(&outline, &mut errors);
        let chosen = select::chosen_steps(selection, &outline, &mut errors);
        select::narrow(&mut places, selection, &outline, environments, &mut errors);
        match order {
            Some(order) if errors.is_empty() => {
                let deployment = selection.deployment.as_deref().unwrap_or(&manifest.package.name.name);
                Ok(Expansion::new(&outline, environments, &places, &chosen, deployment).graph(&order))
            }
            _ => {
                errors.sort_by_key(GraphError::place);
                Err(GraphErrors { errors })
            }
        }
    }
}

/// Narrows a count that the manifest's size bounds: a manifest of 4 GiB is refused long before.
pub(crate) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// An environment-free step may only need environment-free ones; a bound one needs its own environment's, else an environment-free one.
fn check_places(outline: &Outline<'_>, places: &Places, environments: &[Environment], errors: &mut Vec<GraphError>) {
    for wire in &outline.wires {
        let Some(there) = &places[outline.steps[wire.to].0] else { continue };
        let (by, name) = (outline.name(wire.from).to_owned(), outline.name(wire.to).to_owned());
        let (verb, phase, span) = (Outline::verb(wire.reason), outline.phase_of(wire.to).name.value.clone(), wire.span.into());
        let Some(here) = &places[outline.steps[wire.from].0] else {
            let by_phase = outline.phase_of(wire.from).name.value.clone();
            errors.push(GraphError::Bound { by, by_phase, verb, name, phase, span });
            continue;
        };
        let without = here.iter().filter(|id| !there.contains(id));
        let environments: Vec<String> = without.map(|id| environments[id.index()].name.value.clone()).collect();
        if !environments.is_empty() {
            errors.push(GraphError::Elsewhere { by, verb, name, phase, environments, span });
        }
    }
}

/// What is at hand while nodes are made.
struct Expansion<'a> {
    outline: &'a Outline<'a>,
    places: &'a Places,
    chosen: &'a [bool],
    environment_names: Vec<Arc<str>>,
    phase_names: Vec<Arc<str>>,
    deployment: Arc<str>,
    /// The nodes of each step: a first id, and how many.
    spread: Vec<(u32, u32)>,
    nodes: Vec<Node>,
}

impl<'a> Expansion<'a> {
    fn new(outline: &'a Outline<'a>, environments: &[Environment], places: &'a Places, chosen: &'a [bool], deployment: &str) -> Self {
        Self {
            outline,
            places,
            chosen,
            environment_names: environments.iter().map(|environment| Arc::from(environment.name.as_str())).collect(),
            phase_names: outline.phases.iter().map(|phase| Arc::from(phase.name.as_str())).collect(),
            deployment: Arc::from(deployment),
            spread: vec![(0, 0); outline.steps.len()],
            nodes: Vec::with_capacity(outline.steps.len()),
        }
    }

    fn graph(mut self, order: &[Stop]) -> Graph {
        for stop in order {
            if let Stop::Step(step) = *stop
                && self.chosen[step]
            {
                self.spread_step(step);
            }
        }
        let wires = self.instance_wires();
        let units = self.units(order);
        let follows = self.follows(&wires);
        let all = self.nodes.len() + 2 * self.phase_names.len();
        let followers = Csr::of(all, &follows);
        let mut waits_for = vec![0_u32; all];
        for &(_, later) in &follows {
            waits_for[later as usize] += 1;
        }
        let direct: Vec<(u32, NodeId)> = distinct(&wires);
        let dependencies = Csr::of(self.nodes.len(), &direct);
        let backwards: Vec<(u32, NodeId)> = direct.iter().map(|&(from, to)| (to.0, NodeId(from))).collect();
        let wiring = Wiring { nodes: small(self.nodes.len()), order: units, followers, waits_for };
        let after = self.outline.after.iter().map(|after| (small(after.from), after.to)).collect::<Vec<_>>();
        Graph {
            dependents: Csr::of(self.nodes.len(), &backwards),
            reasons: Csr::of(self.nodes.len(), &wires),
            after: Csr::of(self.phase_names.len(), &after),
            nodes: self.nodes,
            phases: self.phase_names,
            environments: self.environment_names,
            dependencies,
            wiring: Arc::new(wiring),
        }
    }

    fn spread_step(&mut self, step: usize) {
        let (phase, step_index, declared) = self.outline.steps[step];
        let free = [None];
        let bound: Vec<Option<EnvironmentId>>;
        let places: &[Option<EnvironmentId>] = match &self.places[phase] {
            None => &free,
            Some(there) => {
                bound = there.iter().copied().map(Some).collect();
                &bound
            }
        };
        self.spread[step] = (small(self.nodes.len()), small(places.len()));
        let name: Arc<str> = Arc::from(declared.name.as_str());
        for &environment in places {
            self.nodes.push(Node {
                id: NodeId(small(self.nodes.len())),
                phase_index: phase,
                step_index,
                name: name.clone(),
                phase: self.phase_names[phase].clone(),
                role: declared.role,
                environment,
                environment_name: environment.map(|id| self.environment_names[id.index()].clone()),
                deployment: environment.map(|_| self.deployment.clone()),
            });
        }
    }

    /// The wires between instances: `(waiting, (what it waits for, why))`, by the waiting one.
    fn instance_wires(&self) -> Vec<(u32, (NodeId, Reason))> {
        let mut wires = Vec::with_capacity(self.outline.wires.len());
        for wire in &self.outline.wires {
            let (first, count) = self.spread[wire.from];
            wires.extend((first..first + count).filter_map(|from| Some((from, (self.meant(wire, from)?, wire.reason)))));
        }
        wires
    }

    /// The instance that a wire means, seen from one that waits: the same environment's, else the environment-free one.
    fn meant(&self, wire: &Wire, from: u32) -> Option<NodeId> {
        let (first, count) = self.spread[wire.to];
        let here = self.nodes[from as usize].environment;
        let there = &self.nodes[first as usize..(first + count) as usize];
        there.iter().find(|node| node.environment.is_none() || node.environment == here).map(|node| node.id)
    }

    fn open(&self, phase: usize) -> u32 {
        small(self.nodes.len() + 2 * phase)
    }

    fn closed(&self, phase: usize) -> u32 {
        self.open(phase) + 1
    }

    fn units(&self, order: &[Stop]) -> Vec<u32> {
        let mut units = Vec::with_capacity(self.nodes.len() + 2 * self.phase_names.len());
        for stop in order {
            match *stop {
                Stop::Step(step) => units.extend(self.spread[step].0..self.spread[step].0 + self.spread[step].1),
                Stop::Open(phase) => units.push(self.open(phase)),
                Stop::Closed(phase) => units.push(self.closed(phase)),
            }
        }
        units
    }

    /// Every edge between units, as `(before, behind)`.
    fn follows(&self, wires: &[(u32, (NodeId, Reason))]) -> Vec<(u32, u32)> {
        let mut follows: Vec<(u32, u32)> = distinct(wires).into_iter().map(|(from, to)| (to.0, from)).collect();
        for node in &self.nodes {
            follows.push((self.open(node.phase_index), node.id.0));
            follows.push((node.id.0, self.closed(node.phase_index)));
        }
        follows.extend((0..self.phase_names.len()).map(|phase| (self.open(phase), self.closed(phase))));
        follows.extend(self.outline.after.iter().map(|after| (self.closed(after.to), self.open(after.from))));
        follows
    }
}

/// The pairs of the wires, each once though there may be several reasons.
fn distinct(wires: &[(u32, (NodeId, Reason))]) -> Vec<(u32, NodeId)> {
    let mut pairs: Vec<(u32, NodeId)> = wires.iter().map(|&(from, (to, _))| (from, to)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

//! The expanded graph, and the questions that it answers.

use crate::csr::Csr;
use crate::node::{EnvironmentId, Node, NodeId, Reason};
use std::sync::Arc;

/// The expanded DAG. Ids are in topological order: whatever a node waits for has a smaller id.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// The phases' names, in file order.
    pub(crate) phases: Vec<Arc<str>>,
    /// The environments' names, by [`EnvironmentId`].
    pub(crate) environments: Vec<Arc<str>>,
    pub(crate) dependencies: Csr<NodeId>,
    pub(crate) dependents: Csr<NodeId>,
    pub(crate) reasons: Csr<(NodeId, Reason)>,
    /// For each phase, those that it waits for.
    pub(crate) after: Csr<usize>,
    pub(crate) wiring: Arc<Wiring>,
}

/// What a scheduler walks: nodes, then two barriers a phase, as one range of units. Shared, because a schedule outlives no graph but is moved.
#[derive(Debug)]
pub(crate) struct Wiring {
    /// How many units are nodes; the rest are barriers.
    pub(crate) nodes: u32,
    /// All units in topological order.
    pub(crate) order: Vec<u32>,
    /// For each unit, those that wait for it.
    pub(crate) followers: Csr<u32>,
    /// For each unit, for how many it waits.
    pub(crate) waits_for: Vec<u32>,
}

impl Graph {
    /// Returns the nodes, by id, in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns a node.
    ///
    /// # Panics
    /// Where the id is of another graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Returns the ids in topological order.
    pub fn topological(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<'_> {
        self.nodes.iter().map(|node| node.id)
    }

    /// Returns the nodes that a node names: by reference, artifact or `needs`. Phase order is not among them.
    pub fn dependencies(&self, id: NodeId) -> &[NodeId] {
        self.dependencies.row(id.index())
    }

    /// Returns the nodes that name a node. Phase order is not among them.
    pub fn dependents(&self, id: NodeId) -> &[NodeId] {
        self.dependents.row(id.index())
    }

    /// Returns the nodes that a node names, each with every reason.
    pub fn reasons(&self, id: NodeId) -> &[(NodeId, Reason)] {
        self.reasons.row(id.index())
    }

    /// Returns the instance that `${step.NAME.…}` means in a node: the same environment's, else the environment-free one.
    pub fn meant(&self, by: NodeId, name: &str) -> Option<NodeId> {
        self.dependencies(by).iter().copied().find(|&id| &*self.node(id).name == name)
    }

    /// Returns the node of a name in an environment, or in none.
    pub fn find(&self, name: &str, environment: Option<&str>) -> Option<NodeId> {
        self.nodes.iter().find(|node| &*node.name == name && node.environment_name.as_deref() == environment).map(|node| node.id)
    }

    /// Returns every node behind some, through names and through phase order, without themselves unless one is behind another; in order.
    pub fn behind(&self, ids: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let wiring = &self.wiring;
        let mut seen = vec![false; wiring.waits_for.len()];
        let mut open: Vec<u32> = ids.into_iter().map(|id| id.0).collect();
        while let Some(unit) = open.pop() {
            for &later in wiring.followers.row(unit as usize) {
                if !std::mem::replace(&mut seen[later as usize], true) {
                    open.push(later);
                }
            }
        }
        self.topological().filter(|id| seen[id.index()]).collect()
    }

    /// Returns every node that a change of some reaches: through names alone, without themselves unless one is behind another; in order.
    pub fn reached(&self, ids: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<NodeId> = ids.into_iter().collect();
        while let Some(id) = open.pop() {
            for &later in self.dependents(id) {
                if !std::mem::replace(&mut seen[later.index()], true) {
                    open.push(later);
                }
            }
        }
        self.topological().filter(|id| seen[id.index()]).collect()
    }

    /// Returns an environment's nodes from the last to the first: the order in which they are undone.
    pub fn undo_order(&self, environment: EnvironmentId) -> Vec<NodeId> {
        self.nodes.iter().rev().filter(|node| node.environment == Some(environment)).map(|node| node.id).collect()
    }

    /// Returns the names of the environments in which anything runs, with their ids.
    pub fn environments(&self) -> Vec<(EnvironmentId, &str)> {
        let mut used = vec![false; self.environments.len()];
        self.nodes.iter().filter_map(|node| node.environment).for_each(|id| used[id.index()] = true);
        let all = (0_u32..).map(EnvironmentId).zip(self.environments.iter().map(|name| &**name));
        all.filter(|(id, _)| used[id.index()]).collect()
    }

    /// Returns, for each node, how many nodes the longest way from it to the end has, itself included: what begins first when not all can.
    pub fn weights(&self) -> Vec<u32> {
        self.wiring.weights()
    }

    /// Returns how many edges there are in all, those through barriers as they are kept.
    pub fn edge_count(&self) -> usize {
        self.wiring.followers.len()
    }
}

impl Wiring {
    pub(crate) fn is_node(&self, unit: u32) -> bool {
        unit < self.nodes
    }

    pub(crate) fn weights(&self) -> Vec<u32> {
        let mut weights = vec![0_u32; self.waits_for.len()];
        for &unit in self.order.iter().rev() {
            let behind = self.followers.row(unit as usize).iter().map(|&later| weights[later as usize]).max().unwrap_or(0);
            weights[unit as usize] = behind + u32::from(self.is_node(unit));
        }
        weights.truncate(self.nodes as usize);
        weights
    }
}

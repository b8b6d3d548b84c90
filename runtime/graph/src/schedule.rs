//! What may begin now: a count a node of what it still waits for, walked forward in time that is linear in the edges.

use crate::graph::{Graph, Wiring};
use crate::node::NodeId;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Where a node stands. Barriers only ever wait or are finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// Something before it is not finished.
    Waiting,
    /// Everything before it is finished, and nobody took it.
    Ready,
    /// Somebody took it.
    Taken,
    /// It is finished: what waits for it may count on it.
    Finished,
}

/// Releases each node once, when all that it waits for is finished. Owns what it walks, so that it may be moved to where steps run.
#[derive(Clone, Debug)]
pub struct Schedule {
    wiring: Arc<Wiring>,
    /// For each unit, how much of what it waits for is not finished.
    remaining: Vec<u32>,
    stands: Vec<Stand>,
    /// What is ready: the longest way to the end first, then the smallest id.
    queue: BinaryHeap<(u32, std::cmp::Reverse<NodeId>)>,
    weights: Vec<u32>,
    /// How many nodes are not finished.
    open: usize,
}

impl Schedule {
    /// Begins with nothing finished.
    pub fn new(graph: &Graph) -> Self {
        Self::resume(graph, [])
    }

    /// Begins where some nodes are finished already, whatever stands before them.
    pub fn resume(graph: &Graph, finished: impl IntoIterator<Item = NodeId>) -> Self {
        let wiring = Arc::clone(&graph.wiring);
        let mut schedule = Self {
            remaining: wiring.waits_for.clone(),
            stands: vec![Stand::Waiting; wiring.waits_for.len()],
            queue: BinaryHeap::new(),
            weights: wiring.weights(),
            open: wiring.nodes as usize,
            wiring,
        };
        let units = 0..u32::try_from(schedule.remaining.len()).unwrap_or(u32::MAX);
        let free: Vec<u32> = units.filter(|&unit| schedule.remaining[unit as usize] == 0).collect();
        for id in finished {
            schedule.finish(id);
        }
        for unit in free {
            let mut ready = Vec::new();
            schedule.reach(unit, &mut ready);
        }
        schedule
    }

    /// Takes the most urgent node that is ready: the one with the longest way to the end.
    pub fn take(&mut self) -> Option<NodeId> {
        while let Some((_, std::cmp::Reverse(id))) = self.queue.pop() {
            // One that was finished unasked while it lay in the queue is passed over.
            if self.stands[id.index()] == Stand::Ready {
                self.stands[id.index()] = Stand::Taken;
                return Some(id);
            }
        }
        None
    }

    /// Returns what is ready and not taken, by id.
    pub fn ready(&self) -> Vec<NodeId> {
        self.of(Stand::Ready)
    }

    /// Returns what was taken and is not finished, by id.
    pub fn taken(&self) -> Vec<NodeId> {
        self.of(Stand::Taken)
    }

    /// Returns what waits still, by id: where nothing is ready or taken any more, this is what a failure holds up.
    pub fn waiting(&self) -> Vec<NodeId> {
        self.of(Stand::Waiting)
    }

    /// Notes that a node is finished, and returns what that makes ready. A second time it returns nothing.
    pub fn finish(&mut self, id: NodeId) -> Vec<NodeId> {
        let mut ready = Vec::new();
        self.finish_unit(id.0, &mut ready);
        ready
    }

    /// Gives a taken node back: it is ready again, as for another try.
    pub fn give_back(&mut self, id: NodeId) {
        if self.stands[id.index()] == Stand::Taken {
            self.enqueue(id);
        }
    }

    /// Returns whether every node is finished.
    pub fn is_done(&self) -> bool {
        self.open == 0
    }

    /// Returns how many nodes are not finished.
    pub fn open(&self) -> usize {
        self.open
    }

    fn of(&self, stand: Stand) -> Vec<NodeId> {
        (0..self.wiring.nodes).map(NodeId).filter(|id| self.stands[id.index()] == stand).collect()
    }

    fn enqueue(&mut self, id: NodeId) {
        self.stands[id.index()] = Stand::Ready;
        self.queue.push((self.weights[id.index()], std::cmp::Reverse(id)));
    }

    /// What to do with a unit that waits for nothing any more: a node becomes ready, a barrier is finished at once.
    fn reach(&mut self, unit: u32, ready: &mut Vec<NodeId>) {
        if self.stands[unit as usize] != Stand::Waiting {
            return;
        }
        if self.wiring.is_node(unit) {
            self.enqueue(NodeId(unit));
            ready.push(NodeId(unit));
        } else {
            self.finish_unit(unit, ready);
        }
    }

    fn finish_unit(&mut self, first: u32, ready: &mut Vec<NodeId>) {
        let wiring = Arc::clone(&self.wiring);
        // A list and not a recursion: a chain of empty phases may be as long as the manifest.
        let mut open = vec![first];
        while let Some(unit) = open.pop() {
            if std::mem::replace(&mut self.stands[unit as usize], Stand::Finished) == Stand::Finished {
                continue;
            }
            self.open -= usize::from(wiring.is_node(unit));
            for &later in wiring.followers.row(unit as usize) {
                self.remaining[later as usize] -= 1;
                if self.remaining[later as usize] > 0 || self.stands[later as usize] != Stand::Waiting {
                    continue;
                }
                if wiring.is_node(later) {
                    self.enqueue(NodeId(later));
                    ready.push(NodeId(later));
                } else {
                    open.push(later);
                }
            }
        }
    }
}

//! What holds for every graph.

mod common;

use common::*;
use proptest::prelude::*;
use relrun_graph::{Graph, NodeId, Schedule, Selection};
use relrun_manifest::Manifest;
use std::collections::BTreeSet;

/// A manifest by numbers: which phase each step is in, whether a phase is bound to environments, and which earlier step a step names.
#[derive(Clone, Debug)]
struct Sketch {
    bound: Vec<bool>,
    after: Vec<Option<BTreeSet<usize>>>,
    phase_of: Vec<usize>,
    named: Vec<(usize, usize, u8)>,
}

fn sketches() -> impl Strategy<Value = Sketch> {
    (1..6_usize, 1..40_usize).prop_flat_map(|(phases, steps)| {
        let bound = prop::collection::vec(any::<bool>(), phases);
        let after = prop::collection::vec(prop::option::of(prop::collection::btree_set(0..phases, 0..3)), phases);
        let phase_of = prop::collection::vec(0..phases, steps);
        let named = prop::collection::vec((0..steps, 0..steps, 0..3_u8), 0..steps * 2);
        (bound, after, phase_of, named).prop_map(|(bound, mut after, mut phase_of, named)| {
            // Numbers in file order, and `after` only backwards: no cycle but where a test puts one.
            phase_of.sort_unstable();
            for (no, after) in after.iter_mut().enumerate() {
                if let Some(set) = after {
                    set.retain(|&earlier| earlier < no);
                }
            }
            Sketch { bound, after, phase_of, named }
        })
    })
}

impl Sketch {
    /// The names that are legal: backwards, and never from no environment into one.
    fn legal(&self) -> impl Iterator<Item = (usize, usize, u8)> + '_ {
        let bound = |step: usize| self.bound[self.phase_of[step]];
        self.named.iter().copied().filter(move |&(by, of, _)| of < by && (bound(by) || !bound(of)))
    }

    fn manifest(&self, extra: &[(usize, usize)]) -> Manifest {
        let mut steps: Vec<_> = (0..self.phase_of.len()).map(|no| step(&format!("s{no}")).writes("tree")).collect();
        let extra = extra.iter().map(|&(by, of)| (by, of, 0));
        for (by, of, how) in self.legal().chain(extra) {
            let of = format!("s{of}");
            steps[by] = match how {
                0 => steps[by].clone().needs(&of),
                1 => steps[by].clone().refers(&of),
                _ => steps[by].clone().reads(&of, "tree"),
            };
        }
        let phases = (0..self.bound.len()).map(|no| {
            let inside = steps.iter().zip(&self.phase_of).filter(|(_, phase)| **phase == no).map(|(step, _)| step.clone()).collect();
            let mut made = phase(&format!("p{no}"), inside);
            made = if self.bound[no] { made.everywhere() } else { made };
            match &self.after[no] {
                Some(after) => {
                    made.after(&after.iter().map(|no| format!("p{no}")).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
                }
                None => made,
            }
        });
        manifest(phases.collect())
    }

    /// The phases that must be over before one begins, directly or not.
    fn phases_before(&self, phase: usize) -> BTreeSet<usize> {
        let mut before = BTreeSet::new();
        let mut open = vec![phase];
        while let Some(phase) = open.pop() {
            let direct: Vec<usize> = match &self.after[phase] {
                Some(after) => after.iter().copied().collect(),
                None => phase.checked_sub(1).into_iter().collect(),
            };
            open.extend(direct.into_iter().filter(|&earlier| before.insert(earlier)));
        }
        before
    }

    /// Whether the first node must be over before the second begins: the definition, without barriers and counts.
    fn must_precede(&self, graph: &Graph, first: NodeId, second: NodeId) -> bool {
        let no = |id: NodeId| graph.node(id).name[1..].parse::<usize>().expect("steps are named by numbers");
        let (first, second) = (graph.node(first), graph.node(second));
        let place = first.environment.is_none() || first.environment == second.environment;
        let named = place && self.legal().any(|(by, of, _)| by == no(second.id) && of == no(first.id));
        named || self.phases_before(second.phase_index).contains(&first.phase_index)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn ids_come_in_an_order_that_every_edge_respects(sketch in sketches()) {
        let graph = expand(&sketch.manifest(&[])).expect("the sketch is legal");
        for first in graph.topological() {
            for second in graph.topological().filter(|&second| sketch.must_precede(&graph, first, second)) {
                prop_assert!(first < second, "{} before {}", graph.node(first), graph.node(second));
                prop_assert!(graph.behind([first]).contains(&second));
            }
        }
    }

    #[test]
    fn a_schedule_releases_each_node_once_and_only_when_its_time_has_come(sketch in sketches(), picks in prop::collection::vec(any::<prop::sample::Index>(), 200)) {
        let graph = expand(&sketch.manifest(&[])).expect("the sketch is legal");
        let mut schedule = Schedule::new(&graph);
        let (mut running, mut finished): (Vec<NodeId>, BTreeSet<NodeId>) = (Vec::new(), BTreeSet::new());
        let mut released: BTreeSet<NodeId> = BTreeSet::new();
        for pick in picks {
            while let Some(id) = schedule.take() {
                prop_assert!(released.insert(id), "released twice");
                let early = graph.topological().find(|&first| sketch.must_precede(&graph, first, id) && !finished.contains(&first));
                prop_assert_eq!(early, None);
                running.push(id);
            }
            if running.is_empty() {
                break;
            }
            let id = running.swap_remove(pick.index(running.len()));
            finished.insert(id);
            for ready in schedule.finish(id) {
                prop_assert!(!released.contains(&ready));
            }
        }
        prop_assert_eq!(schedule.is_done(), finished.len() == graph.nodes().len());
        prop_assert!(schedule.is_done(), "it stopped with {} to go", schedule.open());
    }

    #[test]
    fn a_schedule_that_resumes_releases_just_the_rest(sketch in sketches(), done in any::<u64>()) {
        let graph = expand(&sketch.manifest(&[])).expect("the sketch is legal");
        let finished: BTreeSet<NodeId> = graph.topological().filter(|id| done >> (id.0 % 64) & 1 == 1).collect();
        let mut schedule = Schedule::resume(&graph, finished.iter().copied());
        let mut released = finished.clone();
        while let Some(id) = schedule.take() {
            prop_assert!(released.insert(id), "released again");
            schedule.finish(id);
        }
        prop_assert_eq!(released.len(), graph.nodes().len());
    }

    #[test]
    fn a_cycle_is_always_found(sketch in sketches(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let graph = expand(&sketch.manifest(&[])).expect("the sketch is legal");
        let (first, second) = (from.get(graph.nodes()).id, to.get(graph.nodes()).id);
        let number = |id: NodeId| graph.node(id).name[1..].parse::<usize>().expect("steps are named by numbers");
        let closes = first == second || sketch.must_precede(&graph, first, second);
        prop_assume!(closes);
        let errors = expand(&sketch.manifest(&[(number(first), number(second))])).expect_err("there is a cycle");
        let told = errors.errors.iter().any(|error| matches!(error, relrun_graph::GraphError::Cycle { .. } | relrun_graph::GraphError::LaterPhase { .. }));
        prop_assert!(told, "{errors:?}");
    }

    #[test]
    fn narrowing_takes_away_and_changes_nothing_else(sketch in sketches()) {
        prop_assume!(sketch.phase_of.iter().any(|&phase| sketch.bound[phase]));
        let whole = expand(&sketch.manifest(&[])).expect("the sketch is legal");
        let selection = Selection { environments: Some(only(&["green"])), ..Selection::default() };
        let narrow = Graph::expand(&sketch.manifest(&[]), &three(), &selection).expect("there are steps there");
        let kept: Vec<String> = whole.nodes().iter().filter(|node| node.environment.is_none_or(|id| id.0 == 2)).map(relrun_graph::Node::label).collect();
        prop_assert_eq!(kept, narrow.nodes().iter().map(relrun_graph::Node::label).collect::<Vec<_>>());
    }
}

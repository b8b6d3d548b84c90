//! What a manifest becomes.

mod common;

use common::*;
use relrun_graph::{EnvironmentId, Graph, NodeId, Reason, Schedule, Selection};

fn all(graph: &Graph) -> String {
    labels(graph, graph.topological())
}

fn id(graph: &Graph, name: &str, environment: Option<&str>) -> NodeId {
    graph.find(name, environment).expect("the test's manifest has it")
}

#[test]
fn each_step_of_a_phase_with_environments_is_there_once_in_each() {
    let graph = expand(&shop()).unwrap();
    insta::assert_snapshot!(all(&graph), @"site check web@staging smoke@staging web-live@blue web-live@green watch@blue watch@green mail");
    let web = graph.node(id(&graph, "web-live", Some("green")));
    assert_eq!((web.deployment.as_deref(), &*web.phase, web.environment), (Some("shop"), "live", Some(EnvironmentId(2))));
    assert_eq!(graph.node(id(&graph, "mail", None)).deployment, None);
    assert!(graph.nodes().iter().enumerate().all(|(at, node)| node.id.index() == at));
}

#[test]
fn a_reference_means_the_same_environment_or_none() {
    let graph = expand(&shop()).unwrap();
    let watch = id(&graph, "watch", Some("blue"));
    assert_eq!(labels(&graph, graph.dependencies(watch).iter().copied()), "web-live@blue");
    let web = id(&graph, "web-live", Some("green"));
    assert_eq!(graph.meant(web, "site"), Some(NodeId(0)));
    assert_eq!(graph.reasons(web), [(NodeId(0), Reason::Reference)]);
    assert_eq!(graph.reasons(id(&graph, "check", None)), [(NodeId(0), Reason::Artifact)]);
    assert_eq!(labels(&graph, graph.dependents(NodeId(0)).iter().copied()), "check web@staging web-live@blue web-live@green");
}

#[test]
fn minus_e_narrows_and_leaves_what_belongs_to_no_environment() {
    let selection = Selection { environments: Some(only(&["blue"])), ..Selection::default() };
    let graph = Graph::expand(&shop(), &three(), &selection).unwrap();
    insta::assert_snapshot!(all(&graph), @"site check web-live@blue watch@blue mail");
    assert_eq!(graph.environments(), [(EnvironmentId(1), "blue")]);
}

#[test]
fn a_chosen_phase_brings_what_it_names_and_no_more() {
    let selection = Selection { phases: Some(only(&["live"])), ..Selection::default() };
    let graph = Graph::expand(&shop(), &three(), &selection).unwrap();
    insta::assert_snapshot!(all(&graph), @"site web-live@blue web-live@green watch@blue watch@green");
}

#[test]
fn the_deployments_name_may_be_chosen() {
    let selection = Selection { deployment: Some("preview".to_owned()), ..Selection::default() };
    let graph = Graph::expand(&shop(), &three(), &selection).unwrap();
    assert_eq!(graph.node(id(&graph, "web", Some("staging"))).deployment.as_deref(), Some("preview"));
}

#[test]
fn what_is_behind_goes_through_phases_and_what_is_reached_through_names() {
    let graph = expand(&shop()).unwrap();
    let check = id(&graph, "check", None);
    insta::assert_snapshot!(labels(&graph, graph.behind([check])), @"web@staging smoke@staging web-live@blue web-live@green watch@blue watch@green mail");
    assert_eq!(graph.reached([check]), []);
    let site = id(&graph, "site", None);
    insta::assert_snapshot!(labels(&graph, graph.reached([site])), @"check web@staging smoke@staging web-live@blue web-live@green watch@blue watch@green");
}

#[test]
fn undo_goes_backwards_in_one_environment() {
    let graph = expand(&shop()).unwrap();
    assert_eq!(labels(&graph, graph.undo_order(EnvironmentId(0))), "smoke@staging web@staging");
    assert_eq!(labels(&graph, graph.undo_order(EnvironmentId(1))), "watch@blue web-live@blue");
}

#[test]
fn after_lets_phases_run_beside_one_another() {
    let phases = vec![
        phase("a", vec![step("a1")]),
        phase("b", vec![step("b1")]).after(&[]),
        phase("empty", vec![]).after(&["a", "b"]),
        phase("c", vec![step("c1")]),
    ];
    let graph = expand(&manifest(phases)).unwrap();
    let mut schedule = Schedule::new(&graph);
    assert_eq!(labels(&graph, schedule.ready()), "a1 b1");
    let (a, b) = (schedule.take().unwrap(), schedule.take().unwrap());
    assert_eq!((labels(&graph, [a, b]), schedule.take()), ("a1 b1".to_owned(), None));
    assert_eq!(schedule.finish(b), []);
    assert_eq!(labels(&graph, schedule.finish(a)), "c1");
}

#[test]
fn the_longest_way_begins_first() {
    let steps = vec![step("short"), step("long"), step("longer").needs("long"), step("longest").needs("longer")];
    let graph = expand(&manifest(vec![phase("p", steps)])).unwrap();
    assert_eq!(graph.weights(), [1, 3, 2, 1]);
    assert_eq!(labels(&graph, Schedule::new(&graph).take()), "long");
}

#[test]
fn a_schedule_resumes_where_another_stopped() {
    let graph = expand(&shop()).unwrap();
    let done = ["site", "check"].map(|name| id(&graph, name, None));
    let mut schedule = Schedule::resume(&graph, done);
    assert_eq!((labels(&graph, schedule.ready()), schedule.open()), ("web@staging".to_owned(), 7));
    let web = schedule.take().unwrap();
    assert_eq!(labels(&graph, schedule.taken()), "web@staging");
    schedule.give_back(web);
    assert_eq!(schedule.take(), Some(web));
    assert_eq!(labels(&graph, schedule.finish(web)), "smoke@staging");
    assert_eq!(schedule.finish(web), []);
    assert!(!schedule.is_done());
}

#[test]
fn edges_grow_with_the_steps_and_not_with_their_square() {
    let many = |name: &str| (0..50_000).map(|no| step(&format!("{name}{no}"))).collect();
    let graph = expand(&manifest(vec![phase("a", many("a")), phase("b", many("b"))])).unwrap();
    assert_eq!(graph.nodes().len(), 100_000);
    // A step has two edges to barriers, a phase one through itself, and the second phase one to the first.
    assert_eq!(graph.edge_count(), 2 * 100_000 + 2 + 1);
}

#[test]
fn a_long_chain_of_lone_steps_overflows_nothing() {
    let phases: Vec<_> = (0..100_000).map(|no| phase(&format!("s{no}"), vec![step(&format!("s{no}"))])).collect();
    let graph = expand(&manifest(phases)).unwrap();
    let mut schedule = Schedule::new(&graph);
    let mut order = Vec::new();
    while let Some(id) = schedule.take() {
        order.push(id.0);
        schedule.finish(id);
    }
    assert!(order.iter().copied().eq(0..100_000));
    assert_eq!(graph.weights()[0], 100_000);
}

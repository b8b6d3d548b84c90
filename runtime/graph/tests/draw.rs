//! What the drawings say.

mod common;

use common::*;

#[test]
fn dot_has_a_cluster_for_each_phase() {
    insta::assert_snapshot!("dot", expand(&shop()).unwrap().to_dot());
}

#[test]
fn mermaid_has_a_subgraph_for_each_phase() {
    insta::assert_snapshot!("mermaid", expand(&shop()).unwrap().to_mermaid());
}

fn hostile() -> relrun_graph::Graph {
    let evil = "a\"b<c>&d\\e\n#f;`g` ü 火";
    expand(&manifest(vec![phase(evil, vec![step(evil), step("]] end")])])).expect("it has no mistakes")
}

#[test]
fn labels_cannot_break_out() {
    insta::assert_snapshot!("hostile", format!("{}\n{}", hostile().to_dot(), hostile().to_mermaid()));
    let svg = hostile().to_svg();
    assert!(svg.contains(">a&quot;b&lt;c&gt;&amp;d\\e</text>"), "{svg}");
    assert!(svg.contains(">#f;`g` ü 火</text>"), "{svg}");
}

#[test]
fn the_picture_shows_every_node_of_a_small_graph() {
    let graph = expand(&shop()).unwrap();
    let svg = graph.to_svg();
    // A box each, one for each of the four phases, and the sheet.
    assert_eq!(svg.matches("<rect").count(), graph.nodes().len() + 4 + 1);
    assert_eq!(svg.matches(">@green</text>").count(), 2);
}

#[test]
fn the_picture_of_a_large_graph_is_folded_and_says_so() {
    let many = |name: &str| (0..5_000).map(|no| step(&format!("{name}{no}"))).collect();
    let svg = expand(&manifest(vec![phase("a", many("a")), phase("b", many("b")).everywhere()])).unwrap().to_svg();
    assert!(svg.contains("20000 nodes in 2 phases: folded by phase and environment"), "{svg}");
    assert!(svg.contains(">@blue · 5000 steps</text>"), "{svg}");
    let phases = (0..3_000).map(|no| phase(&format!("p{no}"), vec![step(&format!("s{no}"))])).collect();
    let svg = expand(&manifest(phases)).unwrap().to_svg();
    assert!(svg.contains("the first 120 of 3000 boxes"), "{svg}");
}

#[test]
fn an_empty_graph_is_an_empty_sheet() {
    assert_eq!(expand(&manifest(vec![])).unwrap().to_svg().matches("<rect").count(), 1);
}

//! What a person reads of a manifest that makes no graph.

mod common;

use common::{only, three};
use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource, Report};
use relrun_graph::{Graph, Selection};

fn told(text: &str, selection: &Selection) -> String {
    let text = format!("package \"acme/shop\" version=\"1.0.0\"\n{text}");
    let manifest = relrun_manifest::parse("release.kdl", &text, &["build", "deploy"]).expect("only the graph is wrong");
    let errors = Graph::expand(&manifest, &three(), selection).expect_err("the graph is wrong");
    let report = Report::new(errors).with_source_code(NamedSource::new("release.kdl", text));
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(120);
    handler.render_report(&mut out, &*report).expect("writing to a string does not fail");
    out
}

#[test]
fn a_cycle_is_drawn_with_its_lines() {
    let text = r#"
phase "build" {
    step "a" plugin="build" { needs "b"; config { command "true" } }
    step "b" plugin="build" { config { command "echo" "${step.c.out}" } }
    step "c" plugin="build" { needs "a"; config { command "true" } }
    step "self" plugin="build" { needs "self"; config { command "true" } }
}
"#;
    insta::assert_snapshot!("cycle", told(text, &Selection::default()));
}

#[test]
fn phases_may_wait_for_one_another_too() {
    let text = r#"
phase "one" after="two" { step "a" plugin="build" { config { command "true" } } }
phase "two" after="one" { step "b" plugin="build" { config { command "true" } } }
"#;
    insta::assert_snapshot!("phases", told(text, &Selection::default()));
}

#[test]
fn a_step_may_not_look_into_a_later_phase() {
    let text = r#"
phase "build" { step "a" plugin="build" { needs "b"; config { command "true" } } }
phase "test" { step "t" plugin="build" { config { command "true" } } }
phase "end" { step "b" plugin="build" { config { command "true" } } }
"#;
    insta::assert_snapshot!("later", told(text, &Selection::default()));
}

#[test]
fn environments_are_kept_apart() {
    let text = r#"
phase "roll-out" environments="tier=test" { deploy "web" plugin="deploy" { config { up "true" } } }
phase "live" environments="tier=live" { deploy "web-live" plugin="deploy" { needs "web"; config { up "true" } } }
phase "once" { step "mail" plugin="build" { needs "web"; config { command "true" } } }
phase "nowhere" environments="tier=moon" { deploy "moon" plugin="deploy" { config { up "true" } } }
phase "typo" environments="stagin" { deploy "typo" plugin="deploy" { config { up "true" } } }
"#;
    insta::assert_snapshot!("environments", told(text, &Selection::default()));
}

#[test]
fn what_was_typed_is_checked_too() {
    let text = r#"
phase "roll-out" environments="tier=test" { deploy "web" plugin="deploy" { config { up "true" } } }
"#;
    let selection = Selection { environments: Some(only(&["stagng", "blue"])), phases: Some(only(&["rollout"])), ..Selection::default() };
    insta::assert_snapshot!("typed", told(text, &selection));
}

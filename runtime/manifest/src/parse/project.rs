//! The project's `relrun.kdl`.

use super::tree::Node;
use super::{checked, environment, step, unique, words};
use crate::{Diagnostics, Mistake, Policy, Project, StateSetting, nearest};

/// Parses a `relrun.kdl`.
///
/// # Errors
/// Every mistake in the file, at once. A policy that does not parse is an error, never a fallback.
pub fn parse_project(file_name: &str, text: &str) -> Result<Project, Diagnostics> {
    let mut mistakes = Vec::new();
    let project = checked(text, words::PROJECT, &mut mistakes).map(|nodes| build(&nodes, &mut mistakes));
    match project {
        Some(project) if mistakes.is_empty() => Ok(project),
        _ => Err(Diagnostics::new(file_name, text, mistakes)),
    }
}

fn build(nodes: &[Node], out: &mut Vec<Mistake>) -> Project {
    let named = |name: &'static str| nodes.iter().filter(move |node| node.name.value == name);
    let environments: Vec<_> = named("environment").filter_map(|node| environment::read(node, out)).collect();
    unique(environments.iter().map(|environment| &environment.name), "environments", out);
    let state = named("state").next().and_then(|node| read_state(node, out));
    let policy = named("policy").next().map(|node| read_policy(node, out)).unwrap_or_default();
    Project { environments, state, policy }
}

fn read_state(node: &Node, out: &mut Vec<Mistake>) -> Option<StateSetting> {
    let word = node.text(0)?;
    if word.value == "local" {
        return Some(StateSetting::Local);
    }
    let mistake = Mistake::new("relrun::manifest::state", word.span, format!("there is no state `{}`", word.value));
    out.push(mistake.help("write `state \"local\"`: the ledger in `.relrun/` is meant, even in CI"));
    None
}

fn read_policy(node: &Node, out: &mut Vec<Mistake>) -> Policy {
    let allow = node.child("allow").map(|allow| step::read_grants(&allow.children, out).into_iter().map(|line| line.value).collect());
    let mut policy = Policy { allow, ..Policy::default() };
    for word in node.all("refuse").flat_map(Node::texts) {
        match word.as_str() {
            "unconfined" => policy.refuse_unconfined = true,
            "in-place" => policy.refuse_in_place = true,
            other => {
                let mistake = Mistake::new("relrun::manifest::policy", word.span, format!("a policy cannot refuse `{other}`"));
                out.push(mistake.help(match nearest(other, ["unconfined", "in-place"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "it can refuse `unconfined` and `in-place`; what it does not `allow` is refused anyway".to_owned(),
                }));
            }
        }
    }
    policy
}

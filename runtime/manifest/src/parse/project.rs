//! The project's `relrun.kdl`.

use super::tree::Node;
use super::{checked, environment, notify, policy, unique, words};
use crate::{Diagnostics, Mistake, Project, RegistryDecl, StateSetting};

/// Parses a `relrun.kdl`.
///
/// # Errors
/// Every mistake in the file, at once. A policy that does not parse is an error, never a fallback.
pub fn parse_project(file_name: &str, text: &str) -> Result<Project, Diagnostics> {
    let mut mistakes = Vec::new();
    let project = checked(text, words::PROJECT, &mut mistakes).map(|nodes| build(&nodes, file_name, &mut mistakes));
    match project {
        Some(project) if mistakes.is_empty() => Ok(project),
        _ => Err(Diagnostics::new(file_name, text, mistakes)),
    }
}

fn build(nodes: &[Node], file_name: &str, out: &mut Vec<Mistake>) -> Project {
    let named = |name: &'static str| nodes.iter().filter(move |node| node.name.value == name);
    let environments: Vec<_> = named("environment").filter_map(|node| environment::read(node, out)).collect();
    unique(environments.iter().map(|environment| &environment.name), "environments", out);
    let state = named("state").next().and_then(|node| read_state(node, out));
    let policy = named("policy").next().map(|node| policy::read(&node.children, file_name, out)).unwrap_or_default();
    let registries = named("registry").filter_map(|node| read_registry(node, out)).collect();
    let notify = named("notify").filter_map(|node| notify::read(node, out)).collect();
    Project { environments, state, policy, registries, notify }
}

fn read_registry(node: &Node, out: &mut Vec<Mistake>) -> Option<RegistryDecl> {
    let place = node.text(0)?;
    let rest = place.strip_prefix("oci://").or_else(|| place.strip_prefix("oci-layout:"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.contains(char::is_whitespace)) {
        let mistake = Mistake::new("relrun::manifest::registry", place.span, format!("`{}` is no registry", place.value));
        out.push(mistake.help("write `registry \"oci://registry.example.com\"`, or `registry \"oci-layout:DIRECTORY\"`"));
        return None;
    }
    let ca = node.prop_text("ca").map(|ca| ca.value);
    Some(RegistryDecl { place, ca, plain_http: node.prop_bool("plain-http").unwrap_or_default() })
}

fn read_state(node: &Node, out: &mut Vec<Mistake>) -> Option<StateSetting> {
    let word = node.text(0)?;
    if word.value == "local" {
        return Some(StateSetting::Local);
    }
    if word.value.contains('/') {
        return Some(StateSetting::Folder(word.value));
    }
    let mistake = Mistake::new("relrun::manifest::state", word.span, format!("there is no state `{}`", word.value));
    out.push(mistake.help(
        "write `state \"local\"` where the ledger in `.relrun/` is meant, even in CI, or a folder with a slash in it: `state \"../state\"`",
    ));
    None
}

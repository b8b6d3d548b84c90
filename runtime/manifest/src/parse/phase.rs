//! `phase`, and the phases that lone steps make.

use super::environment::read_gates;
use super::tree::Node;
use super::{plain_name, step};
use crate::{Mistake, Phase, Role, Selector, Spanned};
use std::collections::BTreeMap;

/// Reads the phases in file order; a lone step is one of its own.
pub(super) fn read_all(nodes: &[Node], out: &mut Vec<Mistake>) -> Vec<Phase> {
    let read = |node: &Node| match node.name.value.as_str() {
        "phase" => read_phase(node, out),
        "step" | "deploy" => read_lone(node, out),
        "errand" => read_errand(node, out),
        _ => None,
    };
    nodes.iter().filter_map(read).collect()
}

fn read_phase(node: &Node, out: &mut Vec<Mistake>) -> Option<Phase> {
    let name = plain_name(node.text(0), "a phase", out);
    let selector = node.prop_text("environments");
    let environments = selector.as_ref().and_then(|selector| read_selector(selector, out));
    let after = read_after(node, out);
    let gates = read_gates(node, out);
    let steps = node.children.iter().filter_map(|child| match child.name.value.as_str() {
        "step" => step::read(child, Role::Step, out),
        "deploy" => {
            if selector.is_none() && node.prop("environments").is_none() {
                out.push(unbound(child).also(node.name.span, "this phase is for no environment"));
            }
            step::read(child, Role::Deploy, out)
        }
        _ => None,
    });
    let steps = steps.collect();
    Some(Phase { name: name?, environments, after, gates, steps, implicit: false })
}

fn read_lone(node: &Node, out: &mut Vec<Mistake>) -> Option<Phase> {
    let role = if node.name.value == "deploy" { Role::Deploy } else { Role::Step };
    if role == Role::Deploy {
        out.push(unbound(node));
    }
    let step = step::read(node, role, out)?;
    Some(Phase { name: step.name.clone(), environments: None, after: None, gates: Vec::new(), steps: vec![step], implicit: true })
}

/// An errand is a phase of its own that waits for none: all that it needs is deployed already.
fn read_errand(node: &Node, out: &mut Vec<Mistake>) -> Option<Phase> {
    let environments = node.prop_text("environments").and_then(|selector| read_selector(&selector, out));
    let step = step::read(node, Role::Errand, out)?;
    let environments = Some(environments?);
    Some(Phase { name: step.name.clone(), environments, after: Some(Vec::new()), gates: Vec::new(), steps: vec![step], implicit: true })
}

fn unbound(node: &Node) -> Mistake {
    let name = node.text(0).map_or("deploy".to_owned(), |name| name.value);
    Mistake::new("relrun::manifest::unbound-deploy", node.name.span, format!("deploy `{name}` has no environment to deploy to"))
        .label("bound to an environment")
        .help(
            "put it into a phase with `environments=…`, such as `phase \"roll-out\" environments=\"tier=test\" { … }`, or make it a `step`",
        )
}

pub(super) fn read_selector(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Spanned<Selector>> {
    let words: Vec<_> = text.split_whitespace().collect();
    let plain = |word: &str| crate::text::is_plain_name(word);
    let selector = match words.as_slice() {
        ["*"] => Some(Selector::All),
        _ if text.contains('=') => read_pairs(text).map(Selector::Labels),
        [] => None,
        names if names.iter().all(|name| plain(name)) => Some(Selector::Names(words.iter().map(|word| (*word).to_owned()).collect())),
        _ => None,
    };
    if selector.is_none() {
        let mistake = Mistake::new("relrun::manifest::selector", text.span, format!("`{}` selects no environments", text.value));
        out.push(mistake.help("write `\"*\"` for all, `\"tier=test,region=eu\"` for those with these labels, or names with spaces between: `\"staging production\"`"));
    }
    selector.map(|selector| Spanned::new(selector, text.span))
}

/// Reads `key=value,key=value`; no key twice.
fn read_pairs(text: &str) -> Option<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for pair in text.split(',') {
        let (key, value) = pair.trim().split_once('=')?;
        let fits = crate::text::is_plain_name(key) && !value.is_empty() && !value.contains('=') && !value.contains(char::is_whitespace);
        if !fits || pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return None;
        }
    }
    Some(pairs)
}

/// A property names one phase, a child several.
fn read_after(node: &Node, out: &mut Vec<Mistake>) -> Option<Vec<Spanned<String>>> {
    let (prop, child) = (node.prop_text("after"), node.child("after"));
    if let (Some(prop), Some(child)) = (&prop, child) {
        let mistake = Mistake::new("relrun::manifest::duplicate", child.name.span, "`after` is given twice");
        out.push(
            mistake.label("again here").also(prop.span, "first here").help("name all phases in the one node: `after \"build\" \"test\"`"),
        );
    }
    match (prop, child) {
        (None, None) => None,
        (prop, child) => Some(prop.into_iter().chain(child.into_iter().flat_map(Node::texts)).collect()),
    }
}

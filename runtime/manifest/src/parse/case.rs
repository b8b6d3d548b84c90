//! A plugin's test cases.

mod call;

use super::tree::{Node, Value as Raw};
use super::{checked, plain_name, scalar, step, unique, words};
use crate::case::{Case, CaseConfig, CaseContext, CaseHost, CommandAnswer, Content, HttpAnswer};
use crate::text;
use crate::{Diagnostics, Mistake, Spanned, Template};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most that a text is repeated to: no test needs more than this many bytes.
const LONGEST: usize = 64 << 20;

/// Parses a file of test cases.
///
/// # Errors
/// Every mistake in the file, at once.
pub fn parse_cases(file_name: &str, text: &str) -> Result<Vec<Case>, Diagnostics> {
    let mut mistakes = Vec::new();
    let cases = checked(text, words::case::CASES, &mut mistakes).map(|nodes| build(&nodes, &mut mistakes));
    match cases {
        Some(cases) if mistakes.is_empty() => Ok(cases),
        _ => Err(Diagnostics::new(file_name, text, mistakes)),
    }
}

fn build(nodes: &[Node], out: &mut Vec<Mistake>) -> Vec<Case> {
    let cases: Vec<Case> = nodes.iter().filter_map(|node| read(node, out)).collect();
    unique(cases.iter().map(|case| &case.name), "cases", out);
    if nodes.is_empty() {
        let mistake = Mistake::new("relrun::manifest::missing-node", crate::Span::default(), "there is no `case`");
        out.push(mistake.help("add one: `case \"greets the world\" { config { who \"World\" }; apply }`"));
    }
    cases
}

fn read(node: &Node, out: &mut Vec<Mistake>) -> Option<Case> {
    let calls: Vec<_> = node.children.iter().filter_map(|child| call::read(child, out)).collect();
    if calls.is_empty() {
        let mistake = Mistake::new("relrun::manifest::missing-node", node.name.span, "this case calls nothing");
        out.push(mistake.help("add what is called: `apply { summary \"done\" }`"));
    }
    let pairs = |name: &'static str| node.all(name).filter_map(|child| Some((child.text(0)?.value, child.text(1)?.value))).collect();
    let reads = node
        .all("reads")
        .filter_map(|child| Some((plain_name(child.text(0), "a directory in `/in`", out)?.value, content(child))))
        .collect();
    let writes = node.all("writes").flat_map(Node::texts).collect::<Vec<_>>();
    let writes = writes.into_iter().filter_map(|name| Some(plain_name(Some(name), "a directory in `/out`", out)?.value)).collect();
    Some(Case {
        name: node.text(0)?,
        config: node.child("config").map_or_else(|| CaseConfig::Json(Value::Object(serde_json::Map::new())), |child| config(child, out)),
        context: node.child("context").map(|child| context(child, out)).unwrap_or_default(),
        secrets: pairs("secret"),
        env: pairs("env"),
        reads,
        writes,
        artifacts: node.all("artifact").filter_map(|child| Some((reference(child, out)?, content(child)))).collect(),
        values: node.all("value").filter_map(|child| Some((reference(child, out)?, repeated(child, 1, out)?))).collect(),
        hosts: node.all("host").filter_map(|child| host(child, out)).collect(),
        grants: node
            .child("grant")
            .map(|_| node.all("grant").flat_map(|grant| step::read_grants(&grant.children, out)).map(|grant| grant.value).collect()),
        http: node.all("http").filter_map(|child| http(child, out)).collect(),
        commands: node.all("command").map(|child| command(child, out)).collect(),
        snapshot: node.child("snapshot").is_some(),
        calls,
    })
}

/// Reads JSON that stands in a string.
fn json(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let mistake = Mistake::new("relrun::case::json", text.span, format!("this is no JSON: {error}"));
            out.push(mistake.help("write JSON in a raw string: `#\"{\"id\": 7}\"#`; a text is `#\"\"text\"\"#`"));
            None
        }
    }
}

/// Reads an argument that is JSON in a string, or `#null`.
fn json_or_null(node: &Node, out: &mut Vec<Mistake>) -> Option<Value> {
    match node.args.first().map(|arg| &arg.value) {
        Some(Raw::Null) => Some(Value::Null),
        Some(Raw::Text(..)) => json(&node.text(0)?, out),
        Some(_) => {
            let mistake =
                Mistake::new("relrun::case::json", node.name.span, format!("`{}` wants JSON in a string, or `#null`", node.name.value));
            out.push(mistake.help("write it like `#\"{\"id\": 7}\"#`"));
            None
        }
        None => None,
    }
}

/// Returns a plain value of the file as JSON. Text stays as it is written.
fn plain(value: &Raw) -> Value {
    match value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(*value),
        Raw::Integer(value) => Value::from(*value),
        Raw::Float(value) => Value::from(*value),
        Raw::Text(text, _) => Value::String(text.clone()),
    }
}

fn config(node: &Node, out: &mut Vec<Mistake>) -> CaseConfig {
    let whole = node.props.is_empty() && node.children.is_empty() && node.args.len() == 1;
    match node.text(0).filter(|_| whole) {
        Some(text) => CaseConfig::Json(json(&text, out).unwrap_or_default()),
        None => CaseConfig::Nodes(scalar::read_config(node, out)),
    }
}

/// Reads a reference that stands without its braces.
fn reference(node: &Node, out: &mut Vec<Mistake>) -> Option<String> {
    let name = node.text(0)?;
    let whole = format!("${{{}}}", name.value);
    match Template::parse(&whole, &whole, name.span) {
        Ok(template) if template.single().is_some() => Some(name.value),
        _ => {
            let mistake =
                Mistake::new("relrun::case::reference", name.span, format!("`{}` is nothing that a config can refer to", name.value));
            out.push(mistake.help("write it as the manifest does, without `${` and `}`: `step.site.dist`, `input.who`"));
            None
        }
    }
}

/// Reads a value, repeated where that is said.
fn repeated(node: &Node, at: usize, out: &mut Vec<Mistake>) -> Option<Value> {
    let value = plain(&node.args.get(at)?.value);
    let Some(times) = times(node, out) else { return Some(value) };
    match value {
        Value::String(text) if text.len().saturating_mul(times) <= LONGEST => Some(Value::String(text.repeat(times))),
        _ => {
            let mistake = Mistake::new("relrun::case::repeat", node.name.span, "only a text can be repeated, and to 64 MiB at most");
            out.push(mistake.help("write it like `value \"input.big\" \"text\" repeat=1000`"));
            None
        }
    }
}

fn times(node: &Node, out: &mut Vec<Mistake>) -> Option<usize> {
    let value = node.prop("repeat")?;
    let Raw::Integer(times) = value.value else { return None };
    let found = usize::try_from(times).ok();
    if found.is_none() {
        out.push(Mistake::new("relrun::case::repeat", value.span, "a number from 0 is wanted"));
    }
    found
}

fn content(node: &Node) -> Vec<Content> {
    let read = |child: &Node| {
        let path = child.text(0)?;
        match child.name.value.as_str() {
            "file" => Some(Content::File(path.value, child.text(1).map(|text| text.value).unwrap_or_default())),
            "link" => Some(Content::Link(path.value, child.text(1)?.value)),
            "copy" => Some(Content::Copy(path)),
            _ => None,
        }
    };
    node.children.iter().filter_map(read).collect()
}

fn table(node: &Node, name: &str) -> BTreeMap<String, String> {
    node.all(name).filter_map(|child| Some((child.text(0)?.value, child.text(1)?.value))).collect()
}

fn host(node: &Node, out: &mut Vec<Mistake>) -> Option<CaseHost> {
    let name = plain_name(node.text(0), "a host of a case", out)?.value;
    Some(CaseHost { name, labels: table(node, "label"), settings: table(node, "set"), content: content(node) })
}

fn context(node: &Node, out: &mut Vec<Mistake>) -> CaseContext {
    let one = |name: &str| node.child(name).and_then(|child| child.text(0)).map(|text| text.value);
    let maybe = |name: &str| {
        let arg = node.child(name)?.args.first()?;
        Some(if let Raw::Text(text, _) = &arg.value { Some(text.clone()) } else { None })
    };
    CaseContext {
        package: one("package"),
        version: one("version"),
        release: one("release"),
        step: one("step"),
        attempt: number(node, "attempt", out),
        environment: maybe("environment"),
        deployment: maybe("deployment"),
        labels: table(node, "label"),
        settings: table(node, "set"),
        previous: node.child("previous").and_then(|child| json(&child.text(0)?, out)),
        unfinished: node.child("unfinished").and_then(|child| json(&child.text(0)?, out)),
        started_at: number(node, "started-at", out),
    }
}

/// Reads the number of a child.
fn number<N: TryFrom<i64>>(node: &Node, name: &str, out: &mut Vec<Mistake>) -> Option<N> {
    let arg = node.child(name)?.args.first()?;
    let Raw::Integer(number) = arg.value else { return None };
    let found = N::try_from(number).ok();
    if found.is_none() {
        out.push(Mistake::new("relrun::case::number", arg.span, format!("`{name}` cannot be {number}")));
    }
    found
}

fn duration(node: &Node, out: &mut Vec<Mistake>) -> Option<Duration> {
    let written = node.child("after")?.text(0)?;
    let found = text::parse_duration(&written);
    if found.is_none() {
        let mistake = Mistake::new("relrun::manifest::duration", written.span, format!("`{}` is no time", written.value));
        out.push(mistake.help("write a number and a unit: `200ms`, `2s`"));
    }
    found
}

fn http(node: &Node, out: &mut Vec<Mistake>) -> Option<HttpAnswer> {
    let body = node.child("body");
    let status = number(node, "status", out).unwrap_or(200);
    if !(200..600).contains(&status) {
        let mistake = Mistake::new("relrun::case::status", node.name.span, format!("{status} is no status of an answer"));
        out.push(mistake.help("write a number from 200 to 599"));
    }
    Some(HttpAnswer {
        method: node.text(0)?.value.to_uppercase(),
        url: node.text(1)?.value,
        status,
        headers: node.all("header").filter_map(|child| Some((child.text(0)?.value, child.text(1)?.value))).collect(),
        body: body.and_then(|body| body.text(0)).map(|body| body.value).unwrap_or_default(),
        repeat: body.and_then(|body| times(body, out)).unwrap_or(1),
        times: number(node, "times", out),
        broken: node.child("broken").is_some(),
        after: duration(node, out),
        span: node.span,
    })
}

fn command(node: &Node, out: &mut Vec<Mistake>) -> CommandAnswer {
    let one = |name: &str| node.child(name).and_then(|child| child.text(0)).map(|text| text.value).unwrap_or_default();
    CommandAnswer {
        words: node.texts().map(|word| word.value).collect(),
        exit: number(node, "exit", out).unwrap_or(0),
        stdout: one("stdout"),
        stderr: one("stderr"),
        leaves: content(node),
        after: duration(node, out),
        times: number(node, "times", out),
        span: node.span,
    }
}

#[cfg(test)]
mod tests;

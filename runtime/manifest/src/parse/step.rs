//! `step` and `deploy`, and what stands in them.

use super::package::check_glob;
use super::tree::{Node, Value};
use super::{plain_name, references, scalar, unique};
use crate::{
    Capability, ConfigNode, Limits, Mistake, OnFailure, Reads, ReadsFrom, Retry, Role, Spanned, Step, Template, Writes, capability,
    nearest, text,
};
use std::time::Duration;

/// More tries than this hide a mistake.
const MAX_ATTEMPTS: i64 = 100;

pub(super) fn read(node: &Node, role: Role, out: &mut Vec<Mistake>) -> Option<Step> {
    let name = plain_name(node.text(0), "a step", out);
    let reads = read_reads(node, out);
    let writes: Vec<_> = node.all("writes").flat_map(|child| read_writes(child, out)).collect();
    unique(writes.iter().map(|writes| &writes.name), "artifacts", out);
    let config = node.child("config").map_or_else(|| empty_config(node), |child| scalar::read_config(child, out));
    let step = Step {
        name: name.unwrap_or_else(|| node.name.clone()),
        role,
        plugin: node.prop_text("plugin")?,
        reads,
        writes,
        grants: node.all("grant").flat_map(|grant| read_grants(&grant.children, out)).collect(),
        config,
        needs: node.all("needs").flat_map(Node::texts).collect(),
        retry: node.child("retry").map(|child| read_retry(child, out)).unwrap_or_default(),
        timeout: node.child("timeout").and_then(|child| read_duration(&child.text(0)?, out)),
        limits: node.child("limits").map(|child| read_limits(child, out)).unwrap_or_default(),
        on_failure: read_on_failure(node, out),
        span: node.span,
    };
    node.text(0).filter(|name| text::is_plain_name(name)).map(|_| step)
}

fn empty_config(node: &Node) -> ConfigNode {
    ConfigNode { name: Spanned::new("config".to_owned(), node.name.span), args: Vec::new(), props: Vec::new(), children: Vec::new() }
}

fn read_reads(node: &Node, out: &mut Vec<Mistake>) -> Vec<Reads> {
    let reads: Vec<_> = node.all("reads").filter_map(|child| read_one_reads(child, out)).collect();
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    for name in reads.iter().map(|reads| &reads.name) {
        if let Some(first) = seen.iter().find(|first| **first == name) {
            let mistake = Mistake::new("relrun::manifest::duplicate", name.span, format!("two things are staged as `/in/{}`", name.value));
            let help = "give one of them another name with `as=`; several globs may stand in one `reads`";
            out.push(mistake.label("again here").also(first.span, "first here").help(help));
        }
        seen.push(name);
    }
    reads
}

fn read_one_reads(node: &Node, out: &mut Vec<Mistake>) -> Option<Reads> {
    let name = match node.prop("as") {
        Some(_) => plain_name(node.prop_text("as"), "a directory in `/in`", out),
        None => Some(Spanned::new("work".to_owned(), node.name.span)),
    };
    let artifact = node.args.iter().find(|arg| matches!(&arg.value, Value::Text(text, _) if text.replace("$${", "").contains("${")));
    let from = match artifact {
        Some(arg) => ReadsFrom::Artifact(read_artifact(arg, node, out)?),
        None => ReadsFrom::Files(read_files(node, out)),
    };
    Some(Reads { name: name?, from })
}

/// An artifact stands alone: a tree that is mixed with others would overlap.
fn read_artifact(arg: &Spanned<Value>, node: &Node, out: &mut Vec<Mistake>) -> Option<Spanned<Template>> {
    let Value::Text(text, raw) = &arg.value else { return None };
    let template = match Template::parse(text, raw, arg.span) {
        Ok(template) => template,
        Err(mistakes) => {
            out.extend(mistakes);
            return None;
        }
    };
    let lone = node.args.len() == 1 && template.single().is_some_and(|reference| reference.namespace == crate::Namespace::Step);
    if !lone {
        let mistake = Mistake::new("relrun::manifest::artifact", arg.span, format!("`{text}` is not one artifact alone"));
        out.push(mistake.help("name one artifact in its own line: `reads \"${step.site.dist}\" as=\"site\"`; globs hold no references"));
    }
    lone.then(|| Spanned::new(template, arg.span))
}

fn read_files(node: &Node, out: &mut Vec<Mistake>) -> Vec<Spanned<String>> {
    let globs: Vec<_> = node.texts().map(|glob| Spanned::new(glob.value.replace("$${", "${"), glob.span)).collect();
    for glob in &globs {
        let taken = glob.strip_prefix('!').unwrap_or(glob);
        check_glob(glob, taken.strip_prefix('/').unwrap_or(taken), out);
    }
    // They are staged as one tree, and that has one root.
    if let Some(other) = globs.iter().find(|glob| is_anchored(glob) != is_anchored(&globs[0])) {
        let message = "globs of the project's root and of the manifest's directory in one `reads`";
        let mistake = Mistake::new("relrun::manifest::path", other.span, message).label("relative to another place than the first");
        out.push(mistake.help("begin all of them with `/`, for the project's root, or none; a second `reads` with `as=` takes the others"));
    }
    if let Some(first) = globs.first().filter(|_| globs.iter().all(|glob| glob.starts_with('!'))) {
        let mistake = Mistake::new("relrun::manifest::glob", first.span, "these globs only take away");
        out.push(mistake.help("name first what is staged: `reads \"src/**\" \"!src/**/*.tmp\"`"));
    }
    globs
}

/// Returns whether a glob is relative to the project's root.
fn is_anchored(glob: &str) -> bool {
    glob.strip_prefix('!').unwrap_or(glob).starts_with('/')
}

fn read_writes(node: &Node, out: &mut Vec<Mistake>) -> Vec<Writes> {
    let names: Vec<_> = node.texts().filter_map(|name| plain_name(Some(name), "a directory in `/out`", out)).collect();
    let to = node.prop_text("to");
    if let Some(to) = &to {
        if let Some(why) = text::leaves_tree(to) {
            let mistake = Mistake::new("relrun::manifest::path", to.span, format!("nothing can be laid into `{}`: {why}", to.value));
            out.push(mistake.label("outside").help("write a path relative to the manifest's directory"));
        }
        references::refuse_in(to, out);
        if names.len() > 1 {
            let mistake = Mistake::new("relrun::manifest::writes", to.span, "one place is given for several artifacts");
            out.push(mistake.help("write one `writes` for each artifact that has a `to=`"));
        }
    }
    names.into_iter().map(|name| Writes { name, to: to.clone() }).collect()
}

/// Reads the lines of a `grant` or an `allow` block. They are literal: a reference in one would make what is granted depend on a value.
pub(super) fn read_grants(lines: &[Node], out: &mut Vec<Mistake>) -> Vec<Spanned<Capability>> {
    let mut grants = Vec::new();
    for line in lines {
        let texts = line.texts().chain(line.props.iter().filter_map(|(key, _)| line.prop_text(&key.value)));
        texts.for_each(|text| references::refuse_in(&text, out));
        if let Some(capability) = capability::read(line, out) {
            grants.push(Spanned::new(capability, line.span));
        }
    }
    grants
}

fn read_retry(node: &Node, out: &mut Vec<Mistake>) -> Retry {
    let mut retry = Retry::default();
    match node.prop("attempts") {
        Some(Spanned { value: Value::Integer(n), .. }) if (1..=MAX_ATTEMPTS).contains(n) => {
            retry.attempts = u32::try_from(*n).unwrap_or(1);
        }
        Some(Spanned { value: Value::Integer(n), span }) if *n >= 0 => {
            let mistake = Mistake::new("relrun::manifest::retry", *span, format!("a step cannot be tried {n} times"));
            out.push(
                mistake.help(format!("write a number from 1 to {MAX_ATTEMPTS}; it counts all tries together, so that 1 is none again")),
            );
        }
        _ => {}
    }
    if let Some(backoff) = node.prop_text("backoff").and_then(|text| read_duration(&text, out)) {
        retry.backoff = backoff;
    }
    retry
}

pub(super) fn read_duration(text: &Spanned<String>, out: &mut Vec<Mistake>) -> Option<Duration> {
    let duration = text::parse_duration(text);
    if duration.is_none() {
        let mistake = Mistake::new("relrun::manifest::duration", text.span, format!("`{}` is no duration", text.value));
        out.push(mistake.help(match text.parse::<u64>() {
            Ok(n) if n > 0 => format!("say which unit: `\"{n}s\"`, `\"{n}m\"`"),
            _ => "write a number above 0 and its unit: `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"1h 30m\"`".to_owned(),
        }));
    }
    duration
}

pub(super) fn read_limits(node: &Node, out: &mut Vec<Mistake>) -> Limits {
    let cpu = node.prop_text("cpu").and_then(|text| read_duration(&text, out));
    let mut size = |name: &str| node.prop(name).and_then(|value| read_size(value, out));
    Limits { memory: size("memory"), cpu, log: size("log"), output: size("output") }
}

fn read_size(value: &Spanned<Value>, out: &mut Vec<Mistake>) -> Option<u64> {
    let size = match &value.value {
        Value::Text(text, _) => text::parse_size(text),
        Value::Integer(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    let size = size.filter(|size| *size > 0);
    if size.is_none() {
        let mistake = Mistake::new("relrun::manifest::size", value.span, "this is no size");
        out.push(mistake.help("write a whole number above 0 and its unit: `\"512MiB\"`, `\"1GiB\"`, `\"64kB\"`; a bare number is bytes"));
    }
    size
}

/// A property or a node, the same in both forms.
fn read_on_failure(node: &Node, out: &mut Vec<Mistake>) -> OnFailure {
    let (prop, child) = (node.prop_text("on-failure"), node.child("on-failure"));
    if let (Some(prop), Some(child)) = (&prop, child) {
        let mistake = Mistake::new("relrun::manifest::duplicate", child.name.span, "`on-failure` is given twice");
        out.push(mistake.label("again here").also(prop.span, "first here").help("keep one of them"));
    }
    let Some(word) = prop.or_else(|| child.and_then(|child| child.text(0))) else { return OnFailure::default() };
    match word.as_str() {
        "stop" => OnFailure::Stop,
        "undo" => OnFailure::Undo,
        other => {
            let mistake = Mistake::new("relrun::manifest::on-failure", word.span, format!("a failed step cannot `{other}`"));
            out.push(mistake.help(match nearest(other, ["stop", "undo"]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write `stop` to leave the environment as it is, or `undo`, which is what happens without this line".to_owned(),
            }));
            OnFailure::default()
        }
    }
}

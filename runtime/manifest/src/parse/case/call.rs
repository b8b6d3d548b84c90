//! What a case calls, and what it expects of it.

use super::super::tree::{Node, Value as Raw};
use super::{json, json_or_null, plain};
use crate::case::{CaseCall, CaseOperation, Expect, ExpectRan, ExpectSent, Stop, Stopped, TextRule};
use crate::{Capability, Mistake, Spanned, nearest};

/// Reads an operation; nothing where the node is none.
pub(super) fn read(node: &Node, out: &mut Vec<Mistake>) -> Option<CaseCall> {
    let (_, operation) = CaseOperation::ALL.into_iter().find(|(word, _)| *word == node.name.value)?;
    let stopped = [("cancel", Stop::Cancelled), ("crash", Stop::Crashed)];
    Some(CaseCall {
        operation,
        given: node.child("given").and_then(|child| json_or_null(child, out)),
        stopped: stopped.into_iter().find_map(|(word, how)| Some(read_stopped(node.child(word)?, how))),
        snapshot: node.child("snapshot").is_some(),
        expects: node.children.iter().filter_map(|child| Some(Spanned::new(expect(child, out)?, child.span))).collect(),
        span: node.name.span,
    })
}

fn read_stopped(node: &Node, how: Stop) -> Stopped {
    let line = node.prop_text("log").map(|line| line.value);
    let checkpoint = match node.prop("checkpoint").map(|value| &value.value) {
        Some(Raw::Integer(number)) => u32::try_from(*number).ok(),
        _ if line.is_none() => Some(0),
        _ => None,
    };
    Stopped { how, checkpoint, line }
}

/// Reads how the text of an argument is compared, or of `contains=` or `json=`.
fn rule(node: &Node, at: usize, out: &mut Vec<Mistake>) -> TextRule {
    let rules: Vec<TextRule> = [
        node.text(at).map(|text| TextRule::Is(text.value)),
        node.prop_text("contains").map(|text| TextRule::Contains(text.value)),
        node.prop_text("json").and_then(|text| json(&text, out)).map(TextRule::Json),
    ]
    .into_iter()
    .flatten()
    .collect();
    if rules.len() > 1 {
        let mistake = Mistake::new("relrun::case::rule", node.name.span, format!("`{}` says in two ways what it wants", node.name.value));
        out.push(mistake.help("write the whole text, or `contains=`, or `json=`"));
    }
    rules.into_iter().next().unwrap_or(TextRule::Any)
}

/// Reads a word of a few.
fn one_of(node: &Node, words: &[&str], out: &mut Vec<Mistake>) -> Option<String> {
    let word = node.text(0)?;
    if words.contains(&word.value.as_str()) {
        return Some(word.value);
    }
    let mistake = Mistake::new("relrun::case::word", word.span, format!("`{}` cannot be `{}`", node.name.value, word.value));
    out.push(mistake.help(match nearest(&word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", words.join(", ")),
    }));
    None
}

const KINDS: &[&str] = &["invalid", "denied", "missing", "timed-out", "cancelled", "transient", "permanent", "other", "trapped"];

fn expect(node: &Node, out: &mut Vec<Mistake>) -> Option<Expect> {
    let first = || node.text(0).map(|text| text.value);
    let second = || node.text(1).map(|text| text.value);
    Some(match node.name.value.as_str() {
        "name" => Expect::Name(first()?),
        "version" => Expect::Version(first()?),
        "summary" => Expect::Summary(rule(node, 0, out)),
        "kind" => Expect::Kind(one_of(node, &["pure", "effect"], out)?),
        "idempotent" => Expect::Idempotent(matches!(node.args.first()?.value, Raw::Bool(true))),
        "need" => Expect::Need(capability(node, out)?, rule(node, 1, out)),
        "no-need" => Expect::NoNeed,
        "outputs" => Expect::Outputs(json(&node.text(0)?, out)?),
        "output" => output(node, out)?,
        "receipt" => Expect::Receipt(json_or_null(node, out)?),
        "error" => Expect::Error(one_of(node, KINDS, out)?, rule(node, 1, out)),
        "change" => change(node, out),
        "no-change" => Expect::NoChange,
        "health" => Expect::Health(one_of(node, &["intact", "drifted", "gone"], out)?),
        "recovery" => Expect::Recovery(one_of(node, &["not-done", "done", "partly"], out)?),
        "log" => Expect::Log(one_of(node, &["trace", "debug", "info", "warn", "error"], out)?, rule(node, 1, out)),
        "no-log" => Expect::NoLog(node.prop_text("contains")?.value),
        "checkpoint" => Expect::Checkpoint(json(&node.text(0)?, out)?),
        "sent" => Expect::Sent(ExpectSent {
            method: first()?.to_uppercase(),
            url: second()?,
            headers: node.all("header").filter_map(|child| Some((child.text(0)?.value.to_lowercase(), rule(child, 1, out)))).collect(),
            body: node.child("body").map_or(TextRule::Any, |child| rule(child, 0, out)),
        }),
        "no-sent" => Expect::NoSent,
        "ran" => Expect::Ran(ExpectRan {
            words: node.texts().map(|word| word.value).collect(),
            env: node.all("env").filter_map(|child| Some((child.text(0)?.value, child.text(1)?.value))).collect(),
            stdin: node.child("stdin").map_or(TextRule::Any, |child| rule(child, 0, out)),
            dir: node.child("dir").and_then(|child| child.text(0)).map(|dir| dir.value),
        }),
        "no-ran" => Expect::NoRan,
        "refused" => Expect::Refused(rule(node, 0, out)),
        "file" => Expect::File(first()?, rule(node, 1, out)),
        "no-file" => Expect::NoFile(first()?),
        "host-file" => Expect::HostFile(first()?, second()?, rule(node, 2, out)),
        "host-link" => Expect::HostLink(first()?, second()?, node.text(2)?.value),
        "no-host-file" => Expect::NoHostFile(first()?, second()?),
        _ => return None,
    })
}

/// A capability is compared as it is written out, so that `methods="GET"` may stand anywhere in its line.
fn capability(node: &Node, out: &mut Vec<Mistake>) -> Option<String> {
    let line = node.text(0)?;
    match Capability::parse(&line) {
        Ok(capability) => Some(capability.to_string()),
        Err(error) => {
            let mistake = Mistake::new("relrun::case::capability", line.span, format!("this is no capability: {error}"));
            out.push(mistake.help("write it as the manifest does: `need #\"http \"https://api.example.com\"\"#`"));
            None
        }
    }
}

fn output(node: &Node, out: &mut Vec<Mistake>) -> Option<Expect> {
    let name = node.text(0)?.value;
    let given = node.args.get(1).map(|arg| plain(&arg.value));
    let ruled = node.prop("contains").is_some() || node.prop("json").is_some();
    Some(match given {
        Some(value) if !ruled => Expect::Output(name, value),
        // Of an output that is no text, `json=` is the value itself.
        None => match rule(node, 1, out) {
            TextRule::Json(value) => Expect::Output(name, value),
            rule => Expect::OutputText(name, rule),
        },
        Some(_) => {
            rule(node, 1, out);
            let mistake = Mistake::new("relrun::case::rule", node.name.span, "`output` says in two ways what it wants");
            out.push(mistake.help("write the value, or `contains=`, or `json=`"));
            return None;
        }
    })
}

/// `change SUMMARY DETAIL`; `contains=` is of the summary where there is no argument, else of the detail; `json=` is the detail.
fn change(node: &Node, out: &mut Vec<Mistake>) -> Expect {
    let contains = node.prop_text("contains").map(|text| TextRule::Contains(text.value));
    let json = node.prop_text("json").and_then(|text| json(&text, out)).map(TextRule::Json);
    let detail = node.text(1).map(|text| TextRule::Is(text.value));
    match node.text(0) {
        Some(summary) => Expect::Change(TextRule::Is(summary.value), detail.or(json).or(contains).unwrap_or(TextRule::Any)),
        None => Expect::Change(contains.unwrap_or(TextRule::Any), json.unwrap_or(TextRule::Any)),
    }
}

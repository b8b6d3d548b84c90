//! What a call left, as text: for snapshots, and for what a person reads where something differs.

use super::call::{Answer, Called};
use super::scene::Scene;
use crate::record::Record;
use relrun_host::{Change, Health, Level, Recovery, Reply};
use relrun_ledger::{Failure, FailureKind, Outcome};
use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};
use std::fs;
use std::path::Path;

/// How many lines of a difference are shown.
const MOST_LINES: usize = 60;
/// Texts that are longer are not compared line by line.
const LONGEST: usize = 200 << 10;

/// Returns the word of a kind of failure.
pub(super) fn kind(kind: FailureKind) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// Returns the word of a level.
pub(super) fn level(level: Level) -> String {
    serde_json::to_value(level).ok().and_then(|word| word.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// Says how a call failed.
pub(super) fn failure(failure: &Failure) -> String {
    format!("{}: {}", kind(failure.kind), shortened(&failure.message))
}

/// Cuts a text that nobody would read.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 2_000;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}… ({} bytes in all)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// Returns JSON as people read it.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Says what differs between a wanted and a found text.
pub(super) fn difference(wanted: &str, found: &str) -> String {
    if wanted.len().max(found.len()) > LONGEST {
        let same = wanted.bytes().zip(found.bytes()).take_while(|(one, other)| one == other).count();
        return format!("{} bytes are wanted and {} found; they differ from byte {same} on", wanted.len(), found.len());
    }
    if !wanted.contains('\n') && !found.contains('\n') {
        return format!("wanted {}\nfound  {}", shortened(&format!("{wanted:?}")), shortened(&format!("{found:?}")));
    }
    let diff = TextDiff::from_lines(wanted, found);
    let mut lines: Vec<String> = vec!["- wanted".to_owned(), "+ found".to_owned()];
    for group in diff.grouped_ops(2) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches('\n')));
        }
    }
    if lines.len() > MOST_LINES {
        let left = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("… and {left} lines more"));
    }
    lines.join("\n")
}

/// Returns everything that a call left, the same on every machine.
pub(super) fn transcript(called: &Called, scene: &Scene) -> String {
    let mut whole = Map::new();
    whole.insert("answer".to_owned(), answer(&called.answer));
    let mut log = Vec::new();
    let (mut checkpoints, mut refused) = (Vec::new(), Vec::new());
    for record in &called.records {
        match record {
            Record::Line(found, text) => log.push(json!(format!("{}: {text}", level(*found)))),
            Record::Progress(what, done, total) => {
                log.push(json!(format!("progress: {what} {done}/{}", total.map_or("?".to_owned(), |total| total.to_string()))));
            }
            Record::Checkpoint(state) => checkpoints.push(state.clone()),
            Record::Denied(capability) => refused.push(json!(capability)),
            Record::Used(_) => {}
        }
    }
    let (sent, ran) = scene.reached();
    let sent = sent.iter().map(|sent| {
        let headers: Vec<String> = sent.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        json!({ "request": format!("{} {}", sent.method, sent.url), "headers": headers, "body": shortened(&String::from_utf8_lossy(&sent.body)) })
    });
    let ran = ran.iter().map(|ran| json!({ "words": ran.words, "dir": ran.dir, "env": ran.env, "stdin": shortened(&String::from_utf8_lossy(&ran.stdin)), "host": ran.host }));
    let mut files = Map::new();
    collect(&scene.root().join("out"), "", &mut files);
    let rest = [
        ("log", Value::Array(log)),
        ("checkpoints", Value::Array(checkpoints)),
        ("refused", Value::Array(refused)),
        ("sent", sent.collect()),
        ("ran", ran.collect()),
        ("files", Value::Object(files)),
    ];
    for (name, value) in rest {
        let is_empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        if !is_empty {
            whole.insert(name.to_owned(), value);
        }
    }
    pretty(&Value::Object(whole)) + "\n"
}

fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::Described(found) => json!({
            "name": found.name, "version": found.version, "summary": found.summary, "config-schema": found.config_schema,
            "outputs-schema": found.outputs_schema,
        }),
        Answer::Needs(needs) => serde_json::to_value(needs).unwrap_or_default(),
        Answer::Reply(Reply::Changes(found)) => changes(found),
        Answer::Reply(Reply::Outcome(found)) => outcome(found),
        Answer::Reply(Reply::Recovery(Recovery::NotDone)) => json!("not-done"),
        Answer::Reply(Reply::Recovery(Recovery::Done(found))) => json!({ "done": outcome(found) }),
        Answer::Reply(Reply::Recovery(Recovery::Partly(receipt))) => json!({ "partly": receipt }),
        Answer::Reply(Reply::Health(Health::Intact)) => json!("intact"),
        Answer::Reply(Reply::Health(Health::Drifted(found))) => json!({ "drifted": changes(found) }),
        Answer::Reply(Reply::Health(Health::Gone)) => json!("gone"),
        Answer::Failed(found) => json!({ "error": kind(found.kind), "message": found.message }),
        Answer::Crashed => json!("cut off"),
    }
}

fn changes(changes: &[Change]) -> Value {
    changes.iter().map(|change| json!({ "summary": change.summary, "detail": change.detail })).collect()
}

fn outcome(outcome: &Outcome) -> Value {
    json!({ "summary": outcome.summary, "outputs": outcome.outputs, "receipt": outcome.receipt })
}

fn collect(folder: &Path, below: &str, files: &mut Map<String, Value>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = format!("{below}{}", entry.file_name().display());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), &format!("{path}/"), files),
            Ok(kind) if kind.is_symlink() => {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                files.insert(path, json!(format!("-> {}", target.display())));
            }
            _ => {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8(bytes).unwrap_or_else(|error| format!("{} bytes that are no text", error.as_bytes().len()));
                files.insert(path, json!(shortened(&text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown() {
        assert_eq!(difference("a", "b"), "wanted \"a\"\nfound  \"b\"");
        let text = difference("one\ntwo\nthree\n", "one\n2\nthree\n");
        assert_eq!(text, "- wanted\n+ found\n  one\n- two\n+ 2\n  three");
        assert!(difference(&"a".repeat(300_000), &"a".repeat(300_001)).ends_with("they differ from byte 300000 on"));
    }
}

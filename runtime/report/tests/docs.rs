//! `docs/events.md` says what the types say. `RELRUN_REGENERATE=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod common;

use relrun_report::{Json, ReportEvent, Reporter};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");

const HEAD: &str = "\
# The events of a run

`relrun --format json` writes a run as NDJSON: one event a line, each an object whose `event` names its kind. Each line leaves as soon as the
event happens. Texts are free of escapes and control characters, and secrets are masked.

Fields and kinds are added, never changed or removed: pass over what you do not know.

This page is made from the types in `runtime/report/src/event.rs`; `RELRUN_REGENERATE=1 cargo test -p relrun-report --test docs` writes it anew.
";

#[test]
fn the_page_is_what_the_types_say() {
    let made = page();
    if std::env::var_os("RELRUN_REGENERATE").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    }
    let stands = std::fs::read_to_string(Path::new(PAGE)).unwrap_or_default();
    assert!(stands == made, "docs/events.md is not what the types say: RELRUN_REGENERATE=1 cargo test -p relrun-report --test docs");
}

#[test]
fn the_page_names_every_kind_of_event() {
    let made = page();
    let kinds = common::runs().into_iter().flat_map(|(_, events)| events).map(|event| serde_json::to_value(&event).unwrap());
    for event in kinds {
        let heading = format!("\n### `{}`\n", event["event"].as_str().unwrap());
        let (_, section) = made.split_once(&heading).unwrap_or_else(|| panic!("{heading}"));
        let section = section.split("\n#").next().unwrap();
        for field in event.as_object().unwrap().keys().filter(|field| *field != "event") {
            assert!(section.contains(&format!("| `{field}` |")), "{heading}{field}");
        }
    }
}

fn page() -> String {
    let schema = schemars::schema_for!(ReportEvent).to_value();
    let mut out = HEAD.to_owned();
    out.push_str("\n## Kinds\n");
    for kind in schema["oneOf"].as_array().unwrap() {
        let name = kind["properties"]["event"]["const"].as_str().unwrap();
        write!(out, "\n### `{name}`\n\n{}\n", text(kind)).unwrap();
        let inner = kind.get("$ref").and_then(Value::as_str).map(|path| &schema["$defs"][definition(path)]);
        out.push_str(&fields(&[Some(kind), inner]));
    }
    out.push_str("\n## Types\n");
    for (name, definition) in schema["$defs"].as_object().unwrap().iter().filter(|(name, _)| *name != "RunFinished") {
        write!(out, "\n### {name}\n\n{}\n", text(definition)).unwrap();
        out.push_str(&match definition.get("oneOf") {
            Some(values) => choices(values.as_array().unwrap()),
            None => fields(&[Some(definition)]),
        });
    }
    out.push_str("\n## A run\n\n```json\n");
    out.push_str(&example());
    out.push_str("```\n");
    out
}

fn fields(parts: &[Option<&Value>]) -> String {
    let mut out = String::from("\n| Field | Type | Meaning |\n|---|---|---|\n");
    for part in parts.iter().flatten() {
        let none = Map::new();
        let properties = part.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for (name, field) in properties.iter().filter(|(name, _)| *name != "event") {
            writeln!(out, "| `{name}` | {} | {} |", type_of(field), text(field)).unwrap();
        }
    }
    out
}

fn choices(values: &[Value]) -> String {
    let mut out = String::from("\n| Value | Meaning |\n|---|---|\n");
    for value in values {
        writeln!(out, "| `{}` | {} |", value["const"].as_str().unwrap(), text(value)).unwrap();
    }
    out
}

/// Returns a type's name in JSON's words, with a link where it is one of the page's own.
fn type_of(field: &Value) -> String {
    if let Some(path) = field.get("$ref").and_then(Value::as_str) {
        let name = definition(path);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(either) = field.get("anyOf").and_then(Value::as_array) {
        return either.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &field["type"] {
        Value::String(array) if array == "array" => format!("array of {}", type_of(&field["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        other => panic!("a field without a type: {field} {other}"),
    }
}

fn definition(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn text(value: &Value) -> String {
    let text = value["description"].as_str().unwrap_or_else(|| panic!("nothing is said about {value}"));
    text.replace('\n', " ").replace('|', "\\|")
}

/// The run that succeeds, as it is written.
fn example() -> String {
    let mut bytes = Vec::new();
    let [(_, succeeded), ..] = common::runs();
    for event in &succeeded {
        Json::new(&mut bytes).event(event).unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

//! `plugin inspect`: what a plugin takes and gives, what it reaches, and what it says of both.

use super::find::{self, Found};
use crate::args::{Cli, Format};
use crate::{open, show};
use relrun_engine::{EngineError, Exit};
use relrun_host::{Description, Host};
use relrun_plugin_build::anatomy::Anatomy;
use serde_json::Value;
use std::path::Path;

pub(super) async fn inspect(cli: &Cli, what: &str, manifest: &Path) -> Result<Exit, EngineError> {
    let found = find::named(what, manifest)?;
    let anatomy = anatomy(&found)?;
    let host = Host::new(open::bare_host()?);
    let description = super::ready(found.bytes.len(), host.describe(&found.source)).await??;
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({
            "name": description.name, "version": description.version, "summary": description.summary, "world": description.world,
            "from": found.from, "digest": found.source.digest.to_string(), "size": found.bytes.len(), "reaches": anatomy.reaches(),
            "imports": names(&anatomy), "config-schema": description.config_schema, "outputs-schema": description.outputs_schema,
        }))?;
    } else {
        show::print(&page(&found, &anatomy, &description))?;
    }
    Ok(Exit::Done)
}

/// Takes a component apart; what is none is an input that is wrong.
pub(super) fn anatomy(found: &Found) -> Result<Anatomy, EngineError> {
    Anatomy::of(&found.bytes).map_err(|error| {
        EngineError::input(format!("{}: {error}", found.from), "a plugin is a WASI 0.2 component; `relrun plugin build` makes one")
    })
}

pub(super) fn names(anatomy: &Anatomy) -> Vec<&str> {
    anatomy.imports.iter().map(|part| part.name.as_str()).collect()
}

/// Writes bytes as people read them.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

fn page(found: &Found, anatomy: &Anatomy, description: &Description) -> String {
    let mut text = format!("{} {}: {}\n\n", description.name, description.version, description.summary);
    text += &format!("from     {}\n", found.from);
    text += &format!("digest   {}\n", found.source.digest);
    text += &format!("size     {}\n", size(found.bytes.len()));
    text += &format!("world    relrun:plugin@{}\n", description.world);
    let reaches: Vec<&str> = anatomy.reaches().into_iter().collect();
    text += &format!("reaches  {}\n", if reaches.is_empty() { "nothing".to_owned() } else { reaches.join(", ") });
    text += "\nconfig\n";
    text += &fields(&description.config_schema);
    text += "\noutputs\n";
    text += &fields(&description.outputs_schema);
    text
}

/// Writes the fields of a schema, one a line, with what is said of each.
fn fields(schema: &Value) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|properties| !properties.is_empty()) else {
        return match schema {
            Value::Bool(true) => "  anything\n".to_owned(),
            _ if schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false)) => "  names of your own\n".to_owned(),
            _ => "  none\n".to_owned(),
        };
    };
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let width = properties.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let line = |(name, field): (&String, &Value)| {
        let mut marks = vec![kind(field)];
        match field.get("default") {
            _ if required.contains(&name.as_str()) => marks.push("required".to_owned()),
            Some(default) if !default.is_null() => marks.push(format!("by default {default}")),
            _ => {}
        }
        let said = field
            .get("description")
            .and_then(Value::as_str)
            .map(|said| format!(": {}", said.split_whitespace().collect::<Vec<_>>().join(" ")));
        format!("  {name:<width$}  {}{}\n", marks.join(", "), said.unwrap_or_default())
    };
    properties.iter().map(line).collect()
}

fn kind(field: &Value) -> String {
    let of = |value: &Value| value.as_str().map(ToOwned::to_owned);
    if let Some(word) = field.get("const") {
        return word.to_string();
    }
    if let Some(options) = field.get("enum").and_then(Value::as_array) {
        return options.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    }
    if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|word| field.get(word)?.as_array()) {
        return choices.iter().map(kind).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ");
    }
    match field.get("type") {
        Some(Value::Array(several)) => several.iter().filter_map(of).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or "),
        Some(Value::String(array)) if array == "array" => {
            field.get("items").map_or_else(|| "list".to_owned(), |items| format!("list of {}", kind(items)))
        }
        Some(one) => of(one).unwrap_or_default(),
        None => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_says_its_type_and_what_it_is_for() {
        let schema = json!({
            "type": "object", "required": ["who"],
            "properties": {
                "who": { "type": "string", "description": "Whom\nto greet" },
                "keep": { "type": ["integer", "null"], "default": 5 },
                "mode": { "enum": ["a", "b"] },
                "lines": { "type": "array", "items": { "type": "array", "items": { "type": "string" } } },
                "maybe": { "anyOf": [{ "type": "object" }, { "type": "null" }] },
            },
        });
        let text = fields(&schema);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for line in [
            "who    string, required: Whom to greet",
            "keep   integer, by default 5",
            "mode   \"a\" or \"b\"",
            "lines  list of list of string",
            "maybe  object",
        ] {
            assert!(lines.contains(&line), "{line}: {lines:?}");
        }
    }

    #[test]
    fn a_schema_without_fields_says_so() {
        assert_eq!(fields(&json!(true)), "  anything\n");
        assert_eq!(fields(&json!({ "type": "object" })), "  none\n");
        assert_eq!(fields(&json!({ "type": "object", "additionalProperties": { "type": "string" } })), "  names of your own\n");
    }
}

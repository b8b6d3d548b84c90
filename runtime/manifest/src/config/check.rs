//! The check of a config against the plugin's schema, by the `jsonschema` crate; each complaint becomes a mistake at its place in the manifest.

use super::{Shaped, join};
use crate::{Mistake, Span, nearest};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// A plugin's schema, compiled. Nothing is fetched for it.
#[derive(Debug)]
pub struct ConfigSchema {
    json: Value,
    validator: Validator,
}

/// A plugin's schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin's schema cannot be used: {why}")]
pub struct SchemaError {
    /// What is wrong with it.
    pub why: String,
}

impl ConfigSchema {
    /// Compiles a JSON Schema (2020-12 where it does not say). Patterns run in linear time, because the schema is a stranger's.
    pub fn new(json: Value) -> Result<Self, SchemaError> {
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        match options.build(&json) {
            Ok(validator) => Ok(Self { json, validator }),
            Err(error) => Err(SchemaError { why: error.to_string() }),
        }
    }

    /// Returns what is wrong with a config that stands in no file; nothing where it fits.
    pub fn first_mistake(&self, config: &Value) -> Option<String> {
        let place = |path: &str| if path.is_empty() { "the config".to_owned() } else { format!("`{}`", path.trim_start_matches('/')) };
        let error = self.validator.iter_errors(config).next()?;
        Some(format!("{}: {}", place(error.instance_path().as_str()), error.masked_with("this value")))
    }

    /// Returns the schema as JSON, as [`shape`](super::shape) takes it.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

/// Returns every mistake of a config. What holds a reference that is not known yet is not judged.
pub fn check(shaped: &Shaped, schema: &ConfigSchema) -> Vec<Mistake> {
    let mut mistakes = shaped.mistakes.clone();
    for error in schema.validator.iter_errors(&shaped.json) {
        report(&error, shaped, schema, &mut mistakes);
    }
    mistakes
}

fn depends_on_unknown(error: &ValidationError<'_>, shaped: &Shaped) -> bool {
    let path = error.instance_path().as_str();
    let names_only = matches!(
        error.kind(),
        ValidationErrorKind::AdditionalProperties { .. }
            | ValidationErrorKind::UnevaluatedProperties { .. }
            | ValidationErrorKind::Required { .. }
    );
    shaped
        .unknown
        .iter()
        .any(|(pointer, _)| pointer == path || (!names_only && pointer.strip_prefix(path).is_some_and(|below| below.starts_with('/'))))
}

fn report(error: &ValidationError<'_>, shaped: &Shaped, schema: &ConfigSchema, out: &mut Vec<Mistake>) {
    if depends_on_unknown(error, shaped) {
        return;
    }
    let path = error.instance_path().as_str();
    let span = shaped.span(path);
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } if meant(context, path).is_some() => {
            for inner in meant(context, path).into_iter().flatten() {
                report(inner, shaped, schema, out);
            }
        }
        ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = fields(error, schema);
            out.extend(unexpected.iter().map(|name| unknown_field(name, path, &known, shaped)));
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            out.push(missing_field(name, path, span, &describe_field(error, schema, name)));
        }
        ValidationErrorKind::Type { kind } => {
            let message = format!("{} wants {}, and this is {}", name_of(path), wanted(kind), describe(error.instance()));
            out.push(Mistake::new("relrun::config::type", span, message).label(format!("not {}", wanted(kind))));
        }
        ValidationErrorKind::Enum { options } => out.push(not_an_option(error, options, span)),
        _ => {
            let message = format!("{}: {}", name_of(path), error.masked_with("this value"));
            out.push(Mistake::new("relrun::config::invalid", span, message));
        }
    }
}

/// Of several choices, the one that the value's type speaks for, if it is one alone: its own complaints say more than "none of them".
fn meant<'a>(choices: &'a [Vec<ValidationError<'static>>], path: &str) -> Option<&'a Vec<ValidationError<'static>>> {
    let other_type =
        |error: &ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.instance_path().as_str() == path;
    let mut fitting = choices.iter().filter(|errors| !errors.iter().any(other_type));
    fitting.next().filter(|_| fitting.next().is_none())
}

fn unknown_field(name: &str, path: &str, known: &[&str], shaped: &Shaped) -> Mistake {
    let pointer = join(path, name);
    let span = shaped.keys.get(&pointer).copied().unwrap_or_else(|| shaped.span(&pointer));
    let mistake = Mistake::new("relrun::config::unknown-field", span, format!("{} has no `{name}`", name_of(path)));
    mistake.label("unknown to the plugin").help(match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the plugin takes nothing here".to_owned(),
        None => format!("the plugin knows {}", crate::parse::form::list(known)),
    })
}

fn missing_field(name: &str, path: &str, span: Span, description: &str) -> Mistake {
    let mistake = Mistake::new("relrun::config::missing-field", span, format!("{} wants `{name}`", name_of(path)));
    mistake.label("incomplete").help(format!("add `{name} …`{description}"))
}

fn not_an_option(error: &ValidationError<'_>, options: &Value, span: Span) -> Mistake {
    let path = error.instance_path().as_str();
    let texts: Vec<String> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
    let given = error.instance().to_string();
    let mistake = Mistake::new("relrun::config::option", span, format!("{} cannot be {}", name_of(path), short(&given)));
    mistake.label("not one of the options").help(match nearest(&given, texts.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write one of {}", texts.join(", ")),
    })
}

/// The schema that the complaint's keyword stands in.
fn owner<'a>(error: &ValidationError<'_>, schema: &'a ConfigSchema) -> Option<&'a Value> {
    let (owner, _keyword) = error.schema_path().as_str().rsplit_once('/')?;
    schema.json.pointer(owner)
}

fn fields<'a>(error: &ValidationError<'_>, schema: &'a ConfigSchema) -> Vec<&'a str> {
    let fields = owner(error, schema).and_then(|owner| owner.get("properties")?.as_object());
    fields.map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn describe_field(error: &ValidationError<'_>, schema: &ConfigSchema, name: &str) -> String {
    let text = owner(error, schema).and_then(|owner| owner.get("properties")?.get(name)?.get("description")?.as_str());
    text.map(|text| format!(": {}", text.lines().next().unwrap_or_default())).unwrap_or_default()
}

/// Names a value by the last word of its pointer.
fn name_of(path: &str) -> String {
    let word = path.split('/').rev().find(|part| !part.is_empty() && part.parse::<usize>().is_err());
    format!("`{}`", word.map_or("config".to_owned(), |word| word.replace("~1", "/").replace("~0", "~")))
}

fn wanted(kind: &TypeKind) -> String {
    let words = match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
    };
    words.iter().map(|word| article(word)).collect::<Vec<_>>().join(" or ")
}

fn article(word: &str) -> String {
    match word {
        "null" => "`#null`".to_owned(),
        "boolean" => "`#true` or `#false`".to_owned(),
        word if word.starts_with(['a', 'i', 'o']) => format!("an {word}"),
        word => format!("a {word}"),
    }
}

fn describe(value: &Value) -> String {
    article(match value {
        Value::Null => "null",
        Value::Bool(_) => return format!("`#{value}`"),
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

//! Reads from a JSON Schema what shape a value should have. It guides and does not judge: what it does not understand is no guidance.

use serde_json::Value;

/// More references in a row than this go in a circle.
const MAX_REFS: usize = 32;

/// A place in a schema.
#[derive(Clone, Copy)]
pub(super) struct Guide<'a> {
    root: &'a Value,
    here: Option<&'a Value>,
}

/// The shape that a schema wants.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    /// An array whose items are neither arrays nor objects.
    Scalars,
    /// An array of arrays.
    Rows,
    /// An array of objects.
    Objects(Guide<'a>),
    /// An object whose keys are free.
    Map(Guide<'a>),
    /// An object with fields of its own.
    Object,
    /// Whatever the nodes look like.
    Natural,
}

impl<'a> Guide<'a> {
    pub(super) fn root(schema: &'a Value) -> Self {
        Self { root: schema, here: None }.at(Some(schema))
    }

    fn at(self, schema: Option<&'a Value>) -> Self {
        Self { root: self.root, here: schema.and_then(|schema| self.follow(schema)) }
    }

    /// Follows local references, and choices between one schema and null.
    fn follow(self, mut schema: &'a Value) -> Option<&'a Value> {
        for _ in 0..MAX_REFS {
            schema = if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
                self.root.pointer(reference.strip_prefix('#')?)?
            } else if let Some(only) = only_choice(schema) {
                only
            } else {
                return Some(schema);
            };
        }
        None
    }

    /// Returns the guide of a field.
    pub(super) fn field(self, name: &str) -> Self {
        self.at(self.here.and_then(|schema| schema.get("properties")?.get(name)))
    }

    /// Returns the names of the fields that leading arguments fill.
    pub(super) fn args(self) -> Vec<&'a str> {
        let names = self.here.and_then(|schema| schema.get("x-args")?.as_array());
        names.map(|names| names.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    pub(super) fn form(self) -> Form<'a> {
        let Some(schema) = self.here else { return Form::Natural };
        if is(schema, "array") {
            let items = self.at(schema.get("items"));
            return match items.form() {
                Form::Scalars | Form::Rows | Form::Objects(_) => Form::Rows,
                Form::Map(_) | Form::Object => Form::Objects(items),
                Form::Natural => Form::Scalars,
            };
        }
        let has_fields = schema.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty());
        if has_fields {
            return Form::Object;
        }
        match schema.get("additionalProperties") {
            Some(values) if is(schema, "object") && (values.is_object() || *values == Value::Bool(true)) => {
                Form::Map(self.at(Some(values)))
            }
            _ if is(schema, "object") && schema.get("x-args").is_some() => Form::Object,
            _ => Form::Natural,
        }
    }
}

fn is(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(word)) => word == kind,
        Some(Value::Array(words)) => words.iter().any(|word| word == kind) && words.iter().all(|word| word == kind || word == "null"),
        _ => false,
    }
}

/// The one schema of `anyOf: [it, null]`, or of an `allOf` of one.
fn only_choice(schema: &Value) -> Option<&Value> {
    let choices = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema.get(word)?.as_array())?;
    let mut real = choices.iter().filter(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    real.next().filter(|_| real.next().is_none())
}

//! What a case's references stand for.

use serde_json::Value;
use std::collections::BTreeMap;

/// Values, by reference with its braces: `${step.site.dist}`.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, Value>);

impl Values {
    pub(super) fn add(&mut self, reference: &str, value: Value) {
        self.0.insert(format!("${{{reference}}}"), value);
    }

    pub(super) fn get(&self, reference: &str) -> Option<Value> {
        self.0.get(reference).cloned()
    }

    /// Puts values in the place of references. A text that is one reference keeps the value's type; one that nothing is known of stays as it is.
    pub(super) fn fill(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => match self.0.get(&text) {
                Some(known) => known.clone(),
                None => Value::String(self.text(&text)),
            },
            Value::Array(items) => items.into_iter().map(|item| self.fill(item)).collect(),
            Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, field)| (name, self.fill(field))).collect()),
            other => other,
        }
    }

    /// The same in a text.
    pub(super) fn text(&self, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        self.0.iter().fold(text.to_owned(), |text, (reference, value)| match value {
            Value::String(value) => text.replace(reference, value),
            other => text.replace(reference, &other.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reference_alone_keeps_its_type() {
        let mut values = Values::default();
        values.add("input.count", json!(3));
        values.add("input.who", json!("World"));
        let filled = values.fill(json!({ "a": "${input.count}", "b": ["Hello ${input.who} ${input.count}"], "c": "${step.x.y}" }));
        assert_eq!(filled, json!({ "a": 3, "b": ["Hello World 3"], "c": "${step.x.y}" }));
    }
}

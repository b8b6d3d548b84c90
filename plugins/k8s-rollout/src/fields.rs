//! What of an object belongs to whom (`managedFields`, `FieldsV1`), and the object cut down to that.

use relrun_sdk::serde_json::{self, Map, Value, json};

/// Returns the fields that a manager has applied; nothing where it never did.
pub(crate) fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array();
    let ours = entries.into_iter().flatten().find(|entry| entry["manager"] == manager && entry["operation"] == "Apply");
    ours.map_or_else(|| json!({}), |entry| entry["fieldsV1"].clone())
}

/// Returns the fields of both.
pub(crate) fn union(one: &Value, other: &Value) -> Value {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return json!({}) };
    let mut all = one.clone();
    for (name, fields) in other {
        let joined = match all.get(name) {
            // A leaf is the whole of what is there.
            Some(known) if is_leaf(known) || is_leaf(fields) => json!({}),
            Some(known) => union(known, fields),
            None => fields.clone(),
        };
        all.insert(name.clone(), joined);
    }
    Value::Object(all)
}

fn is_leaf(fields: &Value) -> bool {
    fields.as_object().is_none_or(Map::is_empty)
}

/// Returns the object with these fields alone, as somebody would apply them.
pub(crate) fn project(object: &Value, fields: &Value) -> Value {
    let mut cut = if is_leaf(fields) { json!({}) } else { part(object, fields) };
    if !cut.is_object() || cut.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        // No object has such fields; what names it is all that is left then.
        cut = json!({});
    }
    for name in ["apiVersion", "kind"] {
        cut[name] = object[name].clone();
    }
    for name in ["name", "namespace"] {
        cut["metadata"][name] = object["metadata"][name].clone();
    }
    cut
}

fn part(value: &Value, fields: &Value) -> Value {
    let known = fields.as_object().filter(|known| known.keys().any(|name| name != "."));
    match (value, known) {
        (Value::Object(all), Some(known)) => {
            let kept = known.iter().filter_map(|(name, inner)| {
                let name = name.strip_prefix("f:")?;
                Some((name.to_owned(), part(all.get(name)?, inner)))
            });
            Value::Object(kept.collect())
        }
        (Value::Array(items), Some(known)) => items.iter().filter_map(|item| element(item, known)).collect(),
        _ => value.clone(),
    }
}

/// Returns what of a list's item is among the fields; nothing where it is not.
fn element(item: &Value, known: &Map<String, Value>) -> Option<Value> {
    for (name, inner) in known {
        if let Some(key) = name.strip_prefix("k:") {
            let key: Map<String, Value> = serde_json::from_str(key).ok()?;
            // The server fills in what a key leaves out, such as the protocol of a port.
            if key.iter().all(|(name, value)| item.get(name).is_none_or(|found| found == value)) {
                let only_there = inner.as_object().is_none_or(|inner| inner.keys().all(|name| name == "."));
                let mut kept = if only_there { json!({}) } else { part(item, inner) };
                for (name, value) in key {
                    kept[name] = value;
                }
                return Some(kept);
            }
        } else if name.strip_prefix("v:").and_then(|text| serde_json::from_str::<Value>(text).ok()).is_some_and(|value| value == *item) {
            return Some(item.clone());
        }
    }
    None
}

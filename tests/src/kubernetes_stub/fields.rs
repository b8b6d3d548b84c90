//! Sets of fields, as `managedFields` writes them (`FieldsV1`): what a manager owns of an object.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One step of a path: `f:NAME`, `k:{"name":"web"}` or `v:"text"`.
pub(crate) type Path = Vec<String>;
pub(crate) type Set = BTreeSet<Path>;

/// The keys by which a list's items are told apart; a list that is not here is one value.
fn keys(path: &[String]) -> Option<&'static [&'static str]> {
    let in_containers = path.iter().any(|part| matches!(part.as_str(), "f:containers" | "f:initContainers"));
    match path.last()?.as_str() {
        "f:containers" | "f:initContainers" | "f:env" | "f:volumes" | "f:imagePullSecrets" => Some(&["name"]),
        "f:volumeMounts" => Some(&["mountPath"]),
        "f:conditions" => Some(&["type"]),
        "f:ports" if in_containers => Some(&["containerPort", "protocol"]),
        "f:ports" => Some(&["port", "protocol"]),
        _ => None,
    }
}

fn key_of(item: &Value, keys: &[&str]) -> String {
    let fields = keys.iter().map(|&key| {
        let default = if key == "protocol" { Value::from("TCP") } else { Value::Null };
        (key.to_owned(), item.get(key).cloned().unwrap_or(default))
    });
    format!("k:{}", Value::Object(fields.collect()))
}

/// Returns the fields of a value: leaves, and the items of lists.
pub(crate) fn of(value: &Value) -> Set {
    let mut set = Set::new();
    collect(value, &mut Vec::new(), &mut set);
    set.retain(|path| !is_identity(path));
    set
}

/// What names an object is nobody's.
fn is_identity(path: &[String]) -> bool {
    let part = |at: usize| path.get(at).map_or("", String::as_str);
    match part(0) {
        "f:apiVersion" | "f:kind" | "f:status" => true,
        "f:metadata" => !matches!(part(1), "f:labels" | "f:annotations" | "f:finalizers" | "f:ownerReferences"),
        _ => false,
    }
}

fn collect(value: &Value, path: &mut Path, set: &mut Set) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                path.push(format!("f:{name}"));
                collect(field, path, set);
                path.pop();
            }
        }
        Value::Array(items) if keys(path).is_some() => {
            let keys = keys(path).unwrap();
            for item in items {
                path.push(key_of(item, keys));
                set.insert(path.clone());
                collect(item, path, set);
                path.pop();
            }
        }
        _ => {
            set.insert(path.clone());
        }
    }
}

/// Returns what stands at a path.
pub(crate) fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    let mut found = value;
    for at in 0..path.len() {
        found = match path[at].split_at(2) {
            ("f:", name) => found.get(name)?,
            ("k:", _) => found.as_array()?.iter().find(|item| keys(&path[..at]).is_some_and(|keys| key_of(item, keys) == path[at]))?,
            _ => return None,
        };
    }
    Some(found)
}

/// Puts a value at a path; an item that is not there is added at the end.
pub(crate) fn set(value: &mut Value, path: &[String], new: &Value) {
    let mut place = value;
    for at in 0..path.len() {
        place = match path[at].split_at(2) {
            ("f:", name) => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                place.as_object_mut().unwrap().entry(name).or_insert(Value::Null)
            }
            (_, key) => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                let items = place.as_array_mut().unwrap();
                let keys = keys(&path[..at]).unwrap();
                let found = items.iter().position(|item| key_of(item, keys) == path[at]);
                let index = found.unwrap_or_else(|| {
                    items.push(serde_json::from_str(key).unwrap());
                    items.len() - 1
                });
                &mut items[index]
            }
        };
    }
    // An item is made by its key; its fields come by their own paths.
    if !path.last().is_some_and(|part| part.starts_with("k:")) {
        *place = new.clone();
    }
}

/// Takes away what stands at a path, and maps that are empty then.
pub(crate) fn remove(value: &mut Value, path: &[String]) {
    let Some((last, above)) = path.split_last() else { return };
    let parent = get(value, above).cloned();
    let Some(mut parent) = parent else { return };
    match &mut parent {
        Value::Object(fields) => drop(fields.remove(&last[2..])),
        Value::Array(items) => items.retain(|item| keys(above).is_none_or(|keys| key_of(item, keys) != *last)),
        _ => return,
    }
    let empty = parent.as_object().is_some_and(Map::is_empty) || parent.as_array().is_some_and(Vec::is_empty);
    if empty && !above.is_empty() {
        remove(value, above);
    } else if above.is_empty() {
        *value = parent;
    } else {
        replace(value, above, parent);
    }
}

fn replace(value: &mut Value, path: &[String], new: Value) {
    let mut place = value;
    for at in 0..path.len() {
        place = if let Some(name) = path[at].strip_prefix("f:") {
            place.get_mut(name).unwrap()
        } else {
            let keys = keys(&path[..at]).unwrap();
            place.as_array_mut().unwrap().iter_mut().find(|item| key_of(item, keys) == path[at]).unwrap()
        };
    }
    *place = new;
}

/// Writes a set as `FieldsV1`.
pub(crate) fn to_v1(set: &Set) -> Value {
    let mut root = Map::new();
    for path in set {
        let mut place = &mut root;
        for part in path {
            place = place.entry(part.clone()).or_insert_with(|| Value::Object(Map::new())).as_object_mut().unwrap();
        }
        if path.last().is_some_and(|part| part.starts_with("k:")) {
            place.insert(".".to_owned(), Value::Object(Map::new()));
        }
    }
    Value::Object(root)
}

/// Reads `FieldsV1`.
pub(crate) fn from_v1(value: &Value) -> Set {
    let mut set = Set::new();
    read(value, &mut Vec::new(), &mut set);
    set
}

fn read(value: &Value, path: &mut Path, set: &mut Set) {
    let Some(fields) = value.as_object() else { return };
    if fields.is_empty() && !path.is_empty() {
        set.insert(path.clone());
    }
    for (name, inner) in fields {
        if name == "." {
            set.insert(path.clone());
            continue;
        }
        path.push(name.clone());
        read(inner, path, set);
        path.pop();
    }
}

/// Writes a path as a conflict names it: `.spec.template.spec.containers[name="web"].image`.
pub(crate) fn shown(path: &[String]) -> String {
    path.iter()
        .map(|part| match part.split_at(2) {
            ("k:", key) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap();
                format!("[{}]", key.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","))
            }
            (_, name) => format!(".{name}"),
        })
        .collect()
}

//! Server-side apply: who owns which field, what is a conflict, and what goes when a manager no longer names it.

use super::answer::{Refusal, conflict};
use super::fields::{self, Path, Set};
use super::kinds::Kind;
use serde_json::{Value, json};

/// How an object is applied.
pub(crate) struct Apply<'a> {
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
}

/// One manager of an object.
#[derive(Clone, Debug)]
struct Manager {
    name: String,
    operation: String,
    set: Set,
}

fn managers(object: &Value) -> Vec<Manager> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| Manager {
            name: text(&entry["manager"]),
            operation: text(&entry["operation"]),
            set: fields::from_v1(&entry["fieldsV1"]),
        })
        .collect()
}

fn write(object: &mut Value, managers: &[Manager], kind: &Kind) {
    let entry = |manager: &Manager| {
        json!({ "manager": manager.name, "operation": manager.operation, "apiVersion": kind.api_version(), "time": super::world::now(),
                "fieldsType": "FieldsV1", "fieldsV1": fields::to_v1(&manager.set) })
    };
    object["metadata"]["managedFields"] = managers.iter().filter(|manager| !manager.set.is_empty()).map(entry).collect();
}

/// Returns the object as it is after somebody applied a configuration to it.
pub(crate) fn apply(live: Option<&Value>, config: &Value, how: &Apply<'_>, kind: &Kind) -> Result<Value, Refusal> {
    let mut object = live.cloned().unwrap_or_else(|| json!({ "metadata": {} }));
    let mut managers = managers(&object);
    let wanted = fields::of(config);
    let mut causes: Vec<(String, Path)> = Vec::new();
    for other in managers.iter_mut().filter(|other| !(other.name == how.manager && other.operation == "Apply")) {
        let clash = |path: &&Path| !ends_in_key(path) && fields::get(&object, path) != fields::get(config, path);
        let clashing: Vec<Path> = wanted.intersection(&other.set).filter(clash).cloned().collect();
        if how.force {
            other.set.retain(|path| !clashing.contains(path));
        } else {
            causes.extend(clashing.into_iter().map(|path| (other.name.clone(), path)));
        }
    }
    if !causes.is_empty() {
        return Err(conflict(&causes, kind));
    }
    let at = managers.iter().position(|manager| manager.name == how.manager && manager.operation == "Apply");
    let before = at.map(|at| managers.remove(at).set).unwrap_or_default();
    let others: Set = managers.iter().flat_map(|manager| manager.set.iter().cloned()).collect();
    // The deepest first, so that an item goes after its fields.
    for path in before.difference(&wanted).collect::<Vec<_>>().into_iter().rev() {
        let shared = others.iter().any(|other| other.starts_with(path)) || wanted.iter().any(|other| other.starts_with(path));
        if !shared {
            fields::remove(&mut object, path);
        }
    }
    for path in &wanted {
        if let Some(value) = fields::get(config, path) {
            fields::set(&mut object, path, value);
        }
    }
    managers.push(Manager { name: how.manager.to_owned(), operation: "Apply".to_owned(), set: wanted });
    write(&mut object, &managers, kind);
    Ok(object)
}

fn ends_in_key(path: &Path) -> bool {
    path.last().is_some_and(|part| part.starts_with("k:"))
}

/// Notes that somebody changed an object by another way than applying.
pub(crate) fn updated(before: Option<&Value>, object: &mut Value, manager: &str, kind: &Kind) {
    let mut managers = before.map(managers).unwrap_or_default();
    let now = fields::of(object);
    let is_new = |path: &&Path| {
        before.is_none_or(|before| {
            fields::get(before, path) != fields::get(object, path) || ends_in_key(path) && fields::get(before, path).is_none()
        })
    };
    let changed: Set = now.iter().filter(is_new).cloned().collect();
    for other in &mut managers {
        other.set.retain(|path| now.contains(path) && !(changed.contains(path) && other.name != manager));
    }
    match managers.iter_mut().find(|known| known.name == manager && known.operation == "Update") {
        Some(known) => known.set.extend(changed),
        None => managers.push(Manager { name: manager.to_owned(), operation: "Update".to_owned(), set: changed }),
    }
    write(object, &managers, kind);
}

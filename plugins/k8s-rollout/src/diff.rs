//! What would change of an object, for people.

use crate::mark;
use relrun_sdk::serde_json::{Map, Value, json};
use similar::TextDiff;

/// Returns an object without what the server keeps about it, and without our own mark, which every release changes.
pub(crate) fn bare(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        for own in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"] {
            metadata.remove(own);
        }
    }
    if let Some(notes) = bare.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        notes.remove(mark::MARK);
        notes.remove("deployment.kubernetes.io/revision");
        // The whole object once more, as `kubectl apply` keeps it beside the object.
        notes.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    let is_empty = bare["metadata"]["annotations"].as_object().is_some_and(Map::is_empty);
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| is_empty) {
        metadata.remove("annotations");
    }
    bare
}

/// Returns whether both are the same to a person.
pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    bare(one) == bare(other)
}

/// Returns a unified diff, as YAML; of secrets without what they hold.
pub(crate) fn unified(before: Option<&Value>, after: Option<&Value>) -> String {
    let text = |object: Option<&Value>, other: Option<&Value>, side: &str| match object {
        None => String::new(),
        Some(object) => {
            let shown = if object["kind"] == "Secret" { hidden(&bare(object), other, side) } else { bare(object) };
            serde_saphyr::to_string(&shown).unwrap_or_else(|_| shown.to_string())
        }
    };
    let (before, after) = (text(before, after, "before"), text(after, before, "after"));
    TextDiff::from_lines(&before, &after).unified_diff().context_radius(3).to_string()
}

/// Values of a secret are not shown; one that differs from the other side's is told from one that does not.
fn hidden(secret: &Value, other: Option<&Value>, side: &str) -> Value {
    let mut secret = secret.clone();
    // More than one tool keeps a copy of the object in an annotation.
    for part in ["/data", "/stringData", "/metadata/annotations"] {
        for (name, value) in secret.pointer_mut(part).and_then(Value::as_object_mut).into_iter().flatten() {
            let same = other.and_then(|other| other.pointer(part)).is_some_and(|other| other[name] == *value);
            *value = if same { json!("(hidden)") } else { json!(format!("(hidden, {side})")) };
        }
    }
    secret
}

//! Answers, in the API's words.

use super::fields::{self, Path};
use super::kinds::Kind;
use serde_json::{Value, json};

/// A refusal: a `Status` with a code.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) status: Value,
}

/// Returns a `Status` of failure.
pub(crate) fn refuse(code: u16, reason: &str, message: &str, details: &Value) -> Refusal {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
                         "details": details, "code": code });
    Refusal { code, status }
}

pub(crate) fn not_found(kind: &Kind, name: &str) -> Refusal {
    let message = format!("{} \"{name}\" not found", kind.qualified());
    refuse(404, "NotFound", &message, &json!({ "name": name, "group": kind.group, "kind": kind.resource }))
}

pub(crate) fn forbidden(verb: &str, kind: &Kind, name: &str, namespace: &str) -> Refusal {
    let message = format!(
        "{} \"{name}\" is forbidden: User \"ci\" cannot {verb} resource \"{}\" in API group \"{}\" in the namespace \"{namespace}\"",
        kind.qualified(),
        kind.resource,
        kind.group
    );
    refuse(403, "Forbidden", &message, &json!({ "name": name, "group": kind.group, "kind": kind.resource }))
}

pub(crate) fn over_quota(kind: &Kind, name: &str, used: usize) -> Refusal {
    let resource = kind.resource;
    let message = format!(
        "{} \"{name}\" is forbidden: exceeded quota: objects, requested: {resource}=1, used: {resource}={used}, limited: {resource}={used}",
        kind.qualified()
    );
    refuse(403, "Forbidden", &message, &json!({ "name": name, "group": kind.group, "kind": kind.resource }))
}

pub(crate) fn invalid(kind: &Kind, name: &str, causes: &[(&str, &str, &str)]) -> Refusal {
    let shown: Vec<String> = causes.iter().map(|(_, message, field)| format!("{field}: {message}")).collect();
    let message = format!("{}.{} \"{name}\" is invalid: {}", kind.kind, kind.group, shown.join(", "));
    let causes: Vec<Value> =
        causes.iter().map(|(reason, message, field)| json!({ "reason": reason, "message": message, "field": field })).collect();
    refuse(422, "Invalid", &message, &json!({ "name": name, "group": kind.group, "kind": kind.kind, "causes": causes }))
}

pub(crate) fn gone() -> Refusal {
    refuse(410, "Expired", "too old resource version", &Value::Null)
}

/// What a condition of a DELETE is answered with that does not hold.
pub(crate) fn outdated(kind: &Kind, name: &str, condition: &str) -> Refusal {
    let message = format!(
        "Operation cannot be fulfilled on {} \"{name}\": the {condition} in the precondition does not match the {condition} in record",
        kind.qualified()
    );
    refuse(409, "Conflict", &message, &json!({ "name": name, "group": kind.group, "kind": kind.resource }))
}

/// The conflict of an apply with other managers.
pub(crate) fn conflict(causes: &[(String, Path)], kind: &Kind) -> Refusal {
    let one = |(manager, path): &(String, Path)| json!({ "reason": "FieldManagerConflict", "message": format!("conflict with \"{manager}\" using {}", kind.api_version()), "field": fields::shown(path) });
    let shown: Vec<String> = causes.iter().map(|(manager, path)| format!("conflict with \"{manager}\": {}", fields::shown(path))).collect();
    let message = format!("Apply failed with {} conflict(s): {}", causes.len(), shown.join(", "));
    refuse(409, "Conflict", &message, &json!({ "causes": causes.iter().map(one).collect::<Vec<_>>() }))
}

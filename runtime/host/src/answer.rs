//! What a plugin answers, parsed: nothing that a guest returned is believed before it went through here.

use crate::bindings::types;
use crate::{Change, Description, Health, HostError, Needs, Recovery, Request};
use relrun_ledger::{Failure, FailureKind, Outcome, StepKind};
use relrun_manifest::Capability;
use serde_json::Value;

/// The longest JSON text that a plugin may answer.
const LONGEST: usize = 16 << 20;

/// Parses JSON of a plugin.
pub(crate) fn json(what: &str, text: &str) -> Result<Value, String> {
    if text.len() > LONGEST {
        return Err(format!("{what} has {} bytes; at most {LONGEST} are taken", text.len()));
    }
    serde_json::from_str(text).map_err(|error| format!("{what} cannot be read as JSON: {error}"))
}

/// The step broke the world's rules.
pub(crate) fn broken(reason: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Trapped, message: format!("the plugin answered what it may not: {}", reason.into()) }
}

/// Checks a description.
pub(crate) fn description(plugin: &str, world: &str, found: types::Description) -> Result<Description, HostError> {
    let answer = |reason| HostError::Answer { plugin: plugin.to_owned(), reason };
    let schema = |what: &str, text: &str| {
        let schema = json(what, text).map_err(answer)?;
        if schema.is_object() || schema.is_boolean() { Ok(schema) } else { Err(answer(format!("{what} is no JSON Schema: {schema}"))) }
    };
    Ok(Description {
        config_schema: schema("its config's schema", &found.config_schema)?,
        outputs_schema: schema("its outputs' schema", &found.outputs_schema)?,
        name: found.name,
        version: found.version,
        summary: one_line(&found.summary),
        world: world.to_owned(),
    })
}

/// Checks what a config needs.
pub(crate) fn needs(plugin: &str, found: types::Needs) -> Result<Needs, HostError> {
    let request = |need: types::Need| {
        let capability = Capability::parse(&need.capability).map_err(|error| HostError::Answer {
            plugin: plugin.to_owned(),
            reason: format!("it asks for `{}`, which is no capability: {error}", need.capability),
        })?;
        Ok(Request { capability, reason: one_line(&need.reason) })
    };
    Ok(Needs {
        kind: match found.kind {
            types::Kind::Pure => StepKind::Pure,
            types::Kind::Effect => StepKind::Effect,
        },
        idempotent: found.idempotent,
        requests: found.requests.into_iter().map(request).collect::<Result<_, _>>()?,
    })
}

/// Checks an outcome.
pub(crate) fn outcome(found: types::Outcome) -> Result<Outcome, Failure> {
    let outputs = match json("the outputs", &found.outputs).map_err(broken)? {
        Value::Object(outputs) => outputs,
        other => return Err(broken(format!("the outputs are no JSON object, but {}", shape(&other)))),
    };
    let receipt = found.receipt.map(|text| json("the receipt", &text).map_err(broken)).transpose()?;
    Ok(Outcome { summary: one_line(&found.summary), outputs, artifacts: std::collections::BTreeMap::new(), receipt })
}

/// Checks what `recover` found.
pub(crate) fn recovery(found: types::Recovery) -> Result<Recovery, Failure> {
    Ok(match found {
        types::Recovery::NotDone => Recovery::NotDone,
        types::Recovery::Done(done) => Recovery::Done(outcome(done)?),
        types::Recovery::Partly(receipt) => Recovery::Partly(json("the receipt", &receipt).map_err(broken)?),
    })
}

/// Checks what `verify` found.
pub(crate) fn health(found: types::Health) -> Health {
    match found {
        types::Health::Intact => Health::Intact,
        types::Health::Drifted(drift) => Health::Drifted(changes(drift)),
        types::Health::Gone => Health::Gone,
    }
}

/// Takes changes over.
pub(crate) fn changes(found: Vec<types::Change>) -> Vec<Change> {
    found.into_iter().map(|change| Change { summary: one_line(&change.summary), detail: change.detail }).collect()
}

/// Makes one line of a text that should be one.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

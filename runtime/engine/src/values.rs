//! What references stand for.

use crate::inputs::Values;
use relrun_ledger::{Outcome, Provider, ReleaseId};
use relrun_manifest::{Environment, Namespace, PackageName, Reference};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a step's references may be resolved to at some moment. What is not known yet is absent.
pub(crate) struct Known<'a> {
    /// The inputs, as the step sees them.
    pub inputs: &'a Values,
    /// The step's environment.
    pub environment: Option<&'a Environment>,
    /// The deployment that the step is part of.
    pub deployment: Option<&'a str>,
    /// The package.
    pub package: &'a PackageName,
    /// The release, once it has an id and a version.
    pub release: Option<(ReleaseId, &'a str)>,
    /// Variables that `env` grants name.
    pub variables: &'a BTreeMap<String, String>,
    /// What other steps gave.
    pub steps: &'a dyn Fn(&str, &[String]) -> Option<Value>,
    /// What this deployment recorded last.
    pub previous: Option<&'a Outcome>,
    /// What met the requirements of the step's environment.
    pub dependencies: Option<&'a BTreeMap<String, Provider>>,
}

impl Known<'_> {
    /// Returns the value of a reference, where it is known.
    pub(crate) fn resolve(&self, reference: &Reference) -> Option<Value> {
        let first = reference.path.first()?.as_str();
        let rest = &reference.path[1..];
        match reference.namespace {
            Namespace::Input => self.inputs.get(first).and_then(|value| dig(value, rest)),
            // A secret is known to a plugin by its name alone; the host keeps the bytes.
            Namespace::Secret => Some(Value::String(first.to_owned())),
            Namespace::Env => self.variables.get(first).map(|value| Value::String(value.clone())),
            Namespace::Step => (self.steps)(first, rest),
            Namespace::Release => self.release_value(first),
            Namespace::Package => match first {
                "name" => Some(self.package.name.clone().into()),
                "owner" => Some(self.package.owner.clone().into()),
                "version" => self.release.map(|(_, version)| version.into()),
                _ => None,
            },
            Namespace::Environment => self.environment_value(first, rest),
            Namespace::Previous => self.previous.and_then(|outcome| output(outcome, &reference.path)),
            Namespace::Dep => crate::dependency::value_of(self.dependencies?, reference),
        }
    }

    fn release_value(&self, name: &str) -> Option<Value> {
        let (id, version) = self.release?;
        match name {
            "id" => Some(id.to_string().into()),
            "number" => Some(id.0.into()),
            "version" => Some(version.into()),
            _ => None,
        }
    }

    fn environment_value(&self, name: &str, rest: &[String]) -> Option<Value> {
        let environment = self.environment?;
        match (name, rest) {
            ("name", []) => Some(environment.name.value.clone().into()),
            ("deployment", []) => self.deployment.map(Into::into),
            ("labels", [label]) => environment.labels.get(label).map(|value| value.clone().into()),
            _ => None,
        }
    }
}

/// Returns an output of an outcome: an artifact's digest, or what stands at a path in its outputs.
pub(crate) fn output(outcome: &Outcome, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    match outcome.artifacts.get(first) {
        Some(digest) if rest.is_empty() => Some(digest.to_string().into()),
        _ => outcome.outputs.get(first).and_then(|value| dig(value, rest)),
    }
}

/// Returns what stands at a path in a value.
pub(crate) fn dig(value: &Value, path: &[String]) -> Option<Value> {
    path.iter()
        .try_fold(value, |value, key| match value {
            Value::Object(map) => map.get(key),
            Value::Array(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            _ => None,
        })
        .cloned()
}

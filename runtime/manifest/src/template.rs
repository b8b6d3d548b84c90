//! Strings that refer to values: `Hello ${input.who}!`.

use crate::Span;
use serde::{Deserialize, Serialize};

/// A string with references in it. One that is a single reference keeps the type of the value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its pieces, in order. Text pieces are never empty and never adjacent.
    pub parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// Text, with `$${` already turned into `${`.
    Text(String),
    /// A reference.
    Ref(Reference),
}

/// What stands before the first dot of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Namespace {
    /// `${input.NAME}`.
    Input,
    /// `${secret.NAME}`: a handle, never the bytes.
    Secret,
    /// `${env.NAME}`: a variable of relrun's own environment, under an `env` grant.
    Env,
    /// `${step.NAME.OUTPUT}`: an edge of the DAG.
    Step,
    /// `${release.number}`, `${release.version}`, `${release.id}`.
    Release,
    /// `${package.name}`, `${package.owner}`, `${package.version}`.
    Package,
    /// `${environment.name}`, `${environment.labels.NAME}`; environment-bound steps only.
    Environment,
    /// `${previous.KEY}`: what this deployment recorded last; effects only.
    Previous,
    /// `${dep.AS.OUTPUT}`.
    Dep,
}

/// One `${…}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The namespace.
    pub namespace: Namespace,
    /// The rest, split at the dots; never empty.
    pub path: Vec<String>,
    /// Where the `${…}` stands.
    pub span: Span,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.path == other.path
    }
}

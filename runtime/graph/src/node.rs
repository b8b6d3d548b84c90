//! What the graph is made of.

use relrun_manifest::Role;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A step in one place: dense, from 0, in topological order. Equal to the ledger's `StepId` where the release is made from this graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Returns the place in [`crate::Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An environment: its place in the slice that [`crate::Graph::expand`] was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(pub u32);

impl EnvironmentId {
    /// Returns the place in the slice of environments.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instance: a step of the manifest, in one environment or in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// The place of its phase in [`relrun_manifest::Manifest::phases`].
    pub phase_index: usize,
    /// Its place in that phase's steps.
    pub step_index: usize,
    /// Its name in the manifest.
    pub name: Arc<str>,
    /// Its phase's name.
    pub phase: Arc<str>,
    /// Step or deploy.
    pub role: Role,
    /// The environment that it is bound to.
    pub environment: Option<EnvironmentId>,
    /// That environment's name.
    pub environment_name: Option<Arc<str>>,
    /// The deployment that it is part of: present exactly where an environment is.
    pub deployment: Option<Arc<str>>,
}

impl Node {
    /// Returns the name for people: `web@staging`, or `site`.
    pub fn label(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.environment_name {
            Some(environment) => write!(f, "{}@{environment}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Why a step waits for another by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its config refers to an output: `${step.x.y}`.
    Reference,
    /// It reads an artifact: `reads "${step.x.y}"`.
    Artifact,
    /// `needs "x"`.
    Needs,
}

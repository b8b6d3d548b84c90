//! What a manifest configures, and what of it can be wrong before any cluster is asked.

use relrun_sdk::{Error, Result, config};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a manifest configures.
#[config]
pub(crate) struct Config {
    /// The context of the kubeconfig that names the cluster and who asks there; `in-cluster` in a pod.
    pub(crate) context: String,
    /// The namespace. It must be there.
    pub(crate) namespace: String,
    /// Files and directories of manifests under /in, such as `manifest "work/k8s"`; all that is under /in/work where
    /// none is named.
    #[serde(default)]
    pub(crate) manifest: Vec<String>,
    /// What images are replaced by: `image "shop" "${step.push.reference}"`. The name is the image's as it is written, without tag and digest.
    #[serde(default)]
    pub(crate) image: BTreeMap<String, String>,
    /// Values that are set: `set "Deployment/web:spec.template.spec.containers[web].env[WHO].value" "World"`. A value takes the type of what it
    /// replaces.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, String>,
    /// Labels for every object.
    #[serde(default)]
    pub(crate) label: BTreeMap<String, String>,
    /// Whether fields that belong to others are taken over.
    #[serde(default)]
    pub(crate) conflicts: Conflicts,
    /// Whether what the last release had and this one has not is removed.
    #[serde(default = "yes")]
    pub(crate) prune: bool,
    /// How long the rollout may take, such as `timeout "5m"`.
    #[serde(default = "minutes")]
    pub(crate) timeout: String,
    /// Under which name the fields belong to relrun.
    #[serde(default = "manager")]
    pub(crate) field_manager: String,
}

/// What becomes of fields that belong to others.
#[config]
#[derive(Copy, Default, PartialEq, Eq)]
pub(crate) enum Conflicts {
    /// They stay, and the release fails before it has changed anything.
    #[default]
    Refuse,
    /// They are taken over.
    Take,
}

fn yes() -> bool {
    true
}

fn minutes() -> String {
    "5m".to_owned()
}

fn manager() -> String {
    "relrun".to_owned()
}

impl Config {
    /// Refuses what no cluster could do right.
    pub(crate) fn check(&self) -> Result<()> {
        for (what, text) in [("context", &self.context), ("namespace", &self.namespace), ("field-manager", &self.field_manager)] {
            if text.trim().is_empty() {
                return Err(Error::invalid(format!("{what} is empty")));
            }
        }
        if !self.namespace.contains("${") && !is_name(&self.namespace) {
            return Err(Error::invalid(format!("{:?} is no namespace's name", self.namespace)));
        }
        if self.field_manager.len() > 128 || !self.field_manager.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::invalid("a field-manager is at most 128 letters without spaces"));
        }
        if let Some(path) = self.manifest.iter().find(|path| path.split('/').any(|part| part == "..")) {
            return Err(Error::invalid(format!("manifest {path:?} leads out of /in")));
        }
        for key in self.set.keys() {
            crate::set::Place::parse(key)?;
        }
        self.patience().map(drop)
    }

    /// Returns how long the rollout may take.
    pub(crate) fn patience(&self) -> Result<Duration> {
        if self.timeout.contains("${") {
            return Ok(Duration::ZERO);
        }
        humantime::parse_duration(&self.timeout)
            .map_err(|error| Error::invalid(format!("timeout {:?}: {error}; write \"5m\"", self.timeout)))
    }
}

/// An RFC 1123 label.
fn is_name(text: &str) -> bool {
    text.len() <= 63
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

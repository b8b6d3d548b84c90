//! What a package says of itself: the config of its artifact. Its form is frozen by [`FORMAT`]: a field may be added with a default.

use relrun_ledger::{Digest, Files, Outcome, StepKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// The type of the artifact.
pub const ARTIFACT_TYPE: &str = "application/vnd.relrun.package.v1";
/// The media type of [`PackageRecord`].
pub(crate) const CONFIG_TYPE: &str = "application/vnd.relrun.package.config.v1+json";
/// The media type of the manifest's text.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.relrun.manifest.v1+kdl";
/// The media type of a plugin's component.
pub(crate) const PLUGIN_TYPE: &str = "application/wasm";
/// The media type of the files that travel with it.
pub(crate) const FILES_TYPE: &str = "application/vnd.relrun.files.v1.tar+gzip";
/// The media type of what a step wrote.
pub(crate) const OUTPUT_TYPE: &str = "application/vnd.relrun.artifact.v1.tar+gzip";
/// The annotation of a layer that names its content by blake3, as the record does.
pub(crate) const CONTENT: &str = "vnd.relrun.content";
/// The annotation of a layer that holds one file alone, and no folder.
pub(crate) const SINGLE_FILE: &str = "vnd.relrun.single-file";
/// The name that a file alone has in its layer.
pub(crate) const FILE_NAME: &str = "file";
/// The form of [`PackageRecord`].
pub(crate) const FORMAT: u32 = 1;

/// What was released: all that has to be known to deploy it, and nothing of who made it, when or where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageRecord {
    /// The form of this record.
    pub format: u32,
    /// The package, `owner/name`.
    pub package: String,
    /// Its version.
    pub version: String,
    /// One line about it, as the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The manifest's text.
    pub manifest: Digest,
    /// The lock, as the ledger keeps it.
    pub lock: Value,
    /// The values that steps without an environment saw.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// The given values that travel with the release.
    #[serde(default)]
    pub given: BTreeMap<String, Value>,
    /// The steps without an environment that were done, in the graph's order.
    #[serde(default)]
    pub steps: Vec<PackedStep>,
    /// The files that travel with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// The versions that it was built against of the packages that it depends on, by the name that its steps refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub locked: BTreeMap<String, String>,
}

/// A step without an environment that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedStep {
    /// Its name in the manifest.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// Pure or effect.
    pub kind: StepKind,
    /// What it left. Of what it wrote, the package holds what a step of an environment refers to.
    pub outcome: Outcome,
}

/// A plugin, as a lock has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LockedPlugin {
    pub(crate) from: String,
    pub(crate) digest: Digest,
    #[serde(default)]
    pub(crate) version: String,
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    plugins: BTreeMap<String, LockedPlugin>,
}

impl PackageRecord {
    /// Makes a record in the form of this program.
    pub fn new(package: String, version: String, manifest: Digest, lock: Value) -> Self {
        Self {
            format: FORMAT,
            package,
            version,
            description: None,
            manifest,
            lock,
            inputs: BTreeMap::new(),
            given: BTreeMap::new(),
            steps: Vec::new(),
            files: None,
            locked: BTreeMap::new(),
        }
    }

    /// Returns the plugins of the lock, by name.
    pub(crate) fn plugins(&self) -> Result<BTreeMap<String, LockedPlugin>, String> {
        serde_json::from_value::<Lock>(self.lock.clone())
            .map(|lock| lock.plugins)
            .map_err(|error| format!("its lock cannot be read: {error}"))
    }

    /// Says what is wrong with a record that came from elsewhere.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.plugins()?;
        let outside = |files: &&Files| Path::new(&files.directory).components().any(|part| !matches!(part, Component::Normal(_)));
        match self.files.as_ref().filter(outside) {
            Some(files) => Err(format!("its manifest's directory `{}` is not in it", files.directory.escape_debug())),
            None => Ok(()),
        }
    }

    /// Returns what the steps wrote, as far as the package holds it: each content once, with the first step and name that it has.
    pub(crate) fn written(&self) -> Vec<(Digest, String)> {
        let mut seen = BTreeSet::new();
        let each = self
            .steps
            .iter()
            .flat_map(|step| step.outcome.artifacts.iter().map(|(name, digest)| (*digest, format!("{}.{name}", step.name))));
        each.filter(|(digest, _)| seen.insert(*digest)).collect()
    }
}

/// What is attached to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The bill of materials, `CycloneDX`.
    Bill,
    /// The provenance, SLSA in an in-toto statement.
    Provenance,
    /// The same in an envelope that somebody signed.
    Envelope,
}

impl Attached {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bill, Self::Provenance, Self::Envelope];

    /// Returns its media type, which is its artifact's type too.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Bill => "application/vnd.cyclonedx+json",
            Self::Provenance => "application/vnd.in-toto+json",
            Self::Envelope => "application/vnd.dsse.envelope.v1+json",
        }
    }
}

/// Returns the tag of a version: a tag has no `+`, and as Helm has it, `_` stands for it.
pub fn version_tag(version: &str) -> String {
    version.replace('+', "_")
}

/// Returns an empty map of JSON in which a document is built.
pub(crate) fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

//! The typed model. Names are those of the manifest; everything a message may point at carries its span.

use crate::{Capability, Span, Spanned, Template, VersionRule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A whole `release.kdl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What is released.
    pub package: Package,
    /// The plugins that steps may name, beside the bundled ones.
    pub plugins: Vec<PluginDecl>,
    /// The inputs, in file order.
    pub inputs: Vec<Input>,
    /// The secrets, in file order.
    pub secrets: Vec<Secret>,
    /// The environments, in file order. The project's own win over these.
    pub environments: Vec<Environment>,
    /// The phases, in file order; a step outside any phase is one of its own.
    pub phases: Vec<Phase>,
    /// Who is to hear of its releases.
    pub notify: Vec<Notify>,
    /// What a deployment of it gives to others.
    pub outputs: Vec<crate::Output>,
    /// The interfaces that a deployment of it offers.
    pub provides: Vec<crate::Provides>,
    /// The interfaces that a deployment of it needs in its environment.
    pub consumes: Vec<crate::Consumes>,
    /// The packages of which each deployment of it has one of its own.
    pub depends: Vec<crate::Depends>,
}

/// The project's `relrun.kdl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Environments for all manifests of the project.
    pub environments: Vec<Environment>,
    /// `state "local"`: a local ledger is meant, even in CI.
    pub state: Option<StateSetting>,
    /// `policy { … }`.
    pub policy: crate::Policy,
    /// Where packages are found and pushed, in file order.
    pub registries: Vec<RegistryDecl>,
    /// Who is to hear of all releases.
    pub notify: Vec<Notify>,
}

/// A `registry` node: `PLACE/OWNER/NAME` is where a package lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegistryDecl {
    /// `oci://HOST` with whatever stands before the package's name, or `oci-layout:DIRECTORY`, relative to the project's root.
    pub place: Spanned<String>,
    /// A PEM file of authorities that are trusted beside the public ones, relative to the project's root.
    pub ca: Option<String>,
    /// Whether plain HTTP is spoken to it.
    pub plain_http: bool,
}

/// Where the ledger lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateSetting {
    /// In `.relrun/` of the project.
    Local,
    /// In a folder elsewhere, relative to the project's root.
    Folder(String),
}

/// `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageName {
    /// Before the slash.
    pub owner: String,
    /// After it.
    pub name: String,
}

impl std::fmt::Display for PackageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// The `package` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: Spanned<PackageName>,
    /// Its version rule.
    pub version: Spanned<VersionRule>,
    /// One line about it.
    pub description: Option<String>,
    /// Globs of files that travel with it.
    pub include: Vec<Spanned<String>>,
    /// Where it is pushed.
    pub publish: Option<Spanned<String>>,
    /// What is said of a release, by name.
    pub metadata: Vec<Metadata>,
}

/// A `metadata` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value.
    pub value: Spanned<Scalar>,
}

/// A `notify` node: somebody who is to hear of releases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notify {
    /// Where it is sent.
    pub url: Spanned<String>,
    /// Scheme, host and port of it.
    pub origin: crate::Origin,
    /// About what.
    pub on: Vec<Occasion>,
    /// The key of the signature.
    pub secret: Option<SecretSource>,
    /// Whether it may be a loopback, private or link-local address.
    pub private: bool,
}

/// What somebody may hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A command took the release up.
    Started,
    /// It waits for a person.
    Waiting,
    /// It failed.
    Failed,
    /// It was carried to its end.
    Succeeded,
    /// It was undone, or a rollback brought an earlier one back.
    RolledBack,
}

impl Occasion {
    /// Every one with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("started", Self::Started),
        ("waiting", Self::Waiting),
        ("failed", Self::Failed),
        ("succeeded", Self::Succeeded),
        ("rolled-back", Self::RolledBack),
    ];

    /// Returns its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, occasion)| *occasion == self).map_or("", |(word, _)| word)
    }
}

/// A `plugin` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginDecl {
    /// How steps name it.
    pub name: Spanned<String>,
    /// Where it comes from.
    pub from: Spanned<PluginSource>,
    /// What its component must be: `blake3:…` or `sha256:…`.
    pub digest: Option<Spanned<String>>,
}

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PluginSource {
    /// A file, relative to the manifest.
    File(String),
    /// `oci://…`.
    Oci(String),
    /// `https://…`.
    Https(String),
    /// `bundle:NAME/PLUGIN`.
    Bundle(String),
}

impl PluginSource {
    /// Returns it as it is written, and as policies name it.
    pub fn text(&self) -> String {
        match self {
            Self::File(path) => format!("file:{path}"),
            Self::Oci(text) | Self::Https(text) | Self::Bundle(text) => text.clone(),
        }
    }
}

/// An `input` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: Spanned<String>,
    /// Its type.
    pub kind: InputType,
    /// What it is where nothing gives it. One without is required.
    pub default: Option<Spanned<Scalar>>,
    /// The values it may have; empty: any of its type.
    pub allowed: Vec<Spanned<Scalar>>,
    /// One line for people.
    pub help: Option<String>,
    /// Whether a value given with `-i` travels with the release when it is promoted.
    pub release: bool,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputType {
    /// Text.
    String,
    /// A whole number, 64 bits.
    Integer,
    /// A number.
    Number,
    /// `#true` or `#false`.
    Boolean,
    /// Several texts.
    List,
}

/// A `secret` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub name: Spanned<String>,
    /// Where it is read from.
    pub from: Spanned<SecretSource>,
}

/// Where a secret is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretSource {
    /// `env:NAME`.
    Env(String),
    /// `file:PATH`.
    File(String),
    /// `cmd:PROGRAM ARG…`, split at white space.
    Command(Vec<String>),
    /// `stdin`: all of standard input.
    Stdin,
}

/// An `environment` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: Spanned<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it sets.
    pub settings: Vec<Setting>,
    /// Its hosts, in file order.
    pub hosts: Vec<HostDecl>,
    /// Its gates.
    pub gates: Vec<Gate>,
    /// What should stand in it.
    #[serde(default)]
    pub deployments: Vec<DeploymentDecl>,
}

/// A `deployment` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentDecl {
    /// The deployment's name.
    pub name: Spanned<String>,
    /// Of which package.
    pub package: Spanned<PackageName>,
    /// Which version of it.
    pub version: Spanned<crate::VersionSelector>,
}

/// A `set` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The input's name.
    pub name: Spanned<String>,
    /// Its value here.
    pub value: Spanned<Scalar>,
}

/// A `host` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostDecl {
    /// Its name.
    pub name: Spanned<String>,
    /// Where it is.
    pub address: Spanned<HostAddress>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is set for it alone.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// Where a host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAddress {
    /// `file:PATH`: a directory of this machine that stands for the host's file system; relative to the project's root.
    Local(String),
    /// `ssh://user@host:port`.
    Ssh(String),
}

/// An `approval` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Who approves: the gate's name.
    pub name: Spanned<String>,
    /// Whether whoever made the release may not pass it.
    pub not_author: bool,
}

/// Which environments a phase is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// `environments="*"`.
    All,
    /// `environments="tier=test,region=eu"`: every label matches.
    Labels(BTreeMap<String, String>),
    /// `environments="staging production"`: by name.
    Names(Vec<String>),
}

impl Selector {
    /// Returns whether it means an environment.
    pub fn selects(&self, environment: &Environment) -> bool {
        match self {
            Self::All => true,
            Self::Labels(labels) => labels.iter().all(|(key, value)| environment.labels.get(key) == Some(value)),
            Self::Names(names) => names.contains(&environment.name.value),
        }
    }
}

/// A `phase` node, or the phase that a lone step makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name; a lone step's own.
    pub name: Spanned<String>,
    /// Which environments its steps are expanded for. Absent: none, and its steps are environment-free.
    pub environments: Option<Spanned<Selector>>,
    /// The phases it waits for. Absent: the one before it in the file.
    pub after: Option<Vec<Spanned<String>>>,
    /// Its gates.
    pub gates: Vec<Gate>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Whether it stands for a lone step.
    pub implicit: bool,
}

/// Whether a step is a `step`, a `deploy` or an `errand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A unit of work.
    Step,
    /// A unit of work that makes a deployment; bound to an environment.
    Deploy,
    /// A task that runs against a deployment when somebody asks for it, and never with a release.
    Errand,
}

/// A `step` or `deploy` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name, unique in the manifest.
    pub name: Spanned<String>,
    /// What it is.
    pub role: Role,
    /// The plugin it is run by.
    pub plugin: Spanned<String>,
    /// What is staged for it.
    pub reads: Vec<Reads>,
    /// What is captured from it.
    pub writes: Vec<Writes>,
    /// What it may do.
    pub grants: Vec<Spanned<Capability>>,
    /// The `config` block, whole.
    pub config: ConfigNode,
    /// Steps it waits for, beside those it refers to.
    pub needs: Vec<Spanned<String>>,
    /// Automatic retries of transient errors.
    pub retry: Retry,
    /// How long one attempt may take. Absent: 10 minutes.
    pub timeout: Option<Duration>,
    /// Its limits.
    pub limits: Limits,
    /// What happens in its environment when it fails.
    pub on_failure: OnFailure,
    /// Where the whole node stands.
    pub span: Span,
}

/// A `reads` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    /// `/in/NAME`; `work` by default.
    pub name: Spanned<String>,
    /// What is staged there.
    pub from: ReadsFrom,
}

/// What a `reads` node stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReadsFrom {
    /// Files of the work tree, by globs relative to the manifest's directory, or all with a leading `/` to the project's root; one that
    /// begins with `!` takes away.
    Files(Vec<Spanned<String>>),
    /// An artifact: `${step.NAME.ARTIFACT}`.
    Artifact(Spanned<Template>),
}

/// A `writes` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    /// `/out/NAME`, and `${step.STEP.NAME}`.
    pub name: Spanned<String>,
    /// Where it is also laid into the work tree, relative to the manifest's directory.
    pub to: Option<Spanned<String>>,
}

/// A `retry` node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// All tries together; 1: none again.
    pub attempts: u32,
    /// The wait before the second; it doubles, with jitter.
    pub backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, backoff: Duration::from_secs(1) }
    }
}

/// A `limits` node. Bytes; absent: the default of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The sum of all memories; 256 MiB.
    pub memory: Option<u64>,
    /// CPU time in the sandbox.
    pub cpu: Option<Duration>,
    /// The log of one attempt; 16 MiB.
    pub log: Option<u64>,
    /// All captured outputs; 4 GiB.
    pub output: Option<u64>,
}

/// What happens in an environment when one of its steps fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// What this release did there is undone, in reverse order.
    #[default]
    Undo,
    /// `on-failure="stop"`: it stays as it is.
    Stop,
}

/// A node of a config: not yet JSON, because the shape depends on the plugin's schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigNode {
    /// Its name.
    pub name: Spanned<String>,
    /// Its arguments.
    pub args: Vec<Spanned<Scalar>>,
    /// Its properties, in file order.
    pub props: Vec<(Spanned<String>, Spanned<Scalar>)>,
    /// Its children.
    pub children: Vec<ConfigNode>,
}

/// A KDL value, its strings taken apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// `#null`.
    Null,
    /// `#true`, `#false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number; never NaN or infinite.
    Float(f64),
    /// A string.
    String(Template),
    /// A list, which only inputs and settings have.
    List(Vec<Scalar>),
}

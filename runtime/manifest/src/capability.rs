//! Capabilities: what a plugin asks for, what a manifest grants, what a policy bounds. One type for all three, one place that compares them.

mod cover;
mod display;
mod pattern;
mod read;

pub use cover::{Missing, MissingBecause, effective};
pub(crate) use pattern::glob_covers;
pub use read::CapabilityError;
pub(crate) use read::read;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One capability, as a `grant` line grants it and as `resolve` asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Capability {
    /// `run "npm" "run" "*"`.
    Run(RunGrant),
    /// `http "https://api.example.com" methods="GET POST"`.
    Http(HttpGrant),
    /// `read "path"`: a directory or file, read-only, relative to the manifest's directory or absolute.
    Read(String),
    /// `write "path"`: a directory, read and write.
    Write(String),
    /// `env "NAME"`: a variable.
    Env(String),
    /// `secret "token" to="https://registry.example.com"`.
    Secret(SecretGrant),
    /// `host "web*"`: the environment's hosts; `*` matches any run of characters.
    Host(String),
    /// `kubernetes context="prod" namespace="shop"`.
    Kubernetes {
        /// The kubeconfig context.
        context: String,
        /// The one namespace.
        namespace: String,
    },
    /// `registry "registry.example.com/shop"`.
    Registry(String),
}

/// A command, on the machine that relrun runs on or on hosts of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunGrant {
    /// The program, then one pattern an argument.
    pub argv: Vec<ArgPattern>,
    /// `on="web*"`: on these of the environment's hosts, and not on this machine.
    pub on: Option<String>,
    /// Whether it runs in the work tree itself instead of a staged copy (incremental builds).
    pub in_place: bool,
    /// How it is held.
    pub confine: Confine,
    /// Whether it changes nothing, so that `plan` and `verify` may run it.
    pub readonly: bool,
    /// Whether it may reach the network. Refused for pure steps.
    pub network: bool,
}

/// One pattern of a command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ArgPattern {
    /// Text with `*` in it, which matches any run of characters, but never a leading `-`.
    Glob(String),
    /// A final `**`: all the rest.
    Rest,
}

/// How a command is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Confine {
    /// Namespaces and Landlock: staged inputs, private outputs, no network, no new privileges. Where that is not to be had, the step fails.
    #[default]
    Full,
    /// `confine="none"`: not held at all, but for its process tree, time and output.
    None,
}

/// An HTTP origin and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HttpGrant {
    /// Scheme, host and port.
    pub origin: Origin,
    /// Methods in upper case; GET and HEAD where the line names none.
    pub methods: BTreeSet<String>,
    /// `private=true`: the origin may resolve to a loopback, private, link-local or metadata address.
    pub private: bool,
    /// `ca=`, `cert=` and `key=`: how the origin is known, and who asks there.
    pub tls: HttpTls,
}

/// The TLS of one grant. Files are relative to the manifest's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HttpTls {
    /// A PEM file of authorities that count for this origin, in place of the public ones.
    pub ca: Option<String>,
    /// A PEM file with the client's certificate.
    pub cert: Option<String>,
    /// The secret that is its key, in PEM.
    pub key: Option<String>,
}

impl HttpTls {
    /// Returns whether nothing is said of it.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: String,
    /// A host name or address in lower case; a leading `*.` stands for one or more labels.
    pub host: String,
    /// The port, the scheme's own where none is written.
    pub port: u16,
}

/// A secret for one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretGrant {
    /// The secret's name in the manifest.
    pub name: String,
    /// Where the host may put it.
    pub target: SecretTarget,
}

/// Where the host may put a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SecretTarget {
    /// `to="https://registry.example.com"`: into requests to this origin.
    Http(Origin),
    /// `to-command="npm" env="NPM_TOKEN"`: into this program's variable; into its standard input where no `env` is named.
    Command {
        /// The program.
        program: String,
        /// The variable.
        env: Option<String>,
    },
    /// `sign=true`: only to sign with.
    Sign,
    /// `reveal=true`: to the plugin itself. Shown in `plan` and in the ledger.
    Reveal,
}

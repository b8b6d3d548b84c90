//! A plugin's test cases: what stands round the plugin, what is called, and what must come of it. For the tools of its author; a release never
//! reads them.

use crate::{Capability, ConfigNode, Span, Spanned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: Spanned<String>,
    /// What the plugin is given.
    pub config: CaseConfig,
    /// What it knows of its release.
    pub context: CaseContext,
    /// Secrets of the manifest, by name.
    pub secrets: Vec<(String, String)>,
    /// Variables that are granted.
    pub env: Vec<(String, String)>,
    /// What is staged, by the name in `/in`.
    pub reads: Vec<(String, Vec<Content>)>,
    /// The directories in `/out`.
    pub writes: Vec<String>,
    /// Trees that the config refers to, by the reference without its braces: `step.site.dist`.
    pub artifacts: Vec<(String, Vec<Content>)>,
    /// Other values that it refers to.
    pub values: Vec<(String, Value)>,
    /// The environment's hosts.
    pub hosts: Vec<CaseHost>,
    /// What the manifest grants. Absent: whatever the plugin asks for.
    pub grants: Option<Vec<Capability>>,
    /// What servers answer.
    pub http: Vec<HttpAnswer>,
    /// What commands answer.
    pub commands: Vec<CommandAnswer>,
    /// Whether all that its calls leave is held to a snapshot.
    pub snapshot: bool,
    /// What is called, in order.
    pub calls: Vec<CaseCall>,
}

/// The config of a case.
#[derive(Clone, Debug)]
pub enum CaseConfig {
    /// Nodes, as in a manifest.
    Nodes(ConfigNode),
    /// JSON.
    Json(Value),
}

/// What a plugin knows of its release. What is absent is the bench's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseContext {
    /// The package.
    pub package: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// The release.
    pub release: Option<String>,
    /// The step.
    pub step: Option<String>,
    /// The attempt.
    pub attempt: Option<u32>,
    /// The environment; `#null` for none.
    pub environment: Option<Option<String>>,
    /// The deployment; `#null` for none.
    pub deployment: Option<Option<String>>,
    /// The environment's labels.
    pub labels: BTreeMap<String, String>,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
    /// What the deployment's last apply left.
    pub previous: Option<Value>,
    /// The last checkpoint of an earlier attempt.
    pub unfinished: Option<Value>,
    /// When the release began.
    pub started_at: Option<u64>,
}

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file of this text.
    File(String, String),
    /// A link.
    Link(String, String),
    /// What lies in a directory beside the case file.
    Copy(Spanned<String>),
}

/// A host.
#[derive(Clone, Debug)]
pub struct CaseHost {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
    /// What lies on it; paths are absolute there.
    pub content: Vec<Content>,
}

/// What a server answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// How often the body is repeated, to make a large one.
    pub repeat: usize,
    /// How many requests it answers; any number where it is absent.
    pub times: Option<u32>,
    /// The connection ends before an answer.
    pub broken: bool,
    /// It comes after this time.
    pub after: Option<Duration>,
    /// Where it stands.
    pub span: Span,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandAnswer {
    /// The program and its arguments; `*` stands for any one, and a last `**` for the rest.
    pub words: Vec<String>,
    /// The exit code.
    pub exit: i32,
    /// What it writes.
    pub stdout: String,
    /// What it complains of.
    pub stderr: String,
    /// What it leaves where it works.
    pub leaves: Vec<Content>,
    /// It runs for this long.
    pub after: Option<Duration>,
    /// How many runs it answers; any number where it is absent.
    pub times: Option<u32>,
    /// Where it stands.
    pub span: Span,
}

/// One call of the plugin.
#[derive(Clone, Debug)]
pub struct CaseCall {
    /// Which operation.
    pub operation: CaseOperation,
    /// The receipt or the checkpoint that it is given. Absent: what the calls before left; a null: none.
    pub given: Option<Value>,
    /// When it is stopped.
    pub stopped: Option<Stopped>,
    /// Whether what it leaves is held to a snapshot.
    pub snapshot: bool,
    /// What must come of it.
    pub expects: Vec<Spanned<Expect>>,
    /// Where it stands.
    pub span: Span,
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseOperation {
    /// `describe`.
    Describe,
    /// `resolve`.
    Resolve,
    /// `plan`.
    Plan,
    /// `apply`.
    Apply,
    /// `recover`.
    Recover,
    /// `verify`.
    Verify,
    /// `undo`.
    Undo,
    /// `destroy`.
    Destroy,
}

impl CaseOperation {
    /// Each with its word.
    pub const ALL: [(&'static str, Self); 8] = [
        ("describe", Self::Describe),
        ("resolve", Self::Resolve),
        ("plan", Self::Plan),
        ("apply", Self::Apply),
        ("recover", Self::Recover),
        ("verify", Self::Verify),
        ("undo", Self::Undo),
        ("destroy", Self::Destroy),
    ];

    /// Returns its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, operation)| *operation == self).map_or("", |(word, _)| word)
    }
}

/// How and when a call is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How.
    pub how: Stop,
    /// At which checkpoint, from 1; 0 is before the call. Absent where `line` is there.
    pub checkpoint: Option<u32>,
    /// At the first line of log that holds this.
    pub line: Option<String>,
}

/// How a call is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The release is cancelled.
    Cancelled,
    /// The machine dies: the call never answers.
    Crashed,
}

/// How a text is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum TextRule {
    /// Whatever it is.
    Any,
    /// It is this.
    Is(String),
    /// It holds this.
    Contains(String),
    /// It is JSON, and this value.
    Json(Value),
}

/// One thing that must come of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// The plugin's name.
    Name(String),
    /// Its version.
    Version(String),
    /// What it says that it did, or is.
    Summary(TextRule),
    /// `pure` or `effect`.
    Kind(String),
    /// Whether it may run twice.
    Idempotent(bool),
    /// A capability that it asks for, with its reason.
    Need(String, TextRule),
    /// It asks for nothing else.
    NoNeed,
    /// All outputs.
    Outputs(Value),
    /// One output that is this value.
    Output(String, Value),
    /// One output that is a text like this.
    OutputText(String, TextRule),
    /// The receipt; null for none.
    Receipt(Value),
    /// It fails with this kind and message.
    Error(String, TextRule),
    /// A change of `plan`, or a drift of `verify`: its summary and detail.
    Change(TextRule, TextRule),
    /// There is no change at all.
    NoChange,
    /// What `verify` finds.
    Health(String),
    /// What `recover` finds.
    Recovery(String),
    /// A line of log of this level. Lines come in this order, with any others between them.
    Log(String, TextRule),
    /// No line of log holds this.
    NoLog(String),
    /// A checkpoint. They come in this order, with any others between them.
    Checkpoint(Value),
    /// A request that was sent. They come in this order, with any others between them.
    Sent(ExpectSent),
    /// No request was sent.
    NoSent,
    /// A command that was run. They come in this order, with any others between them.
    Ran(ExpectRan),
    /// No command was run.
    NoRan,
    /// A capability that was refused.
    Refused(TextRule),
    /// A file in `/out`.
    File(String, TextRule),
    /// No file there.
    NoFile(String),
    /// A file on a host.
    HostFile(String, String, TextRule),
    /// A link on a host.
    HostLink(String, String, String),
    /// Nothing there on a host.
    NoHostFile(String, String),
}

/// A request that must have been sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectSent {
    /// The method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Headers that it has.
    pub headers: Vec<(String, TextRule)>,
    /// Its body.
    pub body: TextRule,
}

/// A command that must have been run.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectRan {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Variables that it has.
    pub env: Vec<(String, String)>,
    /// What it reads.
    pub stdin: TextRule,
    /// Where it starts.
    pub dir: Option<String>,
}

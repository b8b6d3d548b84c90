//! What the engine and the tools see of the host. Nothing here names wasmtime.

use relrun_ledger::{Digest, Failure, Outcome};
use relrun_manifest::{Capability, HostDecl};
use relrun_store::BlobStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A component's bytes, and what they are known by.
#[derive(Clone, Debug)]
pub struct ComponentSource {
    /// The blake3 of the bytes.
    pub digest: Digest,
    /// Where they are. Read only when something must run.
    pub bytes: ComponentBytes,
}

/// Where a component's bytes are.
#[derive(Clone, Debug)]
pub enum ComponentBytes {
    /// Embedded in the program.
    Static(&'static [u8]),
    /// A file. Its digest is checked when it is read.
    File(PathBuf),
    /// In memory.
    Memory(Arc<[u8]>),
}

/// What every config of a plugin has in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The plugin's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// A JSON Schema of the config.
    pub config_schema: Value,
    /// A JSON Schema of the outputs.
    pub outputs_schema: Value,
    /// The world that the component was built for: `0.1.0`.
    pub world: String,
}

/// What one config needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Needs {
    /// Whether it is pure.
    pub kind: relrun_ledger::StepKind,
    /// Whether it may run twice.
    pub idempotent: bool,
    /// What it asks for.
    pub requests: Vec<Request>,
}

/// One thing that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The capability.
    pub capability: Capability,
    /// Why.
    pub reason: String,
}

/// Which export is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `plan`: changes nothing, and the gates hold it to that.
    Plan,
    /// `apply`.
    Apply,
    /// `recover`, with the last checkpoint.
    Recover(Option<Value>),
    /// `verify`, with the receipt; changes nothing, and the gates hold it to that.
    Verify(Value),
    /// `undo`, with the receipt.
    Undo(Value),
    /// `destroy`, with the receipt.
    Destroy(Value),
    /// `adoption.find`: what stands without relrun's doing; changes nothing, and the gates hold it to that.
    Find,
}

/// What an operation answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To `plan`.
    Changes(Vec<Change>),
    /// To `apply`, `undo`, `destroy`. `artifacts` is empty: the engine captures `/out`.
    Outcome(Outcome),
    /// To `recover`.
    Recovery(Recovery),
    /// To `verify`.
    Health(Health),
}

/// One thing that would change, or has drifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// One line.
    pub summary: String,
    /// A longer text.
    pub detail: Option<String>,
}

/// What `recover` found.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// Nothing was changed.
    NotDone,
    /// It was done.
    Done(Outcome),
    /// It was partly done: what `undo` gets.
    Partly(Value),
}

/// What `verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As it was left.
    Intact,
    /// Something differs.
    Drifted(Vec<Change>),
    /// Nothing of it is there.
    Gone,
}

/// What a pure step knows of the release is nothing; what an effect knows is this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// The package, `owner/name`.
    pub package: String,
    /// The version.
    pub version: String,
    /// The release, `r7`.
    pub release: String,
    /// The step's name.
    pub step: String,
    /// Counts from 1.
    pub attempt: u32,
    /// 64 hexadecimal digits.
    pub idempotency_key: String,
    /// The environment.
    pub environment: Option<String>,
    /// The deployment.
    pub deployment: Option<String>,
    /// The environment's labels.
    pub labels: BTreeMap<String, String>,
    /// The environment's settings, as text.
    pub settings: BTreeMap<String, String>,
    /// What this deployment's last `apply` left.
    pub previous: Option<Value>,
    /// The last checkpoint of an earlier attempt of this `apply`, which did not end well.
    pub unfinished: Option<Value>,
    /// When the release began, in seconds since the Unix epoch.
    pub started_at: u64,
}

/// What one attempt may use, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall time.
    pub timeout: Duration,
    /// CPU time inside the sandbox.
    pub cpu: Duration,
    /// Bytes, over all memories.
    pub memory: u64,
    /// Bytes of log, commands' output included.
    pub log: u64,
    /// Bytes written under `/out` and `/tmp`.
    pub output: u64,
    /// How long a cancelled or timed-out step has before it is trapped.
    pub grace: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(10),
            cpu: Duration::from_mins(10),
            memory: 256 << 20,
            log: 16 << 20,
            output: 4 << 30,
            grace: Duration::from_secs(5),
        }
    }
}

/// The mark that a deployment leaves at its target, and how a stranger's is met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetMark {
    /// This ledger's id.
    pub ledger: String,
    /// The release.
    pub release: String,
    /// The lock's fence: an older one is refused at the target.
    pub fence: u64,
    /// `--adopt`: a stranger's mark is replaced.
    pub adopt: bool,
}

/// The folders of one attempt. All lie under one private directory, made by the engine and removed by it.
#[derive(Clone, Debug)]
pub struct StepDirs {
    /// The private directory: `in/NAME`, `out/NAME`, `tmp`, `work` lie in it. Every `in` and `out` is made before the call.
    pub root: PathBuf,
    /// The names under `in`.
    pub inputs: Vec<String>,
    /// The names under `out`.
    pub outputs: Vec<String>,
    /// The manifest's directory, for `in-place` commands and relative `read` and `write` grants.
    pub work_tree: PathBuf,
}

/// One call of one step.
pub struct Invocation {
    /// Which component.
    pub component: ComponentSource,
    /// Which export.
    pub operation: Operation,
    /// The config, every reference resolved; a secret stands as its name.
    pub config: Value,
    /// Whether it is pure: no network, hosts or secrets, an empty context, a fixed clock, seeded random.
    pub kind: relrun_ledger::StepKind,
    /// Request ∩ grant ∩ policy.
    pub capabilities: Vec<Capability>,
    /// What it knows.
    pub context: Context,
    /// Its folders.
    pub dirs: StepDirs,
    /// Its limits.
    pub limits: CallLimits,
    /// The environment's hosts.
    pub hosts: Vec<HostDecl>,
    /// The mark for `hosts.claim`.
    pub mark: TargetMark,
    /// The secrets of the manifest.
    pub secrets: Arc<relrun_gate::Secrets>,
    /// Granted environment variables.
    pub env: BTreeMap<String, String>,
    /// Where trees are captured to and restored from.
    pub blobs: Arc<dyn BlobStore>,
    /// The trees staged for this step. It may restore and upload these, those that its config names whole, and those that it captured itself.
    pub trees: Vec<Digest>,
    /// Where its log, progress, notes and checkpoints go.
    pub sink: Arc<dyn StepSink>,
    /// Cancelled when the release is.
    pub cancel: CancelToken,
}

/// Where a step's words go. Called from the call's own task.
#[async_trait::async_trait]
pub trait StepSink: Send + Sync {
    /// One line of log, framed, stripped of escapes, masked.
    fn line(&self, level: Level, source: LineSource, text: &str);

    /// One line about a place in a file of the step, relative to its work tree; by default a line of log that begins with the place.
    fn finding(&self, level: Level, text: &str, file: &str, line: Option<u32>) {
        self.line(level, LineSource::Plugin, &placed(text, file, line));
    }

    /// How far something has come.
    fn progress(&self, what: &str, done: u64, total: Option<u64>);

    /// A capability was used for the first time, or refused.
    fn capability(&self, capability: &str, denied: bool, detail: Option<&str>);

    /// Keeps a checkpoint; durable when it returns.
    async fn checkpoint(&self, state: Value) -> Result<(), Failure>;
}

/// Returns a finding as a compiler writes it: `src/main.c:12: …`.
pub fn placed(text: &str, file: &str, line: Option<u32>) -> String {
    match line {
        Some(line) => format!("{file}:{line}: {text}"),
        None => format!("{file}: {text}"),
    }
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For the plugin's author.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// For who watches.
    Info,
    /// Something to look at.
    Warn,
    /// Something wrong.
    Error,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineSource {
    /// The plugin, through `log`, or its own stdout and stderr.
    Plugin,
    /// A command's standard output.
    Stdout,
    /// A command's standard error.
    Stderr,
}

/// Tells a step that its release is being cancelled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CancelToken(tokio::sync::watch::Receiver<bool>);

/// Cancels every [`CancelToken`] made from it.
#[derive(Debug)]
pub struct Canceller(tokio::sync::watch::Sender<bool>);

impl Canceller {
    /// Makes a canceller and its token.
    pub fn new() -> (Self, CancelToken) {
        let (sender, receiver) = tokio::sync::watch::channel(false);
        (Self(sender), CancelToken(receiver))
    }

    /// Cancels.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl CancelToken {
    /// Returns whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is cancelled; for ever where its canceller is gone.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|&cancelled| cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Why the host could not even ask the plugin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HostError {
    /// The bytes are no component, or one of another world.
    #[error("{plugin} is no plugin that relrun can run: {reason}")]
    #[diagnostic(code(relrun::plugin::unfit))]
    Unfit {
        /// Which.
        plugin: String,
        /// Why.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// `describe` or `resolve` failed, or answered nonsense.
    #[error("{plugin}: {reason}")]
    #[diagnostic(code(relrun::plugin::answer), help("this is a fault of the plugin; tell its author"))]
    Answer {
        /// Which.
        plugin: String,
        /// What it answered.
        reason: String,
    },
    /// `resolve` refused the config.
    #[error("{plugin} refuses the config: {reason}")]
    #[diagnostic(code(relrun::plugin::config))]
    Refused {
        /// Which.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// The machine failed.
    #[error("failed to {doing}: {reason}")]
    #[diagnostic(code(relrun::host::machine), help("this is a fault of the machine, not of the manifest; see `relrun doctor`"))]
    Machine {
        /// What was being done.
        doing: String,
        /// Why it failed.
        reason: String,
    },
}

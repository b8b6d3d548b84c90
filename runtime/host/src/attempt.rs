//! One attempt of one step, as the host calls see it: what it may do, what it knows, and where its words go.

use crate::bindings::types::Error;
use crate::error::CallError;
use crate::remotes::Remotes;
use crate::stop::StopSignal;
use crate::words::Words;
use crate::{CallLimits, Context, Invocation, Level, LineSource, Operation, StepDirs, StepSink, TargetMark};
use relrun_gate::{Access, GateError, GateErrorKind, Masker, Pool};
use relrun_ledger::{Digest, Failure, StepKind};
use relrun_manifest::{Capability, HostDecl};
use relrun_store::BlobStore;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// What the host calls of one attempt share.
pub(crate) struct Attempt {
    /// What may change.
    pub(crate) mode: Mode,
    pub(crate) kind: StepKind,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) context: Context,
    pub(crate) limits: CallLimits,
    pub(crate) hosts: Vec<HostDecl>,
    /// The connections to hosts behind SSH, shared with every other attempt of this run.
    pub(crate) ssh: Arc<relrun_ssh::Ssh>,
    pub(crate) mark: TargetMark,
    pub(crate) secrets: Arc<relrun_gate::Secrets>,
    pub(crate) sink: Arc<dyn StepSink>,
    pub(crate) masker: Arc<Masker>,
    pub(crate) words: Arc<Words>,
    pub(crate) stop: Arc<StopSignal>,
    /// Its commands that run on hosts behind SSH.
    pub(crate) remotes: Arc<Remotes>,
    /// Its folders and trees; a `describe` or `resolve` has none.
    pub(crate) files: Option<Files>,
    /// The connections that it may use again.
    pool: Arc<Pool>,
    used: Mutex<HashSet<String>>,
}

/// What an operation may do to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `describe` and `resolve`: every import answers denied.
    Closed,
    /// `plan` and `verify`: reads.
    ReadOnly,
    /// All others.
    Full,
}

/// The folders of an attempt, and the trees that it may name.
pub(crate) struct Files {
    pub(crate) dirs: StepDirs,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) trees: BTreeSet<Digest>,
    pub(crate) env: BTreeMap<String, String>,
    /// The trees that this attempt captured.
    captured: Mutex<BTreeSet<Digest>>,
    /// How many commands run now.
    pub(crate) commands: Arc<AtomicUsize>,
    /// The images that this attempt made, by the words that told them.
    pub(crate) images: tokio::sync::Mutex<BTreeMap<String, Arc<crate::image::Made>>>,
    /// Set once `/work` was laid out.
    pub(crate) work: tokio::sync::OnceCell<()>,
}

impl Files {
    /// Remembers a tree that this attempt captured, so that it may restore and upload it.
    pub(crate) fn remember(&self, digest: Digest) {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    /// Returns the tree that a text names, where this step may name it: who knows a digest does not thereby own what it names.
    pub(crate) fn tree(&self, text: &str) -> Result<Digest, CallError> {
        let digest = text.parse().map_err(|_| CallError::invalid(format!("\"{text}\" is no tree's digest")))?;
        let known = self.trees.contains(&digest) || self.captured.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest);
        let reason = "a step may use the trees that its config names, that were staged for it, or that it captured";
        if known { Ok(digest) } else { Err(CallError::denied(format!("the tree {} is not this step's: {reason}", digest.short()))) }
    }
}

impl Attempt {
    /// Makes the attempt of an invocation.
    pub(crate) fn new(invocation: &Invocation, masker: Arc<Masker>, ssh: Arc<relrun_ssh::Ssh>) -> Self {
        let mode = match invocation.operation {
            Operation::Plan | Operation::Verify(_) | Operation::Find => Mode::ReadOnly,
            _ => Mode::Full,
        };
        let pure = invocation.kind == StepKind::Pure;
        let mut trees: BTreeSet<Digest> = invocation.trees.iter().copied().collect();
        digests(&invocation.config, &mut trees);
        let words = Arc::new(Words::new(Arc::clone(&invocation.sink), Arc::clone(&masker), invocation.limits.log));
        Self {
            mode,
            kind: invocation.kind,
            capabilities: invocation.capabilities.clone(),
            context: if pure { Context { attempt: 1, ..Context::default() } } else { invocation.context.clone() },
            limits: invocation.limits,
            hosts: invocation.hosts.clone(),
            mark: invocation.mark.clone(),
            secrets: Arc::clone(&invocation.secrets),
            sink: Arc::clone(&invocation.sink),
            masker,
            remotes: Arc::new(Remotes::new(Arc::clone(&ssh), Arc::clone(&words))),
            words,
            stop: Arc::new(StopSignal::new(Some(invocation.cancel.clone()))),
            ssh,
            files: Some(Files {
                dirs: invocation.dirs.clone(),
                blobs: Arc::clone(&invocation.blobs),
                trees,
                env: invocation.env.clone(),
                captured: Mutex::default(),
                commands: Arc::default(),
                images: tokio::sync::Mutex::default(),
                work: tokio::sync::OnceCell::new(),
            }),
            pool: Arc::default(),
            used: Mutex::default(),
        }
    }

    /// Makes one that may do nothing, for `describe` and `resolve`.
    pub(crate) fn closed(limits: CallLimits, masker: Arc<Masker>, ssh: Arc<relrun_ssh::Ssh>) -> Self {
        let sink: Arc<dyn StepSink> = Arc::new(Nowhere);
        let words = Arc::new(Words::new(Arc::clone(&sink), Arc::clone(&masker), limits.log));
        Self {
            mode: Mode::Closed,
            kind: StepKind::Pure,
            capabilities: Vec::new(),
            context: Context { attempt: 1, ..Context::default() },
            limits,
            hosts: Vec::new(),
            remotes: Arc::new(Remotes::new(Arc::clone(&ssh), Arc::clone(&words))),
            ssh,
            mark: TargetMark::default(),
            words,
            masker,
            secrets: Arc::default(),
            sink,
            stop: Arc::new(StopSignal::new(None)),
            files: None,
            pool: Arc::default(),
            used: Mutex::default(),
        }
    }

    /// Refuses a host call, and records that.
    pub(crate) fn deny(&self, capability: &str, reason: impl Into<String>) -> CallError {
        let (capability, reason) = (self.words.mask(capability), self.words.mask(&reason.into()));
        tracing::debug!(capability, reason, "denied");
        self.sink.capability(&capability, true, Some(&reason));
        CallError::denied(reason)
    }

    /// Records the first use of a capability.
    pub(crate) fn using(&self, capability: &str, detail: Option<&str>) {
        let key = format!("{capability}\0{}", detail.unwrap_or_default());
        if self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            self.sink.capability(&self.words.mask(capability), false, detail);
        }
    }

    /// Refuses what a pure step, or `describe` and `resolve`, may not do.
    pub(crate) fn effects_only(&self, capability: &str) -> Result<(), CallError> {
        if self.mode == Mode::Closed {
            return Err(self.deny(capability, format!("`describe` and `resolve` reach nothing, {capability} neither")));
        }
        if self.kind == StepKind::Pure {
            return Err(
                self.deny(capability, format!("a pure step has no {capability}; what needs it is an effect, and `resolve` must say so"))
            );
        }
        Ok(())
    }

    /// Refuses what changes something where nothing may change.
    pub(crate) fn changes(&self, capability: &str, what: &str) -> Result<(), CallError> {
        match self.mode {
            Mode::Full => Ok(()),
            Mode::ReadOnly => Err(self.deny(capability, format!("`plan` and `verify` change nothing: {what} was refused"))),
            Mode::Closed => Err(self.deny(capability, format!("`describe` and `resolve` reach nothing: {what} was refused"))),
        }
    }

    /// Returns what this attempt may do at the gate.
    pub(crate) fn access(&self) -> Access<'_> {
        let mode = if self.mode == Mode::Full { relrun_gate::Mode::Effect } else { relrun_gate::Mode::ReadOnly };
        let root = self.files.as_ref().map_or(Path::new(""), |files| files.dirs.work_tree.as_path());
        Access {
            capabilities: &self.capabilities,
            secrets: &self.secrets,
            masker: &self.masker,
            mode,
            root,
            pool: &self.pool,
            // A long upload is the step's own affair: its `timeout` ends it.
            total: Some(self.limits.timeout),
        }
    }

    /// Says a gate's error to the plugin, and records a denial.
    pub(crate) fn gate_error(&self, capability: &str, error: GateError) -> CallError {
        let text = match error.help {
            Some(help) => format!("{}: {help}", error.message),
            None => error.message,
        };
        match error.kind {
            GateErrorKind::Denied => self.deny(capability, text),
            GateErrorKind::Invalid => CallError::invalid(text),
            GateErrorKind::Missing => CallError::missing(text),
            GateErrorKind::TimedOut => CallError::Told(Error::TimedOut(text)),
            GateErrorKind::Transient => CallError::Told(Error::Transient(text)),
            GateErrorKind::Permanent => CallError::permanent(text),
        }
    }

    /// Returns the folders and trees, or refuses.
    pub(crate) fn files(&self, capability: &str) -> Result<&Files, CallError> {
        self.files.as_ref().ok_or_else(|| self.deny(capability, "`describe` and `resolve` have no files"))
    }
}

/// Gathers every string of a config that is a digest.
fn digests(value: &Value, into: &mut BTreeSet<Digest>) {
    match value {
        Value::String(text) if text.len() == 64 => into.extend(text.parse::<Digest>().ok()),
        Value::Array(items) => items.iter().for_each(|item| digests(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| digests(field, into)),
        _ => {}
    }
}

/// Where the words of a `describe` go.
struct Nowhere;

#[async_trait::async_trait]
impl StepSink for Nowhere {
    fn line(&self, _: Level, _: LineSource, text: &str) {
        tracing::debug!(text, "said while it was asked what it needs");
    }

    fn progress(&self, _: &str, _: u64, _: Option<u64>) {}

    fn capability(&self, capability: &str, _: bool, detail: Option<&str>) {
        tracing::debug!(capability, detail, "refused while it was asked what it needs");
    }

    async fn checkpoint(&self, _: Value) -> Result<(), Failure> {
        Err(Failure { kind: relrun_ledger::FailureKind::Denied, message: "nothing is recorded here".into() })
    }
}

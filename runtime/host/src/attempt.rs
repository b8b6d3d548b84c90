//! One attempt of one step, as the host calls see it: what it may do, what it knows, and where its words go.

use crate::error::CallError;
use crate::stop::StopSignal;
use crate::words::{Mask, Words};
use crate::{CallLimits, Context, Invocation, Level, LineSource, Operation, StepDirs, StepSink, TargetMark};
use relrun_ledger::{Digest, Failure, StepKind};
use relrun_manifest::{Capability, HostDecl};
use relrun_store::BlobStore;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
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
    pub(crate) mark: TargetMark,
    pub(crate) secrets: Arc<relrun_gate::Secrets>,
    pub(crate) sink: Arc<dyn StepSink>,
    pub(crate) words: Arc<Words>,
    pub(crate) stop: Arc<StopSignal>,
    /// Its folders and trees; a `describe` or `resolve` has none.
    pub(crate) files: Option<Files>,
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
}

impl Attempt {
    /// Makes the attempt of an invocation.
    pub(crate) fn new(invocation: &Invocation) -> Self {
        let mode = match invocation.operation {
            Operation::Plan | Operation::Verify(_) => Mode::ReadOnly,
            _ => Mode::Full,
        };
        let pure = invocation.kind == StepKind::Pure;
        let mut trees: BTreeSet<Digest> = invocation.trees.iter().copied().collect();
        digests(&invocation.config, &mut trees);
        let words = Words::new(Arc::clone(&invocation.sink), Mask::new(&invocation.secrets), invocation.limits.log);
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
            words: Arc::new(words),
            stop: Arc::new(StopSignal::new()),
            files: Some(Files {
                dirs: invocation.dirs.clone(),
                blobs: Arc::clone(&invocation.blobs),
                trees,
                env: invocation.env.clone(),
            }),
            used: Mutex::default(),
        }
    }

    /// Makes one that may do nothing, for `describe` and `resolve`.
    pub(crate) fn closed(limits: CallLimits) -> Self {
        let secrets = Arc::new(relrun_gate::Secrets::default());
        let sink: Arc<dyn StepSink> = Arc::new(Nowhere);
        Self {
            mode: Mode::Closed,
            kind: StepKind::Pure,
            capabilities: Vec::new(),
            context: Context { attempt: 1, ..Context::default() },
            limits,
            hosts: Vec::new(),
            mark: TargetMark::default(),
            words: Arc::new(Words::new(Arc::clone(&sink), Mask::new(&secrets), limits.log)),
            secrets,
            sink,
            stop: Arc::new(StopSignal::new()),
            files: None,
            used: Mutex::default(),
        }
    }

    /// Refuses a host call, and records that.
    pub(crate) fn deny(&self, capability: &str, reason: impl Into<String>) -> CallError {
        let reason = self.words.mask(&reason.into());
        tracing::debug!(capability, reason, "denied");
        self.sink.capability(capability, true, Some(&reason));
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
            return Err(self.deny(capability, format!("a pure step has no {capability}; what needs it is an effect, and `resolve` must say so")));
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

//! Asks a plugin a question that changes nothing: `plan` before a step, `verify` after one. The host's gates hold the plugin to that.

use crate::carry::{Secrecy, granted_variables, limits};
use crate::prepare::Prepared;
use crate::staging::Stage;
use crate::{EngineError, Workspace};
use relrun_graph::NodeId;
use relrun_host::{CancelToken, Canceller, Context, Invocation, Level, LineSource, Operation, Reply, StepSink, TargetMark};
use relrun_ledger::{Failure, FailureKind, StepKind};
use serde_json::Value;
use std::sync::Arc;

/// Asks plugins.
pub(crate) struct Asker<'w> {
    pub(crate) workspace: &'w Workspace,
    secrecy: Arc<Secrecy>,
    // Held, so that nothing counts as cancelled.
    _canceller: Canceller,
    cancel: CancelToken,
}

/// One question.
pub(crate) struct Question<'q> {
    pub(crate) prepared: &'q Prepared,
    pub(crate) node: NodeId,
    pub(crate) operation: Operation,
    pub(crate) config: Value,
    /// The release that it is about.
    pub(crate) release: &'q str,
    /// What stands there now.
    pub(crate) previous: Option<Value>,
}

impl<'w> Asker<'w> {
    /// Reads the secrets that questions may need.
    pub(crate) fn new(workspace: &'w Workspace, prepared: &Prepared, wanted: &dyn Fn(NodeId) -> bool) -> Result<Self, EngineError> {
        let secrecy = crate::secrets::read(workspace, prepared, wanted)?;
        let (canceller, cancel) = Canceller::new();
        Ok(Self { workspace, secrecy, _canceller: canceller, cancel })
    }

    /// Asks one plugin, in private folders that are gone afterwards.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Reply, Failure> {
        let stage = Stage::set(self.workspace, &question.prepared.loaded.directory, &[], &[])?;
        self.ask_in(&stage, question, Arc::new(Silent)).await
    }

    /// Asks one plugin in folders that are there already.
    pub(crate) async fn ask_in(&self, stage: &Stage, question: Question<'_>, sink: Arc<dyn StepSink>) -> Result<Reply, Failure> {
        let Question { prepared, node, operation, config, release, previous } = question;
        let at = &prepared.nodes[node.index()];
        let environment = prepared.environment(node);
        let context = Context {
            package: prepared.loaded.manifest.package.name.value.to_string(),
            release: release.to_owned(),
            step: prepared.step(node).name.value.clone(),
            attempt: 1,
            environment: environment.map(|environment| environment.name.value.clone()),
            deployment: at.deployment.clone(),
            labels: environment.map(|environment| environment.labels.clone()).unwrap_or_default(),
            previous,
            unfinished: None,
            ..Context::default()
        };
        // Nothing that its fingerprint does not cover reaches a pure step.
        let context = if at.kind == StepKind::Pure { Context { attempt: 1, ..Context::default() } } else { context };
        let capabilities = crate::prepare::capabilities_for(self.workspace, prepared, node, &config).await?;
        let invocation = Invocation {
            component: prepared.plugin(node).source.clone(),
            operation,
            config,
            kind: at.kind,
            env: granted_variables(self.workspace, &capabilities),
            capabilities,
            context,
            dirs: stage.dirs.clone(),
            limits: limits(self.workspace, prepared, node),
            hosts: environment.map(|environment| self.workspace.hosts(environment)).unwrap_or_default(),
            mark: TargetMark::default(),
            secrets: Arc::clone(&self.secrecy.secrets),
            blobs: Arc::clone(&self.workspace.blobs),
            trees: stage.trees.clone(),
            sink,
            cancel: self.cancel.clone(),
        };
        self.workspace.host.call(invocation).await
    }
}

/// What a plugin says while it is asked is not shown: its answer is.
pub(crate) struct Silent;

#[async_trait::async_trait]
impl StepSink for Silent {
    fn line(&self, level: Level, _: LineSource, text: &str) {
        tracing::debug!(?level, text, "asked");
    }

    fn progress(&self, _: &str, _: u64, _: Option<u64>) {}

    fn capability(&self, capability: &str, denied: bool, _: Option<&str>) {
        tracing::debug!(capability, denied, "asked");
    }

    async fn checkpoint(&self, _: Value) -> Result<(), Failure> {
        Err(Failure { kind: FailureKind::Denied, message: "a question changes nothing, and has no checkpoints".to_owned() })
    }
}

//! Runs a pure step outside any release, for a plan that is to know what depends on it.
//!
//! What it gives is kept as an apply would keep it, because the fingerprint covers all that it is made from. Nothing is laid into the work
//! tree, and no effect is ever run here.

use crate::ask::{Asker, Question};
use crate::prepare::Prepared;
use crate::staging::{Stage, with_sources};
use crate::survey::{Made, keep_trees, remember};
use relrun_graph::NodeId;
use relrun_host::{Level, LineSource, Operation, Reply, StepSink};
use relrun_ledger::{Failure, FailureKind, Outcome, StepKind};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many of the last lines of a step that fails are shown.
const LAST_LINES: usize = 10;

impl Asker<'_> {
    /// Runs a pure step; where it fails, the reason ends with the last that it said.
    pub(crate) async fn build(&self, prepared: &Prepared, node: NodeId, made: &Made) -> Result<Outcome, Failure> {
        let at = &prepared.nodes[node.index()];
        if at.kind != StepKind::Pure {
            return Err(permanent("it is an effect, and a plan runs none"));
        }
        let writes = &prepared.step(node).writes;
        let stage = Stage::set(self.workspace, &prepared.loaded.directory, &made.inputs, writes)?;
        keep_trees(self.workspace, &made.inputs);
        let said = Arc::new(Said::default());
        let question =
            Question { prepared, node, operation: Operation::Apply, config: made.config.clone(), release: "next", previous: None };
        let reply = self.ask_in(&stage, question, Arc::clone(&said) as Arc<dyn StepSink>).await;
        let Reply::Outcome(mut outcome) = reply.map_err(|failure| said.with(failure))? else {
            return Err(permanent("the plugin answered another operation"));
        };
        outcome.artifacts = stage.capture(self.workspace, writes)?;
        let package = prepared.loaded.manifest.package.name.value.to_string();
        remember(self.workspace, &at.label, &package, &made.parts, &outcome).map_err(|error| permanent(&with_sources(&error)))?;
        Ok(outcome)
    }
}

fn permanent(message: &str) -> Failure {
    Failure { kind: FailureKind::Permanent, message: message.to_owned() }
}

/// The last lines of what a step says.
#[derive(Default)]
struct Said(Mutex<VecDeque<String>>);

impl Said {
    fn with(&self, mut failure: Failure) -> Failure {
        for line in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            failure.message.push('\n');
            failure.message.push_str(line);
        }
        failure
    }
}

#[async_trait::async_trait]
impl StepSink for Said {
    fn line(&self, level: Level, _: LineSource, text: &str) {
        tracing::debug!(?level, text, "built for a plan");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(text.to_owned());
    }

    fn progress(&self, _: &str, _: u64, _: Option<u64>) {}

    fn capability(&self, capability: &str, denied: bool, _: Option<&str>) {
        tracing::debug!(capability, denied, "built for a plan");
    }

    async fn checkpoint(&self, _: serde_json::Value) -> Result<(), Failure> {
        Err(permanent("a pure step has no checkpoints"))
    }
}

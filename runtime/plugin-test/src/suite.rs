//! Runs a plugin's test cases in the real host: each case in a folder, with hosts, servers and commands of its own that answer what was recorded.
//!
//! The gates are the host's own: what a grant does not cover is refused here as in a release. Only what lies behind them is stood in for.

mod call;
mod commands;
mod expect;
mod fill;
mod http;
mod look;
mod scene;
mod snapshot;

pub use snapshot::{SnapshotError, Snapshots};

use crate::record::Recorder;
use call::Called;
use fill::Values;
use relrun_host::ComponentSource;
use relrun_host::{Description, Host, HostError, HostOptions};
use relrun_manifest::case::{Case, CaseCall, CaseOperation};
use relrun_manifest::{ConfigSchema, Span};
use scene::Scene;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why cases could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The host cannot run the component.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The machine failed.
    #[error("failed to {doing}: {reason}")]
    Machine {
        /// What was being done.
        doing: String,
        /// Why it failed.
        reason: String,
    },
}

impl SuiteError {
    fn machine(doing: impl Into<String>, reason: &impl ToString) -> Self {
        Self::Machine { doing: doing.into(), reason: reason.to_string() }
    }
}

/// Something that did not come as the case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the case file that it is about.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// What differs, or what was there instead, in several lines.
    pub detail: String,
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// What is wrong. None: it passed.
    pub faults: Vec<Fault>,
    /// What it took.
    pub took: Duration,
    /// How many snapshots were written.
    pub written: usize,
}

/// A component under test.
pub struct Suite {
    options: HostOptions,
    component: ComponentSource,
    description: Description,
    schema: Result<ConfigSchema, String>,
}

impl Suite {
    /// Loads a component, which may take seconds the first time. The options say how components are compiled and which program holds commands; the ways out
    /// are the cases' own.
    ///
    /// # Errors
    /// Where the host cannot run it.
    pub async fn new(options: HostOptions, component: ComponentSource) -> Result<Self, SuiteError> {
        let description = Host::new(options.clone()).describe(&component).await?;
        let schema = ConfigSchema::new(description.config_schema.clone()).map_err(|error| error.why);
        Ok(Self { options, component, description, schema })
    }

    /// Returns what the plugin says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Runs a case of a file that lies in this folder.
    ///
    /// # Errors
    /// Where the machine fails. Whatever the plugin does is in the report.
    pub async fn run(&self, case: &Case, folder: &Path, snapshots: &mut Snapshots) -> Result<CaseReport, SuiteError> {
        let began = Instant::now();
        let scene = Scene::set(case, folder, &self.options)?;
        let mut run = Run { suite: self, case, scene, faults: Vec::new(), receipt: None, checkpoint: None };
        let before = snapshots.written();
        if let Some(config) = run.config() {
            for (at, call) in case.calls.iter().enumerate() {
                run.call(at, call, &config, snapshots).await?;
            }
        }
        run.unanswered();
        Ok(CaseReport { faults: run.faults, took: began.elapsed(), written: snapshots.written() - before })
    }
}

/// A case under way.
struct Run<'s> {
    suite: &'s Suite,
    case: &'s Case,
    scene: Scene,
    faults: Vec<Fault>,
    /// What the last outcome left.
    receipt: Option<Value>,
    /// The last checkpoint of the last call that saved one.
    checkpoint: Option<Value>,
}

impl Run<'_> {
    fn fault(&mut self, span: Span, message: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault { span, message: message.into(), detail: detail.into() });
    }

    /// Shapes the config as the manifest's would be. Nothing where that cannot be.
    fn config(&mut self) -> Option<Config> {
        let values = self.scene.values();
        let schema = match &self.suite.schema {
            Ok(schema) => schema,
            Err(reason) => {
                let reason = reason.clone();
                self.fault(self.case.name.span, "the plugin's config schema cannot be used", reason);
                return None;
            }
        };
        Some(Config::of(self.case, schema, values))
    }

    async fn call(&mut self, at: usize, call: &CaseCall, config: &Config, snapshots: &mut Snapshots) -> Result<(), SuiteError> {
        let recorder = Recorder::stopped(call.stopped.clone());
        let given = call.given.clone().map_or_else(|| self.left(call.operation), |given| Some(given).filter(|given| !given.is_null()));
        let given = given.map(|given| self.scene.values().fill(given));
        let called = match &config.wrong {
            // What the schema refuses never reaches the plugin.
            Some(reason) if call.operation != CaseOperation::Describe => Called::refused(reason.clone()),
            _ => call::run(self.suite, &self.scene, self.case, call.operation, &config.json, given, recorder).await?,
        };
        if let Some(checkpoint) = called.checkpoints().last() {
            self.checkpoint = Some((*checkpoint).clone());
        }
        if let Some(outcome) = called.outcome() {
            // What is undone or destroyed keeps the receipt that it was deployed with.
            if matches!(call.operation, CaseOperation::Apply | CaseOperation::Recover) {
                self.receipt.clone_from(&outcome.receipt);
            }
        } else if called.failure().is_some() && call.operation == CaseOperation::Apply {
            // A failed apply is undone by its last checkpoint.
            self.receipt.clone_from(&self.checkpoint);
        }
        let found = expect::check(call, &called, &self.scene);
        self.faults.extend(found);
        if call.snapshot || self.case.snapshot {
            let text = look::transcript(&called, &self.scene);
            let name = format!("{} {} {}", self.case.name.value, at + 1, call.operation.word());
            if let Some(detail) = snapshots.hold(&name, &text).map_err(|error| SuiteError::machine("keep a snapshot", &error))? {
                self.fault(call.span, format!("`{}` left something else than its snapshot says", call.operation.word()), detail);
            }
        }
        self.scene.next_call();
        Ok(())
    }

    /// What an operation is given where the case does not say.
    fn left(&self, operation: CaseOperation) -> Option<Value> {
        match operation {
            CaseOperation::Recover => self.checkpoint.clone(),
            _ => self.receipt.clone(),
        }
    }

    /// Says what the plugin asked that nobody answered.
    fn unanswered(&mut self) {
        for (message, detail) in self.scene.unanswered() {
            self.fault(self.case.name.span, message, detail);
        }
    }
}

/// A case's config.
struct Config {
    json: Value,
    /// Why the plugin's schema refuses it.
    wrong: Option<String>,
}

impl Config {
    fn of(case: &Case, schema: &ConfigSchema, values: &Values) -> Self {
        use relrun_manifest::case::CaseConfig;
        match &case.config {
            CaseConfig::Nodes(node) => {
                let shaped = relrun_manifest::shape(node, schema.json(), &|reference| values.get(&reference.to_string()));
                let mistakes = relrun_manifest::check(&shaped, schema);
                let wrong = mistakes.iter().map(|mistake| mistake.message.clone()).collect::<Vec<_>>().join("; ");
                Self { json: shaped.json, wrong: Some(wrong).filter(|wrong| !wrong.is_empty()) }
            }
            CaseConfig::Json(json) => {
                let json = values.fill(json.clone());
                let wrong = schema.first_mistake(&json);
                Self { json, wrong }
            }
        }
    }
}

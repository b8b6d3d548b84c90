//! What a run tells those who watch. One stream feeds every reporter; `--format json` prints it as it is, one event a line.
//!
//! The form is public: fields and variants are added, never changed. `docs/events.md` is made from these types.

use schemars::JsonSchema;
use serde::Serialize;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ReportEvent {
    /// A command took up a release.
    RunStarted {
        /// The package, `owner/name`.
        package: String,
        /// The release, `r7`.
        release: String,
        /// Its version.
        version: String,
        /// The command: `apply`, `retry`, `undo`, ….
        command: String,
        /// Its steps, in the graph's order.
        steps: Vec<StepInfo>,
    },
    /// An operation of a step began.
    StepStarted {
        /// The step's label, `web@staging`.
        step: String,
        /// Which operation.
        operation: OperationName,
        /// Counts from 1.
        attempt: u32,
        /// Why it runs: the part of its fingerprint that changed, or that it is an effect.
        why: Option<String>,
    },
    /// A line of a step's log.
    StepLine {
        /// The step's label.
        step: String,
        /// Who said it.
        source: Source,
        /// How much it matters.
        level: LineLevel,
        /// The line, stripped and masked.
        text: String,
        /// The place in a file that it is about, where it is a finding.
        #[serde(skip_serializing_if = "Option::is_none")]
        finding: Option<FoundAt>,
    },
    /// How far a step has come.
    StepProgress {
        /// The step's label.
        step: String,
        /// With what.
        what: String,
        /// How far.
        done: u64,
        /// Of how much, where it is known.
        total: Option<u64>,
    },
    /// A step will be tried again.
    StepRetrying {
        /// The step's label.
        step: String,
        /// In how many milliseconds.
        in_ms: u64,
        /// Why.
        reason: String,
    },
    /// An operation of a step ended.
    StepFinished {
        /// The step's label.
        step: String,
        /// Which operation.
        operation: OperationName,
        /// How.
        result: StepResult,
        /// One line: what was done, or why it failed.
        summary: String,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// Where the manifest names it.
        place: Option<Place>,
    },
    /// Something to know that belongs to no step.
    Notice {
        /// How much it matters.
        level: LineLevel,
        /// The text.
        text: String,
    },
    /// The command let the release go.
    RunFinished(Box<RunFinished>),
}

/// The end of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RunFinished {
    /// The package.
    pub package: String,
    /// The release; absent where nothing was to do and none was made.
    pub release: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// How it ended.
    pub verdict: RunVerdict,
    /// The steps that succeeded in this run, those from the cache too.
    pub succeeded: Vec<String>,
    /// How many of them came from the cache.
    pub cached: usize,
    /// The steps that failed, and why.
    pub failed: Vec<FailedStep>,
    /// The steps that were undone.
    pub undone: Vec<String>,
    /// The steps whose undo failed, and why.
    pub undo_failed: Vec<FailedStep>,
    /// The steps that never began.
    pub not_started: Vec<String>,
    /// What it waits for.
    pub waiting_on: Vec<String>,
    /// What is true in each environment: `staging: deployed`.
    pub environments: Vec<EnvironmentLine>,
    /// The command to type next.
    pub next: Option<String>,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunVerdict {
    /// Every step succeeded.
    #[default]
    Succeeded,
    /// All was done already.
    NothingToDo,
    /// A step failed.
    Failed,
    /// It waits for a person or a release.
    Waiting,
    /// It was interrupted.
    Cancelled,
    /// What stood was undone, as asked.
    Undone,
    /// What stood was destroyed, as asked.
    Destroyed,
}

/// A step, as a run begins.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StepInfo {
    /// Its label, `web@staging`.
    pub step: String,
    /// Its phase.
    pub phase: String,
    /// Its environment.
    pub environment: Option<String>,
    /// Whether it is pure.
    pub pure: bool,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailedStep {
    /// Its label.
    pub step: String,
    /// Why.
    pub reason: String,
}

/// What is true in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EnvironmentLine {
    /// Its name.
    pub environment: String,
    /// The state's name: `deployed`, `undone`, `half`, ….
    pub state: String,
    /// The release that is active there now.
    pub active: Option<String>,
}

/// A line of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// Counts from 1.
    pub line: u32,
    /// Counts from 1.
    pub column: u32,
}

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FoundAt {
    /// The file, relative to the manifest's directory.
    pub file: String,
    /// Counts from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What was found, without the place.
    pub message: String,
}

/// Which operation of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationName {
    /// It does its work.
    Apply,
    /// It finds out how far an interrupted `apply` came.
    Recover,
    /// It restores what stood before.
    Undo,
    /// It removes its deployment.
    Destroy,
    /// It says whether what it did still stands.
    Verify,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    /// It was done.
    Succeeded,
    /// A pure step's outcome was in the cache.
    Cached,
    /// A rollback took the outcome from an earlier record.
    Copied,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Nobody can tell.
    Unknown,
}

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The plugin.
    Plugin,
    /// A command's standard output.
    Stdout,
    /// A command's standard error.
    Stderr,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineLevel {
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

//! Reporters: one event stream, four ways to show it.
//!
//! A reporter writes to what it is given and asks nobody anything: whether there is a terminal, how wide it is, and whether colour is wanted
//! is told to it. Every text is stripped of escapes and control characters before it is shown, whoever wrote it. Secrets are masked
//! before an event is made; no reporter ever sees one.

mod clean;
mod event;
mod github;
mod human;
mod json;
mod plain;
mod summary;
mod words;

pub use event::{
    EnvironmentLine, FailedStep, FoundAt, LineLevel, OperationName, Place, ReportEvent, RunFinished, RunVerdict, Source, StepInfo,
    StepResult,
};
pub use github::Github;
pub use human::{Colour, Glyphs, Human, Look};
pub use indicatif::ProgressDrawTarget;
pub use json::Json;
pub use plain::Plain;

use std::io;

/// Shows a run.
pub trait Reporter: Send {
    /// Shows one event.
    fn event(&mut self, event: &ReportEvent) -> io::Result<()>;

    /// Ends: nothing is left half drawn. Called once, whether the run came to its end or not.
    fn finish(&mut self) -> io::Result<()>;

    /// Returns a page about the run for a CI system, in Markdown, where this reporter makes one. `graph` is the DAG in Mermaid's words.
    fn page(&self, graph: Option<&str>) -> Option<String> {
        let _ = graph;
        None
    }
}

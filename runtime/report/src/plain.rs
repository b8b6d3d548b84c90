//! `--format plain`: one line after another, each with its step in front, for pipes, files and screen readers.

use crate::summary::{self, Palette};
use crate::words::{count, duration, ended, progress};
use crate::{LineLevel, OperationName, ReportEvent, Reporter, StepResult};
use std::collections::HashMap;
use std::io::{self, Write};

/// Writes plain lines.
#[derive(Debug)]
pub struct Plain<W> {
    out: W,
    /// What each step last told of its progress: only its beginning and its end are lines.
    progress: HashMap<String, String>,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, progress: HashMap::new() }
    }

    fn say(&mut self, step: &str, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out, "{step} | {line}"))
    }

    fn show(&mut self, event: &ReportEvent) -> io::Result<()> {
        match event {
            ReportEvent::RunStarted { package, release, version, command, steps } => {
                writeln!(self.out, "{package} {version} {release}: {command}, {}", count(steps.len(), "step"))
            }
            ReportEvent::StepStarted { step, operation, attempt, why } => self.say(step, &started(*operation, *attempt, why.as_deref())),
            ReportEvent::StepLine { step, level, text, .. } => {
                // An empty line is a line too.
                writeln!(self.out, "{step} | {}{text}", level_word(*level))
            }
            ReportEvent::StepProgress { step, what, done, total } => {
                let news = self.progress.insert(step.clone(), what.clone()).as_ref() != Some(what) || Some(done) == total.as_ref();
                if news { self.say(step, &progress(what, *done, *total)) } else { Ok(()) }
            }
            ReportEvent::StepRetrying { step, in_ms, reason } => self.say(step, &format!("trying again in {}: {reason}", duration(*in_ms))),
            ReportEvent::StepFinished { step, operation, result, summary, duration_ms, .. } => {
                self.progress.remove(step);
                self.say(step, &finished(*operation, *result, summary, *duration_ms))
            }
            ReportEvent::Notice { level, text } => writeln!(self.out, "{}{text}", level_word(*level)),
            ReportEvent::RunFinished(end) => {
                summary::lines(end, Palette::default()).iter().try_for_each(|line| writeln!(self.out, "{line}"))
            }
        }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn event(&mut self, event: &ReportEvent) -> io::Result<()> {
        self.show(&event.cleaned())?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn started(operation: OperationName, attempt: u32, why: Option<&str>) -> String {
    let verb = match operation {
        OperationName::Apply => "started",
        OperationName::Recover => "recovering",
        OperationName::Undo => "undoing",
        OperationName::Destroy => "destroying",
        OperationName::Verify => "verifying",
    };
    let again = if attempt > 1 && operation == OperationName::Apply { format!(", attempt {attempt}") } else { String::new() };
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("{verb}{again}{why}")
}

/// Returns how an operation ended, with its time where it took any.
pub(crate) fn finished(operation: OperationName, result: StepResult, summary: &str, duration_ms: u64) -> String {
    let took = match result {
        StepResult::Cached | StepResult::Copied => String::new(),
        _ => format!(" after {}", duration(duration_ms)),
    };
    let summary = if summary.is_empty() { String::new() } else { format!(": {summary}") };
    format!("{}{took}{summary}", ended(operation, result))
}

/// Returns what stands in front of a line that somebody should look at.
pub(crate) fn level_word(level: LineLevel) -> &'static str {
    match level {
        LineLevel::Trace | LineLevel::Debug | LineLevel::Info => "",
        LineLevel::Warn => "warning: ",
        LineLevel::Error => "error: ",
    }
}

//! `--format github`: for the log of a GitHub Actions job, and the page of its run.
//!
//! The runner reads commands from the same stream as the log. So nothing that anybody else wrote may look like one: every text goes through
//! [`command::tame`] or is an escaped part of a command. A step's output is held until it ends: the runner's groups cannot lie in each other.

mod command;
mod page;

use crate::plain::{finished, level_word};
use crate::summary::{self, Palette};
use crate::words::{count, doing, duration, grouped, progress};
use crate::{FoundAt, LineLevel, Place, ReportEvent, Reporter, RunFinished, StepResult};
use command::{Command, tame};
use page::Page;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

/// How many bytes of a step's output are held: a job's log that is longer is of use to nobody, and `relrun logs` has all of it.
const HELD: usize = 1 << 20;

/// How many of a step's warnings and findings become annotations: the runner shows no more than ten of a job's step.
const NOTES: usize = 10;

/// Writes workflow commands, and makes a page.
#[derive(Debug)]
pub struct Github<W> {
    out: W,
    steps: BTreeMap<String, Output>,
    page: Page,
}

/// What a step said and was not shown yet.
#[derive(Debug, Default)]
struct Output {
    lines: VecDeque<String>,
    bytes: usize,
    left_out: u64,
    notes: Vec<(LineLevel, String, Option<FoundAt>)>,
    /// What it last told of its progress: only its beginning and its end are lines.
    progress: String,
}

impl Output {
    fn push(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > HELD {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len() + 1;
            self.left_out += 1;
        }
    }
}

impl<W: Write + Send> Github<W> {
    /// Writes to `out`, which the runner reads.
    pub fn new(out: W) -> Self {
        Self { out, steps: BTreeMap::new(), page: Page::default() }
    }

    fn show(&mut self, event: &ReportEvent) -> io::Result<()> {
        match event {
            ReportEvent::RunStarted { package, release, version, command, steps } => {
                self.say(&format!("{package} {version} {release}: {command}, {}", count(steps.len(), "step")))
            }
            ReportEvent::StepStarted { step, operation, attempt, why } => {
                self.steps.entry(step.clone()).or_default();
                // Said at once: a job whose log stands still for an hour looks hung.
                let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                self.say(&format!("{}{step} started{again}{why}", doing(*operation)))
            }
            ReportEvent::StepLine { step, level, text, finding, .. } => {
                let output = self.steps.entry(step.clone()).or_default();
                output.push(format!("{}{text}", level_word(*level)));
                let is_shown = *level == LineLevel::Warn || finding.is_some();
                if is_shown && output.notes.len() < NOTES {
                    output.notes.push((*level, text.clone(), finding.clone()));
                }
                Ok(())
            }
            ReportEvent::StepProgress { step, what, done, total } => {
                let output = self.steps.entry(step.clone()).or_default();
                if output.progress != *what || Some(done) == total.as_ref() {
                    output.progress.clone_from(what);
                    output.push(progress(what, *done, *total));
                }
                Ok(())
            }
            ReportEvent::StepRetrying { step, in_ms, reason } => {
                let text = format!("trying again in {}: {reason}", duration(*in_ms));
                let output = self.steps.entry(step.clone()).or_default();
                text.lines().for_each(|line| output.push(line.to_owned()));
                self.say(&format!("{step}: {text}"))
            }
            ReportEvent::StepFinished { step, operation, result, summary, duration_ms, place } => {
                let heading = finished(*operation, *result, summary, *duration_ms);
                self.group(step, &heading)?;
                if matches!(result, StepResult::Failed | StepResult::Unknown) {
                    let title = format!("{step}: {}", crate::words::ended(*operation, *result));
                    self.annotate("error", &title, place.as_ref(), summary)?;
                }
                Ok(())
            }
            ReportEvent::Notice { level: LineLevel::Error, text } => self.annotate("error", "relrun", None, text),
            ReportEvent::Notice { level: LineLevel::Warn, text } => self.annotate("warning", "relrun", None, text),
            ReportEvent::Notice { text, .. } => self.say(text),
            ReportEvent::RunFinished(end) => self.end(end),
        }
    }

    /// Writes what a step said, folded below one line about how it went.
    fn group(&mut self, step: &str, heading: &str) -> io::Result<()> {
        let output = self.steps.remove(step).unwrap_or_default();
        let mut heading = heading.lines();
        let first = format!("{step}: {}", heading.next().unwrap_or_default());
        if output.lines.is_empty() {
            self.say(&first)?;
            return heading.try_for_each(|line| self.say(line));
        }
        self.command(&Command::new("group").data(&tame(&first)))?;
        heading.try_for_each(|line| self.say(line))?;
        if output.left_out > 0 {
            self.say(&format!("({} lines are left out here: `relrun logs` has them)", grouped(output.left_out)))?;
        }
        output.lines.iter().try_for_each(|line| self.say(line))?;
        self.command(&Command::new("endgroup"))?;
        output.notes.iter().try_for_each(|(level, text, finding)| {
            let kind = match level {
                LineLevel::Error => "error",
                LineLevel::Warn => "warning",
                LineLevel::Trace | LineLevel::Debug | LineLevel::Info => "notice",
            };
            match finding {
                Some(found) => self.annotate_found(kind, step, found),
                None => self.annotate(kind, step, None, text),
            }
        })
    }

    /// Marks the line of a file that a step found something in.
    fn annotate_found(&mut self, kind: &'static str, title: &str, found: &FoundAt) -> io::Result<()> {
        let mut command = Command::new(kind).property("file", &found.file);
        if let Some(line) = found.line {
            command = command.property("line", &line.to_string());
        }
        self.command(&command.property("title", title).data(&found.message))
    }

    fn annotate(&mut self, kind: &'static str, title: &str, place: Option<&Place>, text: &str) -> io::Result<()> {
        let command = match place {
            Some(place) => Command::new(kind)
                .property("file", &place.file)
                .property("line", &place.line.to_string())
                .property("col", &place.column.to_string()),
            None => Command::new(kind),
        };
        // The runner passes over an annotation without a text.
        let text = if text.is_empty() { title } else { text };
        self.command(&command.property("title", title).data(text))
    }

    fn end(&mut self, end: &RunFinished) -> io::Result<()> {
        self.let_go()?;
        summary::lines(end, Palette::default()).iter().try_for_each(|line| self.say(line))
    }

    /// Writes what is still held: of steps that the run did not see end.
    fn let_go(&mut self) -> io::Result<()> {
        let open: Vec<String> = self.steps.keys().cloned().collect();
        open.iter().try_for_each(|step| self.group(step, "its end was not seen"))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        text.split('\n').try_for_each(|line| writeln!(self.out, "{}", tame(line)))
    }

    fn command(&mut self, command: &Command) -> io::Result<()> {
        writeln!(self.out, "{command}")
    }
}

impl<W: Write + Send> Reporter for Github<W> {
    fn event(&mut self, event: &ReportEvent) -> io::Result<()> {
        let event = event.cleaned();
        self.page.note(&event);
        self.show(&event)?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.let_go()?;
        self.out.flush()
    }

    fn page(&self, graph: Option<&str>) -> Option<String> {
        self.page.text(graph)
    }
}

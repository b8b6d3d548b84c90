//! From a job to the dispatcher: words, notes, checkpoints.

use super::job::JobEnd;
use relrun_host::{Level, LineSource, StepSink, placed};
use relrun_ledger::{Failure, FailureKind, StepId};
use relrun_report::{FoundAt, LineLevel, Source};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// What a job tells the dispatcher.
pub(super) enum Message {
    Line(Line),
    Progress {
        step: StepId,
        what: String,
        done: u64,
        total: Option<u64>,
    },
    Capability {
        step: StepId,
        capability: String,
        denied: bool,
        detail: Option<String>,
    },
    /// Answered once it is on disk; dropped where it cannot be.
    Checkpoint {
        step: StepId,
        state: Value,
        ack: oneshot::Sender<()>,
    },
    RetryDue {
        step: StepId,
    },
    Done {
        step: StepId,
        end: JobEnd,
    },
}

/// A line of a step's log.
pub(super) struct Line {
    pub(super) step: StepId,
    pub(super) attempt: u32,
    pub(super) level: Level,
    pub(super) source: LineSource,
    pub(super) text: String,
    /// What it is about, where it is a finding; then `text` begins with the place.
    pub(super) finding: Option<FoundAt>,
}

impl Line {
    pub(super) fn into_log(self) -> relrun_store::LogLine {
        relrun_store::LogLine {
            step: self.step,
            attempt: self.attempt,
            at: jiff::Timestamp::now(),
            source: match self.source {
                LineSource::Plugin => "plugin",
                LineSource::Stdout => "stdout",
                LineSource::Stderr => "stderr",
            }
            .to_owned(),
            text: self.text,
        }
    }
}

/// The sink of one job.
pub(super) struct Sink {
    pub(super) step: StepId,
    pub(super) attempt: u32,
    pub(super) sender: mpsc::UnboundedSender<Message>,
}

impl Sink {
    fn send(&self, message: Message) {
        // A dispatcher that is gone has ended the command; nobody listens any more.
        let _ = self.sender.send(message);
    }
}

#[async_trait::async_trait]
impl StepSink for Sink {
    fn line(&self, level: Level, source: LineSource, text: &str) {
        let (step, attempt, text) = (self.step, self.attempt, text.to_owned());
        self.send(Message::Line(Line { step, attempt, level, source, text, finding: None }));
    }

    fn finding(&self, level: Level, text: &str, file: &str, line: Option<u32>) {
        let finding = Some(FoundAt { file: file.to_owned(), line, message: text.to_owned() });
        let (step, attempt, text) = (self.step, self.attempt, placed(text, file, line));
        self.send(Message::Line(Line { step, attempt, level, source: LineSource::Plugin, text, finding }));
    }

    fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.send(Message::Progress { step: self.step, what: what.to_owned(), done, total });
    }

    fn capability(&self, capability: &str, denied: bool, detail: Option<&str>) {
        self.send(Message::Capability { step: self.step, capability: capability.to_owned(), denied, detail: detail.map(str::to_owned) });
    }

    async fn checkpoint(&self, state: Value) -> Result<(), Failure> {
        let (ack, done) = oneshot::channel();
        self.send(Message::Checkpoint { step: self.step, state, ack });
        done.await
            .map_err(|_| Failure { kind: FailureKind::Permanent, message: "the checkpoint could not be written to the ledger".into() })
    }
}

pub(super) fn level(level: Level) -> LineLevel {
    match level {
        Level::Trace => LineLevel::Trace,
        Level::Debug => LineLevel::Debug,
        Level::Info => LineLevel::Info,
        Level::Warn => LineLevel::Warn,
        Level::Error => LineLevel::Error,
    }
}

pub(super) fn source(source: LineSource) -> Source {
    match source {
        LineSource::Plugin => Source::Plugin,
        LineSource::Stdout => Source::Stdout,
        LineSource::Stderr => Source::Stderr,
    }
}

//! What a step says: framed by line, stripped of escapes, masked, and counted. Nothing of a step reaches a person by another way.

use crate::{Level, LineSource, StepSink};
use relrun_gate::Masker;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A longer line is broken here, so that a step without line ends is seen, and held in bounds.
const LONGEST_LINE: usize = 16 << 10;
/// How many lines of the plugin's stderr are remembered, for the message of a trap.
const TAIL: usize = 24;

/// A stream whose lines are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The plugin's own standard output.
    PluginOut,
    /// The plugin's own standard error.
    PluginErr,
    /// A command's standard output.
    CommandOut,
    /// A command's standard error.
    CommandErr,
}

/// The step went over its log limit.
#[derive(Debug, thiserror::Error)]
#[error("it wrote more than {limit} bytes of log")]
pub(crate) struct TooMuchLog {
    limit: u64,
}

/// Gathers what a step says.
pub(crate) struct Words {
    sink: Arc<dyn StepSink>,
    masker: Arc<Masker>,
    limit: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    used: u64,
    open: [Vec<u8>; 4],
    tail: VecDeque<String>,
}

impl Words {
    pub(crate) fn new(sink: Arc<dyn StepSink>, masker: Arc<Masker>, limit: u64) -> Self {
        Self { sink, masker, limit, inner: Mutex::default() }
    }

    /// Returns a text without secrets, for everything that leaves beside the log.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.masker.mask(text).into_owned()
    }

    /// Says one whole message.
    pub(crate) fn message(&self, level: Level, text: &str) -> Result<(), TooMuchLog> {
        self.count(text.len())?;
        for line in text.lines() {
            self.line(level, LineSource::Plugin, line.as_bytes());
        }
        Ok(())
    }

    /// Says one thing about a place in a file.
    pub(crate) fn finding(&self, level: Level, text: &str, file: Option<&str>, line: Option<u32>) -> Result<(), TooMuchLog> {
        let Some(file) = file else { return self.message(level, text) };
        self.count(text.len() + file.len())?;
        let tamed = |text: &str| self.mask(&clean(text.as_bytes()));
        let text = text.lines().map(tamed).collect::<Vec<_>>().join(" ");
        self.sink.finding(level, &text, &tamed(file), line);
        Ok(())
    }

    /// Says how far something has come.
    pub(crate) fn progress(&self, what: &str, done: u64, total: Option<u64>) -> Result<(), TooMuchLog> {
        self.count(what.len() + 16)?;
        self.sink.progress(&self.mask(&clean(what.as_bytes())), done, total);
        Ok(())
    }

    /// Takes the next bytes of a stream.
    pub(crate) fn chunk(&self, stream: Stream, bytes: &[u8]) -> Result<(), TooMuchLog> {
        self.count(bytes.len())?;
        let mut inner = self.lock();
        let mut open = std::mem::take(&mut inner.open[stream as usize]);
        drop(inner);
        for &byte in bytes {
            if byte == b'\n' || open.len() >= LONGEST_LINE {
                self.stream_line(stream, &open);
                open.clear();
            }
            if byte != b'\n' {
                open.push(byte);
            }
        }
        self.lock().open[stream as usize] = open;
        Ok(())
    }

    /// Says what stands without a line end.
    pub(crate) fn flush(&self) {
        for stream in [Stream::PluginOut, Stream::PluginErr, Stream::CommandOut, Stream::CommandErr] {
            self.flush_stream(stream);
        }
    }

    /// Says what one stream left without a line end.
    pub(crate) fn flush_stream(&self, stream: Stream) {
        let open = std::mem::take(&mut self.lock().open[stream as usize]);
        if !open.is_empty() {
            self.stream_line(stream, &open);
        }
    }

    /// Returns whether the limit was met.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().used > self.limit
    }

    /// Returns the last lines of the plugin's stderr, masked.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lock().tail.iter().cloned().collect()
    }

    fn count(&self, bytes: usize) -> Result<(), TooMuchLog> {
        let mut inner = self.lock();
        inner.used = inner.used.saturating_add(bytes as u64);
        if inner.used > self.limit { Err(TooMuchLog { limit: self.limit }) } else { Ok(()) }
    }

    fn stream_line(&self, stream: Stream, bytes: &[u8]) {
        let source = match stream {
            Stream::PluginOut | Stream::PluginErr => LineSource::Plugin,
            Stream::CommandOut => LineSource::Stdout,
            Stream::CommandErr => LineSource::Stderr,
        };
        let line = self.line(Level::Info, source, bytes);
        if stream == Stream::PluginErr {
            let mut inner = self.lock();
            if inner.tail.len() == TAIL {
                inner.tail.pop_front();
            }
            inner.tail.push_back(line);
        }
    }

    fn line(&self, level: Level, source: LineSource, bytes: &[u8]) -> String {
        let line = self.mask(&clean(bytes));
        self.sink.line(level, source, &line);
        line
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Strips escapes and control characters; what is no UTF-8 is replaced.
fn clean(bytes: &[u8]) -> String {
    let bytes = if bytes.contains(&0x1b) { &strip_ansi_escapes::strip(bytes) } else { bytes };
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|&c| c == '\t' || !c.is_control()).collect()
}

//! What a step says: framed by line, stripped of escapes, masked, and counted. Nothing of a step reaches a person by another way.

use crate::{Level, LineSource, StepSink};
use relrun_gate::{Masker, StreamMasker};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A longer line is broken here, so that a step without line ends is seen, and held in bounds.
const LONGEST_LINE: usize = 16 << 10;
/// How many lines of the plugin's stderr are remembered, for the message of a trap.
const TAIL: usize = 96;

/// One of the plugin's own streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Its standard output.
    PluginOut,
    /// Its standard error.
    PluginErr,
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
    /// The plugin's own streams.
    open: [Mutex<Framer>; 2],
}

#[derive(Default)]
struct Inner {
    used: u64,
    tail: VecDeque<String>,
}

/// The lines of one stream of one command. What it holds without a line end is said when it is dropped.
pub(crate) struct Lines {
    words: Arc<Words>,
    source: LineSource,
    /// What stands before each line: where it comes from.
    prefix: String,
    framer: Framer,
}

/// Puts lines together.
#[derive(Default)]
struct Framer {
    open: Vec<u8>,
    /// Masks the pieces of a line that was broken: a secret may lie across the break.
    broken: Option<StreamMasker>,
}

impl Framer {
    /// Takes bytes, and gives each line that they end, masked.
    fn take(&mut self, words: &Words, bytes: &[u8], mut say: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.open.extend_from_slice(text);
            while self.open.len() > LONGEST_LINE {
                self.break_line(words, &mut say);
            }
            if ends {
                self.end(words, &mut say);
            }
        }
    }

    /// Gives the beginning of a line that is too long, but for what may be the beginning of a secret.
    fn break_line(&mut self, words: &Words, say: &mut impl FnMut(&str)) {
        let is_inside = |&byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
        // A character has four bytes at most.
        let at = (LONGEST_LINE - 3..=LONGEST_LINE).rev().find(|&at| self.open.get(at).is_some_and(|byte| !is_inside(byte)));
        let rest = self.open.split_off(at.unwrap_or(LONGEST_LINE));
        let piece = std::mem::replace(&mut self.open, rest);
        let masker = self.broken.get_or_insert_with(|| StreamMasker::new(Arc::clone(&words.masker)));
        let masked = masker.push(clean(&piece).as_bytes());
        if !masked.is_empty() {
            say(&String::from_utf8_lossy(&masked));
        }
    }

    /// Gives the line as it is now.
    fn end(&mut self, words: &Words, say: &mut impl FnMut(&str)) {
        let line = clean(&std::mem::take(&mut self.open));
        match self.broken.take() {
            None => say(&words.mask(&line)),
            Some(mut masker) => {
                let mut masked = masker.push(line.as_bytes());
                masked.extend(masker.flush());
                if !masked.is_empty() {
                    say(&String::from_utf8_lossy(&masked));
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.broken.is_none()
    }
}

impl Lines {
    /// Begins the lines of a command's stream.
    pub(crate) fn new(words: &Arc<Words>, source: LineSource, prefix: String) -> Self {
        Self { words: Arc::clone(words), source, prefix, framer: Framer::default() }
    }

    /// Takes the next bytes.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> Result<(), TooMuchLog> {
        let Self { words, source, prefix, framer } = self;
        words.count(bytes.len())?;
        framer.take(words, bytes, |line| words.sink.line(Level::Info, *source, &format!("{prefix}{line}")));
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let Self { words, source, prefix, framer } = self;
        if !framer.is_empty() {
            framer.end(words, &mut |line: &str| words.sink.line(Level::Info, *source, &format!("{prefix}{line}")));
        }
    }
}

impl Words {
    pub(crate) fn new(sink: Arc<dyn StepSink>, masker: Arc<Masker>, limit: u64) -> Self {
        Self { sink, masker, limit, inner: Mutex::default(), open: Default::default() }
    }

    /// Returns a text without secrets, for everything that leaves beside the log.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.masker.mask(text).into_owned()
    }

    /// Says one whole message.
    pub(crate) fn message(&self, level: Level, text: &str) -> Result<(), TooMuchLog> {
        self.count(text.len())?;
        for line in text.lines() {
            self.sink.line(level, LineSource::Plugin, &self.mask(&clean(line.as_bytes())));
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

    /// Says what people must know although the step cannot say it any more; it counts for nothing.
    pub(crate) fn warning(&self, text: &str) {
        self.sink.line(Level::Warn, LineSource::Plugin, &self.mask(&clean(text.as_bytes())));
    }

    /// Says how far something has come.
    pub(crate) fn progress(&self, what: &str, done: u64, total: Option<u64>) -> Result<(), TooMuchLog> {
        self.count(what.len() + 16)?;
        self.sink.progress(&self.mask(&clean(what.as_bytes())), done, total);
        Ok(())
    }

    /// Takes the next bytes of one of the plugin's own streams.
    pub(crate) fn chunk(&self, stream: Stream, bytes: &[u8]) -> Result<(), TooMuchLog> {
        self.count(bytes.len())?;
        self.framer(stream).take(self, bytes, |line| self.plugins(stream, line));
        Ok(())
    }

    /// Says what the plugin's own streams left without a line end.
    pub(crate) fn flush(&self) {
        for stream in [Stream::PluginOut, Stream::PluginErr] {
            let mut framer = self.framer(stream);
            if !framer.is_empty() {
                framer.end(self, &mut |line: &str| self.plugins(stream, line));
            }
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

    /// Says a line of the plugin's own streams.
    fn plugins(&self, stream: Stream, line: &str) {
        self.sink.line(Level::Info, LineSource::Plugin, line);
        if stream == Stream::PluginErr {
            let mut inner = self.lock();
            if inner.tail.len() == TAIL {
                inner.tail.pop_front();
            }
            inner.tail.push_back(line.to_owned());
        }
    }

    fn framer(&self, stream: Stream) -> std::sync::MutexGuard<'_, Framer> {
        self.open[stream as usize].lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;
    use relrun_gate::Secrets;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Said(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl StepSink for Said {
        fn line(&self, _: Level, _: LineSource, text: &str) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
        }
        fn progress(&self, _: &str, _: u64, _: Option<u64>) {}
        fn capability(&self, _: &str, _: bool, _: Option<&str>) {}
        async fn checkpoint(&self, _: serde_json::Value) -> Result<(), relrun_ledger::Failure> {
            Ok(())
        }
    }

    const SECRET: &str = "s3cr3t-t0ken-value";

    fn words() -> (Arc<Words>, Arc<Said>) {
        let secrets = Secrets::new(BTreeMap::from([("token".to_owned(), SECRET.to_owned())]));
        let said = Arc::new(Said::default());
        let sink: Arc<dyn StepSink> = Arc::<Said>::clone(&said);
        (Arc::new(Words::new(sink, Arc::new(Masker::new(&secrets).expect("a masker")), 1 << 30)), said)
    }

    fn lines(said: &Said) -> Vec<String> {
        std::mem::take(&mut said.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[test]
    fn streams_of_several_hosts_do_not_mix_and_each_line_says_whose_it_is() {
        let (words, said) = words();
        let mut one = Lines::new(&words, LineSource::Stdout, "web1: ".into());
        let mut two = Lines::new(&words, LineSource::Stdout, "web2: ".into());
        one.chunk(b"it is s3cr3t").expect("within");
        two.chunk(b"and mine: s3cr3t-").expect("within");
        words.flush();
        one.chunk(b"-t0ken-value\nmore").expect("within");
        two.chunk(b"t0ken-value").expect("within");
        drop((two, one));
        assert_eq!(lines(&said), ["web1: it is ***", "web2: and mine: ***", "web1: more"]);
    }

    #[test]
    fn a_secret_is_masked_wherever_a_long_line_is_broken() {
        for lead in LONGEST_LINE - SECRET.len() - 2..=LONGEST_LINE + 2 {
            let (words, said) = words();
            let mut stream = Lines::new(&words, LineSource::Stdout, String::new());
            let line = format!("{}{SECRET} and more\n", "x".repeat(lead));
            for piece in line.as_bytes().chunks(5_000) {
                stream.chunk(piece).expect("within");
            }
            let whole = lines(&said).concat();
            assert_eq!(whole.len(), lead + "*** and more".len(), "{lead}");
            assert!(whole.ends_with("x*** and more"), "{lead}");
        }
    }

    #[test]
    fn a_line_is_broken_between_characters() {
        let (words, said) = words();
        for lead in 0..4 {
            let text = "y".repeat(lead) + &"\u{20ac}".repeat(LONGEST_LINE);
            words.chunk(Stream::PluginErr, text.as_bytes()).expect("within");
            words.flush();
            let lines = lines(&said);
            assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= LONGEST_LINE), "{lead}");
            assert_eq!(lines.concat(), text, "{lead}");
        }
    }
}

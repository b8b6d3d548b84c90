//! The rows that are alive: one for each running step, below its phase's name, in the graph's order, and one that counts them all.
//!
//! Only what runs has a row, so a release of ten thousand steps draws no more than `-j` of them.

use super::{Glyphs, Look};
use crate::summary::{FAINT, HINT, Palette, STRONG};
use crate::words::{doing, duration, grouped, progress};
use crate::{OperationName, StepInfo, StepResult};
use console::truncate_str;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::io;

/// How many of a step's last lines are kept for its failure.
const TAIL: usize = 12;

/// Where a row stands: its phase, and its step's number in it; 0 is the phase's own row.
type Key = (usize, usize);

/// The row that counts stands last.
const COUNTER: Key = (usize::MAX, 0);

/// What the last row counts besides what ended.
const COUNTED: [&str; 3] = ["cached", "failed", "cancelled or in doubt"];

/// The rows that are alive.
#[derive(Debug)]
pub(super) struct Rows {
    multi: MultiProgress,
    look: Look,
    palette: Palette,
    phases: Vec<String>,
    order: HashMap<String, Key>,
    rows: BTreeMap<Key, ProgressBar>,
    running: HashMap<String, Running>,
    ended: HashSet<String>,
    /// What is worth counting of them, by `COUNTED`.
    counts: [u64; COUNTED.len()],
}

/// A running step.
#[derive(Debug, Default)]
struct Running {
    progress: String,
    last: String,
    tail: VecDeque<String>,
}

impl Rows {
    pub(super) fn new(target: ProgressDrawTarget, look: Look, palette: Palette) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        let (phases, order, rows) = (Vec::new(), HashMap::new(), BTreeMap::new());
        Self { multi, look, palette, phases, order, rows, running: HashMap::new(), ended: HashSet::new(), counts: [0; 3] }
    }

    /// Takes up a run's steps.
    pub(super) fn begin(&mut self, steps: &[StepInfo]) {
        self.clear();
        self.ended.clear();
        self.counts = [0; COUNTED.len()];
        self.phases.clear();
        self.order.clear();
        for (number, step) in steps.iter().enumerate() {
            let phase = self.phases.iter().position(|phase| *phase == step.phase).unwrap_or_else(|| {
                self.phases.push(step.phase.clone());
                self.phases.len() - 1
            });
            self.order.insert(step.step.clone(), (phase, number + 1));
        }
    }

    /// Gives a step a row, or its row a fresh start. Until it says a line, the row says why it runs.
    pub(super) fn start(&mut self, step: &str, operation: OperationName, attempt: u32, why: Option<&str>) {
        let key = self.key(step);
        self.remove(key);
        // What an attempt said before is still worth reading when the next one fails without a word.
        let tail = self.running.remove(step).map(|running| running.tail).unwrap_or_default();
        self.running.insert(step.to_owned(), Running { tail, last: why.unwrap_or_default().to_owned(), progress: String::new() });
        self.head(key.0);
        let again = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
        let label = format!("{}{step}{again}", doing(operation));
        let label = truncate_str(&label, usize::from(self.look.width / 2).max(8), self.look.glyphs.pick("…", "~")).into_owned();
        let indent = if self.has_heads() { "  " } else { "" };
        let row = self.bar(&format!("{indent}{{spinner}} {{prefix}}{{took}} {{wide_msg}}"));
        self.insert(key, row.with_prefix(self.palette.paint(STRONG, &label)));
        self.redraw(step);
        self.tally();
    }

    /// Shows the last line of a step.
    pub(super) fn line(&mut self, step: &str, text: &str) {
        let Some(running) = self.running.get_mut(step) else { return };
        if running.tail.len() == TAIL {
            running.tail.pop_front();
        }
        running.tail.push_back(text.to_owned());
        if !text.trim().is_empty() {
            text.trim().clone_into(&mut running.last);
        }
        self.redraw(step);
    }

    /// Shows how far a step has come.
    pub(super) fn progress(&mut self, step: &str, what: &str, done: u64, total: Option<u64>) {
        let Some(running) = self.running.get_mut(step) else { return };
        running.progress = progress(what, done, total);
        self.redraw(step);
    }

    /// Shows that a step waits for its next attempt.
    pub(super) fn waits(&mut self, step: &str, text: &str) {
        let Some(running) = self.running.get_mut(step) else { return };
        running.progress.clear();
        text.clone_into(&mut running.last);
        self.redraw(step);
    }

    /// Takes a step's row away and returns its last lines.
    pub(super) fn end(&mut self, step: &str, result: StepResult) -> Vec<String> {
        let key = self.key(step);
        self.remove(key);
        let tail = self.running.remove(step).map(|running| running.tail.into()).unwrap_or_default();
        let alone = self.rows.range((key.0, 1)..(key.0 + 1, 0)).next().is_none();
        if alone {
            self.remove((key.0, 0));
        }
        // An undo does not make a step count twice.
        if self.ended.insert(step.to_owned()) {
            self.counted(result);
        }
        self.tally();
        tail
    }

    fn counted(&mut self, result: StepResult) {
        let place = match result {
            StepResult::Succeeded | StepResult::Copied => return,
            StepResult::Cached => 0,
            StepResult::Failed => 1,
            StepResult::Cancelled | StepResult::Unknown => 2,
        };
        self.counts[place] += 1;
    }

    /// Takes all rows away.
    pub(super) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.rows).into_values() {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
        self.running.clear();
    }

    /// Writes a line above the rows.
    pub(super) fn above(&self, line: &str) -> io::Result<()> {
        self.multi.println(line)
    }

    fn key(&mut self, step: &str) -> Key {
        if let Some(key) = self.order.get(step) {
            return *key;
        }
        // A step that the run did not announce stands below those that it did.
        let key = (self.phases.len(), self.order.len() + 1);
        self.order.insert(step.to_owned(), key);
        key
    }

    fn has_heads(&self) -> bool {
        self.phases.len() > 1
    }

    /// Gives a phase its row.
    fn head(&mut self, phase: usize) {
        let Some(name) = self.phases.get(phase).filter(|_| self.has_heads() && !self.rows.contains_key(&(phase, 0))) else { return };
        let name = self.palette.paint(FAINT, name);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(template("{wide_msg}")).with_message(name);
        self.insert((phase, 0), bar);
    }

    fn bar(&self, words: &str) -> ProgressBar {
        let ticks: &[&str] = match self.look.glyphs {
            Glyphs::Unicode => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "],
            Glyphs::Ascii => &["|", "/", "-", "\\", " "],
        };
        let ticks: Vec<String> = ticks.iter().map(|tick| self.palette.paint(HINT, tick)).collect();
        let ticks: Vec<&str> = ticks.iter().map(String::as_str).collect();
        let style = template(words).tick_strings(&ticks).with_key("took", took);
        ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style)
    }

    fn insert(&mut self, key: Key, bar: ProgressBar) {
        let bar = match self.rows.range(..key).next_back() {
            Some((_, before)) => self.multi.insert_after(before, bar),
            None => self.multi.insert(0, bar),
        };
        bar.tick();
        if let Some(interval) = self.look.tick {
            bar.enable_steady_tick(interval);
        }
        self.rows.insert(key, bar);
    }

    fn remove(&mut self, key: Key) {
        if let Some(bar) = self.rows.remove(&key) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }

    fn redraw(&mut self, step: &str) {
        let key = self.key(step);
        if let (Some(bar), Some(running)) = (self.rows.get(&key), self.running.get(step)) {
            let gap = if running.progress.is_empty() || running.last.is_empty() { "" } else { "  " };
            bar.set_message(format!("{}{gap}{}", running.progress, self.palette.paint(FAINT, &running.last)));
        }
    }

    /// Counts on the last row, which is there while something runs.
    fn tally(&mut self) {
        if self.running.is_empty() {
            return self.remove(COUNTER);
        }
        let mut words = vec![format!("{} of {}", grouped(self.ended.len() as u64), grouped(self.order.len() as u64))];
        words.push(format!("{} running", grouped(self.running.len() as u64)));
        let counted = self.counts.iter().zip(COUNTED).filter(|(number, _)| **number > 0);
        words.extend(counted.map(|(number, what)| format!("{} {what}", grouped(*number))));
        let text = self.palette.paint(FAINT, &words.join(", "));
        if let Some(bar) = self.rows.get(&COUNTER) {
            return bar.set_message(text);
        }
        let bar = self.bar("{wide_msg}").with_message(text);
        self.insert(COUNTER, bar);
    }
}

fn template(words: &str) -> ProgressStyle {
    ProgressStyle::with_template(words).expect("the templates of this file are well formed")
}

/// How long a step has been running, once that is worth a look.
fn took(state: &ProgressState, out: &mut dyn Write) {
    let seconds = state.elapsed().as_secs();
    if seconds > 0 {
        // Writing to a string does not fail, and a row without its time is no loss.
        let _ = write!(out, " {}", duration(seconds.saturating_mul(1000)));
    }
}

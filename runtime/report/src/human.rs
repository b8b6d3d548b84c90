//! `--format human`: for a person at a terminal. What runs is alive below; what ended settles above it and stays.
//!
//! It must never lose a failure among what went well: a failed step brings the last lines of its log with it.

mod rows;

use crate::plain::{finished, level_word};
use crate::summary::{self, BAD, DOUBT, FAINT, GOOD, HINT, Palette, STRONG};
use crate::words::{count, duration};
use crate::{LineLevel, ReportEvent, Reporter, RunFinished, StepInfo, StepResult};
use anstyle::Style;
use indicatif::ProgressDrawTarget;
use rows::Rows;
use std::io;
use std::time::Duration;

/// How many steps that nothing was done for are named before they are only counted.
const QUIET_SHOWN: usize = 20;

/// What the caller knows of the terminal and of who looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub colour: Colour,
    /// Which signs the terminal can show.
    pub glyphs: Glyphs,
    /// How many columns it has.
    pub width: u16,
    /// How often what runs is drawn afresh. `None`: only when something happens.
    pub tick: Option<Duration>,
}

impl Default for Look {
    fn default() -> Self {
        Self { colour: Colour::Never, glyphs: Glyphs::Unicode, width: 80, tick: Some(Duration::from_millis(120)) }
    }
}

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Yes.
    Always,
    /// No: somebody said `NO_COLOR`, or the terminal has none. Nothing is told by colour alone.
    Never,
}

/// Which signs a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Ticks, crosses and braille.
    Unicode,
    /// Nothing beyond ASCII.
    Ascii,
}

impl Glyphs {
    fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Self::Unicode => unicode,
            Self::Ascii => ascii,
        }
    }
}

/// Shows a live tree on a terminal.
#[derive(Debug)]
pub struct Human {
    look: Look,
    palette: Palette,
    rows: Rows,
    /// Steps that nothing was done for, not yet told.
    quiet: Vec<(String, StepResult)>,
    /// How many of them were told by name.
    quiet_told: usize,
}

impl Human {
    /// Draws on `target`. A hidden target (not a terminal, or a dumb one) shows nothing: [`Plain`](crate::Plain) is for those.
    pub fn new(target: ProgressDrawTarget, look: Look) -> Self {
        let palette = Palette { colour: look.colour == Colour::Always };
        Self { look, palette, rows: Rows::new(target, look, palette), quiet: Vec::new(), quiet_told: 0 }
    }

    fn show(&mut self, event: &ReportEvent) -> io::Result<()> {
        match event {
            ReportEvent::RunStarted { package, release, version, command, steps } => {
                self.begin(&format!("{package} {version} {release}"), command, steps)
            }
            ReportEvent::StepStarted { step, operation, attempt, why } => {
                self.rows.start(step, *operation, *attempt, why.as_deref());
                Ok(())
            }
            ReportEvent::StepLine { step, level, text, .. } => {
                self.rows.line(step, text);
                if *level >= LineLevel::Warn { self.notice(*level, &format!("{step}: {text}")) } else { Ok(()) }
            }
            ReportEvent::StepProgress { step, what, done, total } => {
                self.rows.progress(step, what, *done, *total);
                Ok(())
            }
            ReportEvent::StepRetrying { step, in_ms, reason } => {
                let again = format!("trying again in {}", duration(*in_ms));
                self.rows.waits(step, &again);
                let glyph = self.look.glyphs.pick("↻", "~");
                self.settle(DOUBT, glyph, step, &format!("{again}: {reason}"))
            }
            ReportEvent::StepFinished { step, result: result @ (StepResult::Cached | StepResult::Copied), .. } => {
                self.rows.end(step, *result);
                self.quiet.push((step.clone(), *result));
                Ok(())
            }
            ReportEvent::StepFinished { step, operation, result, summary, duration_ms, .. } => {
                let tail = self.rows.end(step, *result);
                let (style, glyph) = self.sign(*result);
                self.settle(style, glyph, step, &finished(*operation, *result, summary, *duration_ms))?;
                if matches!(result, StepResult::Failed | StepResult::Unknown) { self.tail(&tail) } else { Ok(()) }
            }
            ReportEvent::Notice { level, text } => self.notice(*level, text),
            ReportEvent::RunFinished(end) => self.end(end),
        }
    }

    fn begin(&mut self, name: &str, command: &str, steps: &[StepInfo]) -> io::Result<()> {
        self.rows.begin(steps);
        self.say(&format!("{}: {command}, {}", self.palette.paint(STRONG, name), count(steps.len(), "step")))
    }

    fn end(&mut self, end: &RunFinished) -> io::Result<()> {
        self.rows.clear();
        self.tell_quiet_counted()?;
        self.say("")?;
        summary::lines(end, self.palette).iter().try_for_each(|line| self.say(line))
    }

    fn sign(&self, result: StepResult) -> (Style, &'static str) {
        match result {
            StepResult::Succeeded | StepResult::Cached | StepResult::Copied => (GOOD, self.look.glyphs.pick("✓", "+")),
            StepResult::Failed => (BAD, self.look.glyphs.pick("✗", "x")),
            StepResult::Cancelled => (DOUBT, self.look.glyphs.pick("■", "-")),
            StepResult::Unknown => (DOUBT, "?"),
        }
    }

    /// Puts a line about a step above what is alive; its further lines stand below it, set in.
    fn settle(&mut self, style: Style, glyph: &str, step: &str, text: &str) -> io::Result<()> {
        self.tell_quiet_named()?;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        self.say(&format!("{} {} {first}", self.palette.paint(style, glyph), self.palette.paint(STRONG, step)))?;
        lines.try_for_each(|line| self.say(&format!("  {line}")))
    }

    fn tail(&mut self, tail: &[String]) -> io::Result<()> {
        let bar = self.palette.paint(FAINT, self.look.glyphs.pick("│", "|"));
        tail.iter().try_for_each(|line| self.say(&format!("    {bar} {line}")))
    }

    fn notice(&mut self, level: LineLevel, text: &str) -> io::Result<()> {
        self.tell_quiet_named()?;
        let style = match level {
            LineLevel::Error => BAD,
            LineLevel::Warn => DOUBT,
            LineLevel::Info => HINT,
            LineLevel::Trace | LineLevel::Debug => FAINT,
        };
        match level_word(level) {
            "" => self.say(text),
            word => self.say(&format!("{} {text}", self.palette.paint(style, word.trim_end()))),
        }
    }

    /// Names the steps that nothing was done for, as long as they are few.
    fn tell_quiet_named(&mut self) -> io::Result<()> {
        if self.quiet_told + self.quiet.len() > QUIET_SHOWN {
            return Ok(());
        }
        self.quiet_told += self.quiet.len();
        for (step, result) in std::mem::take(&mut self.quiet) {
            let (style, glyph) = self.sign(result);
            let word = finished(crate::OperationName::Apply, result, "", 0);
            self.say(&format!("{} {} {word}", self.palette.paint(style, glyph), self.palette.paint(STRONG, &step)))?;
        }
        Ok(())
    }

    /// Tells of all that nothing was done for: by name where they are few, else by their number.
    fn tell_quiet_counted(&mut self) -> io::Result<()> {
        self.tell_quiet_named()?;
        let quiet = std::mem::take(&mut self.quiet);
        for (kind, words) in [(StepResult::Cached, "cached"), (StepResult::Copied, "from the record")] {
            let number = quiet.iter().filter(|(_, result)| *result == kind).count();
            if number > 0 {
                let (style, glyph) = self.sign(kind);
                let more = if self.quiet_told > 0 { "more " } else { "" };
                let noun = format!("{more}step");
                self.say(&format!("{} {} {words}", self.palette.paint(style, glyph), count(number, &noun)))?;
            }
        }
        Ok(())
    }

    fn say(&self, line: &str) -> io::Result<()> {
        self.rows.above(line)
    }
}

impl Reporter for Human {
    fn event(&mut self, event: &ReportEvent) -> io::Result<()> {
        self.show(&event.cleaned())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.rows.clear();
        self.tell_quiet_counted()
    }
}

//! The end of a run, for people: what succeeded, what failed and why, what was undone, and the command to type next.

use crate::words::{count, duration, names};
use crate::{FailedStep, RunFinished, RunVerdict};
use anstyle::{AnsiColor, Style};

/// Styles, or none of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Palette {
    pub(crate) colour: bool,
}

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DOUBT: Style = AnsiColor::Yellow.on_default();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

impl Palette {
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// Returns the summary, line by line.
pub(crate) fn lines(end: &RunFinished, palette: Palette) -> Vec<String> {
    let mut out = vec![headline(end, palette)];
    let cached = if end.cached == 0 { String::new() } else { format!(" ({} from the cache)", count(end.cached, "step")) };
    row(&mut out, "succeeded", end.succeeded.len(), &format!("{}{cached}", names(&end.succeeded)));
    failures(&mut out, "failed", &end.failed, palette);
    let back = if end.verdict == RunVerdict::Destroyed { "destroyed" } else { "undone" };
    row(&mut out, back, end.undone.len(), &names(&end.undone));
    failures(&mut out, "not undone", &end.undo_failed, palette);
    row(&mut out, "not started", end.not_started.len(), &names(&end.not_started));
    row(&mut out, "waiting for", end.waiting_on.len(), &names(&end.waiting_on));
    for place in &end.environments {
        let active = place.active.as_ref().map_or_else(String::new, |active| format!(", {active} is active"));
        row(&mut out, &place.environment, 1, &format!("{}{active}", place.state));
    }
    if let Some(next) = &end.next {
        out.push(format!("{} type `{next}`", palette.paint(HINT, "hint:")));
    }
    out
}

fn headline(end: &RunFinished, palette: Palette) -> String {
    let name =
        [Some(&end.package), end.version.as_ref(), end.release.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let (style, words) = verdict(end.verdict);
    format!("{}: {} in {}", palette.paint(STRONG, &name), palette.paint(style, words), duration(end.duration_ms))
}

/// Returns a verdict's words and how they look.
pub(crate) fn verdict(verdict: RunVerdict) -> (Style, &'static str) {
    match verdict {
        RunVerdict::Succeeded => (GOOD, "done"),
        RunVerdict::NothingToDo => (GOOD, "nothing to do"),
        RunVerdict::Failed => (BAD, "failed"),
        RunVerdict::Waiting => (DOUBT, "waiting"),
        RunVerdict::Cancelled => (DOUBT, "interrupted"),
        RunVerdict::Undone => (GOOD, "undone"),
        RunVerdict::Destroyed => (GOOD, "destroyed"),
    }
}

fn row(out: &mut Vec<String>, title: &str, entries: usize, text: &str) {
    if entries > 0 {
        out.push(format!("  {title:<12} {text}"));
    }
}

fn failures(out: &mut Vec<String>, title: &str, list: &[FailedStep], palette: Palette) {
    for failed in list {
        let mut reason = failed.reason.lines();
        let first = reason.next().unwrap_or_default();
        out.push(format!("  {} {}: {first}", palette.paint(BAD, &format!("{title:<12}")), failed.step));
        out.extend(reason.map(|line| format!("  {:12} {line}", "")));
    }
}

//! Text from elsewhere, made harmless: no escapes, no control characters, nothing that turns the writing round.

use crate::{EnvironmentLine, FailedStep, FoundAt, Place, ReportEvent, RunFinished, StepInfo};

/// Returns text without escapes and control characters, but for line ends. A tab is four spaces.
pub(crate) fn text(text: &str) -> String {
    // The one-character form of what begins a sequence is written out, and tabs go first: the stripper knows neither.
    let raw = text.replace('\u{9b}', "\u{1b}[").replace('\t', "    ");
    let stripped = if raw.contains('\u{1b}') { strip_ansi_escapes::strip_str(&raw) } else { raw };
    let mut out = String::with_capacity(stripped.len());
    for character in stripped.chars() {
        match character {
            '\n' => out.push('\n'),
            '\u{2028}' | '\u{2029}' => out.push(' '),
            harmful if harmful.is_control() || turns_writing(harmful) => {}
            other => out.push(other),
        }
    }
    out
}

/// Returns text on one line.
pub(crate) fn line(raw: &str) -> String {
    text(raw).split('\n').map(str::trim_end).collect::<Vec<_>>().join(" ")
}

/// Bidirectional overrides and isolates: they can make a line look like another one.
fn turns_writing(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
}

impl ReportEvent {
    /// Returns the event with every text of it made harmless.
    #[must_use]
    pub fn cleaned(&self) -> Self {
        match self.clone() {
            Self::RunStarted { package, release, version, command, steps } => Self::RunStarted {
                package: line(&package),
                release: line(&release),
                version: line(&version),
                command: line(&command),
                steps: steps.iter().map(step_info).collect(),
            },
            Self::StepStarted { step, operation, attempt, why } => {
                Self::StepStarted { step: line(&step), operation, attempt, why: why.as_deref().map(line) }
            }
            Self::StepLine { step, source, level, text, finding } => {
                let found = |at: &FoundAt| FoundAt { file: line(&at.file), line: at.line, message: line(&at.message) };
                Self::StepLine { step: line(&step), source, level, text: line(&text), finding: finding.as_ref().map(found) }
            }
            Self::StepProgress { step, what, done, total } => Self::StepProgress { step: line(&step), what: line(&what), done, total },
            Self::StepRetrying { step, in_ms, reason } => Self::StepRetrying { step: line(&step), in_ms, reason: text(&reason) },
            Self::StepFinished { step, operation, result, summary, duration_ms, place } => {
                let (step, summary) = (line(&step), text(&summary));
                Self::StepFinished { step, operation, result, summary, duration_ms, place: place.as_ref().map(clean_place) }
            }
            Self::Notice { level, text: notice } => Self::Notice { level, text: text(&notice) },
            Self::RunFinished(end) => Self::RunFinished(Box::new(run_finished(*end))),
        }
    }
}

fn step_info(info: &StepInfo) -> StepInfo {
    StepInfo { step: line(&info.step), phase: line(&info.phase), environment: info.environment.as_deref().map(line), pure: info.pure }
}

fn clean_place(place: &Place) -> Place {
    Place { file: line(&place.file), ..*place }
}

fn run_finished(end: RunFinished) -> RunFinished {
    let lines = |list: Vec<String>| list.iter().map(|entry| line(entry)).collect();
    let failed = |list: Vec<FailedStep>| {
        list.into_iter().map(|failed| FailedStep { step: line(&failed.step), reason: text(&failed.reason) }).collect::<Vec<_>>()
    };
    let environment = |entry: EnvironmentLine| EnvironmentLine {
        environment: line(&entry.environment),
        state: line(&entry.state),
        active: entry.active.as_deref().map(line),
    };
    RunFinished {
        package: line(&end.package),
        release: end.release.as_deref().map(line),
        version: end.version.as_deref().map(line),
        verdict: end.verdict,
        succeeded: lines(end.succeeded),
        cached: end.cached,
        failed: failed(end.failed),
        undone: lines(end.undone),
        undo_failed: failed(end.undo_failed),
        not_started: lines(end.not_started),
        waiting_on: lines(end.waiting_on),
        environments: end.environments.into_iter().map(environment).collect(),
        next: end.next.as_deref().map(line),
        duration_ms: end.duration_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_go() {
        assert_eq!(line("\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7} \u{9b}2Jx\r\u{8}\0"), "red x");
        assert_eq!(line("\u{1b}[1ma\u{1b}[0m\tb"), "a    b");
        assert_eq!(line("a\tb\nc\u{2028}d"), "a    b c d");
        assert_eq!(text("a\r\nb"), "a\nb");
        assert_eq!(line("safe\u{202e}txt.exe"), "safetxt.exe");
        assert_eq!(line("Grüße, 世界 🎉"), "Grüße, 世界 🎉");
    }
}

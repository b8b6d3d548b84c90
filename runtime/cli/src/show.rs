//! What the terminal gets: results on standard output, what relrun says of itself on standard error.

use crate::args::{Cli, Format};
use crate::open::is_ci;
use relrun_engine::{EngineError, Exit};
use relrun_report::{Json, Plain, ReportEvent, Reporter, RunFinished, RunVerdict};
use std::io::{self, IsTerminal, Write};

/// Returns the format asked for, or the one that fits the terminal and the CI.
pub(crate) fn format(cli: &Cli) -> Format {
    match cli.format {
        Some(format) => format,
        None if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") => Format::Github,
        None if io::stderr().is_terminal() && io::stdout().is_terminal() && !is_ci() => Format::Human,
        None => Format::Plain,
    }
}

/// Returns the reporter for a run.
pub(crate) fn reporter(cli: &Cli, graph: impl FnOnce() -> Option<String>) -> Box<dyn Reporter> {
    match format(cli) {
        Format::Json => Box::new(Json::new(io::stdout())),
        Format::Github => crate::page::github(graph()),
        Format::Human => crate::page::human(),
        Format::Plain | Format::Svg | Format::Dot | Format::Mermaid => Box::new(Plain::new(io::stdout())),
    }
}

/// Shows how a run ended, and returns the exit code for it.
pub(crate) fn finished(reporter: &mut dyn Reporter, run: RunFinished) -> Exit {
    let exit = match run.verdict {
        RunVerdict::Succeeded | RunVerdict::NothingToDo => Exit::Done,
        RunVerdict::Undone | RunVerdict::Destroyed if run.undo_failed.is_empty() => Exit::Done,
        RunVerdict::Undone | RunVerdict::Destroyed | RunVerdict::Failed => Exit::StepFailed,
        RunVerdict::Waiting => Exit::Waiting,
        RunVerdict::Cancelled => Exit::Interrupted,
    };
    tell(reporter, &ReportEvent::RunFinished(Box::new(run)));
    exit
}

/// Shows one event. A reader that is gone must not stop a deploy.
pub(crate) fn tell(reporter: &mut dyn Reporter, event: &ReportEvent) {
    if let Err(error) = reporter.event(event) {
        tracing::debug!(%error, "an event could not be shown");
    }
}

/// Prints a result.
pub(crate) fn print(text: &str) -> Result<(), EngineError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(EngineError::io("write to standard output", error)),
        _ => Ok(()),
    }
}

/// Writes what a person should see beside a result: it goes to standard error.
pub(crate) fn note(text: &str) -> Result<(), EngineError> {
    io::stderr().lock().write_all(text.as_bytes()).map_err(|error| EngineError::io("write to standard error", error))
}

/// Tells a person at a terminal what comes down, where it takes a while.
pub(crate) fn progress(cli: &Cli) -> Option<relrun_registry::Progress> {
    const LARGE: u64 = 1 << 20;
    if format(cli) != Format::Human {
        return None;
    }
    let last = std::sync::Mutex::new(None::<std::time::Instant>);
    Some(std::sync::Arc::new(move |what: &str, count: u64, of: Option<u64>| {
        let is_end = of == Some(count);
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() > std::time::Duration::from_millis(200));
        if of.is_some_and(|of| of < LARGE) || !(is_due || is_end) {
            return;
        }
        *last = Some(std::time::Instant::now());
        let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20);
        let of = of.map_or_else(String::new, |of| format!(" of {}", mib(of)));
        let end = if is_end { "\n" } else { "" };
        // Where the terminal is gone, nobody watches.
        let _ = write!(io::stderr().lock(), "\r\x1b[2Kfetching {what}: {}{of}{end}", mib(count));
    }))
}

/// Prints a result as one line of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), EngineError> {
    let text = serde_json::to_string(value).map_err(|error| EngineError::io("write JSON", io::Error::other(error)))?;
    print(&format!("{text}\n"))
}

/// Shows why a command could not be carried out.
pub(crate) fn error(cli: &Cli, error: &EngineError) {
    let mut err = io::stderr().lock();
    let text = match format(cli) {
        Format::Json => {
            let mut json = String::new();
            let rendered = miette::JSONReportHandler::new().render_report(&mut json, error);
            rendered.map_or_else(|_| error.to_string(), |()| json)
        }
        Format::Github => format!("{}::error::{}", plain(error, false), escape(&error.to_string())),
        _ => plain(error, colour()),
    };
    // Where standard error is closed, the exit code says what there is to say.
    let _ = writeln!(err, "{}", text.trim_end());
}

fn plain(error: &EngineError, colour: bool) -> String {
    let theme = if colour { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(120).with_links(false);
    handler.render_report(&mut text, error).map_or_else(|_| error.to_string(), |()| text)
}

/// Returns whether standard error takes colour: a terminal, and no `NO_COLOR`.
pub(crate) fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Lays rows out in columns.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([header[at].len()]).max().unwrap_or_default();
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(header.to_vec())).chain(body).collect()
}

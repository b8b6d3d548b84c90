//! Reporters that need to know the terminal or the CI.

use relrun_report::{Colour, Github, Glyphs, Human, Look, Plain, ProgressDrawTarget, ReportEvent, Reporter};
use std::io::{self, Write};
use std::path::PathBuf;

/// Returns the live tree; plain lines where there is no terminal to draw on.
pub(crate) fn human() -> Box<dyn Reporter> {
    let target = ProgressDrawTarget::stderr();
    if target.is_hidden() {
        return Box::new(Plain::new(io::stdout()));
    }
    let colour = if crate::show::colour() { Colour::Always } else { Colour::Never };
    let unicode = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let glyphs = if unicode.is_some_and(|locale| locale.to_uppercase().contains("UTF")) { Glyphs::Unicode } else { Glyphs::Ascii };
    Box::new(Human::new(target, Look { colour, glyphs, width: width(), ..Look::default() }))
}

/// Returns the terminal's width in columns; 80 where it does not say.
fn width() -> u16 {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(terminal_size::Width(columns), _)| columns)
}

/// Returns GitHub's workflow commands, and the step summary where the runner asks for one.
pub(crate) fn github(graph: Option<String>) -> Box<dyn Reporter> {
    let page = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from);
    Box::new(WithPage { inner: Github::new(io::stdout()), page, graph })
}

/// Appends the reporter's page to a file when the run is over.
struct WithPage {
    inner: Github<io::Stdout>,
    page: Option<PathBuf>,
    /// The DAG in Mermaid's words.
    graph: Option<String>,
}

impl Reporter for WithPage {
    fn event(&mut self, event: &ReportEvent) -> io::Result<()> {
        self.inner.event(event)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.inner.finish()?;
        if let (Some(path), Some(text)) = (&self.page, self.inner.page(self.graph.as_deref())) {
            std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}

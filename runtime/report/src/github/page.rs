//! The page of a run: what the job's summary shows, in GitHub's Markdown.
//!
//! Nothing of it may become markup that a plugin wrote: cells are escaped, and the graph stands in a fence that it cannot close.

use crate::summary::verdict;
use crate::words::{count, duration, ended, names};
use crate::{FailedStep, OperationName, ReportEvent, RunFinished, StepResult};
use std::fmt::Write;

/// How many rows a table has before it counts: a job's summary holds a mebibyte.
const ROWS: usize = 500;

/// How many characters of a summary a cell shows.
const CELL: usize = 500;

/// How long a graph GitHub's Mermaid draws.
const GRAPH: usize = 50_000;

/// What a page will say.
#[derive(Debug, Default)]
pub(super) struct Page {
    name: Option<String>,
    rows: Vec<Row>,
    /// How many rows there was no room for.
    more: usize,
    /// How many steps nothing was done for.
    cached: usize,
    copied: usize,
    end: Option<RunFinished>,
}

#[derive(Debug)]
struct Row {
    step: String,
    operation: OperationName,
    result: StepResult,
    summary: String,
    duration_ms: u64,
}

impl Page {
    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &ReportEvent) {
        match event {
            ReportEvent::RunStarted { package, release, version, command, .. } => {
                self.name = Some(format!("{package} {version} {release} ({command})"));
            }
            ReportEvent::StepFinished { result: StepResult::Cached, .. } => self.cached += 1,
            ReportEvent::StepFinished { result: StepResult::Copied, .. } => self.copied += 1,
            ReportEvent::StepFinished { step, operation, result, summary, duration_ms, .. } => {
                let row =
                    Row { step: step.clone(), operation: *operation, result: *result, summary: summary.clone(), duration_ms: *duration_ms };
                self.row(row);
            }
            ReportEvent::RunFinished(end) => self.end = Some(end.as_ref().clone()),
            _ => {}
        }
    }

    /// Keeps a row. What failed always finds room: something that went well makes it.
    fn row(&mut self, row: Row) {
        if self.rows.len() < ROWS {
            return self.rows.push(row);
        }
        self.more += 1;
        if row.result != StepResult::Succeeded
            && let Some(well) = self.rows.iter().rposition(|row| row.result == StepResult::Succeeded)
        {
            self.rows.remove(well);
            self.rows.push(row);
        }
    }

    /// Returns the page, where there was a run.
    pub(super) fn text(&self, graph: Option<&str>) -> Option<String> {
        let mut out = String::new();
        match (&self.end, &self.name) {
            (Some(end), name) => self.heading(&mut out, end, name.as_deref()),
            (None, Some(name)) => block(&mut out, &format!("## {}: did not come to its end", escape(name))),
            (None, None) => return None,
        }
        self.table(&mut out);
        if let Some(end) = &self.end {
            lists(&mut out, end);
            environments(&mut out, end);
        }
        if let Some(graph) = graph {
            picture(&mut out, graph);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        Some(out)
    }

    fn heading(&self, out: &mut String, end: &RunFinished, name: Option<&str>) {
        let parts = [Some(&end.package), end.version.as_ref(), end.release.as_ref()];
        let plain = || parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let name = name.map_or_else(plain, str::to_owned);
        block(out, &format!("## {} {}: {}", mark(end), escape(&name), verdict(end.verdict).1));
        let mut facts = vec![format!("{} in {}.", count(end.succeeded.len(), "step") + " succeeded", duration(end.duration_ms))];
        if self.cached > 0 {
            facts.push(format!("{} came from the cache.", count(self.cached, "step")));
        }
        if self.copied > 0 {
            facts.push(format!("{} came from the record.", count(self.copied, "step")));
        }
        block(out, &facts.join(" "));
        if let Some(next) = &end.next {
            block(out, &format!("Next: {}", code(next)));
        }
    }

    fn table(&self, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        out.push_str("| Step | Result | Time | |\n|---|---|---:|---|\n");
        for row in &self.rows {
            let words = ended(row.operation, row.result);
            let (step, summary) = (escape(&row.step), escape(&cut(&row.summary)));
            line(out, &format!("| {step} | {} {words} | {} | {summary} |", sign(row.result), duration(row.duration_ms)));
        }
        out.push('\n');
        if self.more > 0 {
            block(out, &format!("{} did not fit here.", count(self.more, "more row")));
        }
    }
}

fn lists(out: &mut String, end: &RunFinished) {
    let failed = |out: &mut String, title: &str, list: &[FailedStep]| {
        for failed in list.iter().take(ROWS) {
            line(out, &format!("- **{title}**: {}: {}", escape(&failed.step), escape(&cut(&failed.reason))));
        }
    };
    let named = |out: &mut String, title: &str, list: &[String]| {
        if !list.is_empty() {
            line(out, &format!("- **{title}**: {}", escape(&names(list))));
        }
    };
    let before = out.len();
    failed(out, "Failed", &end.failed);
    named(out, "Undone", &end.undone);
    failed(out, "Not undone", &end.undo_failed);
    named(out, "Not started", &end.not_started);
    named(out, "Waiting for", &end.waiting_on);
    if out.len() > before {
        out.push('\n');
    }
}

fn environments(out: &mut String, end: &RunFinished) {
    if end.environments.is_empty() {
        return;
    }
    out.push_str("| Environment | State | Active |\n|---|---|---|\n");
    for entry in &end.environments {
        let active = entry.active.as_deref().unwrap_or_default();
        line(out, &format!("| {} | {} | {} |", escape(&entry.environment), escape(&entry.state), escape(active)));
    }
    out.push('\n');
}

fn picture(out: &mut String, graph: &str) {
    if graph.len() > GRAPH {
        return block(out, "The graph is too large to be drawn here: `relrun graph` draws it.");
    }
    let graph = crate::clean::text(graph);
    let fence = "`".repeat(longest_run(&graph).max(2) + 1);
    block(out, &format!("<details><summary>Graph</summary>\n\n{fence}mermaid\n{}\n{fence}\n\n</details>", graph.trim_end()));
}

fn block(out: &mut String, text: &str) {
    line(out, text);
    out.push('\n');
}

fn line(out: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{text}");
}

fn mark(end: &RunFinished) -> &'static str {
    use crate::RunVerdict::{Cancelled, Destroyed, Failed, NothingToDo, Succeeded, Undone, Waiting};
    match end.verdict {
        Succeeded | NothingToDo | Undone | Destroyed => "✅",
        Failed => "❌",
        Waiting => "⏸️",
        Cancelled => "⏹️",
    }
}

fn sign(result: StepResult) -> &'static str {
    match result {
        StepResult::Succeeded | StepResult::Cached | StepResult::Copied => "✅",
        StepResult::Failed => "❌",
        StepResult::Cancelled => "⏹️",
        StepResult::Unknown => "❔",
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns text that Markdown shows as it is, on one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '\n' => out.push_str("<br>"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// Returns text as a span of code.
fn code(text: &str) -> String {
    let run = longest_run(text);
    let ticks = "`".repeat(run + 1);
    let gap = if run > 0 { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunVerdict;

    #[test]
    fn markup_of_others_is_text() {
        assert_eq!(escape("a|b <img src=x> `c` [d](e) *f*\n# g"), "a\\|b &lt;img src=x&gt; \\`c\\` \\[d\\](e) \\*f\\*<br>\\# g");
        assert_eq!(code("relrun retry r7"), "`relrun retry r7`");
        assert_eq!(code("a ``b"), "``` a ``b ```");
    }

    #[test]
    fn a_graph_cannot_close_its_fence() {
        let mut out = String::new();
        picture(&mut out, "flowchart LR\n  a[\"```\"]\n````\n");
        assert_eq!(out.lines().filter(|line| line.trim_end_matches("mermaid") == "`````").count(), 2, "{out}");
    }

    #[test]
    fn a_graph_that_cannot_be_drawn_is_not_there() {
        let mut out = String::new();
        picture(&mut out, &"a --> b\n".repeat(10_000));
        assert_eq!(out, "The graph is too large to be drawn here: `relrun graph` draws it.\n\n");
    }

    #[test]
    fn a_failure_finds_room_in_a_full_table() {
        let mut page = Page::default();
        for number in 0..ROWS + 3 {
            let result = if number == ROWS + 1 { StepResult::Failed } else { StepResult::Succeeded };
            page.note(&ReportEvent::StepFinished {
                step: format!("s{number}"),
                operation: OperationName::Apply,
                result,
                summary: "x".repeat(2 * CELL),
                duration_ms: 1,
                place: None,
            });
        }
        page.note(&ReportEvent::RunFinished(Box::new(RunFinished { verdict: RunVerdict::Failed, ..RunFinished::default() })));
        let text = page.text(None).unwrap();
        assert!(text.contains("| s501 | ❌ failed |"), "{text}");
        assert!(text.contains("3 more rows did not fit here."), "{text}");
        assert!(text.len() < 1 << 20, "{}", text.len());
    }

    #[test]
    fn no_run_has_no_page() {
        assert_eq!(Page::default().text(None), None);
    }
}

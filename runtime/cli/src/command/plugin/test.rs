//! `plugin test`: a plugin's test cases, in the real host.

use super::find::{self, Found};
use super::{build, ready};
use crate::args::{Cli, Format};
use crate::{open, show};
use relrun_engine::{EngineError, Exit};
use relrun_manifest::case::Case;
use relrun_plugin_test::suite::{CaseReport, Snapshots, Suite, SuiteError};
use std::path::{Path, PathBuf};

/// What is to be tested.
pub(super) struct Meant {
    /// The plugin's folder.
    pub(super) folder: PathBuf,
    cases: PathBuf,
    filters: Vec<String>,
    update: bool,
}

impl Meant {
    /// Takes words: the first that is a folder with a `plugin.kdl` is the plugin's, the others are filters.
    pub(super) fn new(words: &[String], cases: Option<&Path>, update: bool) -> Result<Self, EngineError> {
        let (folder, filters) = match words {
            [first, rest @ ..] if Path::new(first).join("plugin.kdl").is_file() => (PathBuf::from(first), rest),
            // A path that is no plugin's was meant as one all the same.
            [first, ..] if first.contains('/') => {
                find::project(Path::new(first))?;
                (PathBuf::from(first), words)
            }
            all => (PathBuf::from("."), all),
        };
        Ok(Self { cases: cases.map_or_else(|| folder.join("tests"), Path::to_owned), folder, filters: filters.to_vec(), update })
    }

    fn wants(&self, file: &str, case: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| case.contains(filter) || file.contains(filter))
    }
}

/// A case file.
struct File {
    path: PathBuf,
    /// Its path as people write it.
    name: String,
    text: String,
    cases: Vec<Case>,
}

pub(super) async fn test(cli: &Cli, meant: &Meant, no_build: bool) -> Result<Exit, EngineError> {
    let files = read(&meant.cases)?;
    let chosen = files.iter().flat_map(|file| file.cases.iter().map(move |case| (file, case)));
    let chosen: Vec<(&File, &Case)> = chosen.filter(|(file, case)| meant.wants(&file.name, &case.name)).collect();
    if chosen.is_empty() {
        let all: Vec<String> = files.iter().flat_map(|file| &file.cases).map(|case| case.name.value.clone()).collect();
        let help = if all.is_empty() {
            "write one: `case \"…\" { … }` in tests/NAME.kdl".to_owned()
        } else {
            format!("there are: {}", all.join("; "))
        };
        return Err(EngineError::input("there is no such test case", help));
    }
    let component = if no_build {
        find::at(&meant.folder)?
    } else {
        let Some(built) = build::made(cli, build::job(&meant.folder)?).await? else { return Ok(Exit::StepFailed) };
        Found::file(&built.component)?
    };
    let suite = Box::pin(ready(component.bytes.len(), Suite::new(open::bare_host()?, component.source))).await?.map_err(failed)?;
    let (mut passed, mut broken, mut written, mut last) = (0usize, 0usize, 0usize, "");
    for (file, case) in chosen {
        if last != file.name {
            last = &file.name;
            heading(cli, last)?;
        }
        let folder = file.path.parent().unwrap_or(Path::new("."));
        let report = suite.run(case, folder, &mut Snapshots::beside(&file.path, meant.update)).await.map_err(failed)?;
        if report.faults.is_empty() {
            passed += 1;
        } else {
            broken += 1;
        }
        written += report.written;
        show_case(cli, file, case, &report)?;
    }
    summary(cli, passed, broken, written)?;
    Ok(if broken == 0 { Exit::Done } else { Exit::StepFailed })
}

/// Reads every case file of a plugin; all mistakes of one file at once.
fn read(tests: &Path) -> Result<Vec<File>, EngineError> {
    let entries = match std::fs::read_dir(tests) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let help = "write one: `case \"…\" { … }` in tests/NAME.kdl, as docs/plugin-tests.md shows";
            return Err(EngineError::input(format!("there are no test cases in {}", tests.display()), help));
        }
        Err(source) => return Err(EngineError::io(format!("read {}", tests.display()), source)),
    };
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "kdl")).collect();
    paths.sort();
    let file = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(|source| EngineError::io(format!("read {}", path.display()), source))?;
        let name = build::shown(&path);
        let cases = relrun_manifest::parse_cases(&name, &text).map_err(Box::new)?;
        Ok(File { path, name, text, cases })
    };
    paths.into_iter().map(file).collect()
}

fn heading(cli: &Cli, file: &str) -> Result<(), EngineError> {
    if matches!(show::format(cli), Format::Json | Format::Github) { Ok(()) } else { show::print(&format!("{file}\n")) }
}

fn show_case(cli: &Cli, file: &File, case: &Case, report: &CaseReport) -> Result<(), EngineError> {
    let place = |span| relrun_manifest::position(&file.text, span);
    let took = report.took.as_millis();
    if show::format(cli) == Format::Json {
        let faults: Vec<_> = report
            .faults
            .iter()
            .map(|fault| {
                let (line, column) = place(fault.span);
                serde_json::json!({ "line": line, "column": column, "message": fault.message, "detail": fault.detail })
            })
            .collect();
        return show::print_json(&serde_json::json!({
            "type": "case", "file": file.name, "name": case.name.value, "passed": report.faults.is_empty(),
            "took-ms": u64::try_from(took).unwrap_or(u64::MAX), "faults": faults,
        }));
    }
    let is_good = report.faults.is_empty();
    let mut text = format!("  {} {} ({took} ms)\n", if is_good { "ok  " } else { "FAIL" }, case.name.value);
    for fault in &report.faults {
        let (line, column) = place(fault.span);
        text += &format!("       {}:{line}:{column}: {}\n", file.name, fault.message);
        for detail in fault.detail.lines() {
            text += &format!("         {detail}\n");
        }
        if show::format(cli) == Format::Github {
            text += &format!("::error file={},line={line},col={column}::{}: {}\n", file.name, case.name.value, fault.message);
        }
    }
    show::print(&text)
}

fn summary(cli: &Cli, passed: usize, failed: usize, written: usize) -> Result<(), EngineError> {
    if show::format(cli) == Format::Json {
        return show::print_json(
            &serde_json::json!({ "type": "tested", "passed": passed, "failed": failed, "snapshots-written": written }),
        );
    }
    let snapshots = if written == 0 { String::new() } else { format!(", {written} snapshots written") };
    show::print(&format!("{passed} passed, {failed} failed{snapshots}\n"))
}

fn failed(error: SuiteError) -> EngineError {
    match error {
        SuiteError::Host(error) => error.into(),
        SuiteError::Machine { doing, reason } => EngineError::io(doing, std::io::Error::other(reason)),
    }
}

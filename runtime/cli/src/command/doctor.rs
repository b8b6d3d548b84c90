//! `doctor` and `completions`.

use crate::args::{Cli, Format};
use crate::{open, show};
use clap::CommandFactory;
use relrun_engine::{EngineError, Exit};
use relrun_store::SqliteRunStore;
use std::path::Path;

/// One line of `doctor`.
struct Line {
    what: String,
    works: bool,
    detail: String,
    help: Option<String>,
}

/// Says what this machine can do for relrun. Exit 6 where something is missing that steps need.
pub(crate) fn doctor(cli: &Cli) -> Result<Exit, EngineError> {
    let confine = relrun_confine::doctor().into_iter();
    let mut lines: Vec<Line> = confine
        .map(|finding| Line { what: finding.what.to_owned(), works: finding.works, detail: finding.detail, help: finding.help })
        .collect();
    lines.push(ledger(cli));
    lines.push(Line {
        what: "bundled plugins".to_owned(),
        works: true,
        detail: relrun_bundled::all().iter().map(|plugin| plugin.name).collect::<Vec<_>>().join(", "),
        help: None,
    });
    for line in &lines {
        if show::format(cli) == Format::Json {
            show::print_json(&serde_json::json!({ "what": line.what, "works": line.works, "detail": line.detail, "help": line.help }))?;
            continue;
        }
        show::print(&format!("{} {}: {}\n", if line.works { "ok     " } else { "missing" }, line.what, line.detail))?;
        if let Some(help) = &line.help {
            show::print(&format!("        hint: {help}\n"))?;
        }
    }
    Ok(if lines.iter().all(|line| line.works) { Exit::Done } else { Exit::Machine })
}

fn ledger(cli: &Cli) -> Line {
    let what = "ledger".to_owned();
    let root = match open::root(cli, Path::new("release.kdl")) {
        Ok(root) => root,
        Err(error) => return Line { what, works: false, detail: error.to_string(), help: None },
    };
    let path = root.join(".relrun").join("ledger.db");
    match SqliteRunStore::open_read_only(&path) {
        Ok(Some(_)) => Line { what, works: true, detail: format!("{} can be read", path.display()), help: None },
        Ok(None) => Line { what, works: true, detail: format!("none yet in {}", root.display()), help: None },
        Err(error) => Line { what, works: false, detail: relrun_engine::with_sources(&error), help: None },
    }
}

/// Prints completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<Exit, EngineError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "relrun", &mut text);
    show::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

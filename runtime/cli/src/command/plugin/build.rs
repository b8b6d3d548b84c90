//! `plugin build`: a plugin's folder into one component.

use super::{find, inspect};
use crate::args::{Cli, Format};
use crate::{open, show};
use relrun_engine::{EngineError, Exit};
use relrun_plugin_build::build::{BuildError, Built, Job, Surroundings, Watch};
use std::path::Path;
use std::time::Instant;

pub(super) async fn build(cli: &Cli, folder: &Path) -> Result<Exit, EngineError> {
    let began = Instant::now();
    let Some(built) = made(cli, job(folder)?).await? else { return Ok(Exit::StepFailed) };
    let size = std::fs::metadata(&built.component).map_or(0, |found| usize::try_from(found.len()).unwrap_or_default());
    if show::format(cli) == Format::Json {
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        show::print_json(&serde_json::json!({
            "type": "built", "component": built.component, "size": size, "now": built.now, "took-ms": took,
        }))?;
    } else {
        let how = if built.now { format!("built in {:.1} s", began.elapsed().as_secs_f64()) } else { "nothing has changed".to_owned() };
        show::print(&format!("{}: {}, {how}\n", shown(&built.component), inspect::size(size)))?;
    }
    Ok(Exit::Done)
}

/// Returns a path as it is seen from here.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here.canonicalize().ok()?).ok().map(Path::to_owned));
    let path = here.unwrap_or_else(|| path.to_owned());
    path.strip_prefix(".").unwrap_or(&path).display().to_string()
}

/// Prepares the build of a folder.
pub(super) fn job(folder: &Path) -> Result<Job, EngineError> {
    let project = find::project(folder)?;
    Job::new(folder, project).map_err(|error| failed(&error))
}

/// Builds; nothing where a tool failed, which is said.
pub(super) async fn made(cli: &Cli, job: Job) -> Result<Option<Built>, EngineError> {
    let around = Surroundings::new(std::env::vars_os(), open::tool_cache()?);
    let mut progress = Progress::new(cli);
    let work = tokio::task::spawn_blocking(move || relrun_plugin_build::build::build(&job, &around, &mut progress));
    match work.await.map_err(|error| EngineError::io("build", std::io::Error::other(error)))? {
        Ok(built) => Ok(Some(built)),
        Err(error @ BuildError::Tool { .. }) => {
            show::error(cli, &failed(&error));
            Ok(None)
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &BuildError) -> EngineError {
    if let BuildError::Io { doing, path, source } = error {
        return EngineError::io(format!("{doing} {}", path.display()), std::io::Error::new(source.kind(), source.to_string()));
    }
    EngineError::Input { message: error.to_string(), help: miette::Diagnostic::help(error).map(|help| help.to_string()) }
}

/// Shows how a build goes on: what is being done, and with `-v` each line that a tool says.
struct Progress {
    json: bool,
    verbose: bool,
}

impl Progress {
    fn new(cli: &Cli) -> Self {
        Self { json: show::format(cli) == Format::Json, verbose: cli.verbose > 0 }
    }

    // Progress that nobody can read any more must not end the work.
    fn say(&self, kind: &str, text: &str) {
        let _ = if self.json {
            show::print_json(&serde_json::json!({ "type": "build-progress", kind: text }))
        } else if kind == "doing" {
            show::note(&format!("{text} …\n"))
        } else {
            show::note(&format!("  {text}\n"))
        };
    }
}

impl Watch for Progress {
    fn doing(&mut self, what: &str) {
        self.say("doing", what);
    }

    fn line(&mut self, line: &str) {
        if self.json || self.verbose {
            self.say("line", line);
        }
    }
}

//! What a build may use of the machine: the variables that its caller hands over, and a folder for what it fetches.

use super::{BuildError, Watch};
use std::collections::BTreeMap;
use std::env::{join_paths, split_paths};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// How many of the last lines an error shows.
const TAIL: usize = 60;

/// The machine as the caller's environment describes it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    vars: BTreeMap<OsString, OsString>,
    cache: PathBuf,
}

impl Surroundings {
    /// Takes the variables (usually `std::env::vars_os()`), and the folder for what is fetched.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>, cache: PathBuf) -> Self {
        Self { vars: vars.into_iter().collect(), cache }
    }

    /// Returns the variables.
    pub(super) fn vars(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.vars.clone().into_iter()
    }

    /// Returns the folder of fetched tools.
    pub(super) fn tools(&self) -> PathBuf {
        self.cache.join("plugin-tools")
    }

    /// Finds a program on the path.
    pub(super) fn find(&self, program: &str) -> Option<PathBuf> {
        let path = self.vars.get(OsStr::new("PATH"))?;
        split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
    }

    /// Returns a command with the caller's variables, and whose words are not translated.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.vars).env("LC_ALL", "C.UTF-8");
        command
    }

    /// Returns the path with a folder before all others.
    pub(super) fn path_with(&self, first: &Path) -> OsString {
        let rest = self.vars.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        join_paths(std::iter::once(first.to_owned()).chain(split_paths(&rest))).unwrap_or(rest)
    }
}

/// How a command ended.
pub(super) struct Ended {
    status: ExitStatus,
    /// Its last lines.
    pub(super) log: Vec<String>,
}

/// Runs a command to its end, each of its lines going to the one who waits. Its outputs are one stream, as a person would see them.
pub(super) fn run(mut command: Command, doing: &str, watch: &mut dyn Watch) -> Result<Ended, BuildError> {
    let failed = |error: &std::io::Error| tool(doing, error.to_string(), &[], None);
    let (reader, writer) = std::io::pipe().map_err(|error| failed(&error))?;
    let twin = writer.try_clone().map_err(|error| failed(&error))?;
    let spawned = command.stdin(Stdio::null()).stdout(twin).stderr(writer).spawn();
    // The command holds the pipe's writing ends: while it lives, the loop below never sees the end.
    drop(command);
    let mut child = spawned.map_err(|error| failed(&error))?;
    let mut log = Vec::new();
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        watch.line(&line);
        if log.len() == TAIL {
            log.remove(0);
        }
        log.push(line);
    }
    Ok(Ended { status: child.wait().map_err(|error| failed(&error))?, log })
}

impl Ended {
    /// Returns nothing where it went well, else an error with the last lines.
    pub(super) fn good(self, doing: &str, help: Option<&str>) -> Result<(), BuildError> {
        if self.status.success() {
            return Ok(());
        }
        Err(tool(doing, self.how(), &self.log, help))
    }

    pub(super) fn is_good(&self) -> bool {
        self.status.success()
    }

    pub(super) fn how(&self) -> String {
        match self.status.code() {
            Some(code) => format!("it ended with exit code {code}"),
            None => format!("it was ended ({})", self.status),
        }
    }
}

pub(super) fn tool(doing: &str, reason: String, log: &[String], help: Option<&str>) -> BuildError {
    BuildError::Tool { doing: doing.to_owned(), reason, log: log.join("\n"), help: help.map(ToOwned::to_owned) }
}

/// Runs a command and returns what it wrote; nothing where it failed.
pub(super) fn answer(mut command: Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

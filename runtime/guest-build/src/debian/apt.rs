//! Asks apt and dpkg, never as root and never changing the system.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::IoContext as _;
use crate::run::{capture, stream};
use crate::{Error, Machine};

/// apt, with the system's package lists or with its own.
pub(super) struct Apt<'m> {
    machine: &'m Machine,
    own_lists: Option<PathBuf>,
}

impl<'m> Apt<'m> {
    /// Returns apt with the lists that the system has.
    pub(super) fn of_system(machine: &'m Machine) -> Self {
        Self { machine, own_lists: None }
    }

    /// Returns apt with new lists in `folder`, from the system's sources.
    pub(super) fn with_own_lists(machine: &'m Machine, folder: &Path, progress: &mut dyn Write) -> Result<Self, Error> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).doing(|| format!("make {}", path.display()))?;
        }
        let apt = Self { machine, own_lists: Some(folder.to_owned()) };
        let mut command = apt.command("apt-get");
        command.arg("update");
        stream(command, progress)?;
        Ok(apt)
    }

    /// Returns whether the lists are this crate's.
    pub(super) fn has_own_lists(&self) -> bool {
        self.own_lists.is_some()
    }

    /// Returns the version of `package` that apt would take.
    pub(super) fn candidate(&self, package: &str) -> Result<Option<String>, Error> {
        let mut command = self.command("apt-cache");
        command.args(["policy", package]);
        Ok(candidate(&capture(command)?))
    }

    /// Returns the error that says that apt offers no usable version of `package`.
    pub(super) fn unusable(&self, package: &str, wanted: &str) -> Error {
        let reason = match self.candidate(package) {
            Ok(Some(version)) => format!("apt offers {package} {version}, and {wanted} is needed"),
            _ => format!("apt knows no package {package}"),
        };
        Error::Command { command: format!("apt-cache policy {package}"), reason, log: String::new() }
    }

    /// Returns `roots` and the libraries they need that the system does not have. Their names hold version numbers, so that nobody can
    /// write them down.
    pub(super) fn with_libraries(&self, roots: &[&str]) -> Result<Vec<String>, Error> {
        let installed = self.installed()?;
        let mut wanted: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        let mut next = 0;
        while let Some(package) = wanted.get(next) {
            let mut command = self.command("apt-cache");
            command.args(["depends", "--important", package]);
            for library in depends(&capture(command)?) {
                if library.starts_with("lib") && !installed.contains(&library) && !wanted.contains(&library) {
                    wanted.push(library);
                }
            }
            next += 1;
        }
        Ok(wanted)
    }

    /// Downloads `packages` into `folder`.
    pub(super) fn download(&self, packages: &[String], folder: &Path, progress: &mut dyn Write) -> Result<(), Error> {
        let mut command = self.command("apt-get");
        command.args(["-o", "Acquire::Retries=3", "download"]).args(packages).current_dir(folder);
        stream(command, progress)
    }

    fn installed(&self) -> Result<BTreeSet<String>, Error> {
        let mut command = self.machine.command("dpkg-query");
        command.args(["-W", "-f", "${Package} ${db:Status-Status}\n"]);
        let list = capture(command)?;
        Ok(list.lines().filter_map(|line| line.strip_suffix(" installed")).map(str::to_owned).collect())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.machine.command(program);
        command.arg("-q");
        if let Some(own) = &self.own_lists {
            let own = own.display();
            let options = [
                format!("Dir::State={own}/state"),
                format!("Dir::State::lists={own}/state/lists"),
                "Dir::State::status=/var/lib/dpkg/status".to_owned(),
                format!("Dir::Cache={own}/cache"),
            ];
            command.args(options.iter().flat_map(|option| ["-o", option]));
        }
        command
    }
}

/// Reads `apt-cache policy`.
fn candidate(policy: &str) -> Option<String> {
    let version = policy.lines().find_map(|line| line.trim_start().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Reads `apt-cache depends`: of alternatives (`|Depends`) the first; a virtual package stands in angle brackets.
fn depends(answer: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut alternative = false;
    for line in answer.lines().map(str::trim_start) {
        let (first, line) = line.strip_prefix('|').map_or((false, line), |rest| (true, rest));
        let Some((_, name)) = line.split_once("Depends: ") else { continue };
        if !alternative && !name.starts_with('<') {
            names.push(name.split(':').next().unwrap_or(name).to_owned());
        }
        alternative = first;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn of_alternatives_the_first_counts() {
        let answer = "libx\n  PreDepends: libc6\n |Depends: liba\n |Depends: libb\n  Depends: libc\n  Depends: <virtual>\n    real\n  Depends: libd:any\n";
        assert_eq!(depends(answer), ["libc6", "liba", "libd"]);
    }
}

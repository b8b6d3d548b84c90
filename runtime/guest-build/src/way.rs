//! Which ways to a toolchain are open: a pure function of facts, so that every kind of machine can be tested on one.

use std::fmt;
use std::path::PathBuf;

use crate::Refusal;

/// A way to a toolchain, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The active Rust has the target already.
    Installed,
    /// A toolchain that the Debian way made earlier lies in the cache.
    Made,
    /// rustup adds the target to the active toolchain.
    Rustup,
    /// Debian's packages are unpacked into the cache and std is built once.
    Debian,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installed => "the active Rust",
            Self::Made => "the cache",
            Self::Rustup => "rustup",
            Self::Debian => "Debian's packages",
        })
    }
}

/// What rustup may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rustup {
    /// There is none.
    Absent,
    /// `RUSTUP_AUTO_INSTALL=0`: it is there and must not download.
    Forbidden,
    /// It may add the target.
    Free,
}

/// What of the Debian way's needs is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Debian {
    /// This program of apt's or dpkg's is missing.
    NoProgram(&'static str),
    /// The active Rust lacks this linker, which Debian does not package.
    NoLinker(&'static str),
    /// Nothing.
    Open,
}

/// What was found on this machine, as far as the choice needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The active Rust's sysroot.
    pub(crate) sysroot: PathBuf,
    /// Whether the target lies there.
    pub(crate) target: Target,
    /// A complete toolchain in the cache.
    pub(crate) made: Option<PathBuf>,
    /// What rustup may do.
    pub(crate) rustup: Rustup,
    /// What the Debian way lacks.
    pub(crate) debian: Debian,
}

/// Whether the active Rust has the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// It has.
    Installed,
    /// It has not.
    Missing,
}

/// The ways that are open, best first, and why the others are not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) open: Vec<Way>,
    pub(crate) closed: Vec<Refusal>,
}

/// Returns the ways that `facts` leave open. A toolchain in the cache comes before rustup, so that a machine without a network does not
/// wait for a download at every build.
pub(crate) fn choose(facts: &Facts) -> Choice {
    let mut choice = Choice { open: Vec::new(), closed: Vec::new() };
    match facts.target {
        Target::Installed => choice.open.push(Way::Installed),
        Target::Missing => choice.closed.push(installed_refusal(facts)),
    }
    if facts.made.is_some() && !matches!(facts.debian, Debian::NoLinker(_)) {
        choice.open.push(Way::Made);
    }
    match rustup_refusal(facts.rustup) {
        None => choice.open.push(Way::Rustup),
        Some(refusal) => choice.closed.push(refusal),
    }
    match debian_refusal(&facts.debian) {
        None => choice.open.push(Way::Debian),
        Some(refusal) => choice.closed.push(refusal),
    }
    choice
}

fn installed_refusal(facts: &Facts) -> Refusal {
    Refusal {
        way: Way::Installed,
        why: format!("{} has no {}", facts.sysroot.display(), crate::TARGET),
        help: format!("type `rustup target add {}`, or install your system's package of Rust's std for it", crate::TARGET),
    }
}

fn rustup_refusal(rustup: Rustup) -> Option<Refusal> {
    let (why, help) = match rustup {
        Rustup::Free => return None,
        Rustup::Absent => ("there is no `rustup` on the PATH", "install it from https://rustup.rs".to_owned()),
        Rustup::Forbidden => (
            "RUSTUP_AUTO_INSTALL=0 forbids it to download",
            format!("type `RUSTUP_AUTO_INSTALL=1 rustup target add {}` if a download is fine after all", crate::TARGET),
        ),
    };
    Some(Refusal { way: Way::Rustup, why: why.to_owned(), help })
}

fn debian_refusal(debian: &Debian) -> Option<Refusal> {
    let (why, help) = match debian {
        Debian::Open => return None,
        Debian::NoProgram(program) => (
            format!("there is no `{program}` on the PATH"),
            "build on Debian 12 or newer, for instance in a container of `debian:stable` (no root is needed)".to_owned(),
        ),
        Debian::NoLinker(linker) => (
            format!("the active Rust has no `{linker}`, which Debian does not package"),
            "use a Rust 1.95 or newer that comes from rustup or from the standalone installer".to_owned(),
        ),
    };
    Some(Refusal { way: Way::Debian, why, help })
}

#[cfg(test)]
mod tests;

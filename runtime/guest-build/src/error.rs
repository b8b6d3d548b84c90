//! What can go wrong, each with what to type next.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::Way;

/// Why no toolchain could be had, or why a guest was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way to a toolchain is open on this machine.
    #[error("{}", no_way(.refusals))]
    NoWay {
        /// Each way in the order in which it was tried.
        refusals: Vec<Refusal>,
    },
    /// The active Rust could not be asked where it lives.
    #[error(
        "failed to find the active Rust toolchain: {reason}\n  type `rustc --version` to see whether it works; Rust 1.95 or newer is needed"
    )]
    NoRust {
        /// What the system or rustc said.
        reason: String,
    },
    /// A program could not be started, or ended badly.
    #[error("failed to run `{command}`: {reason}{}", indented(.log))]
    Command {
        /// What was run.
        command: String,
        /// How it ended.
        reason: String,
        /// The last lines of what it printed.
        log: String,
    },
    /// A package's component is not where cargo should have put it.
    #[error("guest `{package}` was built but left no component at {}\n  its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`", .path.display())]
    NoComponent {
        /// The package.
        package: String,
        /// Where its component should be.
        path: PathBuf,
    },
    /// The operating system said no.
    #[error("failed to {doing}: {source}")]
    Io {
        /// What was being done, and to which path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

/// One way that is not open, why, and what would open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The way.
    pub way: Way,
    /// Why it is not open.
    pub why: String,
    /// What to type to open it.
    pub help: String,
}

pub(crate) trait IoContext<T> {
    /// Names what was being done.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing: doing(), source })
    }
}

fn no_way(refusals: &[Refusal]) -> String {
    let mut text = format!("no toolchain for {} guests can be had here; one of these opens a way:", crate::TARGET);
    for (index, Refusal { way, why, help }) in refusals.iter().enumerate() {
        let why = why.replace('\n', "\n     ");
        write!(text, "\n  {}. {way}: {why}\n     {help}", index + 1).expect("writing into a String never fails");
    }
    text
}

fn indented(log: &str) -> String {
    log.lines().flat_map(|line| ["\n  | ", line]).collect()
}

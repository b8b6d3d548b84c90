//! What can go wrong, with what to do about it. The same type crosses the pipe from the supervisor to the host, so reasons are text.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Why a command did not start, or how it was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic, Serialize, Deserialize)]
pub enum ConfineError {
    /// No such program on the fixed path.
    #[error("there is no program {program:?} in {searched}")]
    #[diagnostic(
        code(relrun::run::not_found),
        help(
            "install it there, or name it by its absolute path; the PATH of the terminal is not used, so that every machine finds the same file"
        )
    )]
    NotFound {
        /// What was asked for.
        program: String,
        /// The directories, joined by colons.
        searched: String,
    },
    /// A name that is neither bare nor absolute.
    #[error("{program:?} is a relative path, and no program is looked up in the work tree")]
    #[diagnostic(code(relrun::run::relative), help("name a program on the fixed path, or write its absolute path"))]
    Relative {
        /// What was asked for.
        program: String,
    },
    /// This machine cannot hold the command as asked.
    #[error("the command cannot be confined on this machine: {what}")]
    #[diagnostic(code(relrun::run::unavailable))]
    Unavailable {
        /// What is missing.
        what: String,
        /// What to type.
        #[help]
        help: String,
    },
    /// A path of the view that cannot be shown to the command.
    #[error("{} cannot be given to a confined command: {reason}", path.display())]
    #[diagnostic(code(relrun::run::path))]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// The program itself could not be started.
    #[error("failed to start {}: {reason}", program.display())]
    #[diagnostic(code(relrun::run::start))]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// The supervisor died: killed by hand, or by the kernel for want of memory. Its tree died with it.
    #[error("the command was lost: its supervisor was killed from outside")]
    #[diagnostic(code(relrun::run::lost), help("look in the kernel's log (`dmesg`) for a lack of memory"))]
    Lost,
    /// Something of the machine failed.
    #[error("failed to {doing}: {reason}")]
    #[diagnostic(code(relrun::run::machine), help("this is a fault of the machine, not of the manifest; see `relrun doctor`"))]
    Machine {
        /// What was being done.
        doing: String,
        /// Why it failed.
        reason: String,
    },
}

/// What to type where confinement is not to be had and nothing better is known.
pub(crate) const HELP_UNCONFINED: &str =
    "see `relrun doctor`; or add confine=\"none\" to the `run` grant, which runs the command with all that you may do yourself";

#[expect(clippy::needless_pass_by_value, reason = "errors are passed by value from `map_err`")]
impl ConfineError {
    /// Returns a fault of the machine.
    pub(crate) fn machine(doing: &str, reason: impl ToString) -> Self {
        Self::Machine { doing: doing.to_owned(), reason: reason.to_string() }
    }

    /// Returns that confinement is not to be had.
    pub(crate) fn unavailable(what: &str, reason: impl ToString, help: &str) -> Self {
        Self::Unavailable { what: format!("{what} ({})", reason.to_string()), help: help.to_owned() }
    }

    /// Returns that a path cannot be shown.
    pub(crate) fn path(path: &Path, reason: impl ToString, help: &str) -> Self {
        Self::Path { path: path.to_owned(), reason: reason.to_string(), help: help.to_owned() }
    }
}

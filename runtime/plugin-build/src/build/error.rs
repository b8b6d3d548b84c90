//! Why there is no component, each with what to type next.

use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no component.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum BuildError {
    /// The SDK is not where `plugin.kdl` says.
    #[error("there is no SDK in {}", folder.join(sdk).display())]
    #[diagnostic(code(relrun::plugin::sdk), help("type `relrun plugin vendor {}` to write the one of this relrun there", folder.display()))]
    NoSdk {
        /// Where, as `plugin.kdl` says.
        sdk: String,
        /// The plugin's folder.
        folder: PathBuf,
    },
    /// A program is missing.
    #[error("{tool} is missing: {why}")]
    #[diagnostic(code(relrun::plugin::tool))]
    Missing {
        /// What.
        tool: String,
        /// What was looked for.
        why: String,
        /// What to type.
        #[help]
        help: String,
    },
    /// A program failed.
    #[error("{doing} failed: {reason}{}", indented(.log))]
    #[diagnostic(code(relrun::plugin::build))]
    Tool {
        /// What it was doing.
        doing: String,
        /// How it ended.
        reason: String,
        /// The last lines that it said.
        log: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// What the tools made is no component of this world.
    #[error("what was built is no component: {0}")]
    #[diagnostic(
        code(relrun::plugin::build),
        help("see whether the SDK in the plugin's folder is whole: `relrun plugin vendor` writes it anew")
    )]
    NoComponent(String),
    /// No toolchain for Rust's guests.
    #[error("{0}")]
    #[diagnostic(code(relrun::plugin::tool))]
    Rust(relrun_guest_build::Error),
    /// The machine failed.
    #[error("failed to {doing} {}: {source}", path.display())]
    #[diagnostic(code(relrun::plugin::io))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl BuildError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// Returns whether the machine is at fault, and not the plugin's author.
    pub fn is_machine(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

fn indented(log: &str) -> String {
    log.lines().flat_map(|line| ["\n  | ", line]).collect()
}

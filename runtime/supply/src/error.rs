//! Why something with a plugin's way here failed. Each says what to type.

use std::path::Path;

use miette::Diagnostic;
use relrun_registry::RegistryError;

/// Why a plugin could not be found, fetched, believed, signed or sent.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SupplyError {
    /// Something that was written cannot be used: a reference, a key, a lock, a bundle.
    #[error("{what}")]
    #[diagnostic(code(relrun::supply::input))]
    Wrong {
        /// What is wrong, and where.
        what: String,
        /// What to type.
        #[help]
        help: Option<String>,
    },
    /// The content is not what a digest says.
    #[error("{at} is not what was pinned: expected {expected}, found {found}")]
    #[diagnostic(
        code(relrun::supply::digest),
        help(
            "it was replaced or damaged: ask whoever publishes it; if the change is meant, write the new digest, or type `relrun plugin update`"
        )
    )]
    Digest {
        /// Where it came from.
        at: String,
        /// The digest that was written.
        expected: String,
        /// What the content has.
        found: String,
    },
    /// The network is needed, and may not be used.
    #[error("{what} is not on this machine, and the network may not be used")]
    #[diagnostic(code(relrun::supply::offline), help("type `relrun plugin prefetch` where there is a network, or leave out `--offline`"))]
    Offline {
        /// What would have to be fetched.
        what: String,
    },
    /// A registry or a server could not be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(#[from] RegistryError),
    /// The machine failed.
    #[error("failed to {doing}")]
    #[diagnostic(code(relrun::supply::io))]
    Io {
        /// What was being done, and to which path.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl SupplyError {
    /// Makes an error of what was written.
    pub fn wrong(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Wrong { what: what.into(), help: Some(help.into()) }
    }

    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::Io { doing, source }
    }
}

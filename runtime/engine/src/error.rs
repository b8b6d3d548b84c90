//! Why the engine could not carry on, and which exit code that is.
//!
//! A step that fails is no error of the engine: it is a result, and stands in the ledger.

use miette::Diagnostic;
use relrun_package::PackageError;
use relrun_registry::RegistryError;
use relrun_store::{Lock, StoreError};

/// What a command's end tells its caller, as the contract numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// A step failed.
    StepFailed = 1,
    /// The input is wrong: usage, manifest, config, policy, capability.
    Input = 2,
    /// It waits: for an approval, a dependency, a person's word on an unknown effect.
    Waiting = 3,
    /// A person declined.
    Declined = 4,
    /// Locked by another.
    Locked = 5,
    /// A store or the machine failed.
    Machine = 6,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// Returns the number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Errors that point into a file, with its text.
#[derive(Debug, thiserror::Error)]
#[error("{errors}")]
pub struct InFile<E: Diagnostic + Send + Sync + 'static> {
    errors: E,
    text: miette::NamedSource<String>,
}

impl<E: Diagnostic + Send + Sync + 'static> Diagnostic for InFile<E> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.errors.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.errors.help()
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.text)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.errors.related()
    }
}

/// Why the engine could not carry on.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum EngineError {
    /// The manifest is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifest(#[from] Box<relrun_manifest::Diagnostics>),
    /// The DAG is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Graph(Box<InFile<relrun_graph::GraphErrors>>),
    /// Something that was asked for cannot be done as things stand.
    #[error("{message}")]
    #[diagnostic(code(relrun::input))]
    Input {
        /// What is wrong.
        message: String,
        /// What to type.
        #[help]
        help: Option<String>,
    },
    /// It waits.
    #[error("{message}")]
    #[diagnostic(code(relrun::waiting))]
    Waiting {
        /// For what.
        message: String,
        /// What to type.
        #[help]
        help: Option<String>,
    },
    /// Another holds the lock.
    #[error("{key} is locked by {user}@{host} (pid {pid}{release}) since {since}", key = .0.key, user = .0.holder.actor.user, host = .0.holder.actor.host,
        pid = .0.holder.actor.pid, release = .0.holder.release.map(|id| format!(", release {id}")).unwrap_or_default(), since = .0.holder.since)]
    #[diagnostic(
        code(relrun::locked),
        help(
            "wait with `--lock-wait 5m`, or, when you know that it is gone, type `relrun lock release KEY`; `relrun lock list` shows the key"
        )
    )]
    Locked(Box<Lock>),
    /// A person ended the wait for a lock.
    #[error("interrupted while it waited: {0}")]
    #[diagnostic(code(relrun::interrupted), help("nothing was begun: run the same command again"))]
    Interrupted(Box<Self>),
    /// A plugin could not be asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] relrun_host::HostError),
    /// A package could not be packed, sent, found or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Package(Box<PackageError>),
    /// A plugin could not be found, fetched or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Supply(Box<relrun_supply::SupplyError>),
    /// A store failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The ledger holds what may not be.
    #[error("the ledger cannot be folded")]
    #[diagnostic(code(relrun::ledger), help("the ledger was damaged or changed by hand; restore it from a backup"))]
    Ledger(#[from] relrun_ledger::Illegal),
    /// The machine failed.
    #[error("failed to {doing}")]
    #[diagnostic(code(relrun::io))]
    Io {
        /// What was being done, and to which path.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl EngineError {
    /// Makes an error of the DAG, with the manifest's text to point into.
    pub fn graph(errors: relrun_graph::GraphErrors, loaded: &crate::Loaded) -> Self {
        let text = miette::NamedSource::new(&loaded.name, loaded.text.clone());
        Self::Graph(Box::new(InFile { errors, text }))
    }

    /// Makes an input error with a hint.
    pub fn input(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Input { message: message.into(), help: Some(help.into()) }
    }

    /// Makes an error of the machine.
    pub fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    /// Returns the exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Host(relrun_host::HostError::Machine { .. }) | Self::Store(_) | Self::Ledger(_) | Self::Io { .. } => Exit::Machine,
            Self::Package(error) => exit_of(error),
            Self::Manifest(_) | Self::Graph(_) | Self::Input { .. } | Self::Host(_) | Self::Supply(_) => Exit::Input,
            Self::Waiting { .. } => Exit::Waiting,
            Self::Locked(_) => Exit::Locked,
            Self::Interrupted(_) => Exit::Interrupted,
        }
    }
}

impl From<PackageError> for EngineError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Store(error) => Self::Store(error),
            error => Self::Package(Box::new(error)),
        }
    }
}

impl From<RegistryError> for EngineError {
    fn from(error: RegistryError) -> Self {
        PackageError::Registry(error).into()
    }
}

/// A registry that does not answer is the machine's; all else is what was asked of it.
fn exit_of(error: &PackageError) -> Exit {
    use RegistryError as Registry;
    match error {
        PackageError::Registry(
            Registry::Unreachable { .. } | Registry::Nonsense { .. } | Registry::Refused { .. } | Registry::Io { .. },
        )
        | PackageError::Store(_)
        | PackageError::Io { .. } => Exit::Machine,
        PackageError::Registry(_) | PackageError::Unusable { .. } | PackageError::Newer { .. } => Exit::Input,
    }
}

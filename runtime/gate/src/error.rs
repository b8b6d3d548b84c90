//! What goes wrong at the gate, in the words of the plugin world. No text in here ever holds a secret or a query.

use miette::Diagnostic;
use std::fmt;

/// Which of the plugin world's errors it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateErrorKind {
    /// The request is wrong: another try cannot help.
    Invalid,
    /// No grant covers it.
    Denied,
    /// Something that should be there is not.
    Missing,
    /// Too long.
    TimedOut,
    /// Another try may help.
    Transient,
    /// Another try cannot help.
    Permanent,
}

/// An error of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateError {
    /// Which error of the plugin world it is.
    pub kind: GateErrorKind,
    /// What a person reads.
    pub message: String,
    /// What to write in the manifest, where that helps.
    pub help: Option<String>,
}

impl GateError {
    fn new(kind: GateErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None }
    }

    /// Returns an error of this kind.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(GateErrorKind::Invalid, message)
    }

    /// Returns an error of this kind.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(GateErrorKind::Denied, message)
    }

    /// Returns an error of this kind.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(GateErrorKind::Missing, message)
    }

    /// Returns an error of this kind.
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self::new(GateErrorKind::TimedOut, message)
    }

    /// Returns an error of this kind.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(GateErrorKind::Transient, message)
    }

    /// Returns an error of this kind.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(GateErrorKind::Permanent, message)
    }

    /// Adds what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for GateError {}

impl Diagnostic for GateError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

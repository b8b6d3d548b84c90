//! The one error of a plugin and of every call to the host, so that `?` hands a host's error on as itself.

use std::fmt;

/// What a plugin's functions and the host's calls give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step or a call to the host failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The kinds of [`Error`], as the plugin world names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The author's mistake; another try cannot help.
    Invalid,
    /// No grant covers it, or policy forbids it.
    Denied,
    /// Something that should be there is not.
    Missing,
    /// It took longer than it may.
    TimedOut,
    /// The release is being cancelled: clean up and return.
    Cancelled,
    /// Another try may help.
    Transient,
    /// Another try cannot help.
    Permanent,
    /// A kind that this version does not know.
    Other,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self { kind: ErrorKind::$kind, message: message.into() }
            })*
        }
    };
}

constructors! {
    /// The manifest's author made a mistake; another try cannot help.
    invalid: Invalid;
    /// No grant covers it, or policy forbids it.
    denied: Denied;
    /// Something that should be there is not.
    missing: Missing;
    /// It took longer than it may.
    timed_out: TimedOut;
    /// Another try may help; the host tries again where the step's `retry` says so.
    transient: Transient;
    /// Another try cannot help.
    permanent: Permanent;
    /// None of the other kinds.
    other: Other;
}

impl Error {
    /// The release is being cancelled.
    pub fn cancelled() -> Self {
        Self { kind: ErrorKind::Cancelled, message: "the release is being cancelled".to_owned() }
    }

    /// Returns its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what a person reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts another message in the place of its own; the kind stays.
    pub(crate) fn saying(self, message: String) -> Self {
        Self { kind: self.kind, message }
    }

    /// Puts what was being done before the message; the kind stays.
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self { kind: self.kind, message: format!("{doing}: {}", self.message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::Missing,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
            Io::TimedOut => ErrorKind::TimedOut,
            Io::Interrupted | Io::WouldBlock => ErrorKind::Transient,
            Io::InvalidInput | Io::InvalidData => ErrorKind::Invalid,
            _ => ErrorKind::Permanent,
        };
        Self { kind, message: error.to_string() }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<std::string::FromUtf8Error> for Error {
    fn from(error: std::string::FromUtf8Error) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<std::str::Utf8Error> for Error {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_missing_and_keeps_its_kind_under_context() {
        let error = Error::from(std::io::Error::from(std::io::ErrorKind::NotFound)).context("read the plan");
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(error.message().starts_with("read the plan: "));
    }
}

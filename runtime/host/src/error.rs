//! What a host call ends with when it does not end well, and how an error of the plugin becomes a failure of the step.

use crate::bindings::types::Error;
use relrun_ledger::{Failure, FailureKind};

/// Why a host call failed.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the bindings name it in public traits")]
pub enum CallError {
    /// The plugin is told, and may go on.
    Told(Error),
    /// The step ends here.
    Ended(wasmtime::Error),
}

impl CallError {
    pub(crate) fn denied(text: impl Into<String>) -> Self {
        Self::Told(Error::Denied(text.into()))
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Told(Error::Invalid(text.into()))
    }

    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self::Told(Error::Missing(text.into()))
    }

    pub(crate) fn permanent(text: impl Into<String>) -> Self {
        Self::Told(Error::Permanent(text.into()))
    }
}

impl From<wasmtime::Error> for CallError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ended(error)
    }
}

impl From<wasmtime::component::ResourceTableError> for CallError {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Self::Ended(error.into())
    }
}

/// Changes the text of an error.
pub(crate) fn map_text(error: Error, change: impl FnOnce(&str) -> String) -> Error {
    match error {
        Error::Invalid(text) => Error::Invalid(change(&text)),
        Error::Denied(text) => Error::Denied(change(&text)),
        Error::Missing(text) => Error::Missing(change(&text)),
        Error::TimedOut(text) => Error::TimedOut(change(&text)),
        Error::Cancelled => Error::Cancelled,
        Error::Transient(text) => Error::Transient(change(&text)),
        Error::Permanent(text) => Error::Permanent(change(&text)),
        Error::Other(text) => Error::Other(change(&text)),
    }
}

/// Turns an error that left the plugin into a failure of the step.
pub(crate) fn failure(error: Error) -> Failure {
    let (kind, message) = match error {
        Error::Invalid(text) => (FailureKind::Invalid, text),
        Error::Denied(text) => (FailureKind::Denied, text),
        Error::Missing(text) => (FailureKind::Missing, text),
        Error::TimedOut(text) => (FailureKind::TimedOut, text),
        Error::Cancelled => (FailureKind::Cancelled, "it was cancelled".to_owned()),
        Error::Transient(text) => (FailureKind::Transient, text),
        Error::Permanent(text) => (FailureKind::Permanent, text),
        Error::Other(text) => (FailureKind::Other, text),
    };
    Failure { kind, message }
}

/// Turns a failure of the host side into what a plugin is told.
pub(crate) fn told(failure: Failure) -> CallError {
    let text = failure.message;
    CallError::Told(match failure.kind {
        FailureKind::Invalid => Error::Invalid(text),
        FailureKind::Denied => Error::Denied(text),
        FailureKind::Missing => Error::Missing(text),
        FailureKind::TimedOut => Error::TimedOut(text),
        FailureKind::Cancelled => Error::Cancelled,
        FailureKind::Transient => Error::Transient(text),
        FailureKind::Permanent => Error::Permanent(text),
        FailureKind::Other | FailureKind::Trapped | FailureKind::Limit => Error::Other(text),
    })
}

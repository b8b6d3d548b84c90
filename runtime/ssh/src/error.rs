//! The one error of this room: what kind it is, and what a person reads.

use openssh_sftp_client::error::{Error as SftpError, SftpErrorKind};

/// Why something on a host failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SshError {
    /// What kind it is.
    pub kind: SshErrorKind,
    /// What a person reads: what was being done, why it failed, and what to type where that is known.
    pub message: String,
}

/// The kinds of [`SshError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshErrorKind {
    /// The manifest's author made a mistake, or something is there that must not be.
    Invalid,
    /// The host, its key, or its file system says no.
    Denied,
    /// Something that should be there is not.
    Missing,
    /// It took too long.
    TimedOut,
    /// Another try may help: the host is away, or the connection was lost.
    Transient,
    /// Another try cannot help.
    Permanent,
}

impl SshError {
    pub(crate) fn new(kind: SshErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(SshErrorKind::Invalid, message)
    }

    pub(crate) fn permanent(message: impl Into<String>) -> Self {
        Self::new(SshErrorKind::Permanent, message)
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.kind == SshErrorKind::Missing
    }
}

/// How a request ended, before anybody says what it was for.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The server answered that it failed.
    Refused(SshErrorKind, String),
    /// There was no answer.
    Lost(String),
}

impl From<SftpError> for Ended {
    fn from(error: SftpError) -> Self {
        let (kind, text) = match &error {
            SftpError::SftpError(kind, text) => (kind, text),
            SftpError::UnsupportedExtension(name) => {
                return Self::Refused(SshErrorKind::Permanent, format!("the server does not offer {name}"));
            }
            other => return Self::Lost(other.to_string()),
        };
        let said = text.get().0.to_lowercase();
        match kind {
            SftpErrorKind::NoSuchFile => Self::Refused(SshErrorKind::Missing, "there is no such file or directory".into()),
            SftpErrorKind::PermDenied => Self::Refused(SshErrorKind::Denied, "permission denied".into()),
            SftpErrorKind::OpUnsupported => Self::Refused(SshErrorKind::Permanent, "the server does not support it".into()),
            _ if said.is_empty() => Self::Refused(SshErrorKind::Permanent, "the server only says that it failed".into()),
            _ => Self::Refused(SshErrorKind::Permanent, format!("the server says: {said}")),
        }
    }
}

impl Ended {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(SshErrorKind::Missing, _))
    }
}

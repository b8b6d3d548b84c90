//! What the database said, and what it means for a person. Nothing here touches the file: a damaged one is left as it is.

use crate::StoreError;
use rusqlite::ErrorCode;
use serde::{Serialize, de::DeserializeOwned};

/// Why a call failed. It can be told to everyone whose append shared one commit, so it can be cloned.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The stream has grown, or the fence is old.
    Conflict(String),
    /// The database said no.
    Database { code: ErrorCode, reason: String },
    /// A row is no JSON of ours.
    Row(String),
    /// The file's version is newer than this program.
    Newer { found: u32, known: u32 },
    /// The file is no ledger.
    Foreign(&'static str),
    /// The operating system said no, outside the database.
    Io { kind: std::io::ErrorKind, reason: String },
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code().unwrap_or(ErrorCode::Unknown);
        let reason = match &error {
            rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
            other => other.to_string(),
        };
        Self::Database { code, reason }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Io { kind: error.kind(), reason: error.to_string() }
    }
}

const RESTORE: &str = "the file was left as it is; restore it from a backup, or move it away to begin a new ledger";
const NO_LEDGER: &str = "check which file this is; nothing was changed in it";
const ROOM: &str = "make room on that disk, then run the same command again; nothing that was recorded is lost";
const RIGHTS: &str = "check that you may write to that folder and to the ledger in it; `relrun status` works without";
const BUSY: &str = "another relrun is writing to this ledger; run the same command again when it is done";
const DISK: &str = "check the disk and its mount, then run the same command again";

impl Fault {
    /// Says it to a person. `doing` follows "failed to".
    pub(crate) fn explain(self, doing: &str) -> StoreError {
        let database = |reason: String, help: &str| StoreError::Database { doing: doing.to_owned(), reason, help: help.to_owned() };
        match self {
            Self::Conflict(stream) => StoreError::Conflict { stream },
            Self::Newer { found, known } => StoreError::Newer { found, known },
            Self::Foreign(reason) => database(reason.to_owned(), NO_LEDGER),
            Self::Row(reason) => StoreError::Record { stream: "the ledger".to_owned(), reason },
            Self::Io { kind, reason } => StoreError::Io { doing: doing.to_owned(), source: std::io::Error::new(kind, reason) },
            Self::Database { code, reason } => match code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => database(format!("the file is damaged ({reason})"), RESTORE),
                ErrorCode::DiskFull => database("the disk is full".to_owned(), ROOM),
                ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                    database(format!("it cannot be written ({reason})"), RIGHTS)
                }
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => database(format!("it stayed busy ({reason})"), BUSY),
                _ => database(reason, DISK),
            },
        }
    }

    /// Returns whether the file could not be opened as it was asked for.
    pub(crate) fn is_access(&self) -> bool {
        matches!(self, Self::Database { code: ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied, .. })
    }
}

/// Writes a row's value.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Row(e.to_string()))
}

/// Reads a row's value.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|e| Fault::Row(e.to_string()))
}

//! Why a process took a release up and how it let go, and what people say of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a process took a release up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// `apply` or `rollback`.
    Apply,
    /// `retry`.
    Retry,
    /// `continue`.
    Continue,
    /// `undo`, or `cancel` of another's.
    Undo,
    /// `destroy`.
    Destroy,
    /// `settle`.
    Settle,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every step succeeded.
    Succeeded,
    /// A step failed.
    Failed,
    /// It waits.
    Waiting {
        /// For what: gates, or steps to settle.
        on: Vec<String>,
    },
    /// It was interrupted or cancelled.
    Cancelled,
    /// What stood is undone.
    Undone,
    /// What stood is destroyed.
    Destroyed,
    /// It settled or recorded something, and went no further.
    Stopped,
    /// It is recorded whole, and waits to be promoted: settings that are not deployed yet.
    Staged,
}

/// A person's word on a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Never chosen by a rollback.
    Bad,
    /// Never pruned.
    Pinned,
}

/// What an ID token said that passed a gate: what policy asked for, and what names the token. Never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who approved, as the token says.
    pub principal: String,
    /// Who issued it.
    pub issuer: String,
    /// Whom it was for.
    pub audience: String,
    /// The key that signed it, as the issuer names it; empty where it does not.
    pub key: String,
    /// When it expires.
    pub expires: Timestamp,
    /// The claims by name.
    pub claims: BTreeMap<String, Value>,
}

/// A signature under an approval. What was signed is made again of the release and the event whenever it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Whose it is, as the allowed signers named them then.
    pub principal: String,
    /// The key's fingerprint, `SHA256:…`.
    pub key: String,
    /// The signature as `ssh-keygen -Y sign` writes it.
    pub text: String,
}

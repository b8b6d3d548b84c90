//! Whom a policy believes: whose signatures and ID tokens open a gate, and who signs packages. What a signature or a token is worth is decided elsewhere.

use crate::Spanned;
use serde::{Deserialize, Serialize};

/// An `approvers` line of a policy: whose signature a gate asks for, or what an ID token must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// The gate's name, wherever it stands, or `PLACE/NAME`.
    pub gate: Spanned<String>,
    /// The file of allowed signers, relative to the project's root.
    pub signers: Option<String>,
    /// Who of them; empty: all.
    pub principals: Vec<String>,
    /// The ID tokens that pass it too.
    pub tokens: Vec<TokenRule>,
}

/// A `packages` line of a policy: who must have signed the packages that come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSigners {
    /// The packages' names: `*` stands for any run of characters, `?` for one.
    pub packages: Spanned<String>,
    /// The file of allowed signers, relative to the project's root.
    pub signers: String,
    /// Who of them; empty: all.
    pub principals: Vec<String>,
}

/// A `token` of `approvers`: whose ID tokens pass a gate, and what they must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRule {
    /// Who issues them: the address that stands in `iss`, and below which the keys are found.
    pub issuer: Spanned<String>,
    /// Whom they are for: what must stand in `aud`.
    pub audience: String,
    /// A file with the issuer's keys, relative to the project's root, where they are not asked for.
    pub keys: Option<String>,
    /// A PEM file of authorities that are trusted beside the public ones when the keys are asked for, relative to the project's root.
    pub ca: Option<String>,
    /// The claim that says who approves.
    pub principal: String,
    /// What else the token must say.
    pub claims: Vec<ClaimRule>,
}

/// A `claim` of a `token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRule {
    /// Its name.
    pub name: Spanned<String>,
    /// What it may be: `*` stands for any run of characters, `?` for one.
    pub values: Vec<String>,
}

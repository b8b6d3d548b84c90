//! What a plugin is: the trait, and what its operations answer.

use crate::{Error, Needs, Result};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A step plugin. Only [`about`](Self::about) and [`apply`](Self::apply) have no default.
pub trait Plugin: Sized + 'static {
    /// What a manifest configures; a struct with `#[config]`.
    type Config: DeserializeOwned + JsonSchema;
    /// What other steps may refer to as `${step.NAME.KEY}`; a struct with `#[outputs]`, or [`Nothing`].
    type Outputs: Serialize + JsonSchema;
    /// What undo needs to find what was done; a struct with `#[receipt]`, or [`Nothing`]. Checkpoints have this type too, because `undo`
    /// gets the last one when an apply failed.
    type Receipt: Serialize + DeserializeOwned + 'static;

    /// Names the plugin.
    fn about() -> About;

    /// Says what this config needs; by default nothing, and the step is pure.
    ///
    /// A reference whose value is not known yet stands in the config as the text `${…}`: a field that may hold one is a `String`.
    fn resolve(config: &Self::Config) -> Result<Needs> {
        let _ = config;
        Ok(Needs::pure())
    }

    /// Says what `apply` would change, and changes nothing; by default no line.
    fn plan(config: &Self::Config) -> Result<Vec<Change>> {
        let _ = config;
        Ok(Vec::new())
    }

    /// Does it. An effect calls [`checkpoint`](crate::checkpoint()) before each mutation.
    fn apply(config: Self::Config) -> Result<Outcome<Self::Outputs, Self::Receipt>>;

    /// Says how far an `apply` came that never answered. By default: not done where it was untouched, partly done as its last checkpoint
    /// says, and an error where it had begun and saved none, because then nobody can tell.
    fn recover(config: Self::Config, came: Came<Self::Receipt>) -> Result<Recovery<Self::Outputs, Self::Receipt>> {
        let _ = config;
        match came {
            Came::Untouched => Ok(Recovery::NotDone),
            Came::Saved(receipt) => Ok(Recovery::Partly(receipt)),
            Came::Begun => Err(Error::other("it had begun to change something, and left no checkpoint that tells how far it came")),
        }
    }

    /// Says whether what the receipt names still stands, and changes nothing. By default an error that says that it cannot.
    fn verify(config: Self::Config, receipt: Self::Receipt) -> Result<Health> {
        let _ = (config, receipt);
        Err(Error::permanent(format!("{} cannot verify what it did", Self::about().name)))
    }

    /// Restores what stood before the `apply` that gave the receipt, and says in one line what it did. Doing it twice does no harm.
    /// By default an error: who writes receipts also says how they are undone.
    fn undo(config: Self::Config, receipt: Self::Receipt) -> Result<String> {
        let _ = (config, receipt);
        Err(Error::permanent(format!("{} cannot undo what it did", Self::about().name)))
    }

    /// Removes the deployment, whatever its history, and says in one line what it did. Doing it twice does no harm. By default an error.
    fn destroy(config: Self::Config, receipt: Self::Receipt) -> Result<String> {
        let _ = (config, receipt);
        Err(Error::permanent(format!("{} cannot remove what it deployed", Self::about().name)))
    }

    /// Looks at what stands at the target without relrun's doing, and changes nothing: for `relrun adopt`. Its outputs say for each reference that
    /// stands in the config as its text (`${step.site.dist}`) what it would have to be for `apply` to make what stands; the receipt is what
    /// [`context::previous`](crate::context::previous) gives that `apply`. By default an error that says that it cannot.
    fn find(config: Self::Config) -> Result<Standing<Self::Receipt>> {
        let _ = config;
        Err(Error::missing(format!("{} cannot take over what stands without relrun's doing", Self::about().name)))
    }
}

/// What stands without relrun's doing: the outputs are values for references.
pub type Standing<R> = Outcome<BTreeMap<String, serde_json::Value>, R>;

/// What every config of a plugin has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The plugin's own name, kebab-case.
    pub name: &'static str,
    /// Its version (`SemVer` 2); `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// One line, without a full stop.
    pub summary: &'static str,
}

/// No outputs, or no receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// What an `apply` leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<O, R> {
    /// One line: what was done.
    pub summary: String,
    /// What other steps may refer to.
    pub outputs: O,
    /// What undo needs. Absent where nothing can be undone.
    pub receipt: Option<R>,
}

impl<O: Default, R> Outcome<O, R> {
    /// Done, with outputs by default.
    pub fn done(summary: impl Into<String>) -> Self {
        Self::new(summary, O::default())
    }
}

impl<O, R> Outcome<O, R> {
    /// Done, with these outputs.
    pub fn new(summary: impl Into<String>, outputs: O) -> Self {
        Self { summary: summary.into(), outputs, receipt: None }
    }

    /// Adds the receipt.
    pub fn receipt(mut self, receipt: R) -> Self {
        self.receipt = Some(receipt);
        self
    }
}

/// One thing that would change, or has drifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// One line.
    pub summary: String,
    /// A unified diff, or a longer text.
    pub detail: Option<String>,
}

impl Change {
    /// A change of one line.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), detail: None }
    }

    /// Adds a unified diff, or a longer text.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// How far an interrupted `apply` came, by its last checkpoint.
///
/// `Untouched` can be trusted: the SDK saves an empty checkpoint by itself before the first host call that may change something, unless the
/// plugin has saved one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came<R> {
    /// It changed nothing.
    Untouched,
    /// It may have changed something, and saved nothing of its own.
    Begun,
    /// The last checkpoint that it saved.
    Saved(R),
}

/// What `recover` found out.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery<O, R> {
    /// Nothing was changed: it may run again.
    NotDone,
    /// It was done.
    Done(Outcome<O, R>),
    /// It was partly done: what stands, as a receipt that `undo` understands.
    Partly(R),
}

/// Whether what a receipt names still stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As it was left.
    Intact,
    /// Something differs.
    Drifted(Vec<Change>),
    /// Nothing of it is there.
    Gone,
}

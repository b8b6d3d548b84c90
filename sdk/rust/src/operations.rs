//! The operations between the world's JSON texts and a plugin's types. Pure of any binding, so that the component and the native
//! tests run the same code.

#![cfg_attr(target_family = "wasm", allow(unreachable_pub, reason = "`testing` shows these types, and is not there on WebAssembly"))]

use crate::{About, Came, Change, Error, Health, Needs, Nothing, Outcome, Plugin, Recovery, Result, guard};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::TypeId;

/// An outcome, its parts as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One line: what was done.
    pub summary: String,
    /// A JSON object.
    pub outputs: Value,
    /// What undo needs.
    pub receipt: Option<Value>,
}

/// A recovery, its parts as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing was changed.
    NotDone,
    /// It was done.
    Done(Answer),
    /// It was partly done.
    Partly(Value),
}

/// A plugin's description, its schemas as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its name, version and summary.
    pub about: About,
    /// The JSON Schema of its config.
    pub config_schema: Value,
    /// The JSON Schema of its outputs.
    pub outputs_schema: Value,
}

pub(crate) fn describe<P: Plugin>() -> Description {
    Description { about: P::about(), config_schema: schema_of::<P::Config>(), outputs_schema: schema_of::<P::Outputs>() }
}

pub(crate) fn resolve<P: Plugin>(config: &str) -> Result<Needs> {
    P::resolve(&read_config(config)?)
}

pub(crate) fn plan<P: Plugin>(config: &str) -> Result<Vec<Change>> {
    P::plan(&read_config(config)?)
}

pub(crate) fn apply<P: Plugin>(config: &str) -> Result<Answer> {
    let config = read_config::<P::Config>(config)?;
    let effect = P::resolve(&config)?.is_effect();
    let run = || P::apply(config);
    answer(if effect { guard::armed(run) } else { run() }?)
}

pub(crate) fn recover<P: Plugin>(config: &str, checkpoint: Option<&str>) -> Result<Found> {
    let came = match checkpoint.map(read_receipt::<P>).transpose()? {
        None => Came::Untouched,
        Some(None) => Came::Begun,
        Some(Some(receipt)) => Came::Saved(receipt),
    };
    Ok(match P::recover(read_config(config)?, came)? {
        Recovery::NotDone => Found::NotDone,
        Recovery::Done(outcome) => Found::Done(answer(outcome)?),
        Recovery::Partly(receipt) => Found::Partly(serde_json::to_value(receipt)?),
    })
}

pub(crate) fn verify<P: Plugin>(config: &str, receipt: &str) -> Result<Health> {
    // A plugin that leaves no receipts may still be able to look.
    let receipt = if leaves_nothing::<P>() { "{}" } else { receipt };
    match read_receipt::<P>(receipt)? {
        Some(receipt) => P::verify(read_config(config)?, receipt),
        None => Err(unrecorded::<P>()),
    }
}

pub(crate) fn undo<P: Plugin>(config: &str, receipt: &str) -> Result<Answer> {
    match read_receipt::<P>(receipt)? {
        Some(receipt) => P::undo(read_config(config)?, receipt).map(bare),
        None if leaves_nothing::<P>() => Ok(bare("nothing that can be undone was recorded".to_owned())),
        None => Err(unrecorded::<P>()),
    }
}

pub(crate) fn destroy<P: Plugin>(config: &str, receipt: &str) -> Result<Answer> {
    match read_receipt::<P>(receipt)? {
        Some(receipt) => P::destroy(read_config(config)?, receipt).map(bare),
        None if leaves_nothing::<P>() => Ok(bare("nothing that can be removed was recorded".to_owned())),
        None => Err(unrecorded::<P>()),
    }
}

pub(crate) fn find<P: Plugin>(config: &str) -> Result<Answer> {
    answer(P::find(read_config(config)?)?)
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn read_config<C: DeserializeOwned>(text: &str) -> Result<C> {
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("config: {error}")))
}

/// Reads a receipt; `null` is the empty checkpoint that the guard saves.
fn read_receipt<P: Plugin>(text: &str) -> Result<Option<P::Receipt>> {
    let value: Value = serde_json::from_str(text).map_err(|error| Error::permanent(format!("receipt: {error}")))?;
    if value.is_null() {
        return Ok(None);
    }
    serde_json::from_value(value).map(Some).map_err(|error| Error::permanent(format!("receipt: {error}")))
}

fn leaves_nothing<P: Plugin>() -> bool {
    TypeId::of::<P::Receipt>() == TypeId::of::<Nothing>()
}

fn unrecorded<P: Plugin>() -> Error {
    Error::permanent(format!("{} had begun to change something, and recorded nothing that says what", P::about().name))
}

fn answer<O: Serialize, R: Serialize>(outcome: Outcome<O, R>) -> Result<Answer> {
    let receipt = outcome.receipt.map(serde_json::to_value).transpose()?;
    Ok(Answer { summary: outcome.summary, outputs: serde_json::to_value(outcome.outputs)?, receipt })
}

fn bare(summary: String) -> Answer {
    Answer { summary, outputs: Value::Object(serde_json::Map::new()), receipt: None }
}

#[cfg(test)]
mod tests;

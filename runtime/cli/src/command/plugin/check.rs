//! `plugin check`: whether a component fits the plugin world, and what it would ask for.

use super::find;
use super::inspect::{anatomy, names, size};
use crate::args::{Cli, Format};
use crate::{open, show};
use relrun_engine::{EngineError, Exit};
use relrun_host::{Host, HostError, Needs};
use serde_json::Value;
use std::path::Path;

pub(super) async fn check(cli: &Cli, what: &Path, config: Option<&str>) -> Result<Exit, EngineError> {
    let config = config.map(read_config).transpose()?;
    let found = find::at(what)?;
    let anatomy = anatomy(&found)?;
    let mut faults: Vec<String> = anatomy.faults().map(|(part, fault)| format!("{part}: {fault}")).collect();
    let host = Host::new(open::bare_host()?);
    let mut description = None;
    if faults.is_empty() {
        // Types alone do not say whether it compiles and answers.
        match super::ready(found.bytes.len(), host.describe(&found.source)).await? {
            Ok(described) => description = Some(described),
            Err(error @ HostError::Machine { .. }) => return Err(error.into()),
            Err(error) => faults.push(error.to_string()),
        }
    }
    if let Some(described) = &description {
        faults.extend(
            relrun_manifest::ConfigSchema::new(described.config_schema.clone())
                .err()
                .map(|error| format!("its config's schema: {}", error.why)),
        );
    }
    let needs = match &description {
        Some(_) => Some(asks(&host, &found.source, config).await?),
        None => None,
    };
    let fits = faults.is_empty();
    if show::format(cli) == Format::Json {
        let asks = match &needs {
            Some(Asks::Known(needs)) => serde_json::to_value(needs).unwrap_or_default(),
            _ => Value::Null,
        };
        show::print_json(&serde_json::json!({
            "component": found.from, "digest": found.source.digest.to_string(), "size": found.bytes.len(), "fits": fits, "faults": faults,
            "world": description.as_ref().map(|found| &found.world), "name": description.as_ref().map(|found| &found.name),
            "version": description.as_ref().map(|found| &found.version), "imports": names(&anatomy), "reaches": anatomy.reaches(), "asks": asks,
        }))?;
        return Ok(if fits { Exit::Done } else { Exit::Input });
    }
    let mut text = format!("{}: {}\n", found.from, size(found.bytes.len()));
    if let Some(described) = &description {
        text += &format!("fits relrun:plugin@{}: {} {}\n", described.world, described.name, described.version);
    }
    text += &format!("imports {}\n", if anatomy.imports.is_empty() { "nothing".to_owned() } else { names(&anatomy).join(", ") });
    if let Some(needs) = &needs {
        text += &needs.words();
    }
    for fault in &faults {
        text += &format!("does not fit: {fault}\n");
    }
    show::print(&text)?;
    Ok(if fits { Exit::Done } else { Exit::Input })
}

fn read_config(given: &str) -> Result<Value, EngineError> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|source| EngineError::io(format!("read {file}"), source))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        EngineError::input(format!("--config is no JSON: {error}"), "write `--config '{\"who\": \"World\"}'`, or `--config @FILE`")
    })
}

/// What a plugin asks for.
enum Asks {
    /// For this config.
    Known(Needs),
    /// It depends on a config that nobody gave.
    Unknown(String),
}

/// Asks with the config that was given, else with an empty one, which many refuse.
async fn asks(host: &Host, source: &relrun_host::ComponentSource, config: Option<Value>) -> Result<Asks, EngineError> {
    let given = config.is_some();
    match host.resolve(source, &config.unwrap_or_else(|| serde_json::json!({}))).await {
        Ok(needs) => Ok(Asks::Known(needs)),
        Err(error @ HostError::Machine { .. }) => Err(error.into()),
        Err(error) if given => Err(error.into()),
        Err(error) => Ok(Asks::Unknown(error.to_string())),
    }
}

impl Asks {
    fn words(&self) -> String {
        match self {
            Self::Unknown(reason) => {
                format!("asks for what its config makes it need: name one with --config (of an empty one it says: {reason})\n")
            }
            Self::Known(needs) => {
                let kind = if needs.kind == relrun_ledger::StepKind::Pure { "pure" } else { "an effect" };
                let idempotent = if needs.idempotent { "idempotent" } else { "not idempotent" };
                let mut text = format!("is {kind}, {idempotent}\n");
                for request in &needs.requests {
                    text += &format!("asks for {}: {}\n", request.capability, request.reason);
                }
                text
            }
        }
    }
}

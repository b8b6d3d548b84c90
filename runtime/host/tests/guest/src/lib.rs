//! A plugin for the host's tests: it does what `config.do` says. Written against the bare world, because the SDK would not let it misbehave.

#![allow(clippy::pedantic, missing_docs, reason = "generated code and bad manners")]

#[cfg(not(feature = "world-0-2"))]
wit_bindgen::generate!({ path: "../../../../wit", world: "plugin" });
#[cfg(feature = "world-0-2")]
wit_bindgen::generate!({ path: "../../../../../wit/0.2", world: "relrun:plugin/plugin@0.2.0", generate_all });

mod deeds;

#[cfg(not(feature = "world-0-2"))]
use {exports::relrun::plugin::step::Guest, relrun::plugin as world};
#[cfg(feature = "world-0-2")]
use {exports::relrun::plugin0_2_0::step::Guest, relrun::plugin0_1_1 as world};

use serde_json::{Value, json};
use world::types::{Change, Description, Error, Health, Kind, Need, Needs, Outcome, Recovery};
use world::{checkpoint, context};

struct Plugin;

/// Anything goes; what is a list stays one where a manifest names one thing alone.
fn schema() -> Value {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    json!({ "type": "object", "properties": { "needs": list, "argv": list } })
}

fn parse(config: &str) -> Result<Value, Error> {
    serde_json::from_str(config).map_err(|error| Error::Invalid(error.to_string()))
}

fn done(outputs: Value) -> Outcome {
    Outcome { summary: "done\nwell".into(), outputs: outputs.to_string(), receipt: Some(json!({ "left": 1 }).to_string()) }
}

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            name: "test".into(),
            version: "0.1.0".into(),
            summary: "Does what its config says".into(),
            config_schema: schema().to_string(),
            outputs_schema: "true".into(),
        }
    }

    fn resolve(config: String) -> Result<Needs, Error> {
        let config = parse(&config)?;
        if config["do"] == "reach" {
            checkpoint::save("{}")?;
        }
        if config["do"] == "loop-in-resolve" {
            deeds::forever();
        }
        let requests = config["needs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Needs {
            kind: if config["kind"] == "pure" { Kind::Pure } else { Kind::Effect },
            idempotent: config["idempotent"] != false,
            requests: requests.map(|need| Need { capability: need.into(), reason: "for the test".into() }).collect(),
        })
    }

    fn plan(config: String) -> Result<Vec<Change>, Error> {
        deeds::run(&parse(&config)?).map(|outputs| vec![Change { summary: outputs.to_string(), detail: None }])
    }

    fn apply(config: String) -> Result<Outcome, Error> {
        let config = parse(&config)?;
        match config["do"].as_str().unwrap_or_default() {
            "bad-outputs" => Ok(Outcome { outputs: "{\"a\":".into(), ..done(json!({})) }),
            "listed-outputs" => Ok(Outcome { outputs: "[1]".into(), ..done(json!({})) }),
            "bad-receipt" => Ok(Outcome { receipt: Some("nonsense".into()), ..done(json!({})) }),
            "broken-text" => Ok(Outcome { summary: deeds::broken_text(), ..done(json!({})) }),
            "deep-outputs" => Ok(Outcome { outputs: "[".repeat(1_000_000), ..done(json!({})) }),
            "huge-outputs" => Ok(Outcome { outputs: "x".repeat(100 << 20), ..done(json!({})) }),
            _ => deeds::run(&config).map(done),
        }
    }

    fn recover(config: String, checkpoint: Option<String>) -> Result<Recovery, Error> {
        if parse(&config)?["recover"] == "unsure" {
            return Err(Error::Other("I kept no notes".into()));
        }
        Ok(checkpoint.map_or(Recovery::NotDone, Recovery::Partly))
    }

    fn verify(_: String, receipt: String) -> Result<Health, Error> {
        Ok(if receipt == "null" { Health::Gone } else { Health::Drifted(vec![Change { summary: receipt, detail: None }]) })
    }

    fn undo(_: String, receipt: String) -> Result<Outcome, Error> {
        Ok(done(json!({ "undone": receipt, "attempt": context::attempt() })))
    }

    fn destroy(config: String, _: String) -> Result<Outcome, Error> {
        Self::apply(config)
    }

    #[cfg(feature = "world-0-2")]
    fn find(config: String) -> Result<Outcome, Error> {
        deeds::run(&parse(&config)?).map(|found| Outcome { summary: "found".into(), ..done(found) })
    }
}

export!(Plugin);

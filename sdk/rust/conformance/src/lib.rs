//! The conformance plugin: it does what its config says. `tests/conformance/README.md` tells the script's language.

mod actions;
mod reach;

use relrun_sdk::need::Need;
use relrun_sdk::serde_json::{Map, Value, json};
use relrun_sdk::{About, Came, Change, Error, Health, Needs, Outcome, Plugin, Recovery, Result};

struct Conformance;

/// One operation's part of the script, and what its actions gave.
struct Part<'c> {
    script: Option<&'c Map<String, Value>>,
    transcript: Value,
}

impl<'c> Part<'c> {
    fn run(config: &'c Value, operation: &str, given: Option<&Value>) -> Result<Self> {
        let script = config[operation].as_object();
        let actions = script.and_then(|script| script.get("do")?.as_array()).into_iter().flatten();
        let entries: Result<Vec<Value>> = actions.map(|action| actions::perform(action, given)).collect();
        Ok(Self { script, transcript: Value::Array(entries?) })
    }

    fn get(&self, key: &str) -> Option<&'c Value> {
        self.script?.get(key)
    }

    fn word(&self, key: &str) -> Option<&'c str> {
        self.get(key)?.as_str()
    }

    fn outcome(self) -> Outcome<Value, Value> {
        let mut outputs = self.get("outputs").and_then(Value::as_object).cloned().unwrap_or_default();
        let (summary, receipt) = (self.word("summary").unwrap_or("done"), self.get("receipt").cloned());
        outputs.insert("transcript".to_owned(), self.transcript);
        Outcome { receipt, ..Outcome::new(summary, Value::Object(outputs)) }
    }

    fn changes(self) -> Vec<Change> {
        let told = self.get("changes").and_then(Value::as_array).into_iter().flatten();
        let told = told.map(|change| {
            let made = Change::new(change["summary"].as_str().unwrap_or_default());
            match change["detail"].as_str() {
                Some(detail) => made.detail(detail),
                None => made,
            }
        });
        told.chain([Change::new("transcript").detail(self.transcript.to_string())]).collect()
    }

    fn line(self) -> String {
        self.word("summary").map_or_else(|| self.transcript.to_string(), ToOwned::to_owned)
    }
}

impl Plugin for Conformance {
    type Config = Value;
    type Outputs = Value;
    type Receipt = Value;

    fn about() -> About {
        About { name: "conformance", version: "0.1.0", summary: "Does what its config says" }
    }

    fn resolve(config: &Value) -> Result<Needs> {
        if config["resolve"] == "refuse" {
            return Err(Error::invalid("refused"));
        }
        let needs = if config["kind"] == "pure" { Needs::pure() } else { Needs::effect() };
        let needs = needs.idempotent(config["idempotent"] != false);
        let lines = config["needs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(lines.fold(needs, |needs, line| needs.with(Need::new(line).because("the script asks for it"))))
    }

    fn plan(config: &Value) -> Result<Vec<Change>> {
        Ok(Part::run(config, "plan", None)?.changes())
    }

    fn apply(config: Value) -> Result<Outcome<Value, Value>> {
        Ok(Part::run(&config, "apply", None)?.outcome())
    }

    fn recover(config: Value, came: Came<Value>) -> Result<Recovery<Value, Value>> {
        let given = if let Came::Saved(saved) = came { Some(saved) } else { None };
        let part = Part::run(&config, "recover", given.as_ref())?;
        Ok(match part.word("recovery") {
            Some("done") => Recovery::Done(part.outcome()),
            Some("partly") => Recovery::Partly(part.get("receipt").cloned().unwrap_or_else(|| json!({ "transcript": part.transcript }))),
            _ => Recovery::NotDone,
        })
    }

    fn verify(config: Value, receipt: Value) -> Result<Health> {
        let part = Part::run(&config, "verify", Some(&receipt))?;
        Ok(match part.word("health") {
            Some("drifted") => Health::Drifted(part.changes()),
            Some("gone") => Health::Gone,
            _ => Health::Intact,
        })
    }

    fn undo(config: Value, receipt: Value) -> Result<String> {
        Ok(Part::run(&config, "undo", Some(&receipt))?.line())
    }

    fn destroy(config: Value, receipt: Value) -> Result<String> {
        Ok(Part::run(&config, "destroy", Some(&receipt))?.line())
    }
}

relrun_sdk::export!(Conformance);

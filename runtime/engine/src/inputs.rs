//! The values of the inputs: from `-i`, from what an environment sets, from the default, in this order of strength.

use crate::{EngineError, Loaded};
use relrun_manifest::{Input, Mistake, Scalar, Setting};
use serde_json::Value;
use std::collections::BTreeMap;

/// Values by input name.
pub(crate) type Values = BTreeMap<String, Value>;

/// The inputs as every step sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// What was given with `-i`.
    pub given: Values,
    /// As environment-free steps see them: given values and defaults. One that only environments set is absent.
    pub free: Values,
    /// As each environment's steps see them.
    pub bound: BTreeMap<String, Values>,
}

impl Inputs {
    /// Reads the values given as `name=text` or `name=@file`'s content, and settles every input.
    ///
    /// # Errors
    /// Every unknown name, every value of a wrong type or not allowed, and every required input that nothing gives, all at once.
    pub fn settle(loaded: &Loaded, given: &[(String, String)]) -> Result<Self, EngineError> {
        let mut values = Values::new();
        let mut wrong = Vec::new();
        for (name, text) in given {
            match loaded.manifest.inputs.iter().find(|input| *input.name == *name) {
                None => wrong.push(unknown(loaded, name)),
                Some(input) => match relrun_manifest::parse_input_value(input, text) {
                    Ok(value) => drop(values.insert(name.clone(), value)),
                    Err(reason) => wrong.push(format!("-i {name}: {reason}")),
                },
            }
        }
        if !wrong.is_empty() {
            return Err(EngineError::input(wrong.join("\n"), "type `-i NAME=VALUE` with a name and a value that the manifest declares"));
        }
        Self::from_given(loaded, values)
    }

    /// Settles every input from typed values.
    pub fn from_given(loaded: &Loaded, given: Values) -> Result<Self, EngineError> {
        let free = settle(&loaded.manifest.inputs, &given, &[]);
        let bound: BTreeMap<String, Values> = loaded
            .environments
            .iter()
            .map(|environment| (environment.name.value.clone(), settle(&loaded.manifest.inputs, &given, &environment.settings)))
            .collect();
        let inputs = Self { given, free, bound };
        inputs.check_missing(loaded)?;
        Ok(inputs)
    }

    /// Returns the values that steps of this environment see, or of none.
    pub fn of(&self, environment: Option<&str>) -> &Values {
        environment.and_then(|name| self.bound.get(name)).unwrap_or(&self.free)
    }

    /// Lists all required inputs that nothing gives. One that some environment sets is missing only where it is not set.
    fn check_missing(&self, loaded: &Loaded) -> Result<(), EngineError> {
        let mistakes: Vec<Mistake> = loaded
            .manifest
            .inputs
            .iter()
            .filter(|input| !self.free.contains_key(&input.name.value) && !self.bound.values().any(|v| v.contains_key(&input.name.value)))
            .map(|input| {
                Mistake::new("relrun::input::missing", input.name.span, format!("input \"{}\" has no value", input.name.value))
                    .label("required")
                    .help(format!("type `-i {}=…`, or give it a default", input.name.value))
            })
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(loaded.mistakes(mistakes)) }
    }
}

fn settle(inputs: &[Input], given: &Values, settings: &[Setting]) -> Values {
    let mut values = Values::new();
    for input in inputs {
        let name = &input.name.value;
        let set = settings.iter().find(|setting| *setting.name == *name).map(|setting| plain(&setting.value.value));
        let value = given.get(name).cloned().or(set).or_else(|| input.default.as_ref().map(|default| plain(&default.value)));
        if let Some(value) = value {
            values.insert(name.clone(), value);
        }
    }
    values
}

/// A value that holds no references; the parser refuses references in inputs and settings.
fn plain(scalar: &Scalar) -> Value {
    relrun_manifest::scalar_to_json(scalar, &|_| None)
}

fn unknown(loaded: &Loaded, name: &str) -> String {
    let known: Vec<&str> = loaded.manifest.inputs.iter().map(|input| input.name.value.as_str()).collect();
    match relrun_manifest::nearest(name, known.iter().copied()) {
        Some(near) => format!("-i {name}: there is no such input; did you mean \"{near}\"?"),
        None if known.is_empty() => format!("-i {name}: there is no such input: the manifest declares none"),
        None => format!("-i {name}: there is no such input; there are {}", known.join(", ")),
    }
}

impl Inputs {
    /// Takes the values that a record is promoted with: what it was built with, and the target's own settings. Of the values that were given,
    /// those travel whose input says so with `release=#true`.
    pub fn promoted(loaded: &Loaded, start: &relrun_ledger::Start, target: &str) -> Self {
        let travels = |name: &String| loaded.manifest.inputs.iter().any(|input| *input.name == *name && input.release);
        let given: Values =
            start.given.iter().filter(|(name, _)| travels(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        let settings = loaded.environment(target).map_or(&[][..], |environment| &environment.settings);
        let mut inputs = Self::recorded(loaded, start);
        inputs.bound.insert(target.to_owned(), settle(&loaded.manifest.inputs, &given, settings));
        Self { given, ..inputs }
    }

    /// Takes the values that a release recorded, for the environments that it knew; the others see what they see now.
    pub fn recorded(loaded: &Loaded, start: &relrun_ledger::Start) -> Self {
        let mut bound: BTreeMap<String, Values> = loaded
            .environments
            .iter()
            .map(|environment| (environment.name.value.clone(), settle(&loaded.manifest.inputs, &start.given, &environment.settings)))
            .collect();
        bound.extend(start.settings.clone());
        Self { given: start.given.clone(), free: start.inputs.clone(), bound }
    }
}

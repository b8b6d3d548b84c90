//! The values of the inputs: from `-i`, from `relrun env set`, from what the environment's block sets, from the default, in this order of
//! strength.

use crate::{EngineError, Loaded};
use relrun_ledger::Start;
use relrun_manifest::{Environment, Input, Mistake, Scalar, Setting};
use serde_json::Value;
use std::collections::BTreeMap;

/// Values by input name.
pub(crate) type Values = BTreeMap<String, Value>;

/// What `relrun env set` set, by environment.
pub(crate) type Sets = BTreeMap<String, Values>;

/// The inputs as every step sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// What was given with `-i`.
    pub given: Values,
    /// As environment-free steps see them: given values and defaults. One that only environments set is absent.
    pub free: Values,
    /// As each environment's steps see them.
    pub bound: BTreeMap<String, Values>,
    /// What `relrun env set` set in each environment.
    pub set: Sets,
}

impl Inputs {
    /// Reads the values given as `name=text` or `name=@file`'s content, and settles every input.
    ///
    /// # Errors
    /// Every unknown name, every value of a wrong type or not allowed, and every required input that nothing gives, all at once.
    pub fn settle(loaded: &Loaded, given: &[(String, String)], set: Sets) -> Result<Self, EngineError> {
        Self::from_given(loaded, Self::read(loaded, given)?, set)
    }

    /// Reads values given as text.
    pub fn read(loaded: &Loaded, given: &[(String, String)]) -> Result<Values, EngineError> {
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
        Ok(values)
    }

    /// Settles every input from typed values.
    pub fn from_given(loaded: &Loaded, given: Values, set: Sets) -> Result<Self, EngineError> {
        let free = settle(&loaded.manifest.inputs, &given, &Values::new(), &[]);
        let bound = bound(loaded, &given, &set);
        let inputs = Self { given, free, bound, set };
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

/// Settles every environment's values.
fn bound(loaded: &Loaded, given: &Values, set: &Sets) -> BTreeMap<String, Values> {
    let nothing = Values::new();
    let one = |environment: &Environment| {
        let name = environment.name.value.clone();
        let values = settle(&loaded.manifest.inputs, given, set.get(&name).unwrap_or(&nothing), &environment.settings);
        (name, values)
    };
    loaded.environments.iter().map(one).collect()
}

fn settle(inputs: &[Input], given: &Values, staged: &Values, settings: &[Setting]) -> Values {
    let mut values = Values::new();
    for input in inputs {
        let name = &input.name.value;
        let set = settings.iter().find(|setting| *setting.name == *name).map(|setting| plain(&setting.value.value));
        let value = given
            .get(name)
            .or_else(|| staged.get(name))
            .cloned()
            .or(set)
            .or_else(|| input.default.as_ref().map(|default| plain(&default.value)));
        if let Some(value) = value {
            values.insert(name.clone(), value);
        }
    }
    values
}

/// A value that holds no references; the parser refuses references in inputs and settings.
pub(crate) fn plain(scalar: &Scalar) -> Value {
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
    pub fn promoted(loaded: &Loaded, start: &Start, target: &str, set: Values) -> Self {
        let travels = |name: &String| loaded.manifest.inputs.iter().any(|input| *input.name == *name && input.release);
        let given: Values =
            start.given.iter().filter(|(name, _)| travels(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { given: given.clone(), ..Self::recorded(loaded, start) }.with(loaded, &given, target, set)
    }

    /// Takes the values that a release recorded, with others set in one environment.
    pub fn restaged(loaded: &Loaded, start: &Start, environment: &str, set: Values) -> Self {
        Self::recorded(loaded, start).with(loaded, &start.given, environment, set)
    }

    fn with(mut self, loaded: &Loaded, given: &Values, environment: &str, set: Values) -> Self {
        let settings = loaded.environment(environment).map_or(&[][..], |environment| &environment.settings);
        self.bound.insert(environment.to_owned(), settle(&loaded.manifest.inputs, given, &set, settings));
        self.set.insert(environment.to_owned(), set);
        self
    }

    /// Takes the values that a release recorded, for the environments that it knew; the others see what they see now.
    pub fn recorded(loaded: &Loaded, start: &Start) -> Self {
        let mut bound = bound(loaded, &start.given, &start.set);
        bound.extend(start.settings.clone());
        Self { given: start.given.clone(), free: start.inputs.clone(), bound, set: start.set.clone() }
    }
}

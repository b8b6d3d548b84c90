//! The values of the inputs: from `-i`, from `relrun env set`, from what the environment's block sets, from the default, in this order of
//! strength.

use crate::dependency::Part;
use crate::given::Given;
use crate::{EngineError, Loaded};
use relrun_ledger::Start;
use relrun_manifest::{Environment, Input, InputType, Mistake, Namespace, Scalar, Setting};
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

/// What shows every input.
const HELP: &str = "`relrun check --inputs` shows each input, what it may be and what it is for";

impl Inputs {
    /// Settles every input: from what was given, beside values that are typed already. `environments` are those that are asked for, all where
    /// there are none.
    ///
    /// # Errors
    /// Whatever could not be read, every unknown name, every value of a wrong type or not allowed, and every required input that nothing gives,
    /// all at once.
    pub fn settle(loaded: &Loaded, typed: Values, given: &Given, set: Sets, environments: &[String]) -> Result<Self, EngineError> {
        let (read, mut wrong) = given.check(loaded, "-i ");
        wrong.extend(wrong_settings(loaded, &set));
        let mut values = typed;
        values.extend(read);
        let inputs = Self::from_given(loaded, values, set);
        // What was given wrongly is not missing too.
        let mut missing = inputs.missing(loaded, environments);
        missing.retain(|(input, _)| !given.values.contains_key(&input.name.value));
        if wrong.is_empty() {
            return if missing.is_empty() { Ok(inputs) } else { Err(loaded.mistakes(missing.into_iter().map(mistake).collect())) };
        }
        wrong.extend(missing.into_iter().map(|(input, place)| format!("{}: it has no value{place}{}", input.name.value, about(input))));
        Err(EngineError::input(wrong.join("\n"), HELP))
    }

    /// Takes values that are to be set somewhere.
    pub(crate) fn read(loaded: &Loaded, given: &Given) -> (Values, Vec<String>) {
        given.check(loaded, "")
    }

    /// Takes the values that a package is deployed with as a part of another.
    ///
    /// # Errors
    /// Every unknown name, and every value that its input does not take.
    pub(crate) fn of_part(loaded: &Loaded, part: &Part) -> Result<Values, EngineError> {
        let (package, name) = (&loaded.manifest.package.name.value, &part.of.name);
        let (mut values, mut wrong) = (Values::new(), Vec::new());
        for (key, value) in &part.set {
            let Some(input) = loaded.manifest.inputs.iter().find(|input| *input.name == *key) else {
                wrong.push(format!("{package} has no input \"{key}\", and `depends … as=\"{name}\"` sets it"));
                continue;
            };
            let value = as_kind(input, value.clone());
            if let Err(error) = relrun_manifest::check_input_value(input, &value) {
                wrong.push(format!("`depends … as=\"{name}\"` sets {key} of {package}: {}", error.message));
            }
            values.insert(key.clone(), value);
        }
        if wrong.is_empty() {
            Ok(values)
        } else {
            Err(EngineError::input(wrong.join("\n"), "correct the `set` lines of the `depends` block"))
        }
    }

    /// Settles every input from typed values, whatever is missing.
    fn from_given(loaded: &Loaded, given: Values, set: Sets) -> Self {
        let free = settle(&loaded.manifest.inputs, &given, &Values::new(), &[]);
        let bound = bound(loaded, &given, &set);
        Self { given, free, bound, set }
    }

    /// Returns the values that steps of this environment see, or of none.
    pub fn of(&self, environment: Option<&str>) -> &Values {
        environment.and_then(|name| self.bound.get(name)).unwrap_or(&self.free)
    }

    /// Returns every input that nothing gives where a step wants it, or that nothing gives anywhere, and in which environments.
    fn missing<'a>(&self, loaded: &'a Loaded, environments: &[String]) -> Vec<(&'a Input, String)> {
        let mut missing = Vec::new();
        for input in &loaded.manifest.inputs {
            let name = &input.name.value;
            let is_free = self.free.contains_key(name);
            let nowhere = !is_free && !self.bound.values().any(|values| values.contains_key(name));
            let lacks = |environment: &str| {
                let asked = environments.is_empty() || environments.iter().any(|asked| asked == environment);
                asked && self.bound.get(environment).is_some_and(|values| !values.contains_key(name))
            };
            let lacking: Vec<&str> = wanted_in(loaded, name).into_iter().filter(|environment| lacks(environment)).collect();
            if nowhere {
                missing.push((input, String::new()));
            } else if !lacking.is_empty() {
                missing.push((input, format!(" in {}", crate::text::join(&lacking))));
            }
        }
        missing
    }
}

/// Returns the environments in which a step refers to an input.
fn wanted_in<'a>(loaded: &'a Loaded, input: &str) -> Vec<&'a str> {
    let refers = |step: &relrun_manifest::Step| {
        step.references()
            .any(|reference| reference.namespace == Namespace::Input && reference.path.first().is_some_and(|name| name == input))
    };
    let phases: Vec<_> = loaded.manifest.phases.iter().filter(|phase| phase.steps.iter().any(refers)).collect();
    let is_wanted =
        |environment: &&Environment| phases.iter().any(|phase| phase.environments.as_ref().is_some_and(|of| of.value.selects(environment)));
    loaded.environments.iter().filter(is_wanted).map(|environment| environment.name.value.as_str()).collect()
}

fn mistake((input, place): (&Input, String)) -> Mistake {
    let name = &input.name.value;
    Mistake::new("relrun::input::missing", input.name.span, format!("input \"{name}\" has no value{place}"))
        .label("required")
        .help(format!("type `-i {name}=…`{}, or give it a default", about(input)))
}

/// Says what an input is for, and what it may be.
fn about(input: &Input) -> String {
    let help = input.help.as_ref().map_or_else(String::new, |help| format!("{help}: "));
    format!(" ({help}{})", input.takes())
}

/// Says which values are no longer what the manifest takes: those that `relrun.kdl` sets for all manifests, and those that were set long ago.
fn wrong_settings(loaded: &Loaded, set: &Sets) -> Vec<String> {
    let input = |name: &str| loaded.manifest.inputs.iter().find(|input| *input.name == *name);
    let mut wrong = Vec::new();
    for environment in &loaded.environments {
        for setting in &environment.settings {
            let Some(input) = input(&setting.name) else { continue };
            if let Err(error) = relrun_manifest::check_input_value(input, &as_kind(input, plain(&setting.value.value))) {
                wrong.push(format!("environment \"{}\" sets {}: {}", environment.name.value, setting.name.value, error.message));
            }
        }
    }
    for (environment, values) in set {
        for (name, value) in values {
            let Some(input) = input(name) else { continue };
            if let Err(error) = relrun_manifest::check_input_value(input, value) {
                wrong.push(format!("`relrun env set` of {name} in {environment}: {}", error.message));
            }
        }
    }
    wrong
}

/// One value cannot show that it is a list.
fn as_kind(input: &Input, value: Value) -> Value {
    if input.kind == InputType::List && !value.is_array() { Value::Array(vec![value]) } else { value }
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
        let set = settings.iter().find(|setting| *setting.name == *name).map(|setting| as_kind(input, plain(&setting.value.value)));
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

/// Returns whether a step without an environment refers to an input.
fn is_built_in(loaded: &Loaded, name: &str) -> bool {
    let free = loaded.manifest.phases.iter().filter(|phase| phase.environments.is_none()).flat_map(|phase| &phase.steps);
    let mut inputs = free.flat_map(relrun_manifest::Step::references).filter(|reference| reference.namespace == Namespace::Input);
    inputs.any(|reference| reference.path.first().is_some_and(|first| first == name))
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

    /// Takes the values that a package is deployed with: as if it were promoted to each environment, with what `env set` set there, and what is
    /// given now beside it.
    ///
    /// # Errors
    /// What is unknown, of a wrong type or missing, and a value for what was built with another.
    pub fn delivered(loaded: &Loaded, start: &Start, sets: BTreeMap<String, Values>, given: &Given) -> Result<Self, EngineError> {
        let (now, mut wrong) = given.check(loaded, "-i ");
        let built_in = now.keys().filter(|name| is_built_in(loaded, name));
        wrong.extend(
            built_in
                .map(|name| format!("-i {name}: what is in the package was built with it; make and push another version with that value")),
        );
        let all: Values = start.given.clone().into_iter().chain(now).collect();
        let targets: Vec<String> = sets.keys().cloned().collect();
        let recorded = Self { given: all.clone(), ..Self::recorded(loaded, start) };
        let inputs = sets.into_iter().fold(recorded, |inputs, (target, set)| inputs.with(loaded, &all, &target, set));
        if !wrong.is_empty() {
            return Err(EngineError::input(wrong.join("\n"), HELP));
        }
        let missing = inputs.missing(loaded, &targets);
        if missing.is_empty() { Ok(inputs) } else { Err(loaded.mistakes(missing.into_iter().map(mistake).collect())) }
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

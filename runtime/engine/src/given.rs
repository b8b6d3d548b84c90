//! What a person gives inputs, before the manifest was asked what it takes. Nothing is read here: whoever types reads the files.

use crate::Loaded;
use crate::inputs::Values;
use relrun_manifest::{Input, InputType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was given: by name, and what could not be read. All that is wrong is said together, in whichever form it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Texts by input name.
    pub values: BTreeMap<String, GivenText>,
    /// What could not be read at all, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// How a value was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenText {
    /// `NAME=VALUE`: a list is separated by commas.
    Typed(String),
    /// `NAME=@FILE`: a list has one element a line.
    Lines(String),
    /// A field of a JSON object, as JSON text: it has its type already.
    Json {
        /// The file that the object stands in.
        file: String,
        /// The value.
        text: String,
    },
}

impl Given {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.unreadable.is_empty()
    }

    /// Returns the values that are what the manifest takes, and one line for each that is not. `word` stands before a name: `-i `.
    pub(crate) fn check(&self, loaded: &Loaded, word: &str) -> (Values, Vec<String>) {
        let mut values = Values::new();
        let mut wrong = self.unreadable.clone();
        for (name, given) in &self.values {
            let place = match given {
                GivenText::Json { file, .. } => format!("{file}: {name}"),
                GivenText::Typed(_) | GivenText::Lines(_) => format!("{word}{name}"),
            };
            match loaded.manifest.inputs.iter().find(|input| *input.name == *name) {
                None => wrong.push(format!("{place}: {}", unknown(loaded, name))),
                Some(input) => match given.read(input) {
                    Ok(value) => drop(values.insert(name.clone(), value)),
                    Err(reason) => wrong.push(format!("{place}: {reason}")),
                },
            }
        }
        (values, wrong)
    }
}

impl GivenText {
    fn read(&self, input: &Input) -> Result<serde_json::Value, String> {
        let read = match self {
            Self::Lines(text) if input.kind == InputType::List => {
                let lines: Vec<serde_json::Value> =
                    text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.trim().into()).collect();
                relrun_manifest::check_input_value(input, &lines.into())
            }
            Self::Typed(text) | Self::Lines(text) => relrun_manifest::parse_input_value(input, text),
            Self::Json { text, .. } => {
                let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
                relrun_manifest::check_input_value(input, &value)
            }
        };
        read.map_err(|error| error.message)
    }
}

fn unknown(loaded: &Loaded, name: &str) -> String {
    let known: Vec<&str> = loaded.manifest.inputs.iter().map(|input| input.name.value.as_str()).collect();
    match relrun_manifest::nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no such input; did you mean \"{near}\"?"),
        None if known.is_empty() => "there is no such input: the manifest declares none".to_owned(),
        None => format!("there is no such input; there are {}", known.join(", ")),
    }
}

//! The values of inputs: their types, and what a person types after `-i`.

use crate::{Input, InputType, Reference, Scalar, Template};
use serde_json::Value;

impl InputType {
    /// Every type with its word.
    pub const ALL: [(&'static str, Self); 5] =
        [("string", Self::String), ("integer", Self::Integer), ("number", Self::Number), ("boolean", Self::Boolean), ("list", Self::List)];

    /// Returns the type with its article, for messages.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::List => "a list",
        }
    }

    /// Checks that a value is of this type.
    pub(crate) fn check_type(self, value: &Scalar) -> Result<(), String> {
        let fits = match (self, value) {
            (Self::String, Scalar::String(template)) => template.as_text().is_some(),
            (Self::Integer | Self::Number, Scalar::Integer(_)) | (Self::Number, Scalar::Float(_)) | (Self::Boolean, Scalar::Bool(_)) => {
                true
            }
            (Self::List, Scalar::List(values)) => values.iter().all(|value| Self::String.check_type(value).is_ok()),
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("it is {}, not {}", describe(value), self.with_article())) }
    }
}

fn describe(value: &Scalar) -> &'static str {
    match value {
        Scalar::Null => "`#null`",
        Scalar::Bool(_) => "a boolean",
        Scalar::Integer(_) => "an integer",
        Scalar::Float(_) => "a number",
        Scalar::String(_) => "a string",
        Scalar::List(values) if values.iter().all(|value| matches!(value, Scalar::String(_))) => "a list",
        Scalar::List(_) => "a list with something else than strings",
    }
}

impl Input {
    /// The type of one allowed value: a list's are those of its elements.
    pub(crate) fn element(&self) -> InputType {
        if self.kind == InputType::List { InputType::String } else { self.kind }
    }

    /// Checks that a value is of the input's type and one of those allowed.
    pub fn check(&self, value: &Scalar) -> Result<(), String> {
        self.kind.check_type(value)?;
        let values = match value {
            Scalar::List(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        match values.iter().find(|value| !self.allows(value)) {
            Some(other) => Err(format!("{} is not one of the allowed values", scalar_to_json(other, &|_| None))),
            None => Ok(()),
        }
    }

    fn allows(&self, value: &Scalar) -> bool {
        let number = |scalar: &Scalar| scalar_to_json(scalar, &|_| None).as_f64();
        self.allowed.is_empty()
            || self
                .allowed
                .iter()
                .any(|allowed| allowed.value == *value || (self.kind == InputType::Number && number(&allowed.value) == number(value)))
    }

    /// Says what a person may type, in a few words.
    pub fn takes(&self) -> String {
        let allowed: Vec<_> = self.allowed.iter().map(|value| scalar_to_json(&value.value, &|_| None)).collect();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let one_of = allowed.iter().map(text).collect::<Vec<_>>().join(", ");
        match (self.kind, allowed.is_empty()) {
            (InputType::List, true) => "a list of strings".to_owned(),
            (kind, true) => kind.with_article().to_owned(),
            (InputType::List, false) => format!("a list of {one_of}"),
            (_, false) => format!("one of {one_of}"),
        }
    }

    /// Says which values it may have, for help.
    pub fn usage(&self) -> String {
        if self.allowed.is_empty() {
            return format!(
                "write {}",
                match self.kind {
                    InputType::String => "a text in quotes",
                    InputType::Integer => "a whole number",
                    InputType::Number => "a number",
                    InputType::Boolean => "`#true` or `#false`",
                    InputType::List => "texts in quotes, one after the other",
                }
            );
        }
        let allowed: Vec<_> = self.allowed.iter().map(|value| scalar_to_json(&value.value, &|_| None).to_string()).collect();
        format!("the allowed values are {}", allowed.join(", "))
    }
}

/// What a person typed is no value of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    /// What is wrong, with what would be right.
    pub message: String,
}

/// Reads the text that was typed as an input's value. A list is separated by commas; nothing is the empty list.
pub fn parse_input_value(input: &Input, text: &str) -> Result<Value, InputError> {
    let wrong = |why: String| InputError { message: why };
    let not = || wrong(format!("\"{text}\" is not {}", input.kind.with_article()));
    let string = |text: &str| Scalar::String(Template::text(text));
    let value = match input.kind {
        InputType::String => string(text),
        InputType::Integer => Scalar::Integer(text.parse().map_err(|_| not())?),
        InputType::Number => match text.parse::<i64>() {
            Ok(whole) => Scalar::Integer(whole),
            Err(_) => Scalar::Float(text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(not)?),
        },
        InputType::Boolean => match text {
            "true" | "#true" => Scalar::Bool(true),
            "false" | "#false" => Scalar::Bool(false),
            _ => return Err(wrong(format!("\"{text}\" is neither true nor false"))),
        },
        InputType::List if text.is_empty() => Scalar::List(Vec::new()),
        InputType::List => Scalar::List(text.split(',').map(|part| string(part.trim())).collect()),
    };
    input.check(&value).map_err(|why| wrong(format!("{why}; {}", input.usage())))?;
    Ok(scalar_to_json(&value, &|_| None))
}

/// Checks a value that has its type already, as a field of a JSON object has.
pub fn check_input_value(input: &Input, value: &Value) -> Result<Value, InputError> {
    let wrong = |message: String| InputError { message };
    let scalar = scalar_of_json(value).ok_or_else(|| wrong(format!("{value} is not {}", input.kind.with_article())))?;
    let hint = if input.allowed.is_empty() { String::new() } else { format!("; {}", input.usage()) };
    input.check(&scalar).map_err(|why| wrong(why + &hint))?;
    Ok(value.clone())
}

fn scalar_of_json(value: &Value) -> Option<Scalar> {
    Some(match value {
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(number) => number.as_i64().map(Scalar::Integer).or_else(|| number.as_f64().map(Scalar::Float))?,
        Value::String(text) => Scalar::String(Template::text(text)),
        Value::Array(values) => Scalar::List(values.iter().map(scalar_of_json).collect::<Option<_>>()?),
        Value::Null | Value::Object(_) => return None,
    })
}

/// Returns a scalar as JSON. A string that is a single reference takes the value's own type; one that is not known stands as the text `${…}`.
pub fn scalar_to_json(scalar: &Scalar, resolve: &dyn Fn(&Reference) -> Option<Value>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(*value),
        Scalar::Integer(value) => Value::from(*value),
        Scalar::Float(value) => Value::from(*value),
        Scalar::String(template) => template.to_json(resolve),
        Scalar::List(values) => values.iter().map(|value| scalar_to_json(value, resolve)).collect(),
    }
}

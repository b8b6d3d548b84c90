//! The script's actions, those of them that reach nothing outside the step.

use crate::reach;
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::{Error, ErrorKind, Result, checkpoint, context, log};
use std::fs;

/// Does one action; what it throws is caught or wrapped where the action says so.
pub fn perform(action: &Value, given: Option<&Value>) -> Result<Value> {
    match act(&Action(action), given) {
        Err(error) if action["catch"] == true => Ok(told(&error)),
        Err(error) => Err(match action["wrap"].as_str() {
            Some(text) => error.context(text),
            None => error,
        }),
        done => done,
    }
}

/// An error as an entry.
pub fn told(error: &Error) -> Value {
    let kind = match error.kind() {
        ErrorKind::Invalid => "invalid",
        ErrorKind::Denied => "denied",
        ErrorKind::Missing => "missing",
        ErrorKind::TimedOut => "timed-out",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Transient => "transient",
        ErrorKind::Permanent => "permanent",
        ErrorKind::Other => "other",
    };
    json!({ "error": kind, "message": error.message() })
}

/// An action's arguments.
pub struct Action<'a>(&'a Value);

impl<'a> Action<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self(value)
    }

    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub fn maybe(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    pub fn text(&self, key: &str) -> Result<&'a str> {
        self.maybe(key).ok_or_else(|| Error::invalid(format!("{} wants {key}", self.0)))
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    pub fn list(&self, key: &str) -> impl Iterator<Item = &'a Value> {
        self.get(key).and_then(Value::as_array).into_iter().flatten()
    }

    pub fn words(&self, key: &str) -> Vec<String> {
        self.list(key).filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    }
}

fn act(action: &Action<'_>, given: Option<&Value>) -> Result<Value> {
    let done = |()| Value::Null;
    Ok(match action.text("do")? {
        "echo" => action.get("value").cloned().unwrap_or_default(),
        "length" => {
            let text = action.text("text")?;
            json!({ "bytes": text.len(), "points": text.chars().count() })
        }
        "repeat" => Value::from(action.text("text")?.repeat(usize::try_from(action.number("times").unwrap_or(1)).unwrap_or(1))),
        "given" => given.cloned().unwrap_or_default(),
        "throw" => return Err(thrown(action)?),
        "raise" => return Err(std::io::Error::other(action.text("message")?).into()),
        "context" => facts()?,
        "unfinished" => context::unfinished::<Value>()?.unwrap_or_default(),
        "setting" => context::setting(action.text("name")?).map_or(Value::Null, Value::from),
        "log" => done(write_log(action)?),
        "progress" => {
            log::progress(action.text("what")?, action.number("done").unwrap_or(0), action.number("total"));
            done(())
        }
        "print" => {
            print(action.text("text")?);
            done(())
        }
        "checkpoint" => done(checkpoint(&action.get("state").cloned().unwrap_or_default())?),
        "write" => done(fs::write(action.text("path")?, action.text("text")?)?),
        "read" => Value::from(fs::read_to_string(action.text("path")?)?),
        "list" => names(action.text("path")?)?,
        name => reach::act(name, action)?,
    })
}

fn thrown(action: &Action<'_>) -> Result<Error> {
    let message = action.maybe("message").unwrap_or_default();
    Ok(match action.text("kind")? {
        "invalid" => Error::invalid(message),
        "denied" => Error::denied(message),
        "missing" => Error::missing(message),
        "timed-out" => Error::timed_out(message),
        "cancelled" => Error::cancelled(),
        "transient" => Error::transient(message),
        "permanent" => Error::permanent(message),
        "other" => Error::other(message),
        kind => Error::invalid(format!("{kind} is no kind of error")),
    })
}

fn facts() -> Result<Value> {
    Ok(json!({
        "package": context::package(), "version": context::version(), "release": context::release(), "step": context::step(),
        "attempt": context::attempt(), "idempotency-key": context::idempotency_key(), "environment": context::environment(),
        "deployment": context::deployment(), "labels": context::labels(), "previous": context::previous::<Value>()?,
        "started-at": context::started_at(),
    }))
}

fn write_log(action: &Action<'_>) -> Result<()> {
    let message = action.text("message")?;
    match action.text("level")? {
        "trace" => log::trace(message),
        "debug" => log::debug(message),
        "info" => log::info(message),
        "warn" => log::warn(message),
        _ => log::error(message),
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "it is what the action is for")]
fn print(text: &str) {
    println!("{text}");
}

fn names(path: &str) -> Result<Value> {
    let entries: std::io::Result<Vec<String>> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    let mut names = entries?;
    names.sort();
    Ok(json!(names))
}

//! Lines and progress for the people who watch.

use crate::backend;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the plugin's author.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// For who watches.
    Info,
    /// Something to look at.
    Warn,
    /// Something wrong.
    Error,
}

/// Writes a line for the plugin's author.
pub fn trace(message: &str) {
    backend::log(Level::Trace, message);
}

/// Writes a line for who looks for a fault.
pub fn debug(message: &str) {
    backend::log(Level::Debug, message);
}

/// Writes a line for who watches.
pub fn info(message: &str) {
    backend::log(Level::Info, message);
}

/// Writes a line about something to look at.
pub fn warn(message: &str) {
    backend::log(Level::Warn, message);
}

/// Writes a line about something wrong.
pub fn error(message: &str) {
    backend::log(Level::Error, message);
}

/// Says how far something has come; `total` is absent while it is not known.
pub fn progress(what: &str, done: u64, total: Option<u64>) {
    backend::progress(what, done, total);
}

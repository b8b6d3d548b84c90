//! `log`: lines and progress.

use crate::Level;
use crate::bindings::log;
use crate::state::State;

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        Ok(self.attempt.words.message(level.into(), &message)?)
    }

    fn progress(&mut self, what: String, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        Ok(self.attempt.words.progress(&what, done, total)?)
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Trace => Self::Trace,
            log::Level::Debug => Self::Debug,
            log::Level::Info => Self::Info,
            log::Level::Warn => Self::Warn,
            log::Level::Error => Self::Error,
        }
    }
}

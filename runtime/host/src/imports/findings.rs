//! `findings`: lines that belong to a place in a file.

use crate::Level;
use crate::next::findings;
use crate::state::State;

/// Where a step's copy of the work tree stands.
const WORK: &str = "/in/work/";

impl findings::Host for State {
    fn report(&mut self, severity: findings::Severity, message: String, path: Option<String>, line: Option<u32>) -> wasmtime::Result<()> {
        let level = match severity {
            findings::Severity::Note => Level::Info,
            findings::Severity::Warning => Level::Warn,
            findings::Severity::Error => Level::Error,
        };
        let path = path.as_deref().map(|path| path.strip_prefix(WORK).unwrap_or(path));
        Ok(self.attempt.words.finding(level, &message, path, line)?)
    }
}

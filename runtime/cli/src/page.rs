//! Reporters that need to know the terminal or the CI.

use relrun_report::{Plain, Reporter};

/// Returns the live tree.
pub(crate) fn human() -> Box<dyn Reporter> {
    Box::new(Plain::new(std::io::stdout()))
}

/// Returns GitHub's workflow commands.
pub(crate) fn github() -> Box<dyn Reporter> {
    Box::new(Plain::new(std::io::stdout()))
}

//! Checkpoints, and the guard that makes "no checkpoint: nothing was changed" true.
//!
//! While an effect's `apply` runs, the first host call that may change something saves an empty checkpoint, unless the plugin saved one of
//! its own before. So a crash never leaves a changed world behind an empty ledger.

use crate::{Result, backend};
use serde::Serialize;
use std::cell::Cell;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No effect's apply is running, or it has a checkpoint.
    Off,
    /// An effect's apply is running and has saved nothing.
    Armed,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Off) };
}

/// Records how far an `apply` has come; durable when it returns. Call it before each mutation: the last one is what
/// [`Plugin::recover`](crate::Plugin::recover) and [`Plugin::undo`](crate::Plugin::undo) get after a crash.
pub fn checkpoint<R: Serialize>(state: &R) -> Result<()> {
    let text = serde_json::to_string(state)?;
    backend::save_checkpoint(&text)?;
    STATE.set(State::Off);
    Ok(())
}

/// Runs an effect's `apply` under the guard.
pub(crate) fn armed<T>(run: impl FnOnce() -> T) -> T {
    STATE.set(State::Armed);
    let result = run();
    STATE.set(State::Off);
    result
}

/// Says that the next host call may change something.
pub(crate) fn mutation() -> Result<()> {
    match STATE.get() {
        State::Off => Ok(()),
        State::Armed => checkpoint(&()),
    }
}

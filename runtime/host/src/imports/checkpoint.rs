//! `checkpoint`: the step's own write-ahead note. It is durable when the call returns, because the engine's sink says so.

use super::span;
use crate::answer::json;
use crate::bindings::checkpoint;
use crate::error::{CallError, told};
use crate::state::State;
use tracing::Instrument;

/// A longer note belongs into a file.
const LONGEST: usize = 1 << 20;

impl checkpoint::Host for State {
    async fn save(&mut self, state: String) -> Result<(), CallError> {
        let attempt = &self.attempt;
        async {
            attempt.stop.check()?;
            attempt.effects_only("checkpoint")?;
            attempt.changes("checkpoint", "a checkpoint")?;
            if state.len() > LONGEST {
                return Err(CallError::invalid(format!("a checkpoint of {} bytes: at most {LONGEST} are kept", state.len())));
            }
            if let Some(name) = attempt.masker.contains_secret(&state) {
                return Err(CallError::permanent(format!("the checkpoint holds the secret \"{name}\", and would keep it in the ledger")));
            }
            let state = json("the checkpoint", &state).map_err(CallError::invalid)?;
            attempt.sink.checkpoint(state).await.map_err(told)
        }
        .instrument(span("checkpoint.save"))
        .await
    }
}

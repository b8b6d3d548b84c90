//! What a store holds: one attempt, its sandbox, and its limits.

use crate::attempt::Attempt;
use crate::bindings::types;
use crate::error::{CallError, map_text};
use crate::limiter::Limiter;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// The most handles that a guest may hold at once: each file that it opens is one of this process's.
const MOST_HANDLES: usize = 2_000;

/// The data of a store.
pub(crate) struct State {
    pub(crate) attempt: Attempt,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
}

impl State {
    pub(crate) fn new(attempt: Attempt, wasi: WasiCtx) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        Self { limiter: Limiter::new(attempt.limits.memory), attempt, table, wasi }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for State {
    fn convert_error(&mut self, error: CallError) -> wasmtime::Result<types::Error> {
        match error {
            CallError::Told(error) => Ok(map_text(error, |text| self.attempt.words.mask(text))),
            CallError::Ended(error) => Err(error),
        }
    }
}

//! The engine and its linker: made once, when the first component is needed, because `Engine::new` costs more than an apply with nothing to do.

use crate::state::State;
use crate::ticker::Ticker;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, Strategy};

/// What every store is made from.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
}

impl Runtime {
    pub(crate) fn new() -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        crate::world::add_to_linker(&mut linker)?;
        let ticker = Ticker::new(&engine)?;
        Ok(Self { engine, linker, ticker })
    }
}

/// Returns the one configuration, for the process that compiles too: an artifact fits an engine of the same configuration alone.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).wasm_component_model(true).epoch_interruption(true);
    // Proposals that no guest of ours needs, and whose code nobody then reaches. The crate's features stay compiled in (see GUESTS.md).
    config.wasm_gc(false).wasm_function_references(false).wasm_exceptions(false).wasm_threads(false).shared_memory(false);
    config.wasm_memory64(false).wasm_stack_switching(false).wasm_custom_page_sizes(false).wasm_wide_arithmetic(false);
    config.wasm_component_model_async(false).wasm_component_model_error_context(false).wasm_component_model_gc(false);
    // The same result on every machine: a pure step's fingerprint promises it.
    config.relaxed_simd_deterministic(true).cranelift_nan_canonicalization(true);
    config.max_wasm_stack(1 << 20).async_stack_size(2 << 20);
    config.wasm_backtrace_max_frames(None);
    config
}

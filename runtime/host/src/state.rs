//! What a store holds: one attempt, its sandbox, and its limits.

use crate::HostOptions;
use crate::attempt::Attempt;
use crate::bindings::types;
use crate::error::{CallError, map_text};
use crate::imports::Hooks;
use crate::limiter::Limiter;
use crate::stand_in::CommandStandIn;
use relrun_confine::Launcher;
use relrun_gate::{Gate, GateOptions};
use relrun_kubernetes::Clusters;
use relrun_ssh::Ssh;
use std::sync::{Arc, OnceLock};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The most handles that a guest may hold at once: each file that it opens is one of this process's.
const MOST_HANDLES: usize = 2_000;

/// The data of a store.
pub(crate) struct State {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    pub(crate) ways: Arc<Ways>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
}

/// The ways out of the sandbox. The gate is made when it is first used.
pub(crate) struct Ways {
    options: GateOptions,
    gate: OnceLock<Result<Gate, String>>,
    pub(crate) clusters: Clusters,
    registry_options: relrun_registry::ClientOptions,
    registries: OnceLock<Result<relrun_registry::Client, String>>,
    pub(crate) launcher: Option<Launcher>,
    pub(crate) commands: Option<Arc<dyn CommandStandIn>>,
    pub(crate) ssh: Arc<Ssh>,
}

impl Ways {
    pub(crate) fn new(options: &HostOptions) -> Self {
        Self {
            options: options.gate.clone(),
            gate: OnceLock::new(),
            clusters: Clusters::new(options.clusters.clone()),
            registry_options: options.registries.clone(),
            registries: OnceLock::new(),
            launcher: options.launcher.clone(),
            commands: options.commands.clone(),
            ssh: Arc::new(Ssh::new(options.ssh.clone())),
        }
    }

    /// Returns the client of registries, or why there is none.
    pub(crate) fn registries(&self) -> Result<&relrun_registry::Client, String> {
        let made =
            self.registries.get_or_init(|| relrun_registry::Client::new(self.registry_options.clone()).map_err(|error| error.to_string()));
        made.as_ref().map_err(Clone::clone)
    }

    /// Returns the gate, or why there is none.
    pub(crate) fn gate(&self) -> Result<&Gate, String> {
        let gate = self.gate.get_or_init(|| Gate::new(self.options.clone()).map_err(|error| error.to_string()));
        gate.as_ref().map_err(|reason| format!("HTTP is not to be had: {reason}"))
    }
}

impl State {
    pub(crate) fn new(attempt: Attempt, wasi: WasiCtx, ways: Arc<Ways>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        let attempt = Arc::new(attempt);
        let hooks = Hooks { attempt: Arc::clone(&attempt), ways: Arc::clone(&ways) };
        Self { limiter: Limiter::new(attempt.limits.memory), attempt, table, ways, wasi, http: WasiHttpCtx::new(), hooks }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
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

//! The host: asks plugins what they are and need, and runs their operations.

use crate::attempt::Attempt;
use crate::bindings::types;
use crate::compile::{Cache, CompileLimits, Compiler, SweptCode};
use crate::engine::Runtime;
use crate::error::failure;
use crate::load::{Loaded, load};
use crate::run::Watch;
use crate::stand_in::CommandStandIn;
use crate::state::{State, Ways};
use crate::world::Pre;
use crate::{
    CallLimits, CancelToken, ComponentSource, Description, Health, HostError, Invocation, Needs, Operation, Recovery, Reply, answer,
    sandbox,
};
use relrun_confine::Launcher;
use relrun_gate::{GateOptions, Masker, Secrets};
use relrun_ledger::{Digest, Failure, FailureKind};
use relrun_ssh::SshOptions;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;
use wasmtime::Store;

/// How a host is set up.
#[derive(Clone)]
pub struct HostOptions {
    /// The folder of compiled components, private to the user. Absent: each process compiles anew.
    pub compile_cache: Option<PathBuf>,
    /// Who compiles.
    pub compiler: Compiler,
    /// What compiling one component may use.
    pub compile_limits: CompileLimits,
    /// The program that confines commands: one that calls `relrun_confine::confined_main`. Absent: no command can be run.
    pub launcher: Option<Launcher>,
    /// What is run in place of the commands that were asked for: for tests of plugins.
    pub commands: Option<Arc<dyn CommandStandIn>>,
    /// How HTTP leaves.
    pub gate: GateOptions,
    /// How hosts behind SSH are reached.
    pub ssh: SshOptions,
    /// Where Kubernetes clusters are looked for.
    pub clusters: relrun_kubernetes::Sources,
    /// How registries are reached, and whose credentials are shown to them.
    pub registries: relrun_registry::ClientOptions,
}

/// What `describe` and `resolve` may use. They compute, and reach nothing.
const ASKING: CallLimits = CallLimits {
    timeout: Duration::from_secs(30),
    cpu: Duration::from_secs(10),
    memory: 256 << 20,
    log: 1 << 20,
    output: 0,
    grace: Duration::ZERO,
};

/// Runs step plugins. Cheap to make: the engine comes with the first component that is needed.
pub struct Host {
    options: HostOptions,
    runtime: OnceLock<Result<Runtime, String>>,
    cache: OnceLock<Option<Cache>>,
    ways: Arc<Ways>,
    no_secrets: Arc<Secrets>,
    /// The maskers of the secrets in use: a run has one set of them, and preparing its forms is not cheap.
    maskers: Mutex<Vec<(Weak<Secrets>, Arc<Masker>)>>,
    loaded: Mutex<HashMap<Digest, Arc<OnceCell<Loaded>>>>,
}

impl Host {
    /// Makes a host that has touched nothing yet.
    pub fn new(options: HostOptions) -> Self {
        Self {
            ways: Arc::new(Ways::new(&options)),
            options,
            runtime: OnceLock::new(),
            cache: OnceLock::new(),
            no_secrets: Arc::default(),
            maskers: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// Removes, or where `remove` is not set only lists, machine code of another wasmtime or other settings, and what was not used for so long.
    ///
    /// # Errors
    /// Where the folder cannot be read, or a file in it not be removed.
    pub fn sweep_compiled(&self, keep_for: Duration, remove: bool) -> Result<Vec<SweptCode>, HostError> {
        let runtime = self.runtime()?;
        let Some(cache) = self.cache() else { return Ok(Vec::new()) };
        let failed = |error: std::io::Error| HostError::Machine { doing: "sweep the compile cache".into(), reason: error.to_string() };
        cache.sweep(&runtime.engine, keep_for, remove).map_err(failed)
    }

    /// Asks a plugin what it is.
    pub async fn describe(&self, source: &ComponentSource) -> Result<Description, HostError> {
        let cell = self.cell(source);
        let loaded = self.load(&cell, source).await?;
        let found = self.ask(loaded, Describe).await?;
        answer::description(&loaded.name, &loaded.world, found)
    }

    /// Asks a plugin what a config needs.
    pub async fn resolve(&self, source: &ComponentSource, config: &Value) -> Result<Needs, HostError> {
        let cell = self.cell(source);
        let loaded = self.load(&cell, source).await?;
        let found = self.ask(loaded, Resolve(config.to_string())).await?;
        let needs = found.map_err(|error| {
            let Failure { kind, message } = failure(error);
            match kind {
                FailureKind::Invalid => HostError::Refused { plugin: loaded.name.clone(), reason: message },
                _ => HostError::Answer { plugin: loaded.name.clone(), reason: format!("`resolve` failed: {message}") },
            }
        })?;
        answer::needs(&loaded.name, needs)
    }

    /// Runs one operation of one step.
    pub async fn call(&self, invocation: Invocation) -> Result<Reply, Failure> {
        let cell = self.cell(&invocation.component);
        let loaded = self.load(&cell, &invocation.component).await.map_err(unfit)?;
        let masker = self.masker(&invocation.secrets).map_err(unfit)?;
        let attempt = Attempt::new(&invocation, Arc::clone(&masker), Arc::clone(&self.ways.ssh));
        let words = Arc::clone(&attempt.words);
        let seed = seed(&invocation);
        let config = invocation.config.to_string();
        let call = Operate { operation: &invocation.operation, config };
        let reply = self.enter(loaded, attempt, &seed, Some(&invocation.cancel), call).await?;
        let reply = understand(reply).map_err(|failure| Failure { message: words.mask(&failure.message), ..failure })?;
        holds_no_secret(&reply, &masker).map(|()| reply)
    }

    /// Calls an export that may reach nothing.
    async fn ask<E: Export>(&self, loaded: &Loaded, call: E) -> Result<E::Answer, HostError> {
        let attempt = Attempt::closed(ASKING, self.masker(&self.no_secrets)?, Arc::clone(&self.ways.ssh));
        let result = self.enter(loaded, attempt, &[0; 32], None, call).await;
        result.map_err(|failure| HostError::Answer { plugin: loaded.name.clone(), reason: failure.message })
    }

    /// Makes a store and an instance, and calls into it under watch. The store dies with the call: after a trap it could not be entered again.
    async fn enter<E: Export>(
        &self,
        loaded: &Loaded,
        attempt: Attempt,
        seed: &[u8; 32],
        cancel: Option<&CancelToken>,
        call: E,
    ) -> Result<E::Answer, Failure> {
        let runtime = self.runtime().map_err(unfit)?;
        let wasi = sandbox::build(&attempt, seed).map_err(|error| Failure { kind: FailureKind::Missing, message: error.to_string() })?;
        let state = State::new(attempt, wasi, Arc::clone(&self.ways));
        let watch = Watch::new(&state.attempt, state.limiter.over());
        let _ticking = runtime.ticker.start();
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(64 << 20);
        let work = call.call(&loaded.pre, &mut store);
        watch.run(work, cancel).await
    }

    async fn load<'a>(&self, cell: &'a OnceCell<Loaded>, source: &ComponentSource) -> Result<&'a Loaded, HostError> {
        let runtime = self.runtime()?;
        cell.get_or_try_init(|| load(runtime, self.cache(), &self.options, source)).await
    }

    fn cache(&self) -> Option<&Cache> {
        self.cache.get_or_init(|| self.options.compile_cache.as_deref().and_then(Cache::open)).as_ref()
    }

    fn cell(&self, source: &ComponentSource) -> Arc<OnceCell<Loaded>> {
        Arc::clone(self.loaded.lock().unwrap_or_else(PoisonError::into_inner).entry(source.digest).or_default())
    }

    fn masker(&self, secrets: &Arc<Secrets>) -> Result<Arc<Masker>, HostError> {
        let mut maskers = self.maskers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, masker)) = maskers.iter().find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(secrets))) {
            return Ok(Arc::clone(masker));
        }
        // A `Weak` keeps its place in memory taken, so no other secrets are ever mistaken for these; those that are gone are let go here.
        maskers.retain(|(of, _)| of.strong_count() > 0);
        let masker =
            Masker::new(secrets).map_err(|error| HostError::Machine { doing: "mask the secrets".into(), reason: error.to_string() })?;
        let masker = Arc::new(masker);
        maskers.push((Arc::downgrade(secrets), Arc::clone(&masker)));
        Ok(masker)
    }

    fn runtime(&self) -> Result<&Runtime, HostError> {
        let runtime = self.runtime.get_or_init(|| Runtime::new().map_err(|error| format!("{error:#}")));
        runtime.as_ref().map_err(|reason| HostError::Machine { doing: "start wasmtime".into(), reason: reason.clone() })
    }
}

/// One call of an export.
trait Export: Send {
    type Answer;

    fn call(self, pre: &Pre, store: &mut Store<State>) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

struct Describe;

impl Export for Describe {
    type Answer = types::Description;

    async fn call(self, pre: &Pre, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        pre.instantiate(store).await?.describe(store).await
    }
}

struct Resolve(String);

impl Export for Resolve {
    type Answer = Result<types::Needs, types::Error>;

    async fn call(self, pre: &Pre, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        pre.instantiate(store).await?.resolve(store, &self.0).await
    }
}

struct Operate<'a> {
    operation: &'a Operation,
    config: String,
}

/// What an operation answered, not yet believed.
enum Raw {
    Changes(Vec<types::Change>),
    Outcome(types::Outcome),
    Recovery(types::Recovery),
    Health(types::Health),
}

impl Export for Operate<'_> {
    type Answer = Result<Raw, types::Error>;

    async fn call(self, pre: &Pre, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        let config = &self.config;
        let step = pre.instantiate(store).await?;
        Ok(match self.operation {
            Operation::Plan => step.plan(store, config).await?.map(Raw::Changes),
            Operation::Apply => step.apply(store, config).await?.map(Raw::Outcome),
            Operation::Recover(checkpoint) => {
                let checkpoint = checkpoint.as_ref().map(Value::to_string);
                step.recover(store, config, checkpoint.as_ref()).await?.map(Raw::Recovery)
            }
            Operation::Verify(receipt) => step.verify(store, config, &receipt.to_string()).await?.map(Raw::Health),
            Operation::Undo(receipt) => step.undo(store, config, &receipt.to_string()).await?.map(Raw::Outcome),
            Operation::Destroy(receipt) => step.destroy(store, config, &receipt.to_string()).await?.map(Raw::Outcome),
            Operation::Find => pre.find(store, config).await?.map(Raw::Outcome),
        })
    }
}

fn understand(raw: Result<Raw, types::Error>) -> Result<Reply, Failure> {
    Ok(match raw.map_err(failure)? {
        Raw::Changes(found) => Reply::Changes(answer::changes(found)),
        Raw::Outcome(found) => Reply::Outcome(answer::outcome(found)?),
        Raw::Recovery(found) => Reply::Recovery(answer::recovery(found)?),
        Raw::Health(found) => Reply::Health(answer::health(found)),
    })
}

/// What a plugin answers is kept for years: an answer that holds a secret fails its step.
fn holds_no_secret(reply: &Reply, masker: &Masker) -> Result<(), Failure> {
    let kept = match reply {
        Reply::Outcome(outcome) | Reply::Recovery(Recovery::Done(outcome)) => serde_json::to_string(outcome),
        Reply::Recovery(Recovery::Partly(receipt)) => serde_json::to_string(receipt),
        Reply::Changes(changes) | Reply::Health(Health::Drifted(changes)) => serde_json::to_string(changes),
        Reply::Recovery(Recovery::NotDone) | Reply::Health(Health::Intact | Health::Gone) => return Ok(()),
    };
    let kept = kept.map_err(|error| answer::broken(error.to_string()))?;
    match masker.contains_secret(&kept) {
        None => Ok(()),
        Some(name) => Err(Failure {
            kind: FailureKind::Permanent,
            message: format!("its answer holds the secret \"{name}\", and would keep it in the ledger"),
        }),
    }
}

/// A component that cannot run fails its step for good.
#[expect(clippy::needless_pass_by_value, reason = "errors are passed by value from `map_err`")]
fn unfit(error: HostError) -> Failure {
    let message = match miette::Diagnostic::help(&error) {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    };
    Failure { kind: FailureKind::Permanent, message }
}

/// A pure step's randomness follows from what its fingerprint covers.
fn seed(invocation: &Invocation) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 randomness of a pure step");
    hasher.update(&invocation.component.digest.0).update(invocation.config.to_string().as_bytes());
    *hasher.finalize().as_bytes()
}

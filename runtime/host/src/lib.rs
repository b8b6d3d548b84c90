//! Runs a step plugin as a sandboxed component.
//!
//! The only room that knows wasmtime. It enforces what the engine decided (capabilities, limits) and decides nothing itself; it never touches
//! the ledger, the terminal or the environment.

mod answer;
mod api;
mod attempt;
mod bindings;
mod compile;
mod engine;
mod error;
mod files;
mod host;
mod image;
mod imports;
mod limiter;
mod load;
mod next;
mod places;
mod quota;
mod remotes;
mod root;
mod run;
mod sandbox;
mod stand_in;
mod state;
mod stop;
mod ticker;
mod veil;
mod words;
mod world;

pub use api::{
    CallLimits, CancelToken, Canceller, Change, ComponentBytes, ComponentSource, Context, Description, Health, HostError, Invocation,
    Level, LineSource, Needs, Operation, Recovery, Reply, Request, StepDirs, StepSink, TargetMark, placed,
};
pub use compile::{CompileLimits, Compiler, SweptCode, compile_main};
pub use host::{Host, HostOptions};
pub use places::ADOPT;
pub use relrun_kubernetes::Sources as ClusterSources;
pub use relrun_registry::ClientOptions as RegistryOptions;
pub use relrun_ssh::SshOptions;
pub use stand_in::{Asked, CommandStandIn, StoodIn};

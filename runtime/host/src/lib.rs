//! Runs a step plugin as a sandboxed component.
//!
//! The only room that knows wasmtime. It enforces what the engine decided (capabilities, limits) and decides nothing itself; it never touches
//! the ledger, the terminal or the environment.

mod api;

pub use api::{
    CallLimits, CancelToken, Canceller, Change, ComponentBytes, ComponentSource, Context, Description, Health, HostError, Invocation, Level,
    LineSource, Needs, Operation, Recovery, Reply, Request, StepDirs, StepSink, TargetMark,
};

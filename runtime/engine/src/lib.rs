//! Carries a release: identity, scheduling, retry, undo, recovery.
//!
//! Knows the manifest, the graph, the host and the stores; knows no terminal, and reads neither the environment nor the exit code of the
//! process. What may follow what is decided in `relrun-ledger`; this room decides what to try.

/// A moment at which the crash suite can kill the process; nothing in a build without the feature `failpoints`.
macro_rules! moment {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

mod approval;
mod ask;
mod build;
mod carry;
pub mod command;
mod dependency;
mod error;
mod fingerprint;
mod freeze;
mod given;
mod inputs;
mod journal;
mod load;
mod locks;
mod look;
mod notify;
pub mod plan;
pub mod policy;
mod prepare;
pub mod query;
mod secrets;
mod staging;
pub mod state;
mod supply;
mod survey;
mod text;
mod travel;
mod values;
pub mod verify;
mod witness;
pub mod words;
mod workspace;

pub use carry::{Emit, Stop};
pub use error::{EngineError, Exit};
pub use fingerprint::Parts;
pub use given::{Given, GivenText};
pub use load::{Loaded, Source, project};
pub use policy::PolicyFile;
pub use secrets::LONGEST as LONGEST_SECRET;
pub use staging::{sweep, with_sources};
pub use supply::Supply;
pub use workspace::{BundledPlugin, Workspace};

//! Runs a built plugin in the real host, and records what it did: the test harness for plugins in any language.
//!
//! The component gets what a release would give it: its config is resolved, its requests are compared with the grants, and each host call
//! goes through the host's own gates. The hosts of the environment are folders of a temporary directory. Commands run where
//! [`Bench::commands`] names a `relrun` that holds them.
//!
//! ```no_run
//! use relrun_plugin_test::Bench;
//! use serde_json::json;
//!
//! let bench = Bench::file("target/wasm32-wasip2/release/greet.wasm")?.writes("greeting")?;
//! let ran = bench.apply(&json!({ "who": "World" }))?;
//! assert_eq!(bench.output("greeting/index.txt")?, b"Hello World!\n");
//! assert!(ran.checkpoints().is_empty());
//! # Ok::<(), relrun_plugin_test::BenchError>(())
//! ```

mod bench;
mod record;
pub mod suite;

pub use bench::{Bench, BenchError, Ran};
pub use record::Record;
pub use relrun_host::{Change, Description, Health, Needs, Recovery};
pub use relrun_ledger::{Failure, FailureKind, Outcome};

//! Finds or makes a toolchain for wasm32-wasip2 guests, and builds them with it.
//!
//! Three kinds of machine must be able to build the bundled plugins with one command: those whose Rust has the target, those where
//! rustup may add it, and those where neither is so and Debian's packages give a compiler of the same generation ([`Way`]).
//!
//! Build scripts and `cargo xtask` are the callers. This crate must never read the environment itself (a [`Machine`] is given it), never
//! print (progress goes to a writer), and never change what is outside the cache folder and the guests' own target folder, but for
//! `rustup target add`, which is what the README promises.

mod cache;
mod debian;
mod error;
mod guest;
mod machine;
mod run;
mod toolchain;
mod way;

pub use error::{Error, Refusal};
pub use guest::{GuestBuild, build};
pub use machine::Machine;
pub use toolchain::{Toolchain, ensure};
pub use way::Way;

/// The target that every guest is built for.
pub const TARGET: &str = "wasm32-wasip2";

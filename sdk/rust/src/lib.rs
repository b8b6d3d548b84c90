//! Write relrun step plugins in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and is exported with [`export!`]. Its config is a struct with [`macro@config`], from which
//! the JSON Schema comes that the host checks each manifest against. What it reaches of the world it reaches through the modules of this
//! crate: [`command`], [`http`], [`hosts`], [`kubernetes`], [`registry`], [`secrets`], [`trees`], [`context`], [`log`].
//!
//! ```
//! use relrun_sdk::{About, Nothing, Outcome, Plugin, Result, config, log};
//!
//! #[config]
//! struct Config {
//!     /// Whom to greet.
//!     who: String,
//! }
//!
//! struct Greet;
//!
//! impl Plugin for Greet {
//!     type Config = Config;
//!     type Outputs = Nothing;
//!     type Receipt = Nothing;
//!
//!     fn about() -> About {
//!         About { name: "greet", version: env!("CARGO_PKG_VERSION"), summary: "Writes a greeting to /out/greeting" }
//!     }
//!
//!     fn apply(config: Config) -> Result<Outcome<Nothing, Nothing>> {
//!         log::info(&format!("greeting {}", config.who));
//!         std::fs::write("/out/greeting/index.txt", format!("Hello {}!\n", config.who))?;
//!         Ok(Outcome::done("greeted"))
//!     }
//! }
//!
//! relrun_sdk::export!(Greet);
//! # fn main() {}
//! ```
//!
//! A plugin that says nothing in [`Plugin::resolve`] is pure: it is served from the cache, and reaches nothing. One that changes the world
//! says so there ([`Needs::effect`]), and writes a receipt.
//!
//! On any target but WebAssembly the host calls go to [`testing::Fake`], so that `cargo test` runs a plugin's logic without a component.
//!
//! The crate reads the world from `wit/` beside it: in a plugin's folder that is what `relrun plugin new` wrote there.

#![deny(unsafe_code)]

extern crate self as relrun_sdk;

mod backend;
#[cfg(target_family = "wasm")]
mod component;
mod error;
mod guard;
mod operations;
mod plugin;

pub mod command;
pub mod context;
pub mod hosts;
pub mod http;
pub mod kubernetes;
pub mod log;
pub mod need;
pub mod registry;
pub mod rounds;
pub mod secrets;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod trees;

#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod bindings;
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub use component::Component;

pub use command::command;
pub use error::{Error, ErrorKind, Result};
pub use guard::checkpoint;
pub use need::{Need, Needs};
pub use plugin::{About, Came, Change, Health, Nothing, Outcome, Plugin, Recovery, Standing};
pub use relrun_sdk_macros::{config, outputs, receipt};
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub use wit_bindgen;
pub use {schemars, serde, serde_json};

/// Exports a [`Plugin`] as the component's `relrun:plugin/step`. Write it once in a crate of the type `cdylib`.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        mod relrun_component {
            use super::*;
            type Exported = $crate::Component<$plugin>;
            $crate::bindings::export_step!(Exported with_types_in $crate::bindings);
        }
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> $crate::About = <$plugin as $crate::Plugin>::about;
    };
}

//! What the tests of the whole program share: a folder to run it in, and scenarios that are written down in one.
//!
//! It knows relrun only as a person does, by its command line and its files, and must never depend on one of its rooms: so it compiles in
//! seconds, and what it says holds whatever lies below.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

pub mod kubernetes_stub;
pub mod registry;
mod sandbox;
pub mod scenario;
mod shop;
pub mod sshd;

pub use sandbox::{Ran, Running, Sandbox, program};
pub use shop::{ENVIRONMENTS, Shop, next_command};

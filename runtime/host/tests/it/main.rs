//! The host with a real guest in it. The guest does what its config says; see `tests/guest`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad;
mod cache;
mod commands;
mod denied;
mod files;
mod network;
mod places;
mod pure;
mod remote;
mod step;
mod support;
mod worlds;

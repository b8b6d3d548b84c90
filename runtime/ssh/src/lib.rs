//! Hosts over SSH.
//!
//! The transport is the system's own `ssh`, because nothing else honours all of a user's `ssh_config`, agent, `known_hosts`, jump hosts,
//! certificates and hardware keys. Files go over SFTP; a tree is sent by its content, so that what a host has is not sent again. This room
//! knows neither grants nor steps, it never asks for a password, and it must never accept a host key that the user's own rules refuse.

mod address;
mod command;
mod config;
mod error;
mod fetch;
mod files;
mod link;
mod listing;
mod names;
mod pool;
mod remove;
mod script;
mod trouble;
mod upload;
mod watch;
mod wire;

pub use address::Address;
pub use command::{Remote, Started, token};
pub use error::{SshError, SshErrorKind};
pub use files::{Found, FoundKind};
pub use link::Link;
pub use pool::{Ssh, SshOptions};
pub use script::Left;
pub use upload::Sent;

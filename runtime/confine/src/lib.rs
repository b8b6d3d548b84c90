//! Runs a host command held by namespaces and Landlock, and ends its whole process tree.
//!
//! `unsafe` is forbidden here, and a process with threads cannot fork, so the program executes itself again (see
//! `docs/decisions/`): the host's [`Launcher`] starts `relrun __confined`, whose `main` is [`confined_main`]. That supervisor has one thread; it
//! enters new namespaces, lays out a private root, and starts itself once more as process 1 in there ([`init`]), which gives
//! up every privilege and starts the command.
//!
//! What this crate must never do: run a program less held than was asked for. Where something is not to be had, the answer is
//! [`ConfineError::Unavailable`], which says what is missing and what to type.

mod doctor;
mod environment;
mod error;
mod hold;
mod init;
mod launcher;
mod namespaces;
mod plan;
mod program;
mod root;
mod spec;
mod supervise;
mod unconfined;
mod wire;

pub use doctor::{Finding, doctor};
pub use environment::{FIXED_PATH, is_dangerous_variable};
pub use error::ConfineError;
pub use launcher::{Child, Launcher};
pub use program::{Program, locate, resolve};
pub use spec::{Exit, Limits, Mode, Spec, View};
pub use supervise::confined_main;

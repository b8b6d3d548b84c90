//! Makes a plugin's folder, builds it into one component in each language that has an SDK, and says what a component is made of.
//!
//! What every SDK is made of lies in this crate, so that the program that has it needs nothing of relrun's repository. It must never run a
//! component (that is the host's), never print (progress goes to a [`Watch`](build::Watch)), and never read the environment.

pub mod anatomy;
pub mod build;
pub mod scaffold;
mod sources;

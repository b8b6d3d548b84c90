//! What leaves the sandbox: HTTP through one gate, secrets as handles, masking.

mod secrets;

pub use secrets::Secrets;

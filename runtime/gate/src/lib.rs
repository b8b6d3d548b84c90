//! What leaves the sandbox: HTTP through one gate, secrets as handles, masking.
//!
//! Every byte that a step sends over HTTP goes through [`Gate`], whichever interface the plugin speaks; [`Access`] alone compares it with
//! the grants; [`Masker`] stands in front of whatever is kept or printed. This room never reads the environment (proxies are given
//! to it) and never logs a secret, a header's value, or a query.

mod access;
mod address;
mod error;
mod gate;
mod mask;
mod secrets;

pub use access::{Access, CommandSecret, Mode};
pub use address::{Reach, reach};
pub use error::{GateError, GateErrorKind};
pub use gate::{
    BasicAuth, Body, BoxError, Gate, GateBody, GateOptions, Identity, Lookup, Peer, PeerOptions, PeerRequest, Pool, Proxies, Request,
    Resolve, Response, SecretHeader, StandIn, SystemResolver, Timeouts,
};
pub use mask::{MASK, Masker, StreamMasker};
pub use secrets::Secrets;

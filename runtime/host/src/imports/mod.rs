//! The imports of the world, one module a capability: each checks its call against what the step may do, and then does it.
//!
//! What a module here must never do: decide what is granted (the engine did), or reach anything before its check.

#![expect(unreachable_pub, reason = "the bindings export the resources' types again")]

mod checkpoint;
mod command;
mod context;
mod findings;
mod hosts;
mod http;
mod kubernetes;
mod log;
mod process;
mod registry;
mod rounds;
mod secrets;
mod trees;
mod wasi_http;

pub use http::{HttpRequest, HttpResponse};
pub use process::{Child, Command};
pub use rounds::Round;
pub use secrets::Secret;

pub(crate) use registry::told as registry_told;
pub(crate) use wasi_http::Hooks;

/// Returns the span of a host call. Arguments are not recorded: a secret may be among them.
fn span(call: &'static str) -> tracing::Span {
    tracing::debug_span!("host call", call)
}

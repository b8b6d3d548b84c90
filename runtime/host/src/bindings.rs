//! The world as Rust, made from `wit/plugin.wit`. Nothing is written by hand here.
//!
//! Every import may trap, because a step that goes over a limit is ended in the middle of a call. No values are traced: a revealed secret
//! would be among them. The spans are made in [`crate::imports`].

#![expect(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin",
    imports: {
        "relrun:plugin/log": trappable,
        "relrun:plugin/context": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    trappable_error_type: {
        "relrun:plugin/types.error" => crate::error::CallError,
    },
    with: {
        "relrun:plugin/secrets.secret": crate::imports::Secret,
        "relrun:plugin/http.request": crate::imports::HttpRequest,
        "relrun:plugin/http.response": crate::imports::HttpResponse,
        "relrun:plugin/process.command": crate::imports::Command,
        "relrun:plugin/process.child": crate::imports::Child,
        "relrun:plugin/rounds.round": crate::imports::Round,
    },
});

pub use relrun::plugin::{checkpoint, context, hosts, http, kubernetes, log, process, registry, rounds, secrets, trees, types};

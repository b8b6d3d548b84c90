//! The world 0.2 as Rust, made from `wit/0.2/plugin.wit`. Nothing is written by hand here.
//!
//! What it has from 0.1 is 0.1's own, so that nothing is granted or refused in two places.

#![expect(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit/0.2",
    world: "relrun:plugin/plugin@0.2.0",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "relrun:plugin/types@0.1.1": crate::bindings::types,
        "relrun:plugin/log@0.1.1": crate::bindings::log,
        "relrun:plugin/context@0.1.1": crate::bindings::context,
        "relrun:plugin/checkpoint@0.1.1": crate::bindings::checkpoint,
        "relrun:plugin/secrets@0.1.1": crate::bindings::secrets,
        "relrun:plugin/http@0.1.1": crate::bindings::http,
        "relrun:plugin/process@0.1.1": crate::bindings::process,
        "relrun:plugin/trees@0.1.1": crate::bindings::trees,
        "relrun:plugin/hosts@0.1.1": crate::bindings::hosts,
        "relrun:plugin/kubernetes@0.1.1": crate::bindings::kubernetes,
        "relrun:plugin/rounds@0.1.1": crate::bindings::rounds,
        "relrun:plugin/registry@0.1.1": crate::bindings::registry,
    },
});

pub use relrun::plugin0_2_0::findings;

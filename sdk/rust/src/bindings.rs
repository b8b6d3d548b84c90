//! The bindings of `wit/plugin.wit`, as generated. Only [`component`](crate::component) and [`backend`](crate::backend) may name them.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "adopting-plugin",
    pub_export_macro: true,
    export_macro_name: "export_step",
    default_bindings_module: "relrun_sdk::bindings",
    runtime_path: "relrun_sdk::wit_bindgen::rt",
});

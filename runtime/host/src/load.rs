//! A component source to something that can be instantiated: read, checked, compiled or found compiled, and held for the next call.

use crate::compile::{Cache, CompileFailed, compile, take_in};
use crate::engine::Runtime;
use crate::world::{self, Pre};
use crate::{ComponentBytes, ComponentSource, HostError, HostOptions};
use relrun_ledger::Digest;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// A component that fits this host, ready to be instantiated.
pub(crate) struct Loaded {
    pub(crate) pre: Pre,
    pub(crate) world: String,
    /// How messages name it.
    pub(crate) name: String,
}

/// Loads a component.
pub(crate) async fn load(
    runtime: &Runtime,
    cache: Option<&Cache>,
    options: &HostOptions,
    source: &ComponentSource,
) -> Result<Loaded, HostError> {
    let name = display(source);
    let cached = cache.and_then(|cache| cache.load(&runtime.engine, source.digest));
    let component = match cached {
        Some(component) => component,
        None => compiled(runtime, cache, options, source, &name).await?,
    };
    let world = check_world(runtime, &component, &name)?;
    let unfit = |error: wasmtime::Error| HostError::Unfit {
        plugin: name.clone(),
        reason: format!("it does not fit the world relrun:plugin@{world}: {error:#}"),
        help: "build it again with this relrun's SDK: `relrun plugin build`".into(),
    };
    let pre = runtime.linker.instantiate_pre(&component).and_then(|pre| Pre::new(&world, pre)).map_err(unfit)?;
    Ok(Loaded { pre, world, name })
}

async fn compiled(
    runtime: &Runtime,
    cache: Option<&Cache>,
    options: &HostOptions,
    source: &ComponentSource,
    name: &str,
) -> Result<Component, HostError> {
    let bytes = read(source, name)?;
    check_header(&bytes, name)?;
    let began = std::time::Instant::now();
    let artifact = compile(&runtime.engine, &options.compiler, options.compile_limits, bytes).await.map_err(|error| match error {
        CompileFailed::Component(reason) => HostError::Unfit {
            plugin: name.to_owned(),
            reason: format!("it does not compile: {reason}"),
            help: "build it again; if it is not yours, do not trust it".into(),
        },
        CompileFailed::Machine(reason) => HostError::Machine { doing: format!("compile {name}"), reason },
    })?;
    tracing::debug!(name, took = ?began.elapsed(), "compiled");
    let component = take_in(&runtime.engine, &artifact)
        .map_err(|error| HostError::Machine { doing: format!("take in the machine code of {name}"), reason: format!("{error:#}") })?;
    if let Some(cache) = cache {
        cache.keep(&runtime.engine, source.digest, &artifact);
    }
    Ok(component)
}

fn read(source: &ComponentSource, name: &str) -> Result<Vec<u8>, HostError> {
    let bytes = match &source.bytes {
        ComponentBytes::Static(bytes) => bytes.to_vec(),
        ComponentBytes::Memory(bytes) => bytes.to_vec(),
        ComponentBytes::File(path) => std::fs::read(path)
            .map_err(|error| HostError::Machine { doing: format!("read {}", path.display()), reason: error.to_string() })?,
    };
    let found = Digest::of(&bytes);
    if found == source.digest {
        return Ok(bytes);
    }
    Err(HostError::Unfit {
        plugin: name.to_owned(),
        reason: format!("its bytes have the digest {}, not {}", found.short(), source.digest.short()),
        help: "it was changed while relrun ran, or is not what was pinned; run the same command again".into(),
    })
}

/// Says what a file is that is no component, before a compiler sees it.
fn check_header(bytes: &[u8], name: &str) -> Result<(), HostError> {
    let reason = match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "it is a core module, not a component",
        [0, b'a', b's', b'm', ..] => "it is WebAssembly of a version that relrun does not know",
        [] => "it is empty",
        _ => "it is no WebAssembly",
    };
    Err(HostError::Unfit {
        plugin: name.to_owned(),
        reason: reason.into(),
        help: "a plugin is a WASI 0.2 component that exports relrun:plugin/step; `relrun plugin build` makes one".into(),
    })
}

/// Finds the world that a component was built for, and refuses imports that nobody gives it.
fn check_world(runtime: &Runtime, component: &Component, name: &str) -> Result<String, HostError> {
    let kind = component.component_type();
    let exports: Vec<&str> = kind.exports(&runtime.engine).map(|(name, _)| name).collect();
    let unfit = |reason: String, help: &str| HostError::Unfit { plugin: name.to_owned(), reason, help: help.to_owned() };
    let Some(version) = exports.iter().find_map(|export| export.strip_prefix("relrun:plugin/step@")) else {
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(unfit(
            format!("it is a component, but does not export relrun:plugin/step; it exports {found}"),
            "build it for the world relrun:plugin/plugin@0.1.0",
        ));
    };
    if !world::is_served(version) {
        return Err(unfit(
            format!("built for relrun:plugin@{version}; this relrun runs {}", world::SERVED),
            "use the relrun that it was built for, or build it again",
        ));
    }
    for (import, extern_) in kind.imports(&runtime.engine) {
        if !known(import) && !matches!(extern_.ty, ComponentItem::Type(_)) {
            return Err(unfit(
                format!("it imports {import}, which relrun does not offer"),
                "a plugin may import relrun:plugin@0.1 or @0.2 and WASI 0.2 (cli, io, clocks, random, filesystem, http)",
            ));
        }
    }
    Ok(version.to_owned())
}

/// Sockets are among them, because libraries of some languages import them; each of their calls is denied.
fn known(import: &str) -> bool {
    const PACKAGES: [&str; 7] = ["wasi:cli", "wasi:io", "wasi:clocks", "wasi:random", "wasi:filesystem", "wasi:http", "wasi:sockets"];
    let Some((path, version)) = import.rsplit_once('@') else { return false };
    let Some((package, _)) = path.split_once('/') else { return false };
    (package == "relrun:plugin" && world::is_served(version)) || (PACKAGES.contains(&package) && version.starts_with("0.2."))
}

fn display(source: &ComponentSource) -> String {
    match &source.bytes {
        ComponentBytes::Static(_) => format!("the bundled plugin {}", source.digest.short()),
        ComponentBytes::Memory(_) => format!("the plugin {}", source.digest.short()),
        ComponentBytes::File(path) => path.display().to_string(),
    }
}

//! What Go and C need of the component tools: bindings of the world, and a core module made a component.

use super::{BuildError, Job};
use std::fs;
use std::path::Path;
use wasi_preview1_component_adapter_provider::{WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER};
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// The world that SDKs are generated for. A plugin that cannot take over what stands says so by itself.
const WORLD: &str = "adopting-plugin";

fn read(job: &Job) -> Result<(Resolve, WorldId), BuildError> {
    let path = job.sdk.join("wit/plugin.wit");
    let text = fs::read_to_string(&path).map_err(|source| BuildError::io("read", &path, source))?;
    let mut resolve = Resolve::default();
    let world = resolve.push_source("wit/plugin.wit", &text).and_then(|package| resolve.select_world(&[package], Some(WORLD)));
    let world = world.map_err(|error| BuildError::NoComponent(format!("{}: {error:#}", path.display())))?;
    Ok((resolve, world))
}

/// Generates bindings, and returns each file with its path.
pub(super) fn generate(job: &Job, mut generator: Box<dyn WorldGenerator>) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let (mut resolve, world) = read(job)?;
    let mut files = Files::default();
    let generated = generator.generate(&mut resolve, world, &mut files);
    generated.map_err(|error| BuildError::NoComponent(format!("the bindings cannot be generated: {error:#}")))?;
    Ok(files.iter().map(|(path, bytes)| (path.to_owned(), bytes.to_owned())).collect())
}

/// Writes files into a folder, which then holds no others.
pub(super) fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), BuildError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|source| BuildError::io("empty", folder, source))?;
    }
    for (path, bytes) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|source| BuildError::io("make", parent, source))?;
        fs::write(&path, bytes).map_err(|source| BuildError::io("write", &path, source))?;
    }
    Ok(())
}

/// Whether a core module says already which world it is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Embedded {
    Yes,
    No,
}

/// Makes a component of a core module of WASI's first preview.
pub(super) fn component(job: &Job, core: &Path, embedded: Embedded) -> Result<Vec<u8>, BuildError> {
    let mut module = fs::read(core).map_err(|source| BuildError::io("read", core, source))?;
    if embedded == Embedded::No {
        let (resolve, world) = read(job)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).map_err(|error| unfit(&error))?;
    }
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).map_err(|error| unfit(&error))?;
    encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).map_err(|error| unfit(&error))?;
    encoder.validate(true).encode().map_err(|error| unfit(&error))
}

fn unfit(error: &impl std::fmt::Display) -> BuildError {
    BuildError::NoComponent(format!("{error:#}"))
}

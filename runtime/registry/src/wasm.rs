//! WebAssembly components as OCI artifacts, in the layout of the CNCF's TAG Runtime, which `wkg` and others read and write.
//!
//! One config (`application/vnd.wasm.config.v0+json`) that says what the component imports and exports, and one layer (`application/wasm`) that is the
//! component. It never compiles or runs one; what the config says of a component is compared with the component itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

use crate::{Artifact, ArtifactPlan, Blob, Manifest, Name, RegistryError, Repository, canonical_json};

/// The media type of the config.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the layer.
pub const LAYER_TYPE: &str = "application/wasm";

/// No config is larger, in bytes.
const LARGEST_CONFIG: u64 = 1 << 20;
const ARCHITECTURE: &str = "wasm";
const COMPONENT_OS: &str = "wasip2";

/// The config of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmConfig {
    /// When it was made, as RFC 3339 has it.
    pub created: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Always `wasm`.
    pub architecture: String,
    /// `wasip2` for a component.
    pub os: String,
    /// The digests of the layers, in order.
    pub layer_digests: Vec<String>,
    /// What the component is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Interface>,
}

/// What a component exports and imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The names of its exports, in order.
    pub exports: Vec<String>,
    /// The names of its imports, in order.
    pub imports: Vec<String>,
    /// The world that it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Interface {
    /// Reads what a component exports and imports.
    ///
    /// # Errors
    ///
    /// Where `bytes` are no component. The text is only why.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let unreadable = |error: wasmparser::BinaryReaderError| format!("it is no WebAssembly component: {}", error.message());
        let mut found = Self::default();
        let (mut depth, mut component) = (0_usize, false);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(unreadable)? {
                Payload::Version { encoding, .. } if depth == 0 => component = encoding == Encoding::Component,
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        found.imports.push(import.map_err(unreadable)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        found.exports.push(export.map_err(unreadable)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        if component { Ok(found) } else { Err("it is a WebAssembly module, and no component".to_owned()) }
    }
}

/// What is to be said of a component.
#[derive(Clone, Debug, Default)]
pub struct WasmPlan {
    /// When it was made; 1970 where nothing is said, so that the same component gives the same digest.
    pub created: Option<Timestamp>,
    /// Who made it.
    pub author: Option<String>,
    /// The world that it is made for, such as `relrun:plugin/step@0.1.0`.
    pub target: Option<String>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl WasmPlan {
    /// Makes the artifact of a component.
    ///
    /// # Errors
    ///
    /// Where `bytes` are no component.
    pub fn build(self, bytes: Bytes) -> Result<Artifact, RegistryError> {
        let interface = Interface::of(&bytes).map_err(|reason| RegistryError::Malformed {
            at: "what was to be pushed".to_owned(),
            reason,
            help: Some("give a file that was built for `wasm32-wasip2`".to_owned()),
        })?;
        let layer = Blob::of_bytes(MediaType::from(LAYER_TYPE), bytes);
        let config = WasmConfig {
            created: self.created.unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
            author: self.author,
            architecture: ARCHITECTURE.to_owned(),
            os: COMPONENT_OS.to_owned(),
            layer_digests: vec![layer.digest().to_string()],
            component: Some(Interface { target: self.target, ..interface }),
        };
        let config = Blob::of_bytes(MediaType::from(CONFIG_TYPE), canonical_json(&config)?);
        ArtifactPlan { config: Some(config), layers: vec![layer], annotations: self.annotations, ..ArtifactPlan::default() }.build()
    }
}

/// A component that was pulled.
#[derive(Clone, Debug)]
pub struct PulledComponent {
    /// The digest of the manifest, which is what a lock pins.
    pub digest: Digest,
    /// The manifest.
    pub manifest: Manifest,
    /// The config.
    pub config: WasmConfig,
    /// The component.
    pub bytes: Bytes,
    /// What the component itself exports and imports, whatever the config says.
    pub interface: Interface,
}

/// Pulls a component of up to `limit` bytes, every digest checked.
///
/// # Errors
///
/// Where the artifact is something else, or the config and the component do not belong together.
pub async fn pull(from: &dyn Repository, name: &Name, limit: u64) -> Result<PulledComponent, RegistryError> {
    let manifest = from.resolve(name).await?;
    let malformed = |reason: String| RegistryError::Malformed {
        at: format!("{}{name}", from.place()),
        reason,
        help: Some("push the component with `relrun plugin push` or `wkg oci push`".to_owned()),
    };
    let (config, layer) = parts(&manifest).map_err(malformed)?;
    let bytes = from.pull_bytes(&config, LARGEST_CONFIG).await?;
    let config: WasmConfig = serde_json::from_slice(&bytes).map_err(|error| malformed(format!("its config cannot be read: {error}")))?;
    if config.layer_digests != [layer.digest().to_string()] {
        return Err(malformed("its config is of another component".to_owned()));
    }
    let bytes = from.pull_bytes(&layer, limit).await?;
    let interface = Interface::of(&bytes).map_err(malformed)?;
    if let Some(said) = &config.component
        && !same_names(said, &interface)
    {
        return Err(malformed("its config names other imports or exports than the component has".to_owned()));
    }
    Ok(PulledComponent { digest: manifest.digest().clone(), manifest, config, bytes, interface })
}

/// Returns the config and the one layer of a component's manifest.
fn parts(manifest: &Manifest) -> Result<(Descriptor, Descriptor), String> {
    let image = manifest.image().ok_or("it is an index, and no component")?;
    let kind = image.config().media_type().as_ref();
    if kind != CONFIG_TYPE {
        return Err(format!("it is no component: its config is {}, and not {CONFIG_TYPE}", crate::error::tame(kind)));
    }
    match &image.layers()[..] {
        [layer] if layer.media_type().as_ref() == LAYER_TYPE => Ok((image.config().clone(), layer.clone())),
        [layer] => Err(format!("its layer is {}, and not {LAYER_TYPE}", crate::error::tame(layer.media_type().as_ref()))),
        layers => Err(format!("it has {} layers, and a component has one", layers.len())),
    }
}

/// Compares names and not their order: other tools sort them otherwise.
fn same_names(said: &Interface, own: &Interface) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    sorted(&said.imports) == sorted(&own.imports) && sorted(&said.exports) == sorted(&own.exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with one import, one export, and a component inside whose own do not count.
    const COMPONENT: &str = r#"(component
        (import "acme:shop/log@0.1.0" (instance))
        (component (import "inner:only/x@0.1.0" (instance)) (export "inner:only/y@0.1.0" (instance 0)))
        (export "acme:shop/run@0.1.0" (instance 0)))"#;

    fn component() -> Bytes {
        Bytes::from(wat::parse_str(COMPONENT).unwrap())
    }

    #[test]
    fn a_config_says_what_the_component_is() {
        let plan = WasmPlan { target: Some("acme:shop/plugin@0.1.0".to_owned()), ..WasmPlan::default() };
        let made = plan.clone().build(component()).unwrap();
        assert_eq!(made.manifest.digest(), plan.build(component()).unwrap().manifest.digest());
        let image = made.manifest.image().unwrap();
        assert_eq!((image.config().media_type().as_ref(), image.layers()[0].media_type().as_ref()), (CONFIG_TYPE, LAYER_TYPE));
        let interface = Interface::of(&component()).unwrap();
        assert_eq!(
            (interface.imports, interface.exports),
            (vec!["acme:shop/log@0.1.0".to_owned()], vec!["acme:shop/run@0.1.0".to_owned()])
        );
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let module = Bytes::from(wat::parse_str("(module)").unwrap());
        for (bytes, text) in [
            (module, "it is a WebAssembly module, and no component"),
            (component().slice(..20), "it is no WebAssembly component"),
            (Bytes::from_static(b"#!/bin/sh"), "it is no WebAssembly component"),
            (Bytes::new(), "it is no WebAssembly component"),
        ] {
            let error = WasmPlan::default().build(bytes).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}

//! OCI artifacts: in registries, and in layout directories.
//!
//! [`Repository`] is the seam, with two implementations: [`Layout`] for a directory and what [`Client`] opens in a registry. [`Transfer`]
//! carries whole artifacts. Every byte that comes in is checked against its digest before anybody sees it. This room never prints and never
//! reads the environment: docker's config, authorities and proxies are handed in. No credential is ever in an error, in `Debug`, or sent to
//! another origin than the one it is for.

mod blob;
mod digest;
mod error;
mod image;
mod layer;
mod layout;
mod manifest;
mod reference;
mod remote;
mod repository;
mod transfer;
mod unpack;
pub mod wasm;

pub use blob::{Blob, Landing};
pub use digest::digest_of;
pub use error::{OciCode, RegistryError, Tries};
pub use image::{ImagePlan, ImagePlatform, ImageSettings, index_of};
pub use layer::{Compression, Layer, LayerOptions, layer_of_tree};
pub use layout::{Layout, Swept};
pub use manifest::{Artifact, ArtifactPlan, Document, LARGEST_MANIFEST, Manifest, canonical_json};
pub use oci_spec::image as spec;
pub use reference::{LAYOUT_PREFIX, Name, Place, REMOTE_PREFIX, Reference, Tag};
pub use remote::{Client, ClientOptions, Credential, Progress, ProxyOf, Retry, Timeouts};
pub use repository::{PushAs, Pushed, Repository};
pub use transfer::{Delivery, Transfer};
pub use unpack::{UnpackLimits, pack_layout, unpack_layer, unpack_layout};

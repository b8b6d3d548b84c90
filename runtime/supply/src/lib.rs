//! Where plugins come from, and who vouches for them: references, the lock file, signatures, bundles, and the cache of what was fetched.
//!
//! It knows no wasmtime and runs no component: everything here happens before one is compiled. Whatever comes from elsewhere is checked against
//! its digest before anybody sees it, and nothing that cannot be checked passes. It never prints and never reads the environment.

mod bundle;
mod cache;
mod edit;
mod error;
mod fetch;
mod lock;
mod nodes;
mod pin;
mod push;
mod secret_key;
mod signature;
mod source;

pub use bundle::{
    Archive, BundleDiff, BundleEntry, BundleIndex, BundleMember, BundlePlan, Seen, Shelf, Shelved, build as build_bundle, difference,
    pull as pull_bundle, push as push_bundle, read_archive, write_archive,
};
pub use cache::PluginCache;
pub use edit::add_plugin;
pub use error::SupplyError;
pub use fetch::{Fetched, Fetcher, LARGEST_COMPONENT, SupplyOptions, attached_to as attached};
pub use lock::{Change, LockText, Locked, PluginKey, more_of};
pub use pin::Pin;
pub use push::{Facts, push as push_component, push_signature};
pub use secret_key::{KeyFile, KeyPair, SigningKey};
pub use signature::{Minisign, Revoked, Scheme, Signed, TrustedKey, WhyNot, key_id, schemes, verify};
pub use source::Origin;

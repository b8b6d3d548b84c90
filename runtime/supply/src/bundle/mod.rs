//! Bundles: one signed index of plugins that somebody vetted, with the plugins themselves.
//!
//! A bundle is one OCI artifact: its config is the index, its layers are the components, and the signature of the index is attached to it. In a
//! tar of an OCI layout it is one file for a machine without a network. What counts is the index: whoever signed it vouches for every component
//! that it names by digest, and a component that it does not name is none of the bundle's.

mod archive;
mod index;
mod plan;
mod shelf;

pub use archive::{Archive, build, pull, push, read_archive, write_archive};
pub use index::{BundleDiff, BundleEntry, BundleIndex, difference};
pub use plan::{BundleMember, BundlePlan};
pub use shelf::{Seen, Shelf, Shelved};

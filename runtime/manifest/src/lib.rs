//! The manifest: KDL 2 into a typed model with spans.
//!
//! This room is pure: it reads no file, knows no clock, no wasm and no terminal. It gets text and gives a [`Manifest`], or every mistake in
//! it at once ([`Diagnostics`]). What it may never do: look at a value behind a reference, or decide what runs.

mod capability;
mod model;
mod origin;
mod span;
mod template;

pub use capability::{ArgPattern, Capability, Confine, HttpGrant, Origin, Policy, RunGrant, SecretGrant, SecretTarget};
pub use model::{
    ConfigNode, Environment, Gate, HostAddress, HostDecl, Input, InputType, Limits, Manifest, OnFailure, Package, PackageName, Phase, PluginDecl,
    PluginSource, Project, Reads, ReadsFrom, Retry, Role, Scalar, Secret, SecretSource, Selector, Setting, StateSetting, Step, VersionRule, Writes,
};
pub use span::{Span, Spanned};
pub use template::{Namespace, Part, Reference, Template};

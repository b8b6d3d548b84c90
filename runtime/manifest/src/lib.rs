//! The manifest: KDL 2 into a typed model with spans.
//!
//! This room is pure: it reads no file, knows no clock, no wasm and no terminal. It gets text and gives a [`Manifest`], or every mistake in
//! it at once ([`Diagnostics`]). What it may never do: look at a value behind a reference, or decide what runs.

mod approvers;
mod author;
mod capability;
pub mod case;
mod compiled;
mod config;
mod dependency;
mod diagnostic;
mod freeze;
mod input;
mod model;
mod origin;
mod parse;
mod policy;
mod span;
mod template;
mod text;
mod version;
mod wanted;

pub use approvers::{Approvers, ClaimRule, PackageSigners, TokenRule};
pub use author::{Language, PluginProject, is_plugin_name};
pub use capability::{
    ArgPattern, Capability, CapabilityError, Confine, HttpGrant, HttpTls, Missing, MissingBecause, Origin, RunGrant, SecretGrant,
    SecretTarget, effective,
};
pub use config::{ConfigSchema, SchemaError, Shaped, check, shape};
pub use dependency::{BadProvider, Consumes, Depends, Output, ProviderName, Provides};
pub use diagnostic::{Diagnostics, Mistake, position};
pub use freeze::{Freeze, Window};
pub use input::{InputError, check_input_value, parse_input_value, scalar_to_json};
pub use model::{
    ConfigNode, DeploymentDecl, Environment, Gate, HostAddress, HostDecl, Input, InputType, Limits, Manifest, Metadata, Notify, Occasion,
    OnFailure, Package, PackageName, Phase, PluginDecl, PluginSource, Project, Reads, ReadsFrom, RegistryDecl, Retry, Role, Scalar, Secret,
    SecretSource, Selector, Setting, StateSetting, Step, Writes,
};
pub use parse::{parse, parse_cases, parse_plugin_project, parse_policy, parse_project};
pub use policy::{Beyond, Bound, BundleRule, PluginRule, Policy, PolicyKey, Revocation, StepBounds, Trust};
pub use span::{Span, Spanned};
pub use template::{Namespace, Part, Reference, Template};
pub use text::nearest;
pub use version::{BadVersion, Version, VersionLine, VersionRule, VersionSelector, following};
pub use wanted::{BadReference, PackageReference, Wanted};

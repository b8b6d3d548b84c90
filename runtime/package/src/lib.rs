//! A release as an OCI artifact: what it is made of, how it is packed, and how it comes back.
//!
//! A package is content alone: the same manifest, plugins, files and outcomes give the same digest, whoever packs them, wherever and whenever.
//! What tells of who and when, the provenance, is attached to it and no part of it. This room never deploys, never decides which release is
//! meant, and trusts nothing that came from elsewhere: what a package says that it holds is compared with what came.

mod attached;
mod bill;
mod envelope;
mod pack;
mod provenance;
mod record;
mod unpack;

pub use attached::copy_attached;
pub use envelope::{Envelope, EnvelopeSignature, attach_envelope, envelopes, is_provenance_of, signed_bytes};
pub use pack::{Contents, pack};
pub use provenance::{Built, Source, provenance, statement};
pub use record::{ARTIFACT_TYPE, Attached, PackageRecord, PackedStep, version_tag};
pub use unpack::{Package, PackageLimits};

use relrun_registry::RegistryError;
use relrun_store::StoreError;

/// Why something with a package failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PackageError {
    /// A registry or a layout.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(#[from] RegistryError),
    /// The store of content.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// What came is no package that can be used.
    #[error("{at} is no package that can be used: {reason}")]
    #[diagnostic(code(relrun::package::unusable), help("nothing of it was deployed; push it again from where it was made: `relrun push`"))]
    Unusable {
        /// Where it lies.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was packed in a newer form.
    #[error("{at} has package format {found}, and this relrun knows up to {known}")]
    #[diagnostic(code(relrun::package::newer), help("use the newer relrun that packed it"))]
    Newer {
        /// Where it lies.
        at: String,
        /// Its format.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// The operating system said no.
    #[error("failed to {doing}")]
    #[diagnostic(code(relrun::package::io), help("check that there is room and that you may write there"))]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl PackageError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

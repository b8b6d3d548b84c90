//! What is attached to a package in a registry. Whoever may push there may attach anything, so none of it is believed, and nothing of it keeps a package
//! from coming in: what is of no known kind, broken, missing or too large is passed over.

use crate::PackageError;
use crate::record::Attached;
use relrun_registry::{Manifest, Name, PushAs, RegistryError, Repository, Transfer};
use std::path::Path;

/// More than anybody needs; whoever may attach things to a package must not keep others busy with it.
const MOST: usize = 64;
/// Nothing that is attached has more parts.
const MOST_PARTS: usize = 4;
/// Nothing that is attached is larger, in bytes.
const LARGEST: u64 = 16 << 20;
/// So much of all that is attached is taken, in bytes.
const LARGEST_TOGETHER: u64 = 64 << 20;

/// Finds what is attached to a package, of these kinds.
pub(crate) async fn attached(from: &dyn Repository, package: &Manifest, kinds: &[Attached]) -> Result<Vec<Manifest>, PackageError> {
    let is_known = |named: &str| kinds.iter().any(|kind| kind.media_type() == named);
    let mut found = Vec::new();
    let mut left = LARGEST_TOGETHER;
    let all = from.referrers(package.digest()).await?;
    let named = all.iter().filter(|about| about.artifact_type().as_ref().is_none_or(|named| is_known(named.as_ref())));
    for about in named.take(MOST) {
        let Some(manifest) = passing(from.resolve(&Name::Digest(about.digest().clone())).await)? else { continue };
        let is_about = manifest.subject().is_some_and(|subject| subject.digest() == package.digest());
        let parts = manifest.blobs();
        let size = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.size()));
        let fits = manifest.index().is_none() && parts.len() <= MOST_PARTS && parts.iter().all(|part| part.size() <= LARGEST);
        if is_about && fits && size <= left && manifest.artifact_type().is_some_and(|named| is_known(named.as_ref())) {
            left -= size;
            found.push(manifest);
        } else {
            tracing::debug!(digest = %about.digest(), "what is attached to the package is passed over");
        }
    }
    Ok(found)
}

/// Copies what is attached to a package, of the kinds that are known here.
pub async fn copy_attached(from: &dyn Repository, package: &Manifest, to: &dyn Repository, scratch: &Path) -> Result<(), PackageError> {
    let transfer = Transfer { largest_blob: LARGEST, ..Transfer::new(scratch) };
    for manifest in attached(from, package, &Attached::ALL).await? {
        passing(transfer.copy(from, &Name::Digest(manifest.digest().clone()), to, &PushAs::ByDigest).await)?;
    }
    Ok(())
}

/// Reads a part of something that is attached.
pub(crate) async fn part(from: &dyn Repository, part: &relrun_registry::spec::Descriptor) -> Result<Option<Vec<u8>>, PackageError> {
    Ok(passing(from.pull_bytes(part, LARGEST).await)?.map(Into::into))
}

/// Passes over what was attached and cannot be used; that the registry cannot be reached is an error all the same.
fn passing<T>(got: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match got {
        Ok(got) => Ok(Some(got)),
        Err(error) if error.is_of_content() => {
            tracing::debug!(%error, "what is attached to the package is passed over");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

//! Whether a package was signed by somebody whom policy names: its provenance, in an envelope of which the signature is looked at before
//! anything of the package is brought here.
//!
//! Where policy names signers, a package without a good envelope is refused, whatever the reason: one that cannot be read counts as none.

use crate::approval::{self, PROVENANCE};
use crate::{EngineError, Workspace};
use relrun_manifest::PackageSigners;
use relrun_package::{Envelope, Package, envelopes, is_provenance_of};
use relrun_registry::Repository;

/// Signatures of one envelope that are looked at.
const MOST: usize = 16;

/// Refuses a package that is not signed as every line of policy for its name asks. Returns who signed it, where policy asks.
pub(super) async fn check(workspace: &Workspace, from: &dyn Repository, package: &Package) -> Result<Vec<String>, EngineError> {
    let name = &package.record.package;
    let mut signed = Vec::new();
    let rules: Vec<&PackageSigners> =
        workspace.project.policy.packages.iter().filter(|rule| approval::matches_pattern(&rule.packages, name)).collect();
    if rules.is_empty() {
        return Ok(signed);
    }
    let all = envelopes(from, &package.manifest).await?;
    for rule in rules {
        signed.push(by(workspace, rule, &all, package)?);
    }
    signed.dedup();
    Ok(signed)
}

fn by(workspace: &Workspace, rule: &PackageSigners, all: &[Envelope], package: &Package) -> Result<String, EngineError> {
    let record = &package.record;
    let mut refused = Vec::new();
    for envelope in all {
        match opened(workspace, rule, envelope, package) {
            Ok(principal) => return Ok(principal),
            Err(why) => refused.push(why),
        }
    }
    refused.dedup();
    let why = if all.is_empty() { "it is not signed".to_owned() } else { refused.join("; ") };
    let message = format!(
        "{}@{} may not come in: policy asks for a provenance signed by somebody of {}, and {why}",
        record.package, record.version, rule.signers
    );
    Err(EngineError::input(message, "push it again with `relrun push --sign KEYFILE`, with a key that policy's file names"))
}

/// Returns who signed an envelope, if that is somebody of the rule and it is about this package.
fn opened(workspace: &Workspace, rule: &PackageSigners, envelope: &Envelope, package: &Package) -> Result<String, String> {
    let (statement, signed) = envelope.open()?;
    let mut refused = "it has no signature".to_owned();
    for signature in envelope.signatures.iter().take(MOST) {
        let bytes = signature.bytes()?;
        match approval::signer_of(workspace, (&rule.signers, &rule.principals), PROVENANCE, &signed, &bytes) {
            Ok(principal) => return is_provenance_of(&statement, &package.record, &package.manifest).map(|()| principal),
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

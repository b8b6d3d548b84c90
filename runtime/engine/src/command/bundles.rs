//! `bundle build|add|list|diff|verify`, and who vouches for a component.

use crate::supply::{revoked, trusted_keys, verify_bundle};
use crate::{EngineError, Workspace};
use relrun_host::{ComponentBytes, ComponentSource};
use relrun_ledger::Digest;
use relrun_supply::{
    Archive, BundleEntry, BundleIndex, BundleMember, BundlePlan, Fetched, Origin, Pin, Signed, SigningKey, SupplyError, TrustedKey,
    build_bundle, verify,
};
use std::collections::BTreeMap;
use std::path::Path;

/// A bundle that was added to this machine, and whether it is believed now.
#[derive(Debug)]
pub struct BundleLine {
    /// What it says.
    pub index: BundleIndex,
    /// The highest number that was seen.
    pub highest: u64,
    /// Who signed it, or why that is not believed.
    pub signed: Result<Signed, String>,
}

/// Builds a bundle of what a `bundle.kdl` in `folder` names, and signs its index.
pub async fn build_signed_bundle(
    workspace: &Workspace,
    plan: &BundlePlan,
    folder: &Path,
    key: &SigningKey,
) -> Result<Archive, EngineError> {
    let mut index = BundleIndex::new(&plan.name, plan.serial)?;
    index.summary.clone_from(&plan.summary);
    index.changelog = text_of(folder, plan.changelog.as_deref())?;
    let mut components = BTreeMap::new();
    for member in &plan.plugins {
        let (entry, bytes) = take(workspace, folder, member).await?;
        components.insert(entry.component, bytes.into());
        index.plugins.insert(member.name.clone(), entry);
    }
    let mut archive = build_bundle(index, components)?;
    let name = format!("{}-{}", plan.name, plan.serial);
    archive.signatures.push(key.sign(&archive.bytes, &name, workspace.now)?);
    Ok(archive)
}

async fn take(workspace: &Workspace, folder: &Path, member: &BundleMember) -> Result<(BundleEntry, Vec<u8>), EngineError> {
    let origin: Origin = member.from.parse()?;
    let pin = member.digest.as_ref().map(|digest| digest.parse::<Pin>()).transpose()?;
    let path = match &origin {
        Origin::File(path) => folder.join(path),
        Origin::Bundle { bundle, plugin } => {
            let vouched = verify_bundle(workspace, &workspace.project.policy, bundle)?;
            let entry = vouched.shelved.index.plugins.get(plugin);
            let entry = entry.ok_or_else(|| {
                EngineError::input(format!("bundle \"{bundle}\" has no plugin \"{plugin}\""), "type `relrun bundle list`")
            })?;
            vouched.shelved.component(entry.component)?
        }
        origin => {
            let Fetched { path, .. } = workspace.supply.fetcher()?.resolve(origin, pin.as_ref()).await?;
            path
        }
    };
    let bytes = std::fs::read(&path).map_err(|error| {
        EngineError::input(format!("plugin \"{}\": {}: {error}", member.name, path.display()), "build it first, or correct its `from`")
    })?;
    if let Some(pin) = pin {
        pin.check(&member.from, &bytes)?;
    }
    let sha256 = relrun_registry::digest_of(&bytes).to_string();
    let unfit = |why: String| {
        EngineError::input(format!("plugin \"{}\" cannot go into a bundle: {why}", member.name), "`relrun plugin check` says more")
    };
    let entry = BundleEntry::of(&origin.to_string(), &bytes, &sha256).map_err(unfit)?;
    let source = ComponentSource { digest: Digest::of(&bytes), bytes: ComponentBytes::File(path) };
    let description = workspace.host.describe(&source).await?;
    let entry = BundleEntry {
        version: description.version,
        summary: description.summary,
        docs: text_of(folder, member.docs.as_deref())?,
        changelog: text_of(folder, member.changelog.as_deref())?,
        ..entry
    };
    Ok((entry, bytes))
}

fn text_of(folder: &Path, file: Option<&str>) -> Result<String, EngineError> {
    let Some(file) = file else { return Ok(String::new()) };
    std::fs::read_to_string(folder.join(file))
        .map_err(|error| EngineError::input(format!("{file} cannot be read: {error}"), "name a text file, relative to bundle.kdl"))
}

/// Says who signed a bundle that is not on this machine yet: a key that policy trusts for it, or one of `keys`.
pub fn who_signed(workspace: &Workspace, archive: &Archive, keys: &[TrustedKey]) -> Result<Signed, EngineError> {
    let (policy, name) = (&workspace.project.policy, &archive.index.name);
    let revoked = revoked(policy);
    let check = |keys: &[TrustedKey], from: &str| {
        verify(&archive.bytes, &archive.signatures, keys, &revoked, workspace.now).map_err(|why| {
            EngineError::input(
                format!("bundle \"{name}\" {} is not believed by {from}: {why}", archive.index.serial),
                "take it from whoever publishes it, and ask for the key",
            )
        })
    };
    let mut signed = None;
    for bound in policy.bundles.iter().filter(|bound| bound.says.name == *name) {
        signed = Some(check(&trusted_keys(&bound.says.signed_by), &bound.from)?);
        if archive.index.serial < bound.says.at_least {
            return Err(EngineError::input(
                format!(
                    "bundle \"{name}\" {} is too old: the policy in {} asks for {} at least",
                    archive.index.serial, bound.from, bound.says.at_least
                ),
                "take a newer one",
            ));
        }
    }
    if !keys.is_empty() {
        return check(keys, "the key that was named");
    }
    signed.ok_or_else(|| {
        EngineError::input(
            format!("nobody said who must have signed bundle \"{name}\""),
            format!("name the key, `--key RW…`; or write `bundle \"{name}\" signed-by=\"…\"` into policy"),
        )
    })
}

/// Adds a bundle to this machine. An older one than was seen needs `back`.
pub fn add_bundle(workspace: &Workspace, archive: &Archive, keys: &[TrustedKey], back: bool) -> Result<Signed, EngineError> {
    let signed = who_signed(workspace, archive, keys)?;
    let shelf = workspace.supply.shelf()?;
    let named = workspace.project.policy.bundles.iter().filter(|bound| bound.says.name == archive.index.name);
    let trusted: Vec<TrustedKey> = named.flat_map(|bound| trusted_keys(&bound.says.signed_by)).chain(keys.iter().cloned()).collect();
    // What a lock names stays here when a later bundle has another.
    if let (Some(before), Ok(fetcher)) = (shelf.find(&archive.index.name)?, workspace.supply.fetcher()) {
        for entry in before.index.plugins.values() {
            let path = before.component(entry.component)?;
            let bytes = std::fs::read(&path).map_err(|source| EngineError::io(format!("read {}", path.display()), source))?;
            fetcher.cache().keep(&bytes)?;
        }
    }
    shelf.add(archive, trusted, back)?;
    Ok(signed)
}

/// Returns the bundles of this machine.
pub fn bundle_lines(workspace: &Workspace) -> Result<Vec<BundleLine>, EngineError> {
    let shelf = workspace.supply.shelf()?;
    let mut lines = Vec::new();
    for name in shelf.names()? {
        let Some(shelved) = shelf.find(&name)? else { continue };
        let signed =
            verify_bundle(workspace, &workspace.project.policy, &name).map(|vouched| vouched.signed).map_err(|error| error.to_string());
        lines.push(BundleLine { index: shelved.index, highest: shelved.seen.highest, signed });
    }
    Ok(lines)
}

/// Says who signed content: one of `keys`, or where there are none a key that policy trusts for what comes from `origin`.
pub fn who_vouches(
    workspace: &Workspace,
    origin: &str,
    bytes: &[u8],
    signatures: &[String],
    keys: &[TrustedKey],
) -> Result<Signed, EngineError> {
    let policy = &workspace.project.policy;
    let trusted: Vec<TrustedKey> = match keys {
        [] => {
            let rules = policy.plugins.iter().flat_map(|bound| &bound.says).filter(|rule| rule.covers(origin));
            rules.filter_map(|rule| rule.signed_by.as_ref()).flat_map(trusted_keys).collect()
        }
        keys => keys.to_vec(),
    };
    if trusted.is_empty() {
        let message = format!("nobody said who must have signed what comes from {origin}");
        return Err(EngineError::input(message, "name the key, `--key RW…`; or write `plugin \"…\" signed-by=\"…\"` into policy"));
    }
    verify(bytes, signatures, &trusted, &revoked(policy), workspace.now).map_err(|why| {
        SupplyError::wrong(format!("{origin} is not believed: {why}"), "take it from whoever publishes it, and ask for the key").into()
    })
}

//! Who vouches for a component, as policy asks for it: with signatures, or by a bundle. What cannot be shown to be right does not pass.

use super::Located;
use crate::{EngineError, Loaded, Workspace};
use relrun_host::{ComponentBytes, ComponentSource};
use relrun_ledger::Digest;
use relrun_manifest::{Mistake, PluginRule, Policy, Trust};
use relrun_supply::{Origin, PluginCache, Revoked, Shelved, Signed, SupplyError, TrustedKey, WhyNot, schemes, verify};
use std::path::Path;

/// A bundle whose signature was found right.
#[derive(Debug)]
pub(crate) struct Vouched {
    /// The bundle.
    pub(crate) shelved: Shelved,
    /// Who signed it.
    pub(crate) signed: Signed,
}

/// Returns the keys that a line of a policy trusts.
pub(crate) fn trusted_keys(trust: &Trust) -> Vec<TrustedKey> {
    trust.keys.iter().map(|key| TrustedKey { key: key.key.clone(), from: key.from, until: key.until }).collect()
}

/// Returns what any policy revokes.
pub(crate) fn revoked(policy: &Policy) -> Revoked {
    let mut revoked = Revoked::default();
    for what in policy.revoked.iter().flat_map(|bound| &bound.says.what) {
        match what.parse::<relrun_supply::Pin>() {
            Ok(relrun_supply::Pin::Blake3(digest)) => drop(revoked.components.insert(digest)),
            _ => drop(revoked.keys.insert(what.clone())),
        }
    }
    revoked
}

/// Returns a bundle that was added to this machine, its signature checked against every policy that names it, or where none does against the keys
/// that it was added by.
pub(crate) fn verify_bundle(workspace: &Workspace, policy: &Policy, name: &str) -> Result<Vouched, SupplyError> {
    let shelved = workspace.supply.shelf()?.find(name)?.ok_or_else(|| {
        SupplyError::wrong(
            format!("bundle \"{name}\" is not on this machine"),
            "type `relrun bundle add FILE`, or `relrun bundle add oci://…`",
        )
    })?;
    let revoked = revoked(policy);
    let check = |keys: &[TrustedKey], from: &str| {
        verify(&shelved.bytes, &shelved.signatures, keys, &revoked, workspace.now).map_err(|why| {
            SupplyError::wrong(
                format!("bundle \"{name}\" {} is not believed by {from}: {why}", shelved.index.serial),
                "add one that is signed with a key that is trusted: `relrun bundle add`",
            )
        })
    };
    let rules: Vec<_> = policy.bundles.iter().filter(|bound| bound.says.name == name).collect();
    let mut signed = None;
    for bound in &rules {
        signed = Some(check(&trusted_keys(&bound.says.signed_by), &bound.from)?);
        if shelved.index.serial < bound.says.at_least {
            return Err(SupplyError::wrong(
                format!(
                    "bundle \"{name}\" {} is too old: the policy in {} asks for {} at least",
                    shelved.index.serial, bound.from, bound.says.at_least
                ),
                "type `relrun bundle add` with a newer one",
            ));
        }
    }
    let signed = match signed {
        Some(signed) => signed,
        None => check(&shelved.seen.trusted, "the keys that it was added by")?,
    };
    Ok(Vouched { shelved, signed })
}

/// Refuses a plugin that a policy does not let run. Nothing of it was compiled yet.
pub(crate) async fn lets_run(workspace: &Workspace, loaded: &Loaded, name: &str, located: &Located) -> Result<(), EngineError> {
    let origin = crate::policy::origin(workspace, loaded, name, &located.from);
    let refused = |why: String, help: String| match loaded.manifest.plugins.iter().find(|plugin| *plugin.name == *name) {
        Some(declared) => {
            loaded.mistakes(vec![Mistake::new("relrun::policy::plugin", declared.from.span, why).label("this plugin").help(help)])
        }
        None => EngineError::input(why, help),
    };
    let policy = &workspace.project.policy;
    let digest = located.source.digest;
    if let Some((file, reason)) = taken_back(policy, located) {
        return Err(refused(
            format!("the policy in {file} revokes the component of plugin \"{name}\" ({}){reason}", digest.short()),
            format!("type `relrun plugin update {name}` for a newer one, or use another plugin"),
        ));
    }
    let rules = policy.plugin(&origin).map_err(|file| {
        refused(
            format!("the policy in {file} lets no plugin from `{origin}` run"),
            format!("ask whoever keeps it for a line `plugin \"{origin}\"`, or use another plugin"),
        )
    })?;
    for (file, rule) in rules {
        crate::policy::is_signed(workspace, rule, &located.source).map_err(|why| {
            refused(format!("the policy in {file} asks for a signature of plugin \"{name}\": {why}"), crate::policy::sign_help(&origin))
        })?;
        vouched(workspace, policy, rule, located)
            .await
            .map_err(|(why, help)| refused(format!("the policy in {file} does not let plugin \"{name}\" ({origin}) run: {why}"), help))?;
    }
    Ok(())
}

/// Returns the file that revokes a component, and why it does.
pub(crate) fn taken_back<'p>(policy: &'p Policy, located: &Located) -> Option<(&'p str, String)> {
    let component = format!("blake3:{}", located.source.digest);
    let bound = policy.revoked.iter().find(|bound| bound.says.what.contains(&component))?;
    Some((&bound.from, bound.says.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))))
}

/// Asks whether a rule's bundle has a component, and whether one of the rule's keys signed it. Otherwise says why not, and what to type.
pub(crate) async fn vouched(workspace: &Workspace, policy: &Policy, rule: &PluginRule, located: &Located) -> Result<(), (String, String)> {
    let said = |error: SupplyError| {
        let help = miette::Diagnostic::help(&error).map_or_else(String::new, |help| help.to_string());
        (error.to_string(), help)
    };
    if let Some(name) = &rule.bundle {
        let vouched = verify_bundle(workspace, policy, name).map_err(said)?;
        if vouched.shelved.index.of_component(located.source.digest).is_none() {
            return Err((
                format!("it is not in bundle \"{name}\" {}", vouched.shelved.index.serial),
                format!("take one that is: `relrun bundle list` shows them, and `from=\"bundle:{name}/PLUGIN\"` names one"),
            ));
        }
    }
    let Some(trust) = &rule.signed_by else { return Ok(()) };
    let keys = trusted_keys(trust);
    let revoked = revoked(policy);
    let origin: Option<Origin> = located.from.parse().ok();
    let by_bundle = |name: &str| {
        let vouched = verify_bundle(workspace, policy, name).map_err(said)?;
        verify(&vouched.shelved.bytes, &vouched.shelved.signatures, &keys, &revoked, workspace.now)
            .map_err(|why| (format!("of bundle \"{name}\", {why}"), format!("add one that `{}` signed", trust.name)))?;
        let known = vouched.shelved.index.of_component(located.source.digest).is_some();
        if known { Ok(()) } else { Err((format!("bundle \"{name}\" has it no longer"), "type `relrun plugin update`".to_owned())) }
    };
    if let Some(Origin::Bundle { bundle, .. }) = &origin {
        return by_bundle(bundle);
    }
    let bytes = bytes_of(&located.source).map_err(|why| (why, "bring the component back".to_owned()))?;
    let help = format!(
        "it must be signed with a key of `{}`: `relrun plugin sign`, and `relrun plugin update` takes the signature in",
        trust.name
    );
    let mut reasons: Vec<String> = Vec::new();
    for signature in signatures_of(workspace, origin.as_ref(), located).await.map_err(said)? {
        match verify(&bytes, std::slice::from_ref(&signature), &keys, &revoked, workspace.now) {
            Ok(_) => {
                keep_signature(workspace, located.source.digest, &signature);
                return Ok(());
            }
            // Each of them has a reason of its own, and all are told.
            Err(WhyNot::Refused(more)) => more.into_iter().for_each(|reason| {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }),
            Err(reason) => return Err((reason.to_string(), help)),
        }
    }
    let why = if reasons.is_empty() { WhyNot::Unsigned } else { WhyNot::Refused(reasons) };
    Err((why.to_string(), help))
}

/// Returns the signatures that were kept in the project when a component was let run here: a record runs though what it was made with is gone.
pub(crate) fn kept_signatures(workspace: &Workspace, component: Digest) -> Vec<String> {
    // One that cannot be read is none, and where one is needed that is refused.
    kept_in(workspace).signatures(component).unwrap_or_default()
}

/// Keeps a signature in the project, unless the command only looks.
pub(crate) fn keep_signature(workspace: &Workspace, component: Digest, signature: &str) {
    if !workspace.supply.writes_lock {
        return;
    }
    if let Err(error) = kept_in(workspace).keep_signature(component, signature) {
        tracing::debug!(%error, "a signature was not kept");
    }
}

fn kept_in(workspace: &Workspace) -> PluginCache {
    PluginCache::at(workspace.state.join("plugins"))
}

/// Returns the bytes of a component, compared with their digest.
pub(crate) fn bytes_of(source: &ComponentSource) -> Result<Vec<u8>, String> {
    let bytes = match &source.bytes {
        ComponentBytes::Static(bytes) => bytes.to_vec(),
        ComponentBytes::Memory(bytes) => bytes.to_vec(),
        ComponentBytes::File(path) => std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    if Digest::of(&bytes) == source.digest { Ok(bytes) } else { Err("it changed while relrun looked at it".to_owned()) }
}

/// Returns every signature that there is of a component: beside its file, in the cache, and where it came from.
async fn signatures_of(workspace: &Workspace, origin: Option<&Origin>, located: &Located) -> Result<Vec<String>, SupplyError> {
    let mut found = kept_signatures(workspace, located.source.digest);
    if let (ComponentBytes::File(path), Some(Origin::File(_))) = (&located.source.bytes, origin) {
        for scheme in schemes() {
            found.extend(beside(path, scheme.extension()));
        }
    }
    // Without a cache there is nothing more to look at, and what needs a signature is refused for want of it.
    if let (Ok(fetcher), Some(origin)) = (workspace.supply.fetcher(), origin) {
        found.extend(fetcher.signatures(origin, located.manifest.as_deref(), located.source.digest).await?);
    }
    Ok(found)
}

/// Returns the signature that lies beside a file; one that cannot be read is none.
pub(super) fn beside(path: &Path, extension: &str) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    std::fs::read_to_string(name).ok()
}

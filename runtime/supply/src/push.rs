//! A component on its way into a registry: the artifact that `wkg` reads too, and signatures that are attached to it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use kdl::{KdlDocument, KdlValue};
use relrun_registry::spec::MediaType;
use relrun_registry::{ArtifactPlan, Blob, Manifest, PushAs, Repository, Tag, Transfer, wasm};

use crate::SupplyError;
use crate::signature::schemes;

/// What is said of a component, and stands in its manifest's annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// By the names that OCI has for them.
    pub annotations: BTreeMap<String, String>,
}

impl Facts {
    /// Takes them from a `plugin.kdl`: name, version, summary, licence, sources. What is not there is not said.
    ///
    /// # Errors
    /// Where it is no KDL.
    pub fn of_plugin_kdl(file: &str, text: &str) -> Result<Self, SupplyError> {
        let document = KdlDocument::parse_v2(text).map_err(|error| {
            SupplyError::wrong(format!("{file} cannot be read: {error}"), "`relrun plugin check` says what is wrong with it")
        })?;
        let Some(plugin) = document.get("plugin") else { return Ok(Self::default()) };
        let child = |name: &str| plugin.children().and_then(|children| children.get_arg(name)).and_then(KdlValue::as_string);
        let said = [
            ("org.opencontainers.image.title", plugin.get(0).and_then(KdlValue::as_string)),
            ("org.opencontainers.image.version", plugin.get("version").and_then(KdlValue::as_string)),
            ("org.opencontainers.image.description", child("summary")),
            ("org.opencontainers.image.licenses", child("license")),
            ("org.opencontainers.image.source", child("source")),
            ("org.opencontainers.image.authors", child("authors")),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        Ok(Self { annotations: said.collect() })
    }
}

/// Pushes a component under a tag, which never changes unless `moves` says so. The same component with the same facts is the same artifact.
///
/// # Errors
/// Where it is no component, the tag stands for another, or the registry says no.
pub async fn push(
    to: &dyn Repository,
    component: Bytes,
    facts: &Facts,
    tag: &Tag,
    moves: bool,
    scratch: &Path,
) -> Result<Manifest, SupplyError> {
    let interface = wasm::Interface::of(&component).map_err(|why| {
        SupplyError::wrong(format!("this cannot be pushed as a plugin: {why}"), "give the component that `relrun plugin build` wrote")
    })?;
    let exported = interface.exports.iter().find_map(|export| export.strip_prefix("relrun:plugin/step@"));
    let target = exported.map(|version| format!("relrun:plugin/plugin@{version}"));
    let plan = wasm::WasmPlan { target, annotations: facts.annotations.clone(), ..wasm::WasmPlan::default() };
    let artifact = plan.build(component)?;
    let push_as = if moves { PushAs::Tagged(tag.clone()) } else { PushAs::Immutable(tag.clone()) };
    Transfer::new(scratch).push(to, &artifact, &push_as).await?;
    Ok(artifact.manifest)
}

/// Attaches a signature to an artifact that is there: as what refers to it, and where the registry does not know that, under the tag that stands for it.
pub async fn push_signature(to: &dyn Repository, subject: &Manifest, signature: &str, scratch: &Path) -> Result<(), SupplyError> {
    let scheme = schemes().iter().find(|scheme| scheme.signer(signature).is_some());
    let scheme = scheme.ok_or_else(|| SupplyError::wrong("this is no signature that is known here", "sign with `relrun plugin sign`"))?;
    let layer = Blob::of_bytes(MediaType::from(scheme.media_type()), Bytes::from(signature.to_owned()));
    let plan = ArtifactPlan {
        artifact_type: Some(scheme.media_type().to_owned()),
        layers: vec![layer],
        subject: Some(subject.descriptor()),
        ..ArtifactPlan::default()
    };
    Transfer::new(scratch).push(to, &plan.build()?, &PushAs::ByDigest).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_those_of_plugin_kdl() {
        let text = "plugin \"audit\" version=\"1.2.0\" language=\"go\" {\n  summary \"Audits\"\n  license \"MIT\"\n  world \"0.1\"\n}\n";
        let facts = Facts::of_plugin_kdl("plugin.kdl", text).unwrap();
        let said: Vec<&str> = facts.annotations.values().map(String::as_str).collect();
        assert_eq!(said, ["Audits", "MIT", "audit", "1.2.0"]);
        assert_eq!(Facts::of_plugin_kdl("plugin.kdl", "").unwrap(), Facts::default());
        assert!(Facts::of_plugin_kdl("plugin.kdl", "plugin {").unwrap_err().to_string().starts_with("plugin.kdl cannot be read"));
    }
}

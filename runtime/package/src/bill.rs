//! The bill of materials: what a package is made of, as `CycloneDX` has it. It is made of the record and the store alone, and names no time.

use crate::PackageError;
use crate::record::{LockedPlugin, PackageRecord, object};
use relrun_ledger::Digest;
use relrun_registry::Artifact;
use relrun_store::{BlobStore, EntryKind, Tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Returns the bill of a package: its plugins, the files that travel with it, and what its steps wrote.
pub(crate) fn bill(
    record: &PackageRecord,
    plugins: &BTreeMap<String, LockedPlugin>,
    package: &Artifact,
    blobs: &dyn BlobStore,
) -> Result<Value, PackageError> {
    let mut components: Vec<Value> = plugins.iter().map(|(name, plugin)| plugin_component(name, plugin)).collect();
    if let Some(files) = &record.files {
        components.extend(file_components(&Tree::get(blobs, files.tree)?, ""));
    }
    for (digest, title) in record.written() {
        let files = file_components(&Tree::get(blobs, digest)?, &format!("{title}/"));
        let mut component = component("data", &format!("artifact:{title}"), &title, Some(digest));
        component["components"] = files.into();
        components.push(component);
    }
    let (group, name) = record.package.split_once('/').unwrap_or(("", &record.package));
    let own = json!({
        "type": "application",
        "bom-ref": format!("{}@{}", record.package, record.version),
        "group": group,
        "name": name,
        "version": record.version,
        "hashes": [{ "alg": "SHA-256", "content": package.manifest.digest().digest() }],
    });
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": own },
        "components": components,
    }))
}

fn plugin_component(name: &str, plugin: &LockedPlugin) -> Value {
    let mut component = component("library", &format!("plugin:{name}"), name, Some(plugin.digest));
    component["version"] = plugin.version.clone().into();
    component["properties"] = json!([{ "name": "relrun:from", "value": plugin.from }]);
    component
}

/// Lists the files of a tree; a tree that is one file has the tree's own name.
fn file_components(tree: &Tree, above: &str) -> Vec<Value> {
    let each = tree.entries.iter().filter_map(|entry| {
        let EntryKind::File { digest, .. } = entry.kind else { return None };
        let path = format!("{above}{}", entry.path);
        let path = path.trim_end_matches('/');
        Some(component("file", &format!("file:{path}"), path, Some(digest)))
    });
    each.collect()
}

fn component(kind: &'static str, reference: &str, name: &str, digest: Option<Digest>) -> Value {
    let hashes: Vec<Value> = digest.iter().map(|digest| json!({ "alg": "BLAKE3", "content": digest.to_string() })).collect();
    object([("type", kind.into()), ("bom-ref", reference.into()), ("name", name.into()), ("hashes", hashes.into())])
}

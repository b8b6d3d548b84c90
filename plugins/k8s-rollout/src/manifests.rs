//! Manifests as they lie under /in: read, values set, in the order in which a cluster wants them.

use crate::config::Config;
use crate::set::{self, Place};
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::{Error, Result};
use serde_saphyr::Options;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is before workloads, and what is behind them; all others are between.
const FIRST: [&str; 11] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
    "PodDisruptionBudget",
];
const LAST: [&str; 3] = ["HorizontalPodAutoscaler", "Ingress", "HTTPRoute"];
/// Where `reads` without a name stages files.
const USUAL: &str = "work";
/// No manifest that a person writes is longer.
const LONGEST: u64 = 8 << 20;

/// Reads every object.
pub(crate) fn read(config: &Config, root: &Path) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files(config, root)? {
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let length = std::fs::metadata(&file)?.len();
        if length > LONGEST {
            return Err(Error::invalid(format!("{shown} is longer than {LONGEST} bytes")));
        }
        let text = std::fs::read_to_string(&file).map_err(|error| Error::invalid(format!("{shown}: {error}")))?;
        let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(&text, yaml())
            .map_err(|error| Error::invalid(format!("{shown} is no YAML: {}", first_line(&error.to_string()))))?;
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            take(document, &shown, &mut objects)?;
        }
    }
    if objects.is_empty() {
        return Err(Error::invalid("no manifest is staged: name them with `reads \"k8s/**\"` in the step"));
    }
    change(config, &mut objects)?;
    sort(&mut objects);
    Ok(objects)
}

/// YAML as clusters' manifests are written: `defaultMode: 0400` is octal, as it is to kubectl.
pub(crate) fn yaml() -> Options {
    serde_saphyr::options! { legacy_octal_numbers: true }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn files(config: &Config, root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    if config.manifest.is_empty() {
        gather(&root.join(USUAL), &mut found)?;
    }
    for name in &config.manifest {
        let path = root.join(name.trim_start_matches("/in/").trim_start_matches('/'));
        if path.is_file() {
            found.insert(path);
        } else if path.is_dir() {
            gather(&path, &mut found)?;
        } else {
            return Err(Error::missing(format!("manifest {name:?} is not under /in: stage it with `reads`")));
        }
    }
    Ok(found.into_iter().collect())
}

fn gather(folder: &Path, into: &mut BTreeSet<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, into)?;
        } else if path.extension().is_some_and(|extension| matches!(extension.to_str(), Some("yaml" | "yml" | "json"))) {
            into.insert(path);
        }
    }
    Ok(())
}

/// Takes an object, or each of a `List`.
fn take(document: Value, file: &str, into: &mut Vec<Value>) -> Result<()> {
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if kind.is_empty() || version.is_empty() {
        return Err(Error::invalid(format!("{file}: a document has no `kind` or no `apiVersion`")));
    }
    if kind == "List" && version == "v1" {
        let items = document["items"].as_array().cloned().unwrap_or_default();
        return items.into_iter().try_for_each(|item| take(item, file, into));
    }
    let metadata = &document["metadata"];
    if !["labels", "annotations"].iter().all(|name| metadata[name].is_null() || metadata[name].is_object()) {
        return Err(Error::invalid(format!("{file}: the labels or annotations of a {kind} are no map")));
    }
    if metadata["name"].as_str().is_none_or(str::is_empty) {
        return Err(Error::invalid(format!("{file}: a {kind} has no name; a generated one could not be found again")));
    }
    into.push(document);
    Ok(())
}

/// Returns `Deployment/web`.
pub(crate) fn shown(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn change(config: &Config, objects: &mut [Value]) -> Result<()> {
    let mut met = Vec::new();
    for object in objects.iter_mut() {
        set::images(object, &config.image, &mut met);
        if let Some(namespace) = object["metadata"]["namespace"].as_str().filter(|namespace| *namespace != config.namespace) {
            let shown = shown(object);
            return Err(Error::invalid(format!(
                "{shown} is for the namespace {namespace:?}, and the step deploys to {:?}",
                config.namespace
            )));
        }
        object["metadata"]["namespace"] = json!(config.namespace);
        for (name, value) in &config.label {
            object["metadata"]["labels"][name] = json!(value);
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for own in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"] {
                metadata.remove(own);
            }
        }
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
    }
    if let Some(name) = config.image.keys().find(|name| !met.contains(&name.as_str())) {
        return Err(Error::invalid(format!("image {name:?}: no container has an image of this name")));
    }
    for (place, value) in &config.set {
        let place = Place::parse(place)?;
        let object = objects.iter_mut().find(|object| shown(object) == place.object);
        place.put(object.ok_or_else(|| Error::invalid(format!("set: no manifest holds {}", place.object)))?, value)?;
    }
    let mut seen = BTreeSet::new();
    match objects.iter().map(|object| (object["apiVersion"].to_string(), shown(object))).find(|key| !seen.insert(key.clone())) {
        Some((_, twice)) => Err(Error::invalid(format!("{twice} stands in the manifests twice"))),
        None => Ok(()),
    }
}

fn sort(objects: &mut [Value]) {
    objects.sort_by_key(|object| {
        let kind = object["kind"].as_str().unwrap_or_default();
        match (FIRST.iter().position(|first| *first == kind), LAST.contains(&kind)) {
            (Some(at), _) => at,
            (None, false) => FIRST.len(),
            (None, true) => FIRST.len() + 1,
        }
    });
}

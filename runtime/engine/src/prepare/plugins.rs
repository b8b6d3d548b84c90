//! Which component a plugin's name stands for, and what it says of itself.

use crate::{EngineError, Loaded, Workspace};
use relrun_host::{ComponentBytes, ComponentSource, Description, HostError, Needs};
use relrun_ledger::Digest;
use relrun_manifest::{Mistake, PluginSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A plugin, found and described.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Where its component is.
    pub source: ComponentSource,
    /// What it says of itself.
    pub description: Arc<Description>,
    /// The schema of its config, compiled.
    pub schema: Arc<relrun_manifest::ConfigSchema>,
    /// Where it comes from, as the manifest says.
    pub from: String,
}

/// Which components a release was made with: the `lock` of its record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    /// By plugin name.
    pub plugins: BTreeMap<String, LockEntry>,
}

/// One plugin of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockEntry {
    /// Where it came from.
    pub from: String,
    /// The blake3 of its component.
    pub digest: Digest,
    /// Its own version.
    pub version: String,
    /// The world it was built for.
    pub world: String,
}

impl LockFile {
    /// Returns the lock of the plugins in use.
    pub fn of(plugins: &BTreeMap<String, Plugin>) -> Self {
        let entry = |plugin: &Plugin| LockEntry {
            from: plugin.from.clone(),
            digest: plugin.source.digest,
            version: plugin.description.version.clone(),
            world: plugin.description.world.clone(),
        };
        Self { plugins: plugins.iter().map(|(name, plugin)| (name.clone(), entry(plugin))).collect() }
    }
}

/// Finds and describes every plugin that a step names.
pub(super) async fn find(workspace: &Workspace, loaded: &Loaded, pins: Option<&LockFile>) -> Result<BTreeMap<String, Plugin>, EngineError> {
    let used: BTreeSet<&str> =
        loaded.manifest.phases.iter().flat_map(|phase| &phase.steps).map(|step| step.plugin.value.as_str()).collect();
    let mut plugins = BTreeMap::new();
    let mut mistakes = Vec::new();
    for name in used {
        match find_one(workspace, loaded, pins, name).await {
            Ok(plugin) => drop(plugins.insert(name.to_owned(), plugin)),
            Err(EngineError::Manifest(wrong)) => mistakes.extend(wrong.mistakes().iter().cloned()),
            Err(EngineError::Host(error)) => mistakes.push(unfit(loaded, name, error)?),
            Err(error) => return Err(error),
        }
    }
    if mistakes.is_empty() { Ok(plugins) } else { Err(loaded.mistakes(mistakes)) }
}

/// A plugin that cannot be used is a mistake of the line that names it; a machine that fails is none of the manifest's.
fn unfit(loaded: &Loaded, name: &str, error: HostError) -> Result<Mistake, EngineError> {
    let declared = loaded.manifest.plugins.iter().find(|plugin| *plugin.name == *name);
    let (Some(declared), HostError::Unfit { .. } | HostError::Answer { .. }) = (declared, &error) else { return Err(error.into()) };
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    let mistake = Mistake::new("relrun::plugin::unfit", declared.from.span, error.to_string()).label("this plugin");
    Ok(match help {
        Some(help) => mistake.help(help),
        None => mistake,
    })
}

async fn find_one(workspace: &Workspace, loaded: &Loaded, pins: Option<&LockFile>, name: &str) -> Result<Plugin, EngineError> {
    let pin = pins.and_then(|pins| pins.plugins.get(name));
    let (source, from) = match (locate(workspace, loaded, name), pin) {
        (Ok((source, from)), Some(pin)) if pin.digest != source.digest => (recorded(workspace, name, pin)?, from),
        (Ok(found), _) => found,
        // What the record was made with counts, and not whether its file is there still.
        (Err(error), Some(pin)) => (recorded(workspace, name, pin).map_err(|_| error)?, pin.from.clone()),
        (Err(error), None) => return Err(error),
    };
    crate::policy::lets_run(workspace, loaded, name, &from, &source)?;
    let description = describe(workspace, &source).await?;
    let schema = relrun_manifest::ConfigSchema::new(description.config_schema.clone())
        .map_err(|reason| HostError::Answer { plugin: name.to_owned(), reason: format!("its config schema does not compile: {reason}") })?;
    Ok(Plugin { source, description: Arc::new(description), schema: Arc::new(schema), from })
}

fn locate(workspace: &Workspace, loaded: &Loaded, name: &str) -> Result<(ComponentSource, String), EngineError> {
    let Some(declared) = loaded.manifest.plugins.iter().find(|plugin| *plugin.name == *name) else {
        let bundled = workspace.bundled.iter().find(|plugin| plugin.name == name);
        return bundled.map(|plugin| (plugin.source(), "bundled".to_owned())).ok_or_else(|| {
            EngineError::input(format!("there is no plugin \"{name}\""), "declare it: plugin \"NAME\" from=\"./FILE.wasm\"")
        });
    };
    match &declared.from.value {
        PluginSource::File(path) => {
            // Taken apart and put together, a path has no `.` in the middle.
            let file: std::path::PathBuf = loaded.directory.join(path).components().collect();
            let digest = match file_digest(workspace, &file) {
                Ok(digest) => digest,
                Err(error @ (relrun_store::StoreError::Io { .. } | relrun_store::StoreError::Tree { .. })) => {
                    let what = match &error {
                        relrun_store::StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                            format!("there is no file {path}")
                        }
                        _ => crate::staging::with_sources(&error),
                    };
                    return Err(loaded.mistakes(vec![
                        Mistake::new("relrun::plugin::missing", declared.from.span, what)
                            .help("build the plugin first, or correct the path; it is relative to the manifest"),
                    ]));
                }
                Err(error) => return Err(error.into()),
            };
            Ok((ComponentSource { digest, bytes: ComponentBytes::File(file) }, format!("file:{path}")))
        }
        PluginSource::Oci(_) | PluginSource::Https(_) => Err(loaded.mistakes(vec![
            Mistake::new("relrun::plugin::source", declared.from.span, "this version takes plugins from files only")
                .help("fetch the component yourself and write from=\"./FILE.wasm\""),
        ])),
    }
}

fn file_digest(workspace: &Workspace, file: &std::path::Path) -> Result<Digest, relrun_store::StoreError> {
    // The stat cache makes an unchanged component cost a stat.
    workspace.stats().digest_file(file)
}

fn recorded(workspace: &Workspace, name: &str, pin: &LockEntry) -> Result<ComponentSource, EngineError> {
    let bytes = workspace.blobs.get(pin.digest).map_err(|_| {
        EngineError::input(
            format!("the release was made with another \"{name}\" ({}), which is no longer in the store", pin.digest.short()),
            "bring that plugin file back, or make a new release with `relrun apply --force`",
        )
    })?;
    Ok(ComponentSource { digest: pin.digest, bytes: ComponentBytes::Memory(bytes.into()) })
}

/// `describe` always answers the same, so its answer is kept by the component's digest.
async fn describe(workspace: &Workspace, source: &ComponentSource) -> Result<Description, HostError> {
    let key = format!("{} {}", source.digest, env!("CARGO_PKG_VERSION"));
    if let Some(description) = kept(workspace, "describe", &key) {
        return Ok(description);
    }
    let description = workspace.host.describe(source).await?;
    keep(workspace, "describe", &key, &description);
    Ok(description)
}

/// `resolve` depends on the config alone, so its answer is kept by component and config.
pub(super) async fn needs(workspace: &Workspace, plugin: &Plugin, config: &Value, canonical: &str) -> Result<Needs, HostError> {
    let key = format!("{} {} {}", plugin.source.digest, env!("CARGO_PKG_VERSION"), Digest::of(canonical.as_bytes()));
    if let Some(needs) = kept(workspace, "resolve", &key) {
        return Ok(needs);
    }
    let needs = workspace.host.resolve(&plugin.source, config).await?;
    keep(workspace, "resolve", &key, &needs);
    Ok(needs)
}

fn kept<T: serde::de::DeserializeOwned>(workspace: &Workspace, kind: &str, key: &str) -> Option<T> {
    workspace.cache.get(kind, key.as_bytes()).and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

fn keep<T: Serialize>(workspace: &Workspace, kind: &str, key: &str, value: &T) {
    if let Ok(bytes) = serde_json::to_vec(value) {
        workspace.cache.put(kind, key.as_bytes(), &bytes);
    }
}

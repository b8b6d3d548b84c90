//! Which component a plugin's name stands for, and what it says of itself.

use crate::supply::{self, Guard, Located};
use crate::{EngineError, Loaded, Workspace};
use relrun_host::{ComponentBytes, ComponentSource, Description, HostError, Needs};
use relrun_ledger::Digest;
use relrun_manifest::Mistake;
use relrun_supply::LockText;
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
    /// The digest of its manifest in a registry.
    pub manifest: Option<String>,
    /// What it asks for with the configs of the manifest, as its lock says it.
    pub requests: BTreeSet<String>,
}

impl Plugin {
    /// Returns where it was found.
    pub(crate) fn located(&self) -> Located {
        Located { source: self.source.clone(), from: self.from.clone(), manifest: self.manifest.clone() }
    }
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
    /// The digest of its manifest in a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// What it asked for with the configs of its manifest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub requests: BTreeSet<String>,
}

impl LockFile {
    /// Returns the lock of the plugins in use.
    pub fn of(plugins: &BTreeMap<String, Plugin>) -> Self {
        let entry = |plugin: &Plugin| LockEntry {
            from: plugin.from.clone(),
            digest: plugin.source.digest,
            version: plugin.description.version.clone(),
            world: plugin.description.world.clone(),
            manifest: plugin.manifest.clone(),
            requests: plugin.requests.clone(),
        };
        Self { plugins: plugins.iter().map(|(name, plugin)| (name.clone(), entry(plugin))).collect() }
    }
}

/// Finds and describes every plugin that a step names. Without `pins`, which a record has, `relrun.lock` says which components are meant, and
/// takes in what it does not say yet.
pub(super) async fn find(workspace: &Workspace, loaded: &Loaded, pins: Option<&LockFile>) -> Result<BTreeMap<String, Plugin>, EngineError> {
    let used: BTreeSet<&str> =
        loaded.manifest.phases.iter().flat_map(|phase| &phase.steps).map(|step| step.plugin.value.as_str()).collect();
    let lock = if pins.is_none() && !loaded.manifest.plugins.is_empty() { supply::read_lock(loaded)? } else { None };
    let mut plugins = BTreeMap::new();
    let mut mistakes = Vec::new();
    for name in used {
        match find_one(workspace, loaded, (pins, lock.as_ref()), name).await {
            Ok(plugin) => drop(plugins.insert(name.to_owned(), plugin)),
            Err(EngineError::Manifest(wrong)) => mistakes.extend(wrong.mistakes().iter().cloned()),
            Err(EngineError::Host(error)) => mistakes.push(unfit(loaded, name, error)?),
            Err(error) => return Err(error),
        }
    }
    if !mistakes.is_empty() {
        return Err(loaded.mistakes(mistakes));
    }
    if pins.is_none() && !loaded.manifest.plugins.is_empty() {
        keep_lock(workspace, loaded, lock, &mut plugins).await?;
    }
    Ok(plugins)
}

/// Compares what was found with `relrun.lock`, and keeps it there. What is bundled is part of relrun, and not in it.
async fn keep_lock(
    workspace: &Workspace,
    loaded: &Loaded,
    lock: Option<LockText>,
    plugins: &mut BTreeMap<String, Plugin>,
) -> Result<(), EngineError> {
    let mut guard = Guard::new(loaded, lock);
    for (name, plugin) in plugins.iter_mut().filter(|(_, plugin)| plugin.from != "bundled") {
        plugin.requests = supply::asks(workspace, loaded, name, plugin).await?;
        guard.take(name, supply::locked_of(plugin))?;
    }
    guard.finish(workspace)
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

async fn find_one(
    workspace: &Workspace,
    loaded: &Loaded,
    (pins, lock): (Option<&LockFile>, Option<&LockText>),
    name: &str,
) -> Result<Plugin, EngineError> {
    let pin = pins.and_then(|pins| pins.plugins.get(name));
    let located = match pin {
        None => supply::locate(workspace, loaded, lock, name, false).await?,
        Some(pin) => pinned(workspace, loaded, name, pin).await?,
    };
    supply::lets_run(workspace, loaded, name, &located).await?;
    let mut plugin = described(workspace, name, located).await?;
    if let Some(pin) = pin {
        plugin.requests.clone_from(&pin.requests);
    }
    Ok(plugin)
}

/// What the record was made with counts, and not whether its file is there still or where its tag points now.
async fn pinned(workspace: &Workspace, loaded: &Loaded, name: &str, pin: &LockEntry) -> Result<Located, EngineError> {
    let of_record = |source| Located { source, from: pin.from.clone(), manifest: pin.manifest.clone() };
    let is_elsewhere = ["oci://", "https://", "bundle:"].iter().any(|scheme| pin.from.starts_with(scheme));
    if is_elsewhere && let Ok(source) = recorded(workspace, name, pin) {
        return Ok(of_record(source));
    }
    match supply::locate(workspace, loaded, None, name, false).await {
        Ok(found) if found.source.digest == pin.digest => Ok(found),
        Ok(_) => recorded(workspace, name, pin).map(of_record),
        Err(error) => recorded(workspace, name, pin).map(of_record).map_err(|_| error),
    }
}

/// Asks a component what it is: from here on it is compiled.
pub(crate) async fn described(workspace: &Workspace, name: &str, located: Located) -> Result<Plugin, EngineError> {
    let Located { source, from, manifest } = located;
    let description = describe(workspace, &source).await?;
    let schema = relrun_manifest::ConfigSchema::new(description.config_schema.clone())
        .map_err(|reason| HostError::Answer { plugin: name.to_owned(), reason: format!("its config schema does not compile: {reason}") })?;
    Ok(Plugin { source, description: Arc::new(description), schema: Arc::new(schema), from, manifest, requests: BTreeSet::new() })
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
pub(crate) async fn needs(workspace: &Workspace, plugin: &Plugin, config: &Value, canonical: &str) -> Result<Needs, HostError> {
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

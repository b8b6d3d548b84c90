//! `plugin add|update|prefetch|list`: the plugins of a manifest and its lock. Nothing here runs a step.

use crate::prepare::{Plugin, described};
use crate::supply::{Guard, Located, asks, key_of, lets_run, locate, locked_of, read_lock, write_lock};
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_host::{ComponentBytes, ComponentSource};
use relrun_supply::{Change, LockText, Locked, Origin, more_of};
use std::collections::BTreeSet;

/// What an update would make of one plugin.
#[derive(Clone, Debug)]
pub struct PluginUpdate {
    /// The plugin.
    pub name: String,
    /// What it would be locked to.
    pub locked: Locked,
    /// Whether it was locked before.
    pub is_new: bool,
    /// What is other than it was.
    pub changes: Vec<Change>,
    /// What its component asks for that the one before did not, with the same configs.
    pub more: Vec<String>,
    /// Whether the lock says so now.
    pub taken: bool,
}

/// A plugin of a manifest as it is.
#[derive(Clone, Debug)]
pub struct PluginLine {
    /// The plugin.
    pub name: String,
    /// Where it comes from.
    pub from: String,
    /// What it is locked to.
    pub locked: Option<Locked>,
    /// Whether its component is on this machine.
    pub is_here: bool,
}

/// Returns the plugins that a manifest names.
pub fn plugin_lines(workspace: &Workspace, loaded: &Loaded) -> Result<Vec<PluginLine>, EngineError> {
    let lock = read_lock(loaded)?.unwrap_or_default();
    let mut lines = Vec::new();
    for declared in &loaded.manifest.plugins {
        let from = declared.from.value.text();
        let locked = lock.find(&key_of(loaded, &declared.name.value), &from).cloned();
        let is_here = match (from.parse::<Origin>()?, &locked) {
            (Origin::File(path), _) => loaded.directory.join(path).is_file(),
            (Origin::Bundle { bundle, plugin }, _) => {
                let shelved = workspace.supply.shelf()?.find(&bundle)?;
                shelved.is_some_and(|shelved| shelved.index.plugins.contains_key(&plugin))
            }
            (_, Some(locked)) => workspace.supply.fetcher()?.cache().find(locked.component)?.is_some(),
            (_, None) => false,
        };
        lines.push(PluginLine { name: declared.name.value.clone(), from, locked, is_here });
    }
    Ok(lines)
}

/// Brings every plugin that a manifest names onto this machine, as its lock has it, with its signatures, compiled; what the lock does not have is
/// added to it.
pub async fn prefetch_plugins(workspace: &Workspace, loaded: &Loaded) -> Result<Vec<(String, Locked)>, EngineError> {
    let lock = read_lock(loaded)?;
    let mut guard = Guard::new(loaded, lock.clone());
    let mut found = Vec::new();
    for declared in &loaded.manifest.plugins {
        let name = &declared.name.value;
        let locked = bring(workspace, loaded, lock.as_ref(), name).await?;
        guard.take(name, locked.clone())?;
        found.push((name.clone(), locked));
    }
    guard.finish(workspace)?;
    Ok(found)
}

/// Adds a plugin to a manifest whose text, with its line, is `edited`: fetched, let through by policy, compiled and locked before either file changes.
pub async fn add_plugin(workspace: &Workspace, source: &Source, edited: String, name: &str) -> Result<Locked, EngineError> {
    let path = source.directory.join(std::path::Path::new(&source.name).file_name().unwrap_or_default());
    let loaded = Loaded::new(workspace, Source::new(source.name.clone(), source.directory.clone(), edited.clone()))?;
    let lock = read_lock(&loaded)?;
    let locked = bring(workspace, &loaded, lock.as_ref(), name).await?;
    let mut guard = Guard::new(&loaded, lock);
    guard.take(name, locked.clone())?;
    let failed = |source| EngineError::io(format!("write {}", path.display()), source);
    let mut file = tempfile::Builder::new().prefix(".release-").tempfile_in(&source.directory).map_err(failed)?;
    std::io::Write::write_all(&mut file, edited.as_bytes()).map_err(failed)?;
    if let Ok(found) = std::fs::metadata(&path) {
        file.as_file().set_permissions(found.permissions()).map_err(failed)?;
    }
    file.persist(&path).map_err(|error| failed(error.error))?;
    guard.finish(workspace)?;
    Ok(locked)
}

/// Asks each origin again, and takes into the lock what asks for no more than before; what does, only where `accept` says so.
pub async fn update_plugins(
    workspace: &Workspace,
    loaded: &Loaded,
    names: &[String],
    accept: bool,
) -> Result<Vec<PluginUpdate>, EngineError> {
    let known: BTreeSet<&str> = loaded.manifest.plugins.iter().map(|plugin| plugin.name.value.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name.as_str())) {
        let all: Vec<&str> = known.into_iter().collect();
        let help = relrun_manifest::nearest(unknown, all.iter().copied())
            .map_or_else(|| format!("it names {}", all.join(", ")), |near| format!("did you mean \"{near}\"?"));
        return Err(EngineError::input(format!("{} names no plugin \"{unknown}\"", loaded.name), help));
    }
    let old = read_lock(loaded)?.unwrap_or_default();
    let mut new: LockText = old.clone();
    let mut updates = Vec::new();
    for declared in &loaded.manifest.plugins {
        let name = &declared.name.value;
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        let update = update_one(workspace, loaded, &old, name).await?;
        let taken = update.more.is_empty() || accept;
        if taken {
            new.plugins.insert(key_of(loaded, name), update.locked.clone());
        }
        updates.push(PluginUpdate { taken, ..update });
    }
    if new != old {
        if workspace.supply.options.locked {
            return Err(EngineError::input("`--locked` lets nothing be updated", "leave it out"));
        }
        write_lock(loaded, &new)?;
    }
    Ok(updates)
}

async fn update_one(workspace: &Workspace, loaded: &Loaded, lock: &LockText, name: &str) -> Result<PluginUpdate, EngineError> {
    let located = locate(workspace, loaded, None, name, true).await?;
    let origin: Origin = located.from.parse()?;
    if origin.is_remote() && !workspace.supply.options.offline {
        // Signed since, perhaps.
        let fetcher = workspace.supply.fetcher()?;
        fetcher.renew_signatures(&origin, located.manifest.as_deref(), located.source.digest).await?;
    }
    let locked = settle(workspace, loaded, name, located).await?;
    let was = lock.find(&key_of(loaded, name), &locked.from);
    let Some(was) = was else {
        return Ok(PluginUpdate { name: name.to_owned(), locked, is_new: true, changes: Vec::new(), more: Vec::new(), taken: false });
    };
    let before = if was.component == locked.component { locked.requests.clone() } else { asked_before(workspace, loaded, name, was).await };
    let more = more_of(&before, &locked.requests).collect();
    Ok(PluginUpdate { name: name.to_owned(), changes: was.changes(&locked), is_new: false, more, locked, taken: false })
}

/// Returns what the locked component asks for with the configs as they are now, so that only what the new one adds is counted; where it is not here
/// any more, what the lock says.
async fn asked_before(workspace: &Workspace, loaded: &Loaded, name: &str, was: &Locked) -> BTreeSet<String> {
    let cached = workspace.supply.fetcher().ok().and_then(|fetcher| fetcher.cache().find(was.component).ok().flatten());
    let Some(path) = cached else { return was.requests.clone() };
    let source = ComponentSource { digest: was.component, bytes: ComponentBytes::File(path) };
    let located = Located { source, from: was.from.clone(), manifest: was.manifest.clone() };
    let asked = async {
        let plugin = described(workspace, name, located).await?;
        asks(workspace, loaded, name, &plugin).await
    };
    asked.await.unwrap_or_else(|_| was.requests.clone())
}

/// Brings one plugin here: its component, its signatures, and its machine code.
async fn bring(workspace: &Workspace, loaded: &Loaded, lock: Option<&LockText>, name: &str) -> Result<Locked, EngineError> {
    let located = locate(workspace, loaded, lock, name, false).await?;
    let origin: Origin = located.from.parse()?;
    if origin.is_remote() {
        workspace.supply.fetcher()?.signatures(&origin, located.manifest.as_deref(), located.source.digest).await?;
    }
    settle(workspace, loaded, name, located).await
}

/// Asks policy, and then the component itself.
async fn settle(workspace: &Workspace, loaded: &Loaded, name: &str, located: Located) -> Result<Locked, EngineError> {
    lets_run(workspace, loaded, name, &located).await?;
    let mut plugin: Plugin = described(workspace, name, located).await?;
    plugin.requests = asks(workspace, loaded, name, &plugin).await?;
    Ok(locked_of(&plugin))
}

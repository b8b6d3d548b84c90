//! `relrun.lock` beside a manifest: read, compared with what was found, and written.

use crate::prepare::Plugin;
use crate::{EngineError, Loaded, Workspace};
use relrun_host::HostError;
use relrun_supply::{Change, LockText, Locked, PluginKey, more_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The name of the file.
const NAME: &str = "relrun.lock";

/// Returns how the lock names a plugin of a manifest.
pub(crate) fn key_of(loaded: &Loaded, plugin: &str) -> PluginKey {
    let file =
        std::path::Path::new(&loaded.name).file_name().map_or_else(|| loaded.name.clone(), |name| name.to_string_lossy().into_owned());
    PluginKey::new(&file, plugin)
}

fn path_of(loaded: &Loaded) -> PathBuf {
    loaded.directory.join(NAME)
}

/// Reads the lock beside a manifest; none where there is none.
pub(crate) fn read_lock(loaded: &Loaded) -> Result<Option<LockText>, EngineError> {
    let path = path_of(loaded);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(LockText::parse(NAME, &text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EngineError::io(format!("read {}", path.display()), source)),
    }
}

/// Writes the lock beside a manifest, whole or not at all.
pub(crate) fn write_lock(loaded: &Loaded, lock: &LockText) -> Result<(), EngineError> {
    let path = path_of(loaded);
    let failed = |source| EngineError::io(format!("write {}", path.display()), source);
    let mut file = tempfile::Builder::new().prefix(".relrun.lock-").tempfile_in(&loaded.directory).map_err(failed)?;
    std::io::Write::write_all(&mut file, lock.to_string().as_bytes()).map_err(failed)?;
    // It is committed, so that everybody who may read the folder may read it.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.persist(&path).map(drop).map_err(|error| failed(error.error))
}

/// Returns what a plugin asks for with the configs of a manifest as they are written: a value that is not known yet stands as its reference, so
/// that this depends on the manifest and the component alone.
pub(crate) async fn asks(workspace: &Workspace, loaded: &Loaded, name: &str, plugin: &Plugin) -> Result<BTreeSet<String>, EngineError> {
    let mut lines = BTreeSet::new();
    let steps = loaded.manifest.phases.iter().flat_map(|phase| &phase.steps).filter(|step| step.plugin.value == name);
    for step in steps {
        let shaped = relrun_manifest::shape(&step.config, &plugin.description.config_schema, &|_| None);
        let canonical = crate::fingerprint::canonical(&shaped.json);
        match crate::prepare::needs(workspace, plugin, &shaped.json, &canonical).await {
            Ok(needs) => lines.extend(needs.requests.iter().map(|request| request.capability.to_string())),
            // A config that the plugin understands only once its references are known says nothing here; it is asked again before it runs.
            Err(HostError::Refused { .. } | HostError::Answer { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(lines)
}

/// Returns what the lock is to say of a plugin.
pub(crate) fn locked_of(plugin: &Plugin) -> Locked {
    Locked {
        from: plugin.from.clone(),
        manifest: plugin.manifest.clone(),
        component: plugin.source.digest,
        version: plugin.description.version.clone(),
        world: plugin.description.world.clone(),
        requests: plugin.requests.clone(),
    }
}

/// Compares what was found with the lock of a manifest, and keeps the lock.
pub(crate) struct Guard<'l> {
    loaded: &'l Loaded,
    old: LockText,
    new: LockText,
}

impl<'l> Guard<'l> {
    /// Begins with what is locked.
    pub(crate) fn new(loaded: &'l Loaded, lock: Option<LockText>) -> Self {
        let old = lock.unwrap_or_default();
        let mut new = old.clone();
        let file = key_of(loaded, "").manifest;
        let declared: BTreeMap<&str, String> =
            loaded.manifest.plugins.iter().map(|plugin| (plugin.name.value.as_str(), plugin.from.value.text())).collect();
        // What the manifest names no longer, or from elsewhere, is locked no longer.
        new.plugins.retain(|key, locked| key.manifest != file || declared.get(key.name.as_str()) == Some(&locked.from));
        Self { loaded, old, new }
    }

    /// Takes a plugin in.
    ///
    /// # Errors
    /// Where its component asks for more than the one that is locked: a person must accept that.
    pub(crate) fn take(&mut self, name: &str, found: Locked) -> Result<(), EngineError> {
        let key = key_of(self.loaded, name);
        if let Some(was) = self.new.find(&key, &found.from)
            && was.component != found.component
        {
            let more: Vec<String> = more_of(&was.requests, &found.requests).map(|line| format!("+ {line}")).collect();
            if !more.is_empty() {
                return Err(EngineError::input(
                    format!("plugin \"{name}\" was replaced by one that asks for more: {}", more.join(", ")),
                    format!("look at what it asks for, and type `relrun plugin update {name} --accept` where it may"),
                ));
            }
        }
        self.new.plugins.insert(key, found);
        Ok(())
    }

    /// Writes what is new, unless nothing is, or nothing may be.
    ///
    /// # Errors
    /// Under `--locked`, where anything is.
    pub(crate) fn finish(self, workspace: &Workspace) -> Result<(), EngineError> {
        if self.new == self.old {
            return Ok(());
        }
        if workspace.supply.options.locked {
            let lines = self.differences();
            return Err(EngineError::input(
                format!("relrun.lock is not what the manifest needs: {}", lines.join("; ")),
                "type `relrun plugin update`, look at the difference, and commit relrun.lock",
            ));
        }
        if workspace.supply.writes_lock { write_lock(self.loaded, &self.new) } else { Ok(()) }
    }

    fn differences(&self) -> Vec<String> {
        let named = |key: &PluginKey, changes: Vec<Change>| {
            let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
            format!("\"{}\": {}", key.name, words.join(", "))
        };
        let mut lines = Vec::new();
        for (key, locked) in &self.new.plugins {
            let changes = self.old.plugins.get(key).map_or_else(|| vec![Change::Missing], |was| was.changes(locked));
            if !changes.is_empty() {
                lines.push(named(key, changes));
            }
        }
        let gone = self.old.plugins.keys().filter(|key| !self.new.plugins.contains_key(*key));
        lines.extend(gone.map(|key| format!("\"{}\": the manifest does not name it", key.name)));
        lines
    }
}

//! Which bytes a plugin's line stands for, without running them.

use super::lock::key_of;
use super::verify_bundle;
use crate::{EngineError, Loaded, Workspace};
use relrun_host::{ComponentBytes, ComponentSource};
use relrun_ledger::Digest;
use relrun_manifest::{Mistake, PluginDecl, PluginSource};
use relrun_store::StoreError;
use relrun_supply::{Fetched, LockText, Origin, Pin, SupplyError};
use std::path::PathBuf;

/// A component, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// The bytes.
    pub(crate) source: ComponentSource,
    /// Where from, as policies name it; `bundled` for what is part of relrun.
    pub(crate) from: String,
    /// The digest of its manifest in a registry.
    pub(crate) manifest: Option<String>,
}

impl Located {
    fn fetched(fetched: Fetched, from: String) -> Self {
        let source = ComponentSource { digest: fetched.component, bytes: ComponentBytes::File(fetched.path) };
        Self { source, from, manifest: fetched.manifest }
    }
}

/// Finds the component of a plugin. Where `lock` has it, that one; `anew` asks its origin again whatever the lock says.
pub(crate) async fn locate(
    workspace: &Workspace,
    loaded: &Loaded,
    lock: Option<&LockText>,
    name: &str,
    anew: bool,
) -> Result<Located, EngineError> {
    let Some(declared) = loaded.manifest.plugins.iter().find(|plugin| *plugin.name == *name) else {
        let bundled = workspace.bundled.iter().find(|plugin| plugin.name == name);
        let located = |plugin: &crate::BundledPlugin| Located { source: plugin.source(), from: "bundled".to_owned(), manifest: None };
        return bundled.map(located).ok_or_else(|| {
            EngineError::input(format!("there is no plugin \"{name}\""), "declare it: plugin \"NAME\" from=\"./FILE.wasm\"")
        });
    };
    if let PluginSource::File(path) = &declared.from.value {
        return in_file(workspace, loaded, declared, path);
    }
    let found = elsewhere(workspace, loaded, lock, declared, anew).await;
    found.map_err(|error| at_line(loaded, declared, error))
}

async fn elsewhere(
    workspace: &Workspace,
    loaded: &Loaded,
    lock: Option<&LockText>,
    declared: &PluginDecl,
    anew: bool,
) -> Result<Located, SupplyError> {
    let from = declared.from.value.text();
    let origin: Origin = from.parse()?;
    let pin = declared.digest.as_ref().map(|digest| digest.parse::<Pin>()).transpose()?;
    let key = key_of(loaded, &declared.name.value);
    let locked = lock.and_then(|lock| lock.find(&key, &from)).filter(|_| !anew);
    let located = match (&origin, locked) {
        (Origin::Bundle { bundle, plugin }, _) => {
            let vouched = verify_bundle(workspace, &workspace.project.policy, bundle)?;
            let entry = vouched.shelved.index.plugins.get(plugin).ok_or_else(|| {
                let names: Vec<&str> = vouched.shelved.index.plugins.keys().map(String::as_str).collect();
                SupplyError::wrong(format!("bundle \"{bundle}\" has no plugin \"{plugin}\""), format!("it has {}", names.join(", ")))
            })?;
            let component = locked.map_or(entry.component, |locked| locked.component);
            if component == entry.component {
                let source = ComponentSource { digest: component, bytes: ComponentBytes::File(vouched.shelved.component(component)?) };
                Located { source, from, manifest: None }
            } else {
                // The lock wins over what the bundle has now; whether policy still lets it run is asked of the policy.
                let path = workspace.supply.fetcher()?.cache().find(component)?;
                let path = path.ok_or_else(|| {
                    SupplyError::wrong(
                        format!("bundle \"{bundle}\" has another \"{plugin}\" now than the lock says ({})", component.short()),
                        format!("type `relrun plugin update {}`", declared.name.value),
                    )
                })?;
                let source = ComponentSource { digest: component, bytes: ComponentBytes::File(path) };
                Located { source, from, manifest: None }
            }
        }
        (origin, Some(locked)) => Located::fetched(workspace.supply.fetcher()?.locked(origin, locked).await?, from),
        (_, None) if workspace.supply.options.locked && !anew => {
            return Err(SupplyError::wrong(
                format!("plugin \"{}\" is not in relrun.lock, and `--locked` lets nothing be added", declared.name.value),
                "type `relrun plugin prefetch` and commit relrun.lock",
            ));
        }
        (origin, None) => Located::fetched(workspace.supply.fetcher()?.resolve(origin, pin.as_ref()).await?, from),
    };
    if let Some(pin) = pin {
        check_pin(&located, &pin)?;
    }
    Ok(located)
}

/// A digest that the manifest names holds whatever the lock says: both were written by people who meant it.
fn check_pin(located: &Located, pin: &Pin) -> Result<(), SupplyError> {
    if *pin == Pin::Blake3(located.source.digest) {
        return Ok(());
    }
    let ComponentBytes::File(path) = &located.source.bytes else { return Ok(()) };
    let bytes = std::fs::read(path).map_err(|source| SupplyError::Io { doing: format!("read {}", path.display()), source })?;
    pin.check(&located.from, &bytes)
}

fn in_file(workspace: &Workspace, loaded: &Loaded, declared: &PluginDecl, path: &str) -> Result<Located, EngineError> {
    // Taken apart and put together, a path has no `.` in the middle.
    let file: PathBuf = loaded.directory.join(path).components().collect();
    let digest = match file_digest(workspace, &file) {
        Ok(digest) => digest,
        Err(error @ (StoreError::Io { .. } | StoreError::Tree { .. })) => {
            let what = match &error {
                StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => format!("there is no file {path}"),
                _ => crate::staging::with_sources(&error),
            };
            return Err(loaded.mistakes(vec![
                Mistake::new("relrun::plugin::missing", declared.from.span, what)
                    .help("build the plugin first, or correct the path; it is relative to the manifest"),
            ]));
        }
        Err(error) => return Err(error.into()),
    };
    let source = ComponentSource { digest, bytes: ComponentBytes::File(file) };
    let located = Located { source, from: format!("file:{path}"), manifest: None };
    let pin = declared.digest.as_ref().map(|digest| digest.parse::<Pin>()).transpose();
    let checked = pin.and_then(|pin| pin.map_or(Ok(()), |pin| check_pin(&located, &pin)));
    checked.map_err(|error| at_line(loaded, declared, error))?;
    Ok(located)
}

fn file_digest(workspace: &Workspace, file: &std::path::Path) -> Result<Digest, StoreError> {
    // The stat cache makes an unchanged component cost a stat.
    workspace.stats().digest_file(file)
}

/// A plugin that cannot be had is a mistake of the line that names it; a machine or a network that fails is none of the manifest's.
fn at_line(loaded: &Loaded, declared: &PluginDecl, error: SupplyError) -> EngineError {
    let error = match EngineError::from(error) {
        error if error.exit() == crate::Exit::Input => error,
        error => return error,
    };
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    let mistake = Mistake::new("relrun::plugin::source", declared.from.span, error.to_string()).label("this plugin");
    loaded.mistakes(vec![match help {
        Some(help) => mistake.help(help),
        None => mistake,
    }])
}

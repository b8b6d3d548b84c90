//! The plugins of a manifest: added to it, updated, fetched, listed.

use crate::args::{Cli, Format};
use crate::command::run::Opened;
use crate::open::{self, Access, is_ci};
use crate::show;
use relrun_engine::command::{self, PluginUpdate};
use relrun_engine::{EngineError, Exit, Source};
use relrun_supply::{Locked, Origin};
use std::path::Path;

pub(super) async fn add(cli: &Cli, from: &str, name: Option<&str>, digest: Option<&str>, manifest: &Path) -> Result<Exit, EngineError> {
    let source = Source::read(manifest)?;
    let origin: Origin = from.parse()?;
    let from = match &origin {
        Origin::File(path) => below(Path::new(path), &source.directory)?,
        origin => origin.to_string(),
    };
    let name = name.map_or_else(|| usual_name(&origin), |name| Ok(name.to_owned()))?;
    let edited = relrun_supply::add_plugin(&source.name, &source.text, &name, &from, digest)?;
    let Some(edited) = edited else {
        show::print(&format!("{} has this plugin already: \"{name}\"\n", manifest.display()))?;
        return Ok(Exit::Done);
    };
    let workspace = open::workspace(cli, manifest, Access::Write)?;
    let locked = command::add_plugin(&workspace, &source, edited, &name).await?;
    if show::format(cli) == Format::Json {
        show::print_json(&json(&name, &locked))?;
    } else {
        show::print(&format!("added \"{name}\" {} from {from} to {}\n", locked.version, manifest.display()))?;
        show::print(&asks(&locked))?;
        show::print("hint: commit relrun.lock with it\n")?;
    }
    Ok(Exit::Done)
}

/// A file of the manifest's folder is named relative to it, so that the line holds on other machines too.
fn below(file: &Path, directory: &Path) -> Result<String, EngineError> {
    let whole =
        file.canonicalize().map_err(|error| EngineError::input(format!("{}: {error}", file.display()), "build the plugin first"))?;
    let relative = whole.strip_prefix(directory).map(|path| format!("./{}", path.display()));
    Ok(relative.unwrap_or_else(|_| whole.display().to_string()))
}

/// The last part of where a plugin comes from.
fn usual_name(origin: &Origin) -> Result<String, EngineError> {
    let stem = |text: &str| Path::new(text).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let name = match origin {
        Origin::File(path) => stem(path),
        Origin::Https(url) => stem(url.path()),
        Origin::Bundle { plugin, .. } => plugin.clone(),
        Origin::Oci(reference) => reference.place.to_string().rsplit('/').next().unwrap_or_default().to_owned(),
    };
    if name.is_empty() { Err(EngineError::input(format!("{origin} gives no name"), "choose one: `--name NAME`")) } else { Ok(name) }
}

pub(super) async fn update(cli: &Cli, names: &[String], accept: bool, manifest: &Path) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, manifest, Access::Write)?;
    let updates = command::update_plugins(&opened.workspace, &opened.loaded, names, accept).await?;
    if show::format(cli) == Format::Json {
        let one = |update: &PluginUpdate| {
            let changes: Vec<String> = update.changes.iter().map(ToString::to_string).collect();
            serde_json::json!({
                "name": update.name, "new": update.is_new, "changes": changes, "more": update.more, "taken": update.taken,
                "locked": json(&update.name, &update.locked),
            })
        };
        show::print_json(&updates.iter().map(one).collect::<Vec<_>>())?;
    } else {
        for update in &updates {
            show::print(&words(update))?;
        }
        if updates.is_empty() {
            show::print("the manifest names no plugin\n")?;
        }
    }
    let waiting: Vec<&str> = updates.iter().filter(|update| !update.taken).map(|update| update.name.as_str()).collect();
    if waiting.is_empty() {
        return Ok(Exit::Done);
    }
    let message = format!("{} would get more than before: the lock stays as it was", waiting.join(", "));
    let help = format!("look at the lines with `+`; where they are right, type `relrun plugin update {} --accept`", waiting.join(" "));
    // In CI nobody can accept anything.
    Err(if is_ci() { EngineError::input(message, help) } else { EngineError::Waiting { message, help: Some(help) } })
}

fn words(update: &PluginUpdate) -> String {
    let Locked { version, from, .. } = &update.locked;
    let mut text = match (update.is_new, update.changes.is_empty(), update.taken) {
        (true, ..) => format!("{} {version} is locked, from {from}\n{}", update.name, asks(&update.locked)),
        (false, true, _) => format!("{} {version} is as it was\n", update.name),
        (false, false, true) => format!("{} {version} is updated, from {from}\n", update.name),
        (false, false, false) => format!("{} {version} waits, from {from}\n", update.name),
    };
    for change in &update.changes {
        text.push_str(&format!("  {change}\n"));
    }
    text
}

/// What a plugin asks for with the configs of this manifest.
fn asks(locked: &Locked) -> String {
    let lines: Vec<String> = locked.requests.iter().map(|line| format!("  asks for {line}\n")).collect();
    lines.concat()
}

pub(super) async fn prefetch(cli: &Cli, manifest: &Path) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, manifest, Access::Write)?;
    let found = command::prefetch_plugins(&opened.workspace, &opened.loaded).await?;
    if show::format(cli) == Format::Json {
        show::print_json(&found.iter().map(|(name, locked)| json(name, locked)).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for (name, locked) in &found {
        show::print(&format!("{name} {} is here ({})\n", locked.version, locked.component.short()))?;
    }
    if found.is_empty() {
        show::print("the manifest names no plugin\n")?;
    }
    Ok(Exit::Done)
}

pub(super) fn list(cli: &Cli, manifest: &Path) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, manifest, Access::Look)?;
    let lines = command::plugin_lines(&opened.workspace, &opened.loaded)?;
    if show::format(cli) == Format::Json {
        let one = |line: &command::PluginLine| {
            let locked = line.locked.as_ref().map(|locked| json(&line.name, locked));
            serde_json::json!({ "name": line.name, "from": line.from, "locked": locked, "here": line.is_here })
        };
        show::print_json(&lines.iter().map(one).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let row = |line: &command::PluginLine| {
        let locked = |text: &dyn Fn(&Locked) -> String| line.locked.as_ref().map_or_else(|| "-".to_owned(), text);
        let version = locked(&|locked| locked.version.clone());
        let component = locked(&|locked| locked.component.short());
        vec![line.name.clone(), version, component, if line.is_here { "yes" } else { "no" }.to_owned(), line.from.clone()]
    };
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    show::print(&if rows.is_empty() {
        "the manifest names no plugin\n".to_owned()
    } else {
        show::table(&["PLUGIN", "VERSION", "COMPONENT", "HERE", "FROM"], &rows)
    })?;
    Ok(Exit::Done)
}

fn json(name: &str, locked: &Locked) -> serde_json::Value {
    serde_json::json!({
        "name": name, "from": locked.from, "manifest": locked.manifest, "component": locked.component, "version": locked.version,
        "world": locked.world, "requests": locked.requests,
    })
}

//! `env list|set|unset|edit`: the settings of environments.

use super::run::{Opened, carry};
use crate::args::{Cli, EnvCommand, Format, ManifestArg, Place, Staging};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::command::{self, PromoteRequest, Setting, SettingFrom, SettingsEdit};
use relrun_engine::{EngineError, Exit, Given, GivenText};
use relrun_ledger::ReleaseId;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

pub(super) async fn dispatch(cli: &Cli, command: &EnvCommand) -> Result<Exit, EngineError> {
    match command {
        EnvCommand::List { place, manifest } => list(cli, place, manifest),
        EnvCommand::Set { settings, staging } => change(cli, staging, open::inputs(settings), Vec::new()).await,
        EnvCommand::Unset { names, staging } => change(cli, staging, Given::default(), names.clone()).await,
        EnvCommand::Edit { staging } => edit(cli, staging).await,
    }
}

fn list(cli: &Cli, place: &Place, manifest: &ManifestArg) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Look)?;
    let settings = command::list_settings(&opened.workspace, &opened.loaded, &place.environment, place.deployment.as_deref())?;
    if show::format(cli) == Format::Json {
        let json = |one: &Setting| serde_json::json!({ "name": one.name, "value": one.value, "from": from(one.from) });
        show::print_json(&settings.iter().map(json).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let row = |one: &Setting| vec![one.name.clone(), one.value.as_ref().map_or_else(|| "-".to_owned(), text), from(one.from).to_owned()];
    let rows: Vec<Vec<String>> = settings.iter().map(row).collect();
    show::print(&if rows.is_empty() {
        "the manifest declares no input\n".to_owned()
    } else {
        show::table(&["NAME", "VALUE", "FROM"], &rows)
    })?;
    Ok(Exit::Done)
}

fn from(from: SettingFrom) -> &'static str {
    match from {
        SettingFrom::Given => "-i",
        SettingFrom::Set => "env set",
        SettingFrom::Environment => "environment",
        SettingFrom::Default => "default",
        SettingFrom::Nothing => "nothing",
    }
}

/// Returns a value as `NAME=VALUE` takes it.
pub(super) fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn change(cli: &Cli, staging: &Staging, set: Given, unset: Vec<String>) -> Result<Exit, EngineError> {
    let environment = &staging.place.environment;
    let edit = SettingsEdit { environment: environment.clone(), deployment: staging.place.deployment.clone(), set, unset };
    let opened = Opened::new(cli, &staging.manifest.path, Access::Write)?;
    let mut deaf = |_| {};
    // Nothing runs, so that there is nothing to stop.
    let (_sender, stop) = tokio::sync::watch::channel(relrun_engine::Stop::Go);
    let packages = Arc::new(super::package::Registries::new(&opened.workspace));
    let tools = command::Tools::new(opened.workspace.clone(), super::run::options(&staging.run, stop), packages, &mut deaf);
    let Some(release) = Box::pin(command::stage(tools, opened.loaded.clone(), &edit)).await? else {
        show::print(&format!("nothing to do: it is set like this in {environment} already\n"))?;
        return Ok(Exit::Done);
    };
    if staging.promote {
        return promote(cli, opened, staging, release).await;
    }
    show::print(&format!(
        "{release} is staged for {environment}, and not deployed\nhint: type `relrun promote {release} --to {environment}`\n"
    ))?;
    Ok(Exit::Done)
}

async fn promote(cli: &Cli, opened: Opened, staging: &Staging, release: ReleaseId) -> Result<Exit, EngineError> {
    let request = PromoteRequest {
        release: Some(release),
        to: staging.place.environment.clone(),
        deployment: staging.place.deployment.clone(),
        ..PromoteRequest::default()
    };
    let promotion = command::promotion(&opened.workspace, &opened.loaded, &request)?;
    carry(cli, opened, &staging.run, false, async |tools, loaded| command::promote(tools, loaded, &promotion).await).await
}

async fn edit(cli: &Cli, staging: &Staging) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &staging.manifest.path, Access::Look)?;
    let settings =
        command::list_settings(&opened.workspace, &opened.loaded, &staging.place.environment, staging.place.deployment.as_deref())?;
    let is_set = |one: &&Setting| one.from == SettingFrom::Set;
    let before: BTreeMap<String, String> =
        settings.iter().filter(is_set).map(|one| (one.name.clone(), one.value.as_ref().map(text).unwrap_or_default())).collect();
    let after = in_editor(&before, &staging.place.environment)?;
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let values = changed.map(|(name, value)| (name.clone(), GivenText::Typed(value.clone()))).collect();
    let set = Given { values, unreadable: Vec::new() };
    let unset = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    change(cli, staging, set, unset).await
}

/// Lets the person's own editor change the lines.
fn in_editor(before: &BTreeMap<String, String>, environment: &str) -> Result<BTreeMap<String, String>, EngineError> {
    let failed = |source| EngineError::io("edit the settings", source);
    let mut file = tempfile::Builder::new().prefix("relrun-env-").suffix(".env").tempfile().map_err(failed)?;
    writeln!(file, "# The settings of {environment}, one NAME=VALUE a line; what is taken away is unset.").map_err(failed)?;
    for (name, value) in before {
        writeln!(file, "{name}={value}").map_err(failed)?;
    }
    let chosen = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = chosen.unwrap_or_else(|| "vi".to_owned());
    // An editor may come with arguments of its own, such as `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program)
        .args(words)
        .arg(file.path())
        .status()
        .map_err(|error| EngineError::input(format!("the editor `{editor}` cannot be started: {error}"), "set EDITOR"))?;
    if !status.success() {
        return Err(EngineError::input(format!("the editor ended with {status}"), "nothing was changed; type the same command again"));
    }
    let edited = std::fs::read_to_string(file.path()).map_err(failed)?;
    let lines = edited.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) =
            line.split_once('=').ok_or_else(|| EngineError::input(format!("\"{line}\" is no setting"), "write NAME=VALUE"))?;
        Ok((name.trim().to_owned(), value.to_owned()))
    };
    lines.map(pair).collect()
}

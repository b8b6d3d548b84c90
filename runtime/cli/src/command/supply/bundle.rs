//! `bundle build|add|list|diff|verify`.

use super::keys::{signing_key, trusted};
use super::sign::{client, say_signed, scratch};
use crate::args::{BundleCommand, Cli, Format, KeyArg, TrustArg};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::{EngineError, Exit, Workspace, command};
use relrun_registry::Reference;
use relrun_supply::{Archive, BundleDiff, BundleIndex, BundlePlan, difference, pull_bundle, push_bundle, read_archive, write_archive};
use std::path::{Path, PathBuf};

pub(in crate::command) async fn dispatch(cli: &Cli, command: &BundleCommand) -> Result<Exit, EngineError> {
    match command {
        BundleCommand::Build { file, out, to, key } => build(cli, file, (out.as_deref(), to.as_deref()), key).await,
        BundleCommand::Add { what, allow_older, trust } => add(cli, what, *allow_older, trust).await,
        BundleCommand::List => list(cli),
        BundleCommand::Diff { old, new } => diff(cli, old, new).await,
        BundleCommand::Verify { what, trust } => verify(cli, what, trust).await,
    }
}

/// Opens the workspace for what needs no manifest.
fn place(cli: &Cli) -> Result<open::Place, EngineError> {
    open::place(cli, Path::new("release.kdl"), Access::Look)
}

async fn build(cli: &Cli, file: &Path, (out, to): (Option<&Path>, Option<&str>), key: &KeyArg) -> Result<Exit, EngineError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        EngineError::input(format!("{}: {error}", file.display()), "write a bundle.kdl, and name it: `relrun bundle build bundle.kdl`")
    })?;
    let plan = BundlePlan::parse(&file.display().to_string(), &text)?;
    let key = signing_key(key)?;
    let place = place(cli)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let archive = command::build_signed_bundle(&place.workspace, &plan, folder, &key).await?;
    let mut places = Vec::new();
    if let Some(to) = to {
        let reference: Reference = to.parse()?;
        let repository = client(cli)?.open(&reference.place).await?;
        let manifest = push_bundle(&*repository, &archive, scratch()?.path()).await?;
        places.push(format!("{}:{} ({})", reference.place, plan.serial, manifest.digest()));
    }
    if out.is_some() || to.is_none() {
        let out = out.map_or_else(|| PathBuf::from(format!("{}-{}.tar", plan.name, plan.serial)), Path::to_path_buf);
        write_archive(&archive, &out).await?;
        places.push(out.display().to_string());
    }
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "bundle": archive.index, "places": places }))?;
    } else {
        show::print(&format!("bundle \"{}\" {} is in {}\n", plan.name, plan.serial, places.join(" and ")))?;
        show::print(&plugins(&archive.index))?;
    }
    Ok(Exit::Done)
}

/// Brings a bundle: out of a file, or out of a registry.
async fn bring(cli: &Cli, what: &str) -> Result<Archive, EngineError> {
    if !(what.starts_with("oci://") || what.starts_with("oci-layout:")) {
        return Ok(read_archive(Path::new(what)).await?);
    }
    let reference: Reference = what.parse()?;
    let repository = client(cli)?.open(&reference.place).await?;
    Ok(pull_bundle(&*repository, &reference.name()?).await?)
}

async fn add(cli: &Cli, what: &str, back: bool, trust: &TrustArg) -> Result<Exit, EngineError> {
    let keys = trusted(trust)?;
    let place = place(cli)?;
    let archive = bring(cli, what).await?;
    let signed = command::add_bundle(&place.workspace, &archive, &keys, back)?;
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "bundle": archive.index, "key": signed.key }))?;
    } else {
        show::print(&format!("bundle \"{}\" {} is here, signed with key {}\n", archive.index.name, archive.index.serial, signed.key))?;
        show::print(&plugins(&archive.index))?;
    }
    Ok(Exit::Done)
}

fn plugins(index: &BundleIndex) -> String {
    let mut text = String::new();
    for (name, entry) in &index.plugins {
        let may: Vec<&str> = entry.capabilities.iter().map(String::as_str).collect();
        let may = if may.is_empty() { "reaches nothing".to_owned() } else { format!("may ask for {}", may.join(", ")) };
        text.push_str(&format!("  {name} {} ({}) {may}\n", entry.version, entry.component.short()));
    }
    text
}

fn list(cli: &Cli) -> Result<Exit, EngineError> {
    let place = place(cli)?;
    let lines = command::bundle_lines(&place.workspace)?;
    if show::format(cli) == Format::Json {
        let one = |line: &command::BundleLine| {
            let (key, refused) = match &line.signed {
                Ok(signed) => (Some(&signed.key), None),
                Err(why) => (None, Some(why)),
            };
            serde_json::json!({ "bundle": line.index, "highest": line.highest, "key": key, "refused": refused })
        };
        show::print_json(&lines.iter().map(one).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for line in &lines {
        let signed = match &line.signed {
            Ok(signed) => format!("signed with key {}", signed.key),
            Err(why) => format!("not believed: {why}"),
        };
        show::print(&format!("{} {}: {signed}\n{}", line.index.name, line.index.serial, plugins(&line.index)))?;
    }
    if lines.is_empty() {
        show::print("there is no bundle on this machine\n")?;
    }
    Ok(Exit::Done)
}

/// Returns the index of a bundle of this machine, of a file, or of a registry.
async fn index(cli: &Cli, workspace: &Workspace, what: &str) -> Result<BundleIndex, EngineError> {
    if let Some(line) = command::bundle_lines(workspace)?.into_iter().find(|line| line.index.name == what) {
        return Ok(line.index);
    }
    Ok(bring(cli, what).await?.index)
}

async fn diff(cli: &Cli, old: &str, new: &str) -> Result<Exit, EngineError> {
    let place = place(cli)?;
    let (old, new) = (index(cli, &place.workspace, old).await?, index(cli, &place.workspace, new).await?);
    let found = difference(&old, &new);
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "from": old.serial, "to": new.serial, "changelog": new.changelog, "difference": found }))?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{} {} to {} {}\n", old.name, old.serial, new.name, new.serial);
    let BundleDiff { added, removed, changed } = &found;
    for name in added {
        text.push_str(&format!("+ {name} {}\n", new.plugins.get(name).map_or("", |entry| &entry.version)));
    }
    for name in removed {
        text.push_str(&format!("- {name}\n"));
    }
    for (name, lines) in changed {
        text.push_str(&format!("~ {name}\n"));
        for line in lines {
            text.push_str(&format!("    {line}\n"));
        }
    }
    if found == BundleDiff::default() {
        text.push_str("the plugins are the same\n");
    }
    if !new.changelog.is_empty() && new.serial != old.serial {
        text.push_str(&format!("\n{}\n", new.changelog.trim_end()));
    }
    show::print(&text)?;
    Ok(Exit::Done)
}

async fn verify(cli: &Cli, what: &str, trust: &TrustArg) -> Result<Exit, EngineError> {
    let keys = trusted(trust)?;
    let place = place(cli)?;
    let here = command::bundle_lines(&place.workspace)?.into_iter().find(|line| line.index.name == what);
    let (name, signed) = if let Some(line) = here {
        let help = "add it again from whoever publishes it: `relrun bundle add`";
        let name = format!("bundle \"{}\" {}", line.index.name, line.index.serial);
        (name, line.signed.map_err(|why| EngineError::input(why, help))?)
    } else {
        let archive = bring(cli, what).await?;
        let signed = command::who_signed(&place.workspace, &archive, &keys)?;
        (format!("bundle \"{}\" {}", archive.index.name, archive.index.serial), signed)
    };
    say_signed(cli, &name, &signed)?;
    Ok(Exit::Done)
}

//! Everything before the switch: what is there, what is laid beside it, and whether it is whole.

use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Adopted, Placed, Receipt, adopt, host_of};
use relrun_sdk::hosts::{self, FileType, Host};
use relrun_sdk::rounds::{self, Round};
use relrun_sdk::serde_json::{self, Value, json};
use relrun_sdk::{Error, Result, context, log};

/// Looks at every host and decides what will be done there. Changes nothing.
pub(crate) fn survey(config: &Config) -> Result<Receipt> {
    let hosts = selected(config)?;
    let adopted = adopt::handed_on();
    // What an earlier attempt of this release switched already shows as served, and is not what undo must go back to.
    let earlier = context::unfinished::<Receipt>()?.map(|receipt| receipt.hosts).unwrap_or_default();
    let placed = hosts.iter().map(|host| survey_one(config, &adopted, &earlier, host).map_err(|error| error.context(host.name())));
    Ok(Receipt { root: Layout::new(&config.root).root().to_owned(), hosts: placed.collect::<Result<_>>()?, adopted })
}

/// Returns the hosts that the release is for.
pub(crate) fn selected(config: &Config) -> Result<Vec<Host>> {
    let hosts = hosts::selected(&config.hosts);
    if !hosts.is_empty() {
        return Ok(hosts);
    }
    Err(Error::invalid(if hosts::all().is_empty() {
        "the environment has no host that the step's grants name".to_owned()
    } else {
        format!("no host of the environment has the labels {:?}", config.hosts)
    }))
}

/// Returns where things lie on a host: below a root of its own, where the environment sets one for it.
pub(crate) fn layout_of(config: &Config, host: &Host) -> Result<(Layout, Option<String>)> {
    let own = host.setting("root");
    if let Some(root) = &own {
        crate::config::check_root(root)?;
    }
    Ok((Layout::new(own.as_deref().unwrap_or(&config.root)), own))
}

fn survey_one(config: &Config, adopted: &[Adopted], earlier: &[Placed], host: &Host) -> Result<Placed> {
    let (layout, root) = layout_of(config, host)?;
    let layout = &layout;
    let served = current_target(layout, host)?;
    for name in &config.linked_file {
        if host.stat(&layout.shared(name))?.is_none() {
            return Err(Error::missing(format!("the linked file {} is not there: put it there once, by hand", layout.shared(name))));
        }
    }
    let whole = match adopted_directory(config, adopted, layout, host)? {
        None => whole_directory(config, layout, host)?,
        found => found,
    };
    let laid = whole.is_none();
    let directory = match whole {
        Some(directory) => directory,
        None => free_name(config, layout, host, served.as_deref())?,
    };
    let ours = earlier.iter().find(|placed| placed.host == host.name() && layout.names(served.as_deref(), &placed.directory));
    let previous = ours.map_or(served, |placed| placed.previous.clone());
    Ok(Placed { host: host.name().to_owned(), directory, laid, previous, root })
}

/// Returns where `current` points; an error where it is no link, because a directory cannot be replaced in one step.
pub(crate) fn current_target(layout: &Layout, host: &Host) -> Result<Option<String>> {
    match host.stat(&layout.current())? {
        None => Ok(None),
        Some(entry) if entry.file_type == FileType::Link => Ok(entry.target),
        Some(_) => Err(Error::invalid(format!("{} is no link: move it away first", layout.current()))),
    }
}

/// Returns the directory of somebody else's making that is this very tree, where it is still there.
fn adopted_directory(config: &Config, adopted: &[Adopted], layout: &Layout, host: &Host) -> Result<Option<String>> {
    let Some(found) = adopted.iter().find(|adopted| adopted.host == host.name() && adopted.digest == config.source) else {
        return Ok(None);
    };
    let there = host.stat(&layout.release(&found.directory))?.is_some();
    Ok(there.then(|| found.directory.clone()))
}

/// Returns a directory that holds exactly what this release would lay, the newest first.
pub(crate) fn whole_directory(config: &Config, layout: &Layout, host: &Host) -> Result<Option<String>> {
    if host.stat(&layout.releases())?.is_none() {
        return Ok(None);
    }
    let suffix = layout::suffix(&config.source);
    let names = host.read_dir(&layout.releases())?.into_iter().map(|entry| entry.name);
    let mut candidates: Vec<String> = names.filter(|name| layout::number_of(name).is_some() && name.contains(&suffix)).collect();
    candidates.sort_by_key(|name| std::cmp::Reverse(layout::number_of(name)));
    for directory in candidates {
        if is_whole(config, layout, host, &directory)? {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

/// Returns whether a directory is what this config would lay: its record, its written files, its links.
fn is_whole(config: &Config, layout: &Layout, host: &Host, directory: &str) -> Result<bool> {
    if host.stat(&layout.record(directory))?.is_none() {
        return Ok(false);
    }
    let Ok(record) = serde_json::from_slice::<Value>(&host.read_file(&layout.record(directory))?) else { return Ok(false) };
    let same = ["digest", "metadata", "files", "linked-dirs", "linked-files"];
    let wanted = record_of(config);
    Ok(same.iter().all(|key| record.get(key) == wanted.get(key)) && differing_files(config, layout, host, directory)?.is_empty())
}

/// Returns which of the written files are not as they were written.
pub(crate) fn differing_files(config: &Config, layout: &Layout, host: &Host, directory: &str) -> Result<Vec<String>> {
    let mut differing = Vec::new();
    for (name, content) in &config.file {
        let path = layout.below(directory, name);
        if host.stat(&path)?.is_none() || host.read_file(&path)? != content.as_bytes() {
            differing.push(name.clone());
        }
    }
    Ok(differing)
}

/// Returns a name for a new directory: a half-made one of this release is laid again, but never one that `current` names.
fn free_name(config: &Config, layout: &Layout, host: &Host, served: Option<&str>) -> Result<String> {
    let name = layout::directory_name(&config.source);
    if !layout.names(served, &name) {
        return Ok(name);
    }
    for number in 2_u32.. {
        let other = format!("{name}-{number}");
        if host.stat(&layout.release(&other))?.is_none() {
            return Ok(other);
        }
    }
    Err(Error::permanent(format!("every name like {name} is taken")))
}

/// Lays the release directory onto every host, its record last.
pub(crate) fn all(config: &Config, receipt: &Receipt) -> Result<()> {
    let mut round = rounds::round(config.parallel);
    for placed in &receipt.hosts {
        let done = if placed.laid { "laying" } else { "is there already" };
        let path = receipt.layout(placed).release(&placed.directory);
        log::info(&if placed.laid { format!("{}: {done} {path}", placed.host) } else { format!("{}: {path} {done}", placed.host) });
        lay_one(config, &receipt.layout(placed), placed, &mut round)?;
    }
    round.perform_all()
}

fn lay_one(config: &Config, layout: &Layout, placed: &Placed, round: &mut Round) -> Result<()> {
    let host = &host_of(placed);
    round.make_dir(host, layout.root()).claim(host, layout.root());
    for name in &config.linked_dir {
        round.make_dir(host, &layout.shared(name));
    }
    if !placed.laid {
        return Ok(());
    }
    let release = layout.release(&placed.directory);
    round.make_dir(host, &layout.releases()).remove(host, &release).upload(host, &config.source, &release);
    for name in config.linked_dir.iter().chain(&config.linked_file) {
        let path = layout.below(&placed.directory, name);
        make_parent(round, host, &path);
        round.remove(host, &path).symlink(host, &layout::shared_target(name), &path);
    }
    for (name, content) in &config.file {
        let path = layout.below(&placed.directory, name);
        make_parent(round, host, &path);
        round.write_file(host, &path, content.as_bytes());
    }
    let record = serde_json::to_string_pretty(&record_of(config))? + "\n";
    round.write_file(host, &layout.record(&placed.directory), record.as_bytes());
    Ok(())
}

fn make_parent(round: &mut Round, host: &Host, path: &str) {
    if let Some((parent, _)) = path.rsplit_once('/') {
        round.make_dir(host, parent);
    }
}

fn record_of(config: &Config) -> Value {
    json!({
        "package": context::package(),
        "version": context::version(),
        "release": context::release(),
        "time": layout::began(),
        "digest": config.source,
        "metadata": config.metadata,
        "files": config.file.keys().collect::<Vec<_>>(),
        "linked-dirs": config.linked_dir,
        "linked-files": config.linked_file,
    })
}

/// Checks that what the config expects is in the release directory of one host.
pub(crate) fn check(config: &Config, layout: &Layout, placed: &Placed) -> Result<()> {
    let host = host_of(placed);
    for name in &config.expect {
        if host.stat(&layout.below(&placed.directory, name))?.is_none() {
            let place = layout.release(&placed.directory);
            return Err(Error::missing(format!("{}: {place} has no {name:?}; nothing was switched", host.name())));
        }
    }
    Ok(())
}

//! Housekeeping after the switch: the revision log, and the removal of old releases. A failure here is a warning: the release is served.

use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Placed, host_of};
use relrun_sdk::hosts::Host;
use relrun_sdk::{Result, context, log};

/// Adds a line to the host's revision log.
pub(crate) fn note(layout: &Layout, placed: &Placed, what: &str) {
    let host = host_of(placed);
    if let Err(error) = append(layout, &host, placed, what) {
        log::warn(&format!("{}: failed to write the revision log: {error}", host.name()));
    }
}

fn append(layout: &Layout, host: &Host, placed: &Placed, what: &str) -> Result<()> {
    let path = layout.revisions();
    let mut text = if host.stat(&path)?.is_some() { host.read_file(&path)? } else { Vec::new() };
    let (package, version, release) = (context::package(), context::version(), context::release());
    text.extend(format!("{} {package} {version} {release} {what} {}\n", layout::began(), placed.directory).bytes());
    host.write_file(&path, &text)
}

/// Removes the oldest release directories but for the kept ones.
pub(crate) fn prune(config: &Config, layout: &Layout, placed: &Placed) {
    let host = host_of(placed);
    if let Err(error) = prune_one(config, layout, &host, placed) {
        log::warn(&format!("{}: failed to remove old releases: {error}", host.name()));
    }
}

fn prune_one(config: &Config, layout: &Layout, host: &Host, placed: &Placed) -> Result<()> {
    let names = host.read_dir(&layout.releases())?.into_iter().map(|entry| entry.name).collect();
    for directory in doomed(names, config.keep, placed) {
        log::info(&format!("{}: removing {}", host.name(), layout.release(&directory)));
        host.remove(&layout.release(&directory))?;
    }
    Ok(())
}

/// Returns which directories go: ours alone, beyond the newest `keep`, never what is served, never what undo goes back to.
pub(crate) fn doomed(names: Vec<String>, keep: usize, placed: &Placed) -> Vec<String> {
    let is_needed = |name: &str| name == placed.directory || placed.previous.as_deref() == Some(&layout::target_of(name));
    let mut old: Vec<String> = names.into_iter().filter(|name| layout::number_of(name).is_some() && !is_needed(name)).collect();
    old.sort_by_key(|name| std::cmp::Reverse((layout::number_of(name), name.clone())));
    let needed = 1 + usize::from(placed.previous.as_ref().is_some_and(|target| *target != layout::target_of(&placed.directory)));
    old.split_off(keep.saturating_sub(needed).min(old.len()))
}

//! Housekeeping after the switch: the revision log, and the removal of old releases. A failure here is a warning: the release is served.

use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Placed, Receipt, host_of};
use relrun_sdk::rounds::{self, Round};
use relrun_sdk::{Result, context, log};

/// Adds a line to the revision log of hosts.
pub(crate) fn note(config: &Config, receipt: &Receipt, hosts: &[&Placed], what: &str) {
    let mut round = rounds::round(config.parallel);
    for placed in hosts {
        if let Err(error) = append(&mut round, &receipt.layout(placed), placed, what) {
            log::warn(&format!("{}: failed to read the revision log: {error}", placed.host));
        }
    }
    warn(round, "write the revision log");
}

fn append(round: &mut Round, layout: &Layout, placed: &Placed, what: &str) -> Result<()> {
    let host = host_of(placed);
    let path = layout.revisions();
    let mut text = if host.stat(&path)?.is_some() { host.read_file(&path)? } else { Vec::new() };
    let (package, version, release) = (context::package(), context::version(), context::release());
    text.extend(format!("{} {package} {version} {release} {what} {}\n", layout::began(), placed.directory).bytes());
    round.write_file(&host, &path, &text);
    Ok(())
}

/// Does a round of which nothing depends.
fn warn(round: Round, doing: &str) {
    match round.perform() {
        Ok(came) => {
            for (host, error) in came.into_iter().filter_map(|(host, result)| Some((host, result.err()?))) {
                log::warn(&format!("{}: failed to {doing}: {error}", host.name()));
            }
        }
        Err(error) => log::warn(&format!("failed to {doing}: {error}")),
    }
}

/// Removes the oldest release directories but for the kept ones, from every host.
pub(crate) fn prune(config: &Config, receipt: &Receipt) {
    let mut round = rounds::round(config.parallel);
    for placed in &receipt.hosts {
        if let Err(error) = prune_one(config, &mut round, &receipt.layout(placed), placed) {
            log::warn(&format!("{}: failed to list old releases: {error}", placed.host));
        }
    }
    warn(round, "remove old releases");
}

fn prune_one(config: &Config, round: &mut Round, layout: &Layout, placed: &Placed) -> Result<()> {
    let host = host_of(placed);
    let names = host.read_dir(&layout.releases())?.into_iter().map(|entry| entry.name).collect();
    for directory in doomed(layout, names, config.keep, placed) {
        log::info(&format!("{}: removing {}", host.name(), layout.release(&directory)));
        round.remove(&host, &layout.release(&directory));
    }
    Ok(())
}

/// Returns which directories go: ours alone, beyond the newest `keep`, never what is served, never what undo goes back to.
pub(crate) fn doomed(layout: &Layout, names: Vec<String>, keep: usize, placed: &Placed) -> Vec<String> {
    // By its last name alone: a link that somebody made by hand may lead there by another way than the root's.
    let last = placed.previous.as_deref().and_then(|target| target.trim_end_matches('/').rsplit('/').next());
    let is_needed = |name: &str| name == placed.directory || last == Some(name);
    let mut old: Vec<String> = names.into_iter().filter(|name| layout::number_of(name).is_some() && !is_needed(name)).collect();
    old.sort_by_key(|name| std::cmp::Reverse((layout::number_of(name), name.clone())));
    let goes_back = placed.previous.is_some() && !layout.names(placed.previous.as_deref(), &placed.directory);
    let needed = 1 + usize::from(goes_back);
    old.split_off(keep.saturating_sub(needed).min(old.len()))
}

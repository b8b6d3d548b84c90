//! What somebody else's deploys left: Capistrano's `releases` and `current`. It is looked at, recorded as a tree, and touched by nobody.

use crate::config::Config;
use crate::layout::Layout;
use crate::{Adopted, Placed, Receipt, lay};
use relrun_sdk::hosts::Host;
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Error, Outcome, Result, Standing, context};
use std::collections::BTreeMap;

/// Finds what each host serves. All must serve the same, since a release is one tree.
pub(crate) fn find(config: &Config) -> Result<Standing<Receipt>> {
    config.check()?;
    let mut hosts = Vec::new();
    let mut adopted: Vec<Adopted> = Vec::new();
    for host in lay::selected(config)? {
        let (placed, found) = find_one(config, &host).map_err(|error| error.context(host.name()))?;
        if let Some(first) = adopted.first().filter(|first| first.digest != found.digest) {
            return Err(Error::invalid(format!(
                "{} and {} serve different trees, {} and {}: deploy once more with what deployed them, and adopt then",
                first.host, found.host, first.directory, found.directory
            )));
        }
        hosts.push(placed);
        adopted.push(found);
    }
    let digest = adopted.first().map(|first| first.digest.clone()).unwrap_or_default();
    let names: Vec<&str> = adopted.iter().map(|found| found.host.as_str()).collect();
    let directory = adopted.first().map(|first| first.directory.clone()).unwrap_or_default();
    let layout = Layout::new(&config.root);
    let summary = format!("{} serves {directory} on {}", layout.current(), names.join(", "));
    let mut stands_for = BTreeMap::new();
    if !config.is_known() {
        stands_for.insert(config.source.clone(), Value::String(digest));
    }
    Ok(Outcome::new(summary, stands_for).receipt(Receipt { root: layout.root().to_owned(), hosts, adopted }))
}

fn find_one(config: &Config, host: &Host) -> Result<(Placed, Adopted)> {
    let (layout, root) = lay::layout_of(config, host)?;
    let current = layout.current();
    let target =
        lay::current_target(&layout, host)?.ok_or_else(|| Error::missing(format!("{current} is not there: nothing to take over")))?;
    let path = layout.resolved(&target);
    let directory = path.trim_end_matches('/').strip_prefix(&format!("{}/", layout.releases())).unwrap_or_default().to_owned();
    if directory.is_empty() || directory.contains('/') {
        return Err(Error::invalid(format!("{current} points to {target}, which is no directory below {}", layout.releases())));
    }
    // What all releases share, and what the config writes into each, is no part of the tree.
    let without: Vec<String> = config.linked_dir.iter().chain(&config.linked_file).chain(config.file.keys()).cloned().collect();
    let digest = host.fetch(&layout.release(&directory), &without)?;
    let placed = Placed { host: host.name().to_owned(), directory: directory.clone(), laid: false, previous: Some(target), root };
    Ok((placed, Adopted { host: host.name().to_owned(), directory, digest }))
}

/// Returns the directories of others that earlier receipts hand on.
pub(crate) fn handed_on() -> Vec<Adopted> {
    // A receipt that cannot be read says nothing of them, and is told where it is needed.
    context::previous::<Receipt>().ok().flatten().map(|receipt| receipt.adopted).unwrap_or_default()
}

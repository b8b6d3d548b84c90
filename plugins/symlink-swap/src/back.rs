//! The ways back: `undo` and `destroy`. Both look first, so that doing them twice does no harm.

use crate::config::Config;
use crate::layout::Layout;
use crate::{Placed, Receipt, host_of, lay, prune, switch};
use relrun_sdk::hosts;
use relrun_sdk::rounds::{self, Round};
use relrun_sdk::{Error, ErrorKind, Result, log};

/// A host that could not be asked or changed, and why.
type Away<'a> = Vec<(&'a Placed, Error)>;

/// Points every host at what it served before, and removes what this release laid. A host that is away keeps no other from going back.
pub(crate) fn undo(config: &Config, receipt: &Receipt) -> Result<String> {
    let mut served = Vec::new();
    let mut away = Away::new();
    for placed in &receipt.hosts {
        match must_go_back(&receipt.layout(placed), placed) {
            Ok(Looked::Serves) => served.push(placed),
            Ok(Looked::IsBack) => {}
            Ok(Looked::Away(error)) if is_stopped(&error) => return Err(error.context(&placed.host)),
            Ok(Looked::Away(error)) => away.push((placed, error)),
            Err(error) => return Err(error.context(&placed.host)),
        }
    }
    let mut round = rounds::round(config.parallel);
    for placed in &served {
        let layout = receipt.layout(placed);
        round.claim(&host_of(placed), layout.root());
        switch::point_back(&mut round, &layout, placed);
    }
    let mut went = Vec::new();
    for (placed, (_, result)) in served.into_iter().zip(round.perform()?) {
        match result {
            Ok(()) => {
                let target = placed.previous.as_deref().unwrap_or("nothing");
                log::info(&format!("{}: {} -> {target}", placed.host, receipt.layout(placed).current()));
                went.push(placed);
            }
            Err(error) => away.push((placed, error.context("failed to go back"))),
        }
    }
    let there = |placed: &&Placed| !away.iter().any(|(other, _)| other.host == placed.host);
    let there: Vec<&Placed> = receipt.hosts.iter().filter(there).collect();
    away.extend(finish(config, receipt, &went, &there)?);
    match still(away) {
        None => Ok(summary(receipt, &went)),
        Some((names, error)) => Err(error.context(format!("{}; still to be undone: {names}", switch::serving(receipt)))),
    }
}

/// Returns whether an error says that this is to end, and nothing of a host.
fn is_stopped(error: &Error) -> bool {
    error.kind() == ErrorKind::Cancelled
}

/// Returns the names of the hosts that are away and the first one's error. One that is no host of the environment any more is only told of.
fn still(away: Away<'_>) -> Option<(String, Error)> {
    let declared = hosts::all();
    let (left, gone): (Away<'_>, Away<'_>) = away.into_iter().partition(|(placed, _)| declared.contains(&host_of(placed)));
    for (placed, _) in gone {
        log::warn(&format!("{} is no host of the environment any more: what is there stays as it is", placed.host));
    }
    let names: Vec<&str> = left.iter().map(|(placed, _)| placed.host.as_str()).collect();
    let names = names.join(", ");
    left.into_iter().next().map(|(placed, error)| (names, error.context(&placed.host)))
}

/// Runs the commands where a host went back, now or in an undo that was cut short, and cleans up. Returns what was away.
fn finish<'a>(config: &Config, receipt: &Receipt, went: &[&'a Placed], there: &[&'a Placed]) -> Result<Away<'a>> {
    let mut again = Vec::new();
    let mut away = Away::new();
    for &placed in there {
        let went_back = went.iter().any(|other| other.host == placed.host);
        let half_undone = match host_of(placed).stat(&receipt.layout(placed).release(&placed.directory)) {
            Ok(found) => placed.is_made() && found.is_some(),
            Err(error) if is_stopped(&error) => return Err(error),
            Err(error) => {
                away.push((placed, error));
                continue;
            }
        };
        // Where nothing was served before, there is nothing that the commands could be run for.
        if placed.previous.is_some() && (went_back || half_undone) {
            again.push(placed.clone());
        }
    }
    switch::run(config, &config.after, &again)?;
    prune::note(config, receipt, went, "undone");
    let mut round = rounds::round(config.parallel);
    let mut cleaned = Vec::new();
    for &placed in there {
        if away.iter().any(|(other, _)| other.host == placed.host) {
            continue;
        }
        match clean(&mut round, &receipt.layout(placed), placed) {
            Ok(true) => cleaned.push(placed),
            Ok(false) => {}
            Err(error) if is_stopped(&error) => return Err(error),
            Err(error) => away.push((placed, error)),
        }
    }
    let came = cleaned.into_iter().zip(round.perform()?);
    away.extend(came.filter_map(|(placed, (_, result))| Some((placed, result.err()?))));
    Ok(away)
}

fn summary(receipt: &Receipt, served: &[&Placed]) -> String {
    let current = Layout::new(&receipt.root).current();
    if served.is_empty() {
        return format!("{current} was as before on every host");
    }
    let each = served.iter().map(|placed| format!("{} on {}", placed.previous.as_deref().unwrap_or("nothing"), placed.host));
    format!("{current} serves {}", each.collect::<Vec<_>>().join(", "))
}

/// What a look at a host before it goes back shows.
enum Looked {
    /// It serves this release, and can go back.
    Serves,
    /// It serves already what it did before.
    IsBack,
    /// It could not be looked at.
    Away(Error),
}

/// Looks whether a host serves this release and can go back. Changes nothing, so that no host goes back unless all that are there can.
fn must_go_back(layout: &Layout, placed: &Placed) -> Result<Looked> {
    let host = host_of(placed);
    // Whatever the reason is (it was taken down, it was made anew and has another key): it is none of the others'.
    if let Err(error) = host.stat(&layout.current()) {
        return Ok(Looked::Away(error));
    }
    let current = lay::current_target(layout, &host)?;
    if current == placed.previous {
        return Ok(Looked::IsBack);
    }
    match current {
        Some(current) if layout.names(Some(&current), &placed.directory) || layout.names_sibling(&current, placed) => {}
        Some(other) => {
            return Err(Error::permanent(format!("{} points to {other}, which this release did not put there", layout.current())));
        }
        None => return Err(Error::permanent(format!("{} is not there any more", layout.current()))),
    }
    match &placed.previous {
        Some(previous) if host.stat(&layout.resolved(previous))?.is_none() => Err(Error::missing(format!(
            "{} was removed, so there is nothing to go back to: deploy an earlier release with `relrun rollback`",
            layout.resolved(previous)
        ))),
        _ => Ok(Looked::Serves),
    }
}

/// Removes what this release laid on a host, and no more. Returns whether there is anything to do.
fn clean(round: &mut Round, layout: &Layout, placed: &Placed) -> Result<bool> {
    let host = host_of(placed);
    if host.stat(layout.root())?.is_none() {
        return Ok(false);
    }
    let served = layout.names(lay::current_target(layout, &host)?.as_deref(), &placed.directory);
    round.remove(&host, &layout.next());
    if placed.is_made() && !served {
        round.remove(&host, &layout.release(&placed.directory));
    }
    Ok(true)
}

/// Removes all releases from every host, and what they shared where the config says so. A host that is away keeps no other.
pub(crate) fn destroy(config: &Config, receipt: &Receipt) -> Result<String> {
    let mut round = rounds::round(config.parallel);
    let mut away = Away::new();
    let mut begun = Vec::new();
    for placed in &receipt.hosts {
        match destroy_one(config, &mut round, &receipt.layout(placed), placed) {
            Ok(true) => begun.push(placed),
            Ok(false) => {}
            Err(error) if is_stopped(&error) => return Err(error.context(&placed.host)),
            Err(error) => away.push((placed, error)),
        }
    }
    let came = begun.into_iter().zip(round.perform()?);
    away.extend(came.filter_map(|(placed, (_, result))| Some((placed, result.err()?))));
    if let Some((names, error)) = still(away) {
        return Err(error.context(format!("still to be destroyed: {names}")));
    }
    let names: Vec<&str> = receipt.hosts.iter().map(|placed| placed.host.as_str()).collect();
    Ok(format!("removed {} from {}", Layout::new(&receipt.root).root(), names.join(", ")))
}

fn destroy_one(config: &Config, round: &mut Round, layout: &Layout, placed: &Placed) -> Result<bool> {
    let host = host_of(placed);
    if host.stat(layout.root())?.is_none() {
        return Ok(false);
    }
    round.claim(&host, layout.root());
    // The link first: nothing is served from a directory that is half removed.
    for path in [layout.current(), layout.next(), layout.releases(), layout.revisions()] {
        round.remove(&host, &path);
    }
    if config.destroy_shared {
        round.remove(&host, &layout.shared_root());
    }
    round.disclaim(&host, layout.root());
    Ok(true)
}

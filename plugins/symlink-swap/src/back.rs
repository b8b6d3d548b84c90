//! The ways back: `undo` and `destroy`. Both look first, so that doing them twice does no harm.

use crate::config::Config;
use crate::layout::Layout;
use crate::{Placed, Receipt, host_of, lay, prune, switch};
use relrun_sdk::rounds::{self, Round};
use relrun_sdk::{Error, ErrorKind, Result, log};

/// Points every host at what it served before, and removes what this release laid. A host that is away keeps no other from going back.
pub(crate) fn undo(config: &Config, receipt: &Receipt) -> Result<String> {
    let mut served = Vec::new();
    let mut away = Vec::new();
    for placed in &receipt.hosts {
        match must_go_back(&receipt.layout(placed), placed) {
            Ok(true) => served.push(placed),
            Ok(false) => {}
            Err(error) if is_away(&error) => away.push((placed, error)),
            Err(error) => return Err(error.context(&placed.host)),
        }
    }
    let mut round = rounds::round(config.parallel);
    for placed in &served {
        let layout = receipt.layout(placed);
        round.claim(&host_of(placed), layout.root());
        switch::point_back(&mut round, &layout, placed);
    }
    for (placed, (_, result)) in served.iter().zip(round.perform()?) {
        result.map_err(|error| error.context(format!("failed to take {} back", placed.host)))?;
        let target = placed.previous.as_deref().unwrap_or("nothing");
        log::info(&format!("{}: {} -> {target}", placed.host, receipt.layout(placed).current()));
    }
    let there = |placed: &&Placed| !away.iter().any(|(other, _)| other.host == placed.host);
    finish(config, receipt, &served, &receipt.hosts.iter().filter(there).collect::<Vec<_>>())?;
    match away.into_iter().next() {
        None => Ok(summary(receipt, &served)),
        Some((placed, error)) => Err(error.context(format!("{}; {} is still to be undone", switch::serving(receipt), placed.host))),
    }
}

/// Returns whether an error says that a host is not there, and nothing of what is on it.
fn is_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transient | ErrorKind::TimedOut)
}

/// Runs the commands where a host went back, now or in an undo that was cut short, and cleans up.
fn finish(config: &Config, receipt: &Receipt, served: &[&Placed], there: &[&Placed]) -> Result<()> {
    let mut again = Vec::new();
    for &placed in there {
        let went_back = served.iter().any(|other| other.host == placed.host);
        let half_undone = placed.laid && host_of(placed).stat(&receipt.layout(placed).release(&placed.directory))?.is_some();
        // Where nothing was served before, there is nothing that the commands could be run for.
        if placed.previous.is_some() && (went_back || half_undone) {
            again.push(placed.clone());
        }
    }
    switch::run(config, &config.after, &again)?;
    prune::note(config, receipt, served, "undone");
    let mut round = rounds::round(config.parallel);
    for placed in there {
        clean(&mut round, &receipt.layout(placed), placed).map_err(|error| error.context(&placed.host))?;
    }
    round.perform_all()
}

fn summary(receipt: &Receipt, served: &[&Placed]) -> String {
    let current = Layout::new(&receipt.root).current();
    if served.is_empty() {
        return format!("{current} was as before on every host");
    }
    let each = served.iter().map(|placed| format!("{} on {}", placed.previous.as_deref().unwrap_or("nothing"), placed.host));
    format!("{current} serves {}", each.collect::<Vec<_>>().join(", "))
}

/// Returns whether the host serves this release and can go back. Changes nothing, so that no host goes back unless all that are there can.
fn must_go_back(layout: &Layout, placed: &Placed) -> Result<bool> {
    let host = host_of(placed);
    let current = lay::current_target(layout, &host)?;
    if current == placed.previous {
        return Ok(false);
    }
    match current {
        Some(current) if layout.names(Some(&current), &placed.directory) => {}
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
        _ => Ok(true),
    }
}

/// Removes what this release laid on a host, and no more.
fn clean(round: &mut Round, layout: &Layout, placed: &Placed) -> Result<()> {
    let host = host_of(placed);
    if host.stat(layout.root())?.is_none() {
        return Ok(());
    }
    round.remove(&host, &layout.next());
    let served = layout.names(lay::current_target(layout, &host)?.as_deref(), &placed.directory);
    if placed.laid && !served {
        round.remove(&host, &layout.release(&placed.directory));
    }
    Ok(())
}

/// Removes all releases from every host, and what they shared where the config says so.
pub(crate) fn destroy(config: &Config, receipt: &Receipt) -> Result<String> {
    let mut round = rounds::round(config.parallel);
    for placed in &receipt.hosts {
        destroy_one(config, &mut round, &receipt.layout(placed), placed).map_err(|error| error.context(&placed.host))?;
    }
    round.perform_all()?;
    let names: Vec<&str> = receipt.hosts.iter().map(|placed| placed.host.as_str()).collect();
    Ok(format!("removed {} from {}", Layout::new(&receipt.root).root(), names.join(", ")))
}

fn destroy_one(config: &Config, round: &mut Round, layout: &Layout, placed: &Placed) -> Result<()> {
    let host = host_of(placed);
    if host.stat(layout.root())?.is_none() {
        return Ok(());
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
    Ok(())
}

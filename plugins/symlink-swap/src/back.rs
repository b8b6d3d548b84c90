//! The ways back: `undo` and `destroy`. Both look first, so that doing them twice does no harm.

use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Placed, Receipt, host_of, lay, prune, switch};
use relrun_sdk::{Error, Result, log};

/// Points every host at what it served before, and removes what this release laid.
pub(crate) fn undo(config: &Config, receipt: &Receipt) -> Result<String> {
    let layout = Layout::new(&receipt.root);
    let mut served = Vec::new();
    for placed in &receipt.hosts {
        if must_go_back(&layout, placed).map_err(|error| error.context(&placed.host))? {
            served.push(placed);
        }
    }
    for placed in &served {
        host_of(placed).claim(layout.root())?;
        switch::point_back(&layout, placed).map_err(|error| error.context(format!("failed to take {} back", placed.host)))?;
        log::info(&format!("{}: {} -> {}", placed.host, layout.current(), placed.previous.as_deref().unwrap_or("nothing")));
    }
    for placed in &receipt.hosts {
        let went_back = served.iter().any(|other| other.host == placed.host);
        let half_undone = placed.laid && host_of(placed).stat(&layout.release(&placed.directory))?.is_some();
        // Where nothing was served before, there is nothing that the commands could be run for.
        if placed.previous.is_some() && (went_back || half_undone) {
            switch::run_after(config, &placed.host)?;
        }
        if went_back {
            prune::note(&layout, placed, "undone");
        }
    }
    for placed in &receipt.hosts {
        clean(&layout, placed).map_err(|error| error.context(&placed.host))?;
    }
    Ok(summary(&layout, &served))
}

fn summary(layout: &Layout, served: &[&Placed]) -> String {
    if served.is_empty() {
        return format!("{} was as before on every host", layout.current());
    }
    let each = served.iter().map(|placed| format!("{} on {}", placed.previous.as_deref().unwrap_or("nothing"), placed.host));
    format!("{} serves {}", layout.current(), each.collect::<Vec<_>>().join(", "))
}

/// Returns whether the host serves this release and can go back. Changes nothing, so that no host goes back unless all can.
fn must_go_back(layout: &Layout, placed: &Placed) -> Result<bool> {
    let host = host_of(placed);
    let current = lay::current_target(layout, &host)?;
    let ours = layout::target_of(&placed.directory);
    if current == placed.previous {
        return Ok(false);
    }
    match current {
        Some(current) if current == ours => {}
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
fn clean(layout: &Layout, placed: &Placed) -> Result<()> {
    let host = host_of(placed);
    if host.stat(layout.root())?.is_none() {
        return Ok(());
    }
    host.remove(&layout.next())?;
    let served = lay::current_target(layout, &host)?.as_deref() == Some(&layout::target_of(&placed.directory));
    if placed.laid && !served {
        host.remove(&layout.release(&placed.directory))?;
    }
    Ok(())
}

/// Removes all releases from every host, and what they shared where the config says so.
pub(crate) fn destroy(config: &Config, receipt: &Receipt) -> Result<String> {
    let layout = Layout::new(&receipt.root);
    for placed in &receipt.hosts {
        destroy_one(config, &layout, placed).map_err(|error| error.context(&placed.host))?;
    }
    let names: Vec<&str> = receipt.hosts.iter().map(|placed| placed.host.as_str()).collect();
    Ok(format!("removed {} from {}", layout.root(), names.join(", ")))
}

fn destroy_one(config: &Config, layout: &Layout, placed: &Placed) -> Result<()> {
    let host = host_of(placed);
    if host.stat(layout.root())?.is_none() {
        return Ok(());
    }
    host.claim(layout.root())?;
    // The link first: nothing is served from a directory that is half removed.
    host.remove(&layout.current())?;
    host.remove(&layout.next())?;
    host.remove(&layout.releases())?;
    host.remove(&layout.revisions())?;
    if config.destroy_shared {
        host.remove(&layout.shared_root())?;
    }
    host.disclaim(layout.root())
}

//! The switch: every host or none.

use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Placed, Receipt, host_of};
use relrun_sdk::command;
use relrun_sdk::hosts::Host;
use relrun_sdk::{Error, Result, log};

/// Switches every host, then runs the commands on each. Where one fails, the hosts that were switched go back.
pub(crate) fn all(config: &Config, layout: &Layout, receipt: &Receipt) -> Result<()> {
    for (done, placed) in receipt.hosts.iter().enumerate() {
        if let Err(error) = point(layout, &host_of(placed), &layout::target_of(&placed.directory)) {
            let switched = receipt.hosts.get(..done).unwrap_or_default();
            return Err(go_back(layout, switched, error.context(format!("failed to switch {}", placed.host))));
        }
        log::info(&format!("{}: {} -> {}", placed.host, layout.current(), layout::target_of(&placed.directory)));
    }
    for placed in &receipt.hosts {
        if let Err(error) = run_after(config, &placed.host) {
            let error = go_back(layout, &receipt.hosts, error);
            run_after_again(config, &receipt.hosts);
            return Err(error);
        }
    }
    Ok(())
}

/// Points `current` at a target in one step.
pub(crate) fn point(layout: &Layout, host: &Host, target: &str) -> Result<()> {
    host.remove(&layout.next())?;
    host.symlink(target, &layout.next())?;
    host.rename(&layout.next(), &layout.current())
}

/// Points `current` at what it was before, or removes it where it was not there.
pub(crate) fn point_back(layout: &Layout, placed: &Placed) -> Result<()> {
    match &placed.previous {
        Some(target) => point(layout, &host_of(placed), target),
        None => host_of(placed).remove(&layout.current()),
    }
}

/// Takes the hosts back, and says in the error how that went.
fn go_back(layout: &Layout, switched: &[Placed], error: Error) -> Error {
    let mut stuck = Vec::new();
    for placed in switched {
        if let Err(second) = point_back(layout, placed) {
            log::error(&format!("{}: failed to go back: {second}", placed.host));
            stuck.push(placed.host.as_str());
        }
    }
    if stuck.is_empty() { error } else { error.context(format!("{} could not go back", stuck.join(", "))) }
}

/// Runs the commands of `after` on a host.
pub(crate) fn run_after(config: &Config, host: &str) -> Result<()> {
    for argv in &config.after {
        match command::words(argv)?.on_host(host).run()? {
            0 => {}
            code => return Err(Error::permanent(format!("{host}: `{}` ended with exit code {code}", argv.join(" ")))),
        }
    }
    Ok(())
}

/// Runs the commands again on hosts that went back; the first failure is what counts, so these are only logged.
fn run_after_again(config: &Config, hosts: &[Placed]) {
    for placed in hosts {
        if let Err(error) = run_after(config, &placed.host) {
            log::error(&format!("after going back: {error}"));
        }
    }
}

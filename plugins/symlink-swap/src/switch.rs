//! The switch: every host or none.

use crate::batch;
use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Placed, Receipt, health, host_of, lay};
use relrun_sdk::hosts::Host;
use relrun_sdk::rounds::{self, Round};
use relrun_sdk::{Error, ErrorKind, Result, command, log};

/// Switches every host, batch by batch: the links, then the commands, then whether the hosts are well. Where anything fails, all that
/// were switched go back.
pub(crate) fn all(config: &Config, receipt: &Receipt) -> Result<()> {
    if is_served(receipt) {
        log::info(&format!("{}: nothing to switch", serving(receipt)));
        return Ok(());
    }
    let batches = batch::batches(receipt.hosts.len(), config.canary, config.batch.as_deref())?;
    for (done, range) in batches.iter().enumerate() {
        let batch = receipt.hosts.get(range.clone()).unwrap_or_default();
        let switched = receipt.hosts.get(..range.end).unwrap_or_default();
        if batches.len() > 1 {
            let names: Vec<&str> = batch.iter().map(|placed| placed.host.as_str()).collect();
            log::info(&format!("batch {} of {}: {}", done + 1, batches.len(), names.join(", ")));
        }
        let before = receipt.hosts.get(..range.start).unwrap_or_default();
        if let Err(error) = point_all(config, receipt, batch) {
            // Of a host whose connection was lost in the switch nobody knows whether it was switched, until it is asked.
            return Err(all_back(config, receipt, (before, batch), before, error));
        }
        if let Err(error) = run(config, &config.after, batch).and_then(|()| health::wait(config, receipt, batch)) {
            return Err(all_back(config, receipt, (switched, &[]), switched, error));
        }
    }
    Ok(())
}

/// Takes hosts back, and runs the commands again where they ran: what they made of the new release must not stay.
fn all_back(config: &Config, receipt: &Receipt, (switched, perhaps): (&[Placed], &[Placed]), ran: &[Placed], error: Error) -> Error {
    let error = go_back(config, receipt, switched, perhaps, error);
    // The first failure is what counts, so this one is only logged.
    if let Err(error) = run(config, &config.after, ran) {
        log::error(&format!("after going back: {error}"));
    }
    error
}

/// Whether every host serves what somebody else laid, and that is what is to be served: taking it over disturbs nobody.
fn is_served(receipt: &Receipt) -> bool {
    receipt
        .hosts
        .iter()
        .all(|placed| receipt.is_adopted(placed) && receipt.layout(placed).names(placed.previous.as_deref(), &placed.directory))
}

fn point_all(config: &Config, receipt: &Receipt, batch: &[Placed]) -> Result<()> {
    let mut round = rounds::round(config.parallel);
    for placed in batch {
        point(&mut round, &receipt.layout(placed), &host_of(placed), &layout::target_of(&placed.directory));
    }
    let mut first = None;
    for (placed, (_, result)) in batch.iter().zip(round.perform()?) {
        match result {
            Ok(()) => {
                let target = layout::target_of(&placed.directory);
                log::info(&format!("{}: {} -> {target}", placed.host, receipt.layout(placed).current()));
            }
            Err(error) => first = first.or(Some(error.context(format!("failed to switch {}", placed.host)))),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Points `current` at a target in one step.
fn point(round: &mut Round, layout: &Layout, host: &Host, target: &str) {
    let (next, current) = (layout.next(), layout.current());
    round.remove(host, &next).symlink(host, target, &next).rename(host, &next, &current);
}

/// Points `current` at what it was before, or removes it where it was not there.
pub(crate) fn point_back(round: &mut Round, layout: &Layout, placed: &Placed) {
    match &placed.previous {
        Some(target) => point(round, layout, &host_of(placed), target),
        None => drop(round.remove(&host_of(placed), &layout.current())),
    }
}

/// Takes back the hosts that serve this release, and those that perhaps do, and says in the error how that went. Those that surely do go first:
/// they are not to wait for one that answers no more.
fn go_back(config: &Config, receipt: &Receipt, switched: &[Placed], perhaps: &[Placed], error: Error) -> Error {
    let mut stuck = back(config, receipt, switched);
    let mut served = Vec::new();
    for placed in perhaps {
        match lay::current_target(&receipt.layout(placed), &host_of(placed)) {
            Ok(target) if target == placed.previous => {}
            Ok(_) => served.push(placed.clone()),
            Err(second) => stuck.push((placed.host.clone(), second)),
        }
    }
    stuck.extend(back(config, receipt, &served));
    for (host, second) in &stuck {
        log::error(&format!("{host}: failed to go back: {second}"));
    }
    let names: Vec<&str> = stuck.iter().map(|(host, _)| host.as_str()).collect();
    if names.is_empty() { error } else { error.context(format!("{} could not go back ({})", names.join(", "), serving(receipt))) }
}

/// Points hosts back, and returns those that could not.
fn back(config: &Config, receipt: &Receipt, switched: &[Placed]) -> Vec<(String, Error)> {
    let once = |hosts: &[Placed]| {
        let mut round = rounds::round(config.parallel);
        for placed in hosts {
            point_back(&mut round, &receipt.layout(placed), placed);
        }
        match round.perform() {
            Ok(came) => hosts.iter().cloned().zip(came).filter_map(|(placed, (_, result))| Some((placed, result.err()?))).collect(),
            Err(error) => hosts.iter().map(|placed| (placed.clone(), error.clone())).collect::<Vec<_>>(),
        }
    };
    let (told, failed): (Vec<_>, Vec<_>) = once(switched).into_iter().partition(|(_, error)| error.kind() == ErrorKind::Cancelled);
    // That the release is being cancelled is told once, and going back is what it is told for.
    let again = once(&told.into_iter().map(|(placed, _)| placed).collect::<Vec<_>>());
    failed.into_iter().chain(again).map(|(placed, error)| (placed.host, error)).collect()
}

/// Says of every host what it serves.
pub(crate) fn serving(receipt: &Receipt) -> String {
    let each = receipt.hosts.iter().map(|placed| match lay::current_target(&receipt.layout(placed), &host_of(placed)) {
        Ok(Some(target)) => format!("{} serves {target}", placed.host),
        Ok(None) => format!("{} serves nothing", placed.host),
        Err(_) => format!("{} cannot be asked", placed.host),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Runs commands on hosts: on each in turn, on all at once.
pub(crate) fn run(config: &Config, commands: &[Vec<String>], hosts: &[Placed]) -> Result<()> {
    let mut round = rounds::round(config.parallel);
    for placed in hosts {
        for argv in commands {
            round.run(&host_of(placed), command::words(argv)?);
        }
    }
    round.perform_all()
}

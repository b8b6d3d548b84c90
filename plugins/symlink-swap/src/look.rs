//! Looking without touching: `plan`, `recover`, `verify`.

use crate::config::Config;
use crate::layout::{self, Layout};
use crate::{Outputs, Placed, Receipt, host_of, lay, outcome, prune};
use relrun_sdk::{Came, Change, Error, Health, Recovery, Result};

/// Says for each host what would be switched.
pub(crate) fn plan(config: &Config) -> Result<Vec<Change>> {
    config.check()?;
    if !config.is_known() {
        let unknown = lay::selected(config)?.into_iter().map(|host| {
            let (layout, _) = lay::layout_of(config, &host)?;
            let from = lay::current_target(&layout, &host)?.unwrap_or_else(|| "nothing".to_owned());
            Ok(Change::new(format!("{}: would switch {} from {from} to {}", host.name(), layout.current(), config.source)))
        });
        return unknown.collect();
    }
    let survey = lay::survey(config)?;
    survey.hosts.iter().map(|placed| plan_one(config, &survey.layout(placed), placed)).collect()
}

fn plan_one(config: &Config, layout: &Layout, placed: &Placed) -> Result<Change> {
    let target = layout::target_of(&placed.directory);
    let (host, current) = (&placed.host, layout.current());
    let summary = match &placed.previous {
        Some(previous) if layout.names(Some(previous), &placed.directory) => format!("{host}: {current} stays at {previous}"),
        Some(previous) => format!("{host}: would switch {current} from {previous} to {target}"),
        None => format!("{host}: would make {current} -> {target}"),
    };
    let mut detail = Vec::new();
    if placed.laid {
        detail.push(format!("lay {} as {}", config.source, layout.release(&placed.directory)));
    }
    let names = match host_of(placed).stat(&layout.releases())? {
        Some(_) => host_of(placed).read_dir(&layout.releases())?.into_iter().map(|entry| entry.name).collect(),
        None => Vec::new(),
    };
    detail
        .extend(prune::doomed(layout, names, config.keep, placed).iter().map(|directory| format!("remove {}", layout.release(directory))));
    detail.extend(config.after.iter().map(|argv| format!("run {}", argv.join(" "))));
    Ok(if detail.is_empty() { Change::new(summary) } else { Change::new(summary).detail(detail.join("\n")) })
}

/// What stands of a release on one host.
struct Standing {
    served: bool,
    whole: bool,
    begun: bool,
}

fn standing(receipt: &Receipt, placed: &Placed) -> Result<Standing> {
    let (host, layout) = (host_of(placed), receipt.layout(placed));
    let look = || {
        let served = layout.names(lay::current_target(&layout, &host)?.as_deref(), &placed.directory);
        let begun = host.stat(&layout.release(&placed.directory))?.is_some();
        let whole = begun && (receipt.is_adopted(placed) || host.stat(&layout.record(&placed.directory))?.is_some());
        Ok(Standing { served, whole, begun })
    };
    look().map_err(|error: Error| error.context(host.name()))
}

/// Tells from the hosts how far an interrupted apply came.
pub(crate) fn recover(config: &Config, came: Came<Receipt>) -> Result<Recovery<Outputs, Receipt>> {
    let receipt = match came {
        Came::Untouched => return Ok(Recovery::NotDone),
        Came::Begun => return Err(Error::other("the checkpoint does not say what was laid where")),
        Came::Saved(receipt) => receipt,
    };
    let standing = receipt.hosts.iter().map(|placed| standing(&receipt, placed)).collect::<Result<Vec<_>>>()?;
    // Whether the commands after the switch had run cannot be seen on a host.
    if config.after.is_empty() && config.health.is_empty() && standing.iter().all(|host| host.served && host.whole) {
        return Ok(Recovery::Done(outcome(receipt)));
    }
    let untouched = receipt.hosts.iter().zip(&standing).all(|(placed, host)| !host.served && (!host.begun || !placed.is_made()));
    Ok(if untouched { Recovery::NotDone } else { Recovery::Partly(receipt) })
}

/// Tells whether every host still serves what the receipt says.
pub(crate) fn verify(config: &Config, receipt: &Receipt) -> Result<Health> {
    let mut drifted = Vec::new();
    let mut gone = true;
    for placed in &receipt.hosts {
        let (host, layout) = (host_of(placed), receipt.layout(placed));
        let standing = standing(receipt, placed)?;
        gone &= !standing.begun && host.stat(&layout.current())?.is_none();
        if !standing.served {
            let target = lay::current_target(&layout, &host)?.unwrap_or_else(|| "nothing".to_owned());
            drifted.push(Change::new(format!("{}: {} points to {target}, not to {}", placed.host, layout.current(), placed.directory)));
        }
        if !standing.whole {
            drifted.push(Change::new(format!("{}: {} is not there", placed.host, layout.release(&placed.directory))));
            continue;
        }
        if receipt.is_adopted(placed) {
            continue;
        }
        let files = lay::differing_files(config, &layout, &host, &placed.directory)?;
        drifted.extend(files.iter().map(|name| Change::new(format!("{}: {name} was changed", placed.host))));
    }
    Ok(match (gone, drifted.is_empty()) {
        (true, _) => Health::Gone,
        (false, true) => Health::Intact,
        (false, false) => Health::Drifted(drifted),
    })
}

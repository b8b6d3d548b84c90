//! Whether hosts are well after the switch: once, or again and again until they are or the time is over.

use crate::config::Config;
use crate::{Placed, Receipt, host_of};
use relrun_sdk::rounds;
use relrun_sdk::{Error, ErrorKind, Result, command, log};
use std::time::{Duration, Instant};

/// The wait between two rounds of questions, where the config does not say.
const EVERY: Duration = Duration::from_secs(2);
/// How long this sleeps without asking whether it is to stop.
const NAP: Duration = Duration::from_secs(1);

/// How long hosts may take to be well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    within: Duration,
    every: Duration,
}

impl Patience {
    /// Reads it from a config; an error where it cannot be kept.
    pub(crate) fn of(config: &Config) -> Result<Self> {
        if config.health.is_empty() && (config.health_within.is_some() || config.health_every.is_some()) {
            return Err(Error::invalid("`health-within` and `health-every` say how `health` is asked, and the config has none"));
        }
        if config.health_within.is_none() && config.health_every.is_some() {
            return Err(Error::invalid("`health-every` says how often within what time: add `health-within \"30s\"`"));
        }
        let within = duration("health-within", config.health_within.as_deref(), Duration::ZERO)?;
        Ok(Self { within, every: duration("health-every", config.health_every.as_deref(), EVERY)? })
    }
}

fn duration(name: &str, text: Option<&str>, usual: Duration) -> Result<Duration> {
    let Some(text) = text.filter(|text| !text.contains("${")) else { return Ok(usual) };
    let wrong = |reason: &str| Error::invalid(format!("{name} {text:?}: {reason}; write it as \"500ms\" or \"2m\""));
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(wrong("that is no time at all")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// Asks hosts until all are well; an error that names those that are not when the time is over.
pub(crate) fn wait(config: &Config, receipt: &Receipt, hosts: &[Placed]) -> Result<()> {
    let patience = Patience::of(config)?;
    let began = Instant::now();
    let mut asked = hosts.to_vec();
    let mut said = String::new();
    while !config.health.is_empty() {
        let sick = ask(config, &asked)?;
        let Some((_, first)) = sick.first() else { break };
        let reasons: Vec<String> = sick.iter().map(|(placed, error)| format!("{}: {error}", placed.host)).collect();
        let reason = reasons.join("; ");
        if began.elapsed() + patience.every > patience.within {
            return Err(gave_up(patience, first, &reason));
        }
        // Once, until it is another reason: what is waited for may take minutes.
        if reason != said {
            log::info(&format!("not yet well: {reason}"));
            said = reason;
        }
        asked = sick.into_iter().map(|(placed, _)| placed).collect();
        sleep(receipt, &asked, patience.every)?;
    }
    Ok(())
}

fn gave_up(patience: Patience, first: &Error, reason: &str) -> Error {
    let text = match patience.within {
        Duration::ZERO => reason.to_owned(),
        within => format!("{reason} (not well within {})", humantime::format_duration(within)),
    };
    match first.kind() {
        ErrorKind::Transient => Error::transient(text),
        ErrorKind::TimedOut => Error::timed_out(text),
        _ => Error::permanent(text),
    }
}

/// Asks each of some hosts, all at once, and returns those that are not well; an error where asking again cannot help.
fn ask(config: &Config, hosts: &[Placed]) -> Result<Vec<(Placed, Error)>> {
    let mut round = rounds::round(config.parallel);
    for placed in hosts {
        for argv in &config.health {
            round.run(&host_of(placed), command::words(argv)?);
        }
    }
    let mut sick = Vec::new();
    for (placed, (_, result)) in hosts.iter().zip(round.perform()?) {
        match result {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Cancelled) => {
                return Err(error.context(&placed.host));
            }
            Err(error) => sick.push((placed.clone(), error)),
        }
    }
    Ok(sick)
}

/// Sleeps, and ends early where the release is being cancelled.
fn sleep(receipt: &Receipt, hosts: &[Placed], wait: Duration) -> Result<()> {
    let mut left = wait;
    while !left.is_zero() {
        let nap = left.min(NAP);
        std::thread::sleep(nap);
        left -= nap;
        // A look that nothing depends on: its error may say that it is to stop.
        let stop = hosts.first().and_then(|placed| host_of(placed).stat(receipt.layout(placed).root()).err());
        match stop {
            Some(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::TimedOut) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

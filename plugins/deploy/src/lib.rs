//! `deploy`: deploys with commands, and undoes with commands.
//!
//! It knows nothing of what the commands do: which of them began and ended is all that it records, and all that `recover` can tell. It
//! must never say that a deployment stands without having asked a `check` command.

use relrun_sdk::command::{self, Command, Confine, ForCommand, Held};
use relrun_sdk::rounds;
use relrun_sdk::{About, Came, Change, Error, Health, Needs, Outcome, Plugin, Recovery, Result, checkpoint, config, log, outputs, receipt};
use relrun_sdk::{ErrorKind, hosts, need};
use std::collections::BTreeMap;

/// What a manifest configures.
#[config]
pub struct Config {
    /// A command and its arguments that deploys; each is run in turn, and the first that fails ends the step.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    up: Vec<Vec<String>>,
    /// A command and its arguments that takes back whatever `up` did, even half of it; doing it twice must do no harm.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    down: Vec<Vec<String>>,
    /// A command and its arguments that ends with 0 while the deployment stands, and changes nothing.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    check: Vec<Vec<String>>,
    /// A command and its arguments that removes the deployment for good; `down` where there is none.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    destroy: Vec<Vec<String>>,
    /// Variables for every command, such as `env "REGION" "eu"`.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// A secret for the commands: `secret "${secret.token}" to-command="kubectl" env="TOKEN"`.
    #[serde(default)]
    secret: Vec<ForCommand>,
    /// On which of the granted hosts each command runs, by their labels, such as `hosts "role=db"`, or `"*"` for all; on this machine where it is not said.
    #[serde(default)]
    hosts: Option<String>,
    /// Whether the commands run on the first of these hosts alone, as a migration does.
    #[serde(default)]
    once: bool,
    /// On how many hosts at once.
    #[serde(default)]
    #[schemars(range(max = 64))]
    parallel: u32,
    /// Where the commands start, relative to the staged files, or on a host to the user's home.
    #[serde(default)]
    dir: Option<String>,
    /// Whether running `up` again does no harm, so that it is run again when a crash left it in doubt.
    #[serde(default)]
    idempotent: bool,
    /// Whether the commands may reach the network.
    #[serde(default)]
    network: bool,
    /// How the commands are held.
    #[serde(default)]
    confine: Confine,
}

/// What a deployment tells the steps behind it.
#[outputs]
pub struct Outputs {
    /// How many commands deployed it.
    commands: usize,
}

/// How far `up` came.
#[receipt]
pub struct Progress {
    /// How many commands had begun.
    begun: usize,
    /// How many had ended well.
    ended: usize,
    /// The hosts that they ran on, where they did not run here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
}

struct Deploy;

impl Plugin for Deploy {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Progress;

    fn about() -> About {
        About { name: "deploy", version: env!("CARGO_PKG_VERSION"), summary: "Deploys with commands, and undoes with commands" }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        let held = Held { network: config.network, confine: config.confine, on_hosts: config.hosts.is_some(), ..Held::default() };
        let mut needs = Held::variables(Needs::effect().idempotent(config.idempotent), &config.env);
        let parts =
            [(&config.up, "it deploys"), (&config.down, "it undoes the deployment"), (&config.destroy, "it removes the deployment")];
        for (commands, reason) in parts {
            for argv in commands {
                needs = needs.with(held.need(argv)?.because(reason));
            }
        }
        for argv in &config.check {
            needs = needs.with(held.need(argv)?.readonly(true).because("it tells whether the deployment stands"));
        }
        if config.hosts.is_some() {
            needs = needs.with(need::host("*").because("the commands run on the environment's hosts"));
        }
        let all = config.up.iter().chain(&config.down).chain(&config.check).chain(&config.destroy);
        ForCommand::needs(needs, &config.secret, &all)
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        let hosts = hosts(config)?;
        let place = if hosts.is_empty() { String::new() } else { format!(" on {}", hosts.join(", ")) };
        Ok(config.up.iter().map(|argv| Change::new(format!("would run {}{place}", argv.join(" ")))).collect())
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Progress>> {
        let hosts = hosts(&config)?;
        let total = config.up.len();
        for (done, argv) in config.up.iter().enumerate() {
            checkpoint(&Progress { begun: done + 1, ended: done, hosts: hosts.clone() })?;
            log::progress("commands", done as u64, Some(total as u64));
            run(&config, argv, &hosts)?;
        }
        let progress = Progress { begun: total, ended: total, hosts };
        checkpoint(&progress)?;
        Ok(deployed(&config, progress))
    }

    fn recover(config: Config, came: Came<Progress>) -> Result<Recovery<Outputs, Progress>> {
        Ok(match came {
            Came::Untouched => Recovery::NotDone,
            Came::Begun => Recovery::Partly(Progress { begun: 1, ended: 0, hosts: hosts(&config)? }),
            Came::Saved(progress) if progress.ended >= config.up.len() => Recovery::Done(deployed(&config, progress)),
            Came::Saved(progress) => Recovery::Partly(progress),
        })
    }

    fn verify(config: Config, progress: Progress) -> Result<Health> {
        if config.check.is_empty() {
            return Err(Error::permanent("the config names no `check` command that could tell"));
        }
        let mut drifted = Vec::new();
        for argv in &config.check {
            drifted.extend(failures(&config, argv, &progress.hosts)?.into_iter().map(Change::new));
        }
        Ok(if drifted.is_empty() { Health::Intact } else { Health::Drifted(drifted) })
    }

    fn undo(config: Config, progress: Progress) -> Result<String> {
        if progress.begun == 0 {
            return Ok("no command had begun".to_owned());
        }
        run_all(&config, &config.down, &progress.hosts)
    }

    fn destroy(config: Config, progress: Progress) -> Result<String> {
        run_all(&config, if config.destroy.is_empty() { &config.down } else { &config.destroy }, &progress.hosts)
    }
}

/// Returns the hosts that the commands run on; none where they run here.
fn hosts(config: &Config) -> Result<Vec<String>> {
    let Some(selector) = &config.hosts else { return Ok(Vec::new()) };
    let found = hosts::selected(selector);
    if found.is_empty() {
        return Err(Error::invalid(format!("no host that the step's grants name has the labels {selector:?}")));
    }
    let most = if config.once { 1 } else { found.len() };
    Ok(found.iter().take(most).map(|host| host.name().to_owned()).collect())
}

fn deployed(config: &Config, progress: Progress) -> Outcome<Outputs, Progress> {
    let last = config.up.last().map(|argv| argv.join(" ")).unwrap_or_default();
    Outcome::new(format!("deployed with {last}"), Outputs { commands: progress.ended }).receipt(progress)
}

/// Runs the commands of the way back, one after the other. A host that fails gets none of those behind, and keeps no other from getting them.
fn run_all(config: &Config, commands: &[Vec<String>], hosts: &[String]) -> Result<String> {
    let mut left = hosts.to_vec();
    let mut failed = Vec::new();
    for argv in commands {
        if hosts.is_empty() {
            run(config, argv, &[])?;
        }
        for (host, result) in on_all(config, argv, &left, false)? {
            if let Err(error) = result {
                if error.kind() == ErrorKind::Cancelled {
                    return Err(error.context(host.name()));
                }
                left.retain(|name| name != host.name());
                failed.push((host, error));
            }
        }
    }
    let declared = hosts::all();
    let (failed, gone): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(host, _)| declared.contains(host));
    for (host, _) in gone {
        log::warn(&format!("{} is no host of the environment any more: no command was run there", host.name()));
    }
    rounds::all(failed.into_iter().map(|(host, error)| (host, Err(error))).collect())?;
    let place = match (hosts.is_empty(), left.is_empty()) {
        (true, _) => String::new(),
        (false, true) => " on no host".to_owned(),
        (false, false) => format!(" on {}", left.join(", ")),
    };
    Ok(format!("ran {}{place}", commands.iter().map(|argv| argv.join(" ")).collect::<Vec<_>>().join(", ")))
}

/// Runs a command on all of some hosts at once.
fn on_all(config: &Config, argv: &[String], hosts: &[String], readonly: bool) -> Result<rounds::Came> {
    let mut round = rounds::round(config.parallel);
    for host in hosts {
        let command = prepared(config, argv)?;
        round.run(&hosts::named(host), if readonly { command.readonly() } else { command });
    }
    round.perform()
}

/// Runs a command here, or on all hosts at once: the next one waits for it on every host.
fn run(config: &Config, argv: &[String], hosts: &[String]) -> Result<()> {
    if hosts.is_empty() {
        return match prepared(config, argv)?.run()? {
            0 => Ok(()),
            code => Err(Error::permanent(ended(argv, code))),
        };
    }
    rounds::all(on_all(config, argv, hosts, false)?)
}

/// Runs a command that changes nothing, and returns how it failed, where it did.
fn failures(config: &Config, argv: &[String], hosts: &[String]) -> Result<Vec<String>> {
    if hosts.is_empty() {
        let code = prepared(config, argv)?.readonly().run()?;
        return Ok(if code == 0 { Vec::new() } else { vec![ended(argv, code)] });
    }
    let failed = on_all(config, argv, hosts, true)?.into_iter().filter_map(|(host, result)| Some((host, result.err()?)));
    failed
        .map(|(host, error)| match error.kind() {
            ErrorKind::Permanent => Ok(format!("{}: {error}", host.name())),
            _ => Err(error.context(host.name())),
        })
        .collect()
}

fn ended(argv: &[String], code: i32) -> String {
    format!("`{}` ended with exit code {code}", argv.join(" "))
}

fn prepared(config: &Config, argv: &[String]) -> Result<Command> {
    let made = command::words(argv)?.envs(&config.env).secrets(&config.secret)?;
    Ok(match &config.dir {
        Some(dir) => made.dir(dir),
        None => made,
    })
}

relrun_sdk::export!(Deploy);

#[cfg(test)]
mod tests;

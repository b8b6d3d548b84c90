//! `build`: runs commands over staged files.
//!
//! It is pure unless its config says otherwise, so that the same inputs are built once. It asks for exactly the commands of its config and
//! must never ask for more. What the commands write is captured by the host, not by this plugin.

use relrun_sdk::command::{self, Confine, ForCommand, Held};
use relrun_sdk::{About, Change, Error, Needs, Nothing, Outcome, Plugin, Result, config, log, outputs};
use std::collections::BTreeMap;

/// What a manifest configures.
#[config]
pub struct Config {
    /// A command and its arguments, such as `command "make" "dist"`; each is run in turn, and the first that fails ends the step.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    command: Vec<Vec<String>>,
    /// Variables for every command, such as `env "NODE_ENV" "production"`.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// A secret for the commands: `secret "${secret.token}" to-command="npm" env="NPM_TOKEN"`; the step is then an effect.
    #[serde(default)]
    secret: Vec<ForCommand>,
    /// Where the commands start, relative to the staged files.
    #[serde(default)]
    dir: Option<String>,
    /// Whether the commands change something outside, so that the step is never served from the cache.
    #[serde(default)]
    effect: bool,
    /// Whether the commands may reach the network; the step is then an effect.
    #[serde(default)]
    network: bool,
    /// Whether the commands run in the work tree itself, for incremental builds.
    #[serde(default)]
    in_place: bool,
    /// How the commands are held.
    #[serde(default)]
    confine: Confine,
}

/// What a build tells the steps behind it.
#[outputs]
pub struct Outputs {
    /// How many commands ran.
    commands: usize,
}

struct Build;

impl Plugin for Build {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Nothing;

    fn about() -> About {
        About { name: "build", version: env!("CARGO_PKG_VERSION"), summary: "Runs commands over staged files" }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        let kind = if config.effect || config.network || !config.secret.is_empty() { Needs::effect() } else { Needs::pure() };
        let held = Held { network: config.network, in_place: config.in_place, confine: config.confine, ..Held::default() };
        let mut needs = Held::variables(kind.idempotent(true), &config.env);
        for argv in &config.command {
            needs = needs.with(held.need(argv)?.because("the config names this command"));
        }
        ForCommand::needs(needs, &config.secret, &config.command.iter())
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        Ok(config.command.iter().map(|argv| Change::new(format!("run {}", argv.join(" ")))).collect())
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Nothing>> {
        let total = config.command.len() as u64;
        for (done, argv) in (0..).zip(&config.command) {
            log::progress("commands", done, Some(total));
            run(&config, argv)?;
        }
        log::progress("commands", total, Some(total));
        let last = config.command.last().map(|argv| argv.join(" ")).unwrap_or_default();
        let summary = if total == 1 { format!("ran {last}") } else { format!("ran {total} commands, the last: {last}") };
        Ok(Outcome::new(summary, Outputs { commands: config.command.len() }))
    }
}

fn run(config: &Config, argv: &[String]) -> Result<()> {
    let mut made = command::words(argv)?.envs(&config.env).secrets(&config.secret)?;
    if let Some(dir) = &config.dir {
        made = made.dir(dir);
    }
    match made.run()? {
        0 => Ok(()),
        code => Err(Error::permanent(format!("`{}` ended with exit code {code}", argv.join(" ")))),
    }
}

relrun_sdk::export!(Build);

#[cfg(test)]
mod tests;

//! `deploy`: deploys with commands, and undoes with commands.
//!
//! It knows nothing of what the commands do: which of them began and ended is all that it records, and all that `recover` can tell. It
//! must never say that a deployment stands without having asked a `check` command.

use relrun_sdk::command::{self, Command, Confine, ForCommand, Held};
use relrun_sdk::{About, Came, Change, Error, Health, Needs, Outcome, Plugin, Recovery, Result, checkpoint, config, log, outputs, receipt};
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
    /// Where the commands start, relative to the staged files.
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
        let held = Held { network: config.network, confine: config.confine, ..Held::default() };
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
        let all = config.up.iter().chain(&config.down).chain(&config.check).chain(&config.destroy);
        ForCommand::needs(needs, &config.secret, &all)
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        Ok(config.up.iter().map(|argv| Change::new(format!("would run {}", argv.join(" ")))).collect())
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Progress>> {
        let total = config.up.len();
        for (done, argv) in config.up.iter().enumerate() {
            checkpoint(&Progress { begun: done + 1, ended: done })?;
            log::progress("commands", done as u64, Some(total as u64));
            run(&config, argv)?;
        }
        let progress = Progress { begun: total, ended: total };
        checkpoint(&progress)?;
        Ok(deployed(&config, progress))
    }

    fn recover(config: Config, came: Came<Progress>) -> Result<Recovery<Outputs, Progress>> {
        Ok(match came {
            Came::Untouched => Recovery::NotDone,
            Came::Begun => Recovery::Partly(Progress { begun: 1, ended: 0 }),
            Came::Saved(progress) if progress.ended >= config.up.len() => Recovery::Done(deployed(&config, progress)),
            Came::Saved(progress) => Recovery::Partly(progress),
        })
    }

    fn verify(config: Config, _: Progress) -> Result<Health> {
        if config.check.is_empty() {
            return Err(Error::permanent("the config names no `check` command that could tell"));
        }
        let mut drifted = Vec::new();
        for argv in &config.check {
            let code = prepared(&config, argv)?.readonly().run()?;
            if code != 0 {
                drifted.push(Change::new(ended(argv, code)));
            }
        }
        Ok(if drifted.is_empty() { Health::Intact } else { Health::Drifted(drifted) })
    }

    fn undo(config: Config, progress: Progress) -> Result<String> {
        if progress.begun == 0 {
            return Ok("no command had begun".to_owned());
        }
        run_all(&config, &config.down)
    }

    fn destroy(config: Config, _: Progress) -> Result<String> {
        run_all(&config, if config.destroy.is_empty() { &config.down } else { &config.destroy })
    }
}

fn deployed(config: &Config, progress: Progress) -> Outcome<Outputs, Progress> {
    let last = config.up.last().map(|argv| argv.join(" ")).unwrap_or_default();
    Outcome::new(format!("deployed with {last}"), Outputs { commands: progress.ended }).receipt(progress)
}

fn run_all(config: &Config, commands: &[Vec<String>]) -> Result<String> {
    for argv in commands {
        run(config, argv)?;
    }
    Ok(format!("ran {}", commands.iter().map(|argv| argv.join(" ")).collect::<Vec<_>>().join(", ")))
}

fn run(config: &Config, argv: &[String]) -> Result<()> {
    match prepared(config, argv)?.run()? {
        0 => Ok(()),
        code => Err(Error::permanent(ended(argv, code))),
    }
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

//! Commands on the host machine. Each argument is checked against the grants; there is no shell.

use crate::need::{self, Need, Needs};
use crate::secrets::Secret;
use crate::{Error, Result, backend, config, guard};
use std::collections::BTreeMap;

/// Names a program, found on the host's fixed path.
pub fn command(program: &str) -> Command {
    Command {
        program: program.to_owned(),
        args: Vec::new(),
        dir: None,
        env: Vec::new(),
        secret_env: Vec::new(),
        stdin: None,
        on_host: None,
        readonly: false,
    }
}

/// Makes a command of its words: the program, then the arguments.
pub fn words(argv: &[String]) -> Result<Command> {
    let (program, args) = argv.split_first().ok_or_else(|| Error::invalid("a command names no program"))?;
    Ok(command(program).args(args))
}

/// A command being made.
#[derive(Clone, Debug)]
pub struct Command {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) dir: Option<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) secret_env: Vec<(String, Secret)>,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) on_host: Option<String>,
    readonly: bool,
}

/// How commands are held, for configs that let a manifest say it.
#[config]
#[derive(Copy, Default, PartialEq, Eq)]
pub enum Confine {
    /// Staged inputs, private outputs, no new privileges.
    #[default]
    Full,
    /// Not held at all.
    None,
}

/// A secret for a config's commands, in the words of the grant that it needs: `secret "${secret.token}" to-command="npm" env="NPM_TOKEN"`.
#[config(args("secret"))]
#[derive(PartialEq, Eq)]
pub struct ForCommand {
    /// The secret's handle, `${secret.NAME}`; its bytes stay with the host.
    secret: String,
    /// The variable that holds it; the command's standard input where none is named.
    #[serde(default)]
    #[schemars(length(min = 1))]
    env: Option<String>,
    /// The only program that gets it; every command's where none is named.
    #[serde(default)]
    to_command: Option<String>,
}

impl ForCommand {
    /// Adds what these secrets need for these commands; an error where one is for a program that none of them runs.
    pub fn needs<'a>(mut needs: Needs, given: &[Self], commands: &(impl Iterator<Item = &'a Vec<String>> + Clone)) -> Result<Needs> {
        for one in given {
            let programs = commands.clone().filter_map(|argv| argv.first()).filter(|program| one.is_for(program));
            let mut wanted = programs.peekable();
            if wanted.peek().is_none() {
                let program = one.to_command.as_deref().unwrap_or_default();
                return Err(Error::invalid(format!(
                    "the secret {:?} is for the program {program:?}, which no command here runs",
                    one.secret
                )));
            }
            for program in wanted {
                let need = need::secret(&one.secret).to_program(program, one.env.as_deref());
                needs = needs.with(need.because("the config hands it to this command"));
            }
        }
        Ok(needs)
    }

    fn is_for(&self, program: &str) -> bool {
        self.to_command.as_deref().is_none_or(|wanted| wanted == program)
    }
}

/// What a config's commands have in common, so that plugins which run commands ask for them in one way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Whether they may reach the network.
    pub network: bool,
    /// Whether they run in the work tree itself.
    pub in_place: bool,
    /// How they are held.
    pub confine: Confine,
    /// Whether they run on the environment's hosts.
    pub on_hosts: bool,
}

impl Held {
    /// Returns the need for one command; an error where it names no program.
    pub fn need(self, argv: &[String]) -> Result<Need> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(Error::invalid("a command names no program"));
        }
        let need = need::run(argv);
        let need = if self.on_hosts { need.on("*") } else { need };
        Ok(need.network(self.network).in_place(self.in_place).unconfined(self.confine == Confine::None))
    }

    /// Adds the variables that the host wants a grant for, each by its name.
    pub fn variables(needs: Needs, env: &BTreeMap<String, String>) -> Needs {
        let held = env.keys().filter(|name| need::steers_programs(name));
        held.fold(needs, |needs, name| needs.with(need::env(name).because("the config sets it for a command")))
    }
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code, or 128 plus the signal.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Command {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<str>>(mut self, args: &[S]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Says where it starts, relative to `/work`.
    pub fn dir(mut self, path: impl Into<String>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables.
    pub fn envs(mut self, variables: &BTreeMap<String, String>) -> Self {
        self.env.extend(variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// Sets a variable to a secret that was granted to this command.
    pub fn secret_env(mut self, name: impl Into<String>, secret: &Secret) -> Self {
        self.secret_env.push((name.into(), secret.clone()));
        self
    }

    /// Sets the variables that hold secrets of a config. One that is for the standard input is put there by the host, under its grant.
    pub fn secrets(mut self, given: &[ForCommand]) -> Result<Self> {
        for one in given.iter().filter(|one| one.is_for(&self.program)) {
            if let Some(name) = &one.env {
                self.secret_env.push((name.clone(), crate::secrets::get(&one.secret)?));
            }
        }
        Ok(self)
    }

    /// Gives it these bytes to read. Without, it reads nothing.
    pub fn stdin(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(data.into());
        self
    }

    /// Runs it on one of the environment's hosts instead.
    pub fn on_host(mut self, host: impl Into<String>) -> Self {
        self.on_host = Some(host.into());
        self
    }

    /// Says that it changes nothing, so that it needs no checkpoint. The host still asks for a grant with `readonly` in `plan` and `verify`.
    pub fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// Runs it to the end; its output goes to the log as it comes. Gives the exit code, or 128 plus the signal.
    pub fn run(self) -> Result<i32> {
        self.guard()?;
        backend::command_run(&self)
    }

    /// Runs it to the end and gives what it wrote.
    pub fn output(self) -> Result<Output> {
        self.guard()?;
        backend::command_output(&self)
    }

    /// Starts it, for reading its output while it runs.
    pub fn spawn(self) -> Result<Child> {
        self.guard()?;
        backend::command_spawn(&self).map(Child)
    }

    pub(crate) fn is_readonly(&self) -> bool {
        self.readonly
    }

    fn guard(&self) -> Result<()> {
        if self.readonly { Ok(()) } else { guard::mutation() }
    }
}

/// A command that runs. Dropping it ends its whole process tree.
#[derive(Debug)]
pub struct Child(backend::Child);

impl Child {
    /// Returns the next bytes of its standard output, at most `max`; none at the end.
    pub fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        backend::child_read(&mut self.0, max)
    }

    /// Returns the next bytes of its standard error, at most `max`; none at the end.
    pub fn read_error(&mut self, max: u32) -> Result<Vec<u8>> {
        backend::child_read_error(&mut self.0, max)
    }

    /// Waits for its end; gives the exit code, or 128 plus the signal.
    pub fn wait(&mut self) -> Result<i32> {
        backend::child_wait(&mut self.0)
    }

    /// Ends its whole process tree.
    pub fn kill(&mut self) {
        backend::child_kill(&mut self.0);
    }
}

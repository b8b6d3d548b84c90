//! `process`: commands on the host machine, each compared with the grants, each held by `relrun-confine`.

use super::command::{self, Prepared};
use super::{Secret, span};
use crate::attempt::Attempt;
use crate::bindings::process;
use crate::bindings::types::Error;
use crate::error::CallError;
use crate::remotes::POLITE;
use crate::state::{State, Ways};
use crate::stop::StopSignal;
use crate::veil::Veil;
use crate::words::{Lines, Words};
use crate::{LineSource, remotes};
use relrun_confine::ConfineError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tracing::Instrument;
use wasmtime::component::Resource;

/// What `ssh` itself ends with, where it could not do what it was to.
const LOST: i32 = 255;
/// How long a command that ended may take to be known to have.
const MOMENT: Duration = Duration::from_millis(50);
/// The most that one `read` gives.
const PIECE: u32 = 1 << 20;

/// A command being made.
#[derive(Clone)]
pub struct Command {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) dir: Option<String>,
    pub(super) env: Vec<(String, String)>,
    /// Variables and the names of the secrets that they hold.
    pub(super) secret_env: Vec<(String, String)>,
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) host: Option<String>,
}

impl Command {
    /// Returns what the plugin said of it: program, arguments, directory and host.
    pub(crate) fn told(&self) -> (&str, &[String], Option<&str>, Option<&str>) {
        (&self.program, &self.args, self.dir.as_deref(), self.host.as_deref())
    }
}

/// A command that runs. Dropping it ends its whole process tree.
pub struct Child {
    child: relrun_confine::Child,
    program: String,
    /// Of both streams, where the command was handed a secret, which it may print.
    veils: Option<[Veil; 2]>,
    /// The host that it runs on, before each line of its words; empty where that is this machine.
    prefix: String,
    /// It itself, where it runs behind SSH and `child` is no more than the way there.
    remote: Option<remotes::Remote>,
    _running: Running,
}

/// Counts a command as running.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a command that was made.
pub(super) async fn start(attempt: &Attempt, ways: &Ways, command: Command) -> Result<Child, CallError> {
    attempt.stop.check()?;
    let files = attempt.files("run")?;
    let launcher = ways.launcher.as_ref();
    let launcher = launcher.ok_or_else(|| CallError::permanent("this program was set up without a way to run commands"))?;
    let Prepared { spec, is_secret, remote } = command::prepare(attempt, files, &command, ways.commands.as_deref()).await?;
    let start = async {
        launcher.spawn(&spec).await.map_err(|error| {
            // It never came to the host.
            remote.as_ref().inspect(|remote| remote.has_ended());
            refused(&error)
        })
    };
    let child = attempt.stop.race(start).await?;
    let veils = is_secret.then(|| [Veil::new(&attempt.masker), Veil::new(&attempt.masker)]);
    let prefix = command.host.map(|host| format!("{host}: ")).unwrap_or_default();
    Ok(Child { child, program: command.program, veils, prefix, remote, _running: Running::new(&files.commands) })
}

/// Says an error of the confinement to the plugin.
pub(super) fn refused(error: &ConfineError) -> CallError {
    let text = match miette::Diagnostic::help(error) {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    };
    CallError::Told(match error {
        ConfineError::NotFound { .. } => Error::Missing(text),
        ConfineError::Relative { .. } | ConfineError::Path { .. } => Error::Invalid(text),
        _ => Error::Permanent(text),
    })
}

impl Child {
    /// Returns the next bytes of a stream as the guest may have them, at most `max`; empty at the end.
    async fn read(&mut self, which: process::Output, max: usize) -> Result<Vec<u8>, CallError> {
        let is_out = which == process::Output::Stdout;
        loop {
            let veil = self.veils.as_mut().map(|[out, err]| if is_out { out } else { err });
            if let Some(ready) = veil.and_then(|veil| veil.next(max)) {
                return Ok(ready);
            }
            let mut bytes = vec![0; max];
            let read = if is_out {
                read_some(self.child.stdout.as_mut(), &mut bytes).await
            } else {
                read_some(self.child.stderr.as_mut(), &mut bytes).await
            };
            let length = read.map_err(|error| CallError::permanent(format!("failed to read what {} writes: {error}", self.program)))?;
            bytes.truncate(length);
            match &mut self.veils {
                Some([out, err]) => (if is_out { out } else { err }).take(&bytes),
                None => return Ok(bytes),
            }
        }
    }

    /// Waits for the end, what nobody read going to the log. Told to stop, it is ended first.
    pub(super) async fn finish(&mut self, words: &Arc<Words>, stop: &StopSignal) -> Result<i32, CallError> {
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let lines = |source| Lines::new(words, source, self.prefix.clone());
        let (out_lines, err_lines) = (lines(LineSource::Stdout), lines(LineSource::Stderr));
        let work = async {
            let say = async { tokio::try_join!(say(out, out_lines), say(err, err_lines)).map(drop) };
            let wait = async { self.child.wait().await.map_err(|error| refused(&error)) };
            // A pipe ends when the whole tree has; a failed pipe must not leave a command behind that nobody waits for.
            let ((), exit) = tokio::try_join!(say, wait)?;
            Ok(exit.code())
        };
        let ended = stop.race(work).await;
        match (&ended, &self.remote) {
            (Ok(LOST), Some(remote)) if remote.was_lost().await => {
                return Err(CallError::Told(Error::Transient(format!("{}: the connection was lost", remote.host()))));
            }
            (Ok(_), Some(remote)) => remote.has_ended(),
            (Ok(_), None) => {}
            (Err(_), _) => self.kill(POLITE).await,
        }
        ended
    }

    /// Ends it where nobody will wait for it. Here, its drop does that.
    async fn let_go(mut self) {
        let Some(remote) = &self.remote else { return };
        match timeout(MOMENT, self.child.wait()).await {
            Ok(Ok(exit)) if exit.code() != LOST => remote.has_ended(),
            _ => self.kill(Duration::ZERO).await,
        }
    }

    /// Ends it, here and on its host. How it ended then is of no interest; `wait` says it.
    async fn kill(&mut self, polite: Duration) {
        let _ = self.child.kill(polite).await;
        if let Some(remote) = &self.remote {
            remote.end(polite).await;
        }
    }
}

/// Puts what a command writes into the log, until it writes no more.
async fn say(pipe: Option<impl AsyncRead + Unpin>, mut lines: Lines) -> Result<(), CallError> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut bytes = vec![0; 16 << 10];
    loop {
        match pipe.read(&mut bytes).await {
            Ok(0) => return Ok(()),
            Ok(length) => lines.chunk(&bytes[..length]).map_err(|error| CallError::Ended(error.into()))?,
            Err(error) => return Err(CallError::permanent(format!("failed to read what the command writes: {error}"))),
        }
    }
}

impl process::Host for State {}

impl process::HostCommand for State {
    async fn new(&mut self, program: String, args: Vec<String>) -> wasmtime::Result<Resource<Command>> {
        let (env, secret_env) = (Vec::new(), Vec::new());
        Ok(self.table.push(Command { program, args, dir: None, env, secret_env, stdin: None, host: None })?)
    }

    async fn dir(&mut self, command: Resource<Command>, path: String) -> wasmtime::Result<()> {
        self.table.get_mut(&command)?.dir = Some(path);
        Ok(())
    }

    async fn env(&mut self, command: Resource<Command>, name: String, value: String) -> wasmtime::Result<()> {
        self.table.get_mut(&command)?.env.push((name, value));
        Ok(())
    }

    async fn secret_env(&mut self, command: Resource<Command>, name: String, value: Resource<Secret>) -> wasmtime::Result<()> {
        let secret = self.table.get(&value)?.name.clone();
        self.table.get_mut(&command)?.secret_env.push((name, secret));
        Ok(())
    }

    async fn stdin(&mut self, command: Resource<Command>, data: Vec<u8>) -> wasmtime::Result<()> {
        self.table.get_mut(&command)?.stdin = Some(data);
        Ok(())
    }

    async fn on_host(&mut self, command: Resource<Command>, host: String) -> wasmtime::Result<()> {
        self.table.get_mut(&command)?.host = Some(host);
        Ok(())
    }

    async fn run(&mut self, command: Resource<Command>) -> Result<i32, CallError> {
        let span = span("process.run");
        let command = self.table.get(&command)?.clone();
        let mut child = start(&self.attempt, &self.ways, command).instrument(span.clone()).await?;
        child.finish(&self.attempt.words, &self.attempt.stop).instrument(span).await
    }

    async fn spawn(&mut self, command: Resource<Command>) -> Result<Resource<Child>, CallError> {
        let command = self.table.get(&command)?.clone();
        let child = start(&self.attempt, &self.ways, command).instrument(span("process.spawn")).await?;
        Ok(self.table.push(child)?)
    }

    async fn drop(&mut self, command: Resource<Command>) -> wasmtime::Result<()> {
        self.table.delete(command)?;
        Ok(())
    }
}

impl process::HostChild for State {
    async fn read(&mut self, child: Resource<Child>, which: process::Output, max: u32) -> Result<Vec<u8>, CallError> {
        let found = self.table.get_mut(&child)?;
        let max = usize::try_from(max.clamp(1, PIECE)).unwrap_or(1);
        self.attempt.stop.race(found.read(which, max)).instrument(span("process.read")).await
    }

    async fn wait(&mut self, child: Resource<Child>) -> Result<i32, CallError> {
        let child = self.table.get_mut(&child)?;
        child.finish(&self.attempt.words, &self.attempt.stop).instrument(span("process.wait")).await
    }

    async fn kill(&mut self, child: Resource<Child>) -> wasmtime::Result<()> {
        self.table.get_mut(&child)?.kill(Duration::ZERO).instrument(span("process.kill")).await;
        Ok(())
    }

    async fn drop(&mut self, child: Resource<Child>) -> wasmtime::Result<()> {
        self.table.delete(child)?.let_go().instrument(span("process.drop")).await;
        Ok(())
    }
}

async fn read_some(pipe: Option<&mut (impl AsyncRead + Unpin)>, bytes: &mut [u8]) -> std::io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(bytes).await,
        None => Ok(0),
    }
}

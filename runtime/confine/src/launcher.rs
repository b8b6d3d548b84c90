//! The host's side: starts a supervisor, hands it the spec, hears how the command ended, and ends it. It never waits without a bound on
//! anything but the command itself.

use crate::error::{ConfineError, HELP_UNCONFINED};
use crate::spec::{Exit, Limits, Mode, Spec, View};
use crate::wire::{self, Reply, TERMINATE};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// How long a supervisor may take to end a tree that it was told to end.
const END_WITHIN: Duration = Duration::from_secs(15);

/// Starts supervisors.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    args: Vec<OsString>,
}

/// A running command. Dropping it ends the command and every process that came from it.
#[derive(Debug)]
pub struct Child {
    /// What it writes to its standard output; ends when the whole tree has ended.
    pub stdout: Option<ChildStdout>,
    /// The same of its standard error.
    pub stderr: Option<ChildStderr>,
    control: Option<UnixStream>,
    heard: Vec<u8>,
    ended: Option<Result<Exit, ConfineError>>,
    supervisor: tokio::process::Child,
}

impl Launcher {
    /// Makes a launcher that executes `program` with `args`, which must end up in [`crate::confined_main`].
    pub fn new(program: impl AsRef<Path>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.as_ref().to_owned(), args: args.into_iter().map(Into::into).collect() }
    }

    /// Starts a command. When this returns, the command runs, and is held as its spec says.
    ///
    /// # Errors
    /// [`ConfineError::Unavailable`] where this machine cannot hold it so; the program is not started then.
    pub async fn spawn(&self, spec: &Spec) -> Result<Child, ConfineError> {
        let failed = |doing: &'static str| move |error: std::io::Error| ConfineError::machine(doing, error);
        let frame = crate::supervise::order(spec).map_err(failed("pass the command on"))?;
        let (ours, theirs) = UnixStream::pair().map_err(failed("open a socket pair"))?;
        let mut supervisor = self.start(theirs, spec)?;
        let mut child = Child {
            stdout: supervisor.stdout.take(),
            stderr: supervisor.stderr.take(),
            control: Some(ours),
            heard: Vec::new(),
            ended: None,
            supervisor,
        };
        child.tell(&frame).await;
        match child.hear().await {
            Ok(Reply::Started) => Ok(child),
            Ok(Reply::Ended(_)) | Err(ConfineError::Lost) => Err(ConfineError::unavailable(
                "the supervisor ended before it started the command",
                self.program.display(),
                HELP_UNCONFINED,
            )),
            Ok(Reply::Failed(error)) | Err(error) => Err(error),
        }
    }

    /// Tries whether a command can be confined on this machine, with `true`.
    ///
    /// # Errors
    /// What is missing.
    pub async fn probe(&self) -> Result<(), ConfineError> {
        let step = scratch_step().map_err(|error| ConfineError::machine("make a scratch directory", error))?;
        let spec = Spec {
            program: crate::resolve("true", &[])?.path,
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            mode: Mode::Confined { view: View::new(step.path()), dir: PathBuf::new() },
            network: false,
            limits: Limits::default(),
        };
        match self.spawn(&spec).await?.wait().await? {
            Exit::Code(0) => Ok(()),
            exit => Err(ConfineError::unavailable("a confined `true` failed", format!("exit code {}", exit.code()), HELP_UNCONFINED)),
        }
    }

    fn start(&self, control: UnixStream, spec: &Spec) -> Result<tokio::process::Child, ConfineError> {
        let failed = |error: std::io::Error| ConfineError::machine("start the supervisor", error);
        let control = control.into_std().map_err(failed)?;
        control.set_nonblocking(false).map_err(failed)?;
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(control)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A supervisor of namespaces takes its tree with it. One without has to end the tree itself, so it is never killed.
            .kill_on_drop(!matches!(spec.mode, Mode::Unconfined { .. }))
            .spawn()
            .map_err(failed)
    }
}

impl Child {
    /// Waits until the command has ended, and every process that came from it. May be dropped and called again.
    ///
    /// # Errors
    /// [`ConfineError::Lost`] where its supervisor was killed from outside.
    pub async fn wait(&mut self) -> Result<Exit, ConfineError> {
        if self.ended.is_none() {
            let answer = match self.hear().await {
                Ok(Reply::Ended(exit)) => Ok(exit),
                Ok(Reply::Started) => Err(ConfineError::machine("follow the command", "its supervisor said twice that it started")),
                Ok(Reply::Failed(error)) | Err(error) => Err(error),
            };
            self.ended = Some(answer);
        }
        // The supervisor has nothing more to do; this only collects it.
        if timeout(END_WITHIN, self.supervisor.wait()).await.is_err() {
            self.supervisor.start_kill().ok();
        }
        self.control = None;
        self.ended.clone().unwrap_or(Err(ConfineError::Lost))
    }

    /// Ends the command: SIGTERM to its process group, and after `grace`, SIGKILL to every process that came from it.
    ///
    /// # Errors
    /// [`ConfineError::Lost`] where how it ended cannot be known: it was killed.
    pub async fn kill(&mut self, grace: Duration) -> Result<Exit, ConfineError> {
        if !grace.is_zero() && self.ended.is_none() {
            self.tell(&[TERMINATE]).await;
            if let Ok(answer) = timeout(grace, self.wait()).await {
                return answer;
            }
        }
        self.end().await
    }

    /// Closes our side for writing, which the supervisor takes as the order to end the tree, and waits for it.
    async fn end(&mut self) -> Result<Exit, ConfineError> {
        if let Some(control) = &mut self.control {
            control.shutdown().await.ok();
        }
        if let Ok(answer) = timeout(END_WITHIN, self.wait()).await {
            return answer;
        }
        self.supervisor.start_kill().ok();
        self.ended = Some(Err(ConfineError::Lost));
        self.wait().await
    }

    /// A supervisor that is gone is noticed where its answer is read.
    async fn tell(&mut self, bytes: &[u8]) {
        if let Some(control) = &mut self.control {
            control.write_all(bytes).await.ok();
        }
    }

    /// Reads the next reply. What was read stays in `heard` where this is dropped half-way.
    async fn hear(&mut self) -> Result<Reply, ConfineError> {
        loop {
            if let Some(reply) = wire::decode(&mut self.heard).map_err(|error| ConfineError::machine("understand the supervisor", error))? {
                return Ok(reply);
            }
            let control = self.control.as_mut().ok_or(ConfineError::Lost)?;
            match control.read_buf(&mut self.heard).await {
                Ok(0) | Err(_) => return Err(ConfineError::Lost),
                Ok(_) => {}
            }
        }
    }
}

/// Returns an empty step's directory.
fn scratch_step() -> std::io::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    for name in ["in", "out", "tmp", "work"] {
        std::fs::create_dir(directory.path().join(name))?;
    }
    Ok(directory)
}

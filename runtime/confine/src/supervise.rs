//! The supervisor: between the host and process 1. It has one thread, because a process with more cannot enter a user namespace, and it waits for whichever speaks first.

use crate::environment::environment;
use crate::error::{ConfineError, HELP_UNCONFINED};
use crate::init::{self, Started, Task};
use crate::plan::Plan;
use crate::spec::{Mode, Spec};
use crate::wire::{self, Reply};
use crate::{namespaces, root, unconfined};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

/// What a re-executed relrun is told to be.
#[derive(Serialize, Deserialize)]
enum Role {
    /// The supervisor, from the host.
    Supervisor(Spec),
    /// Process 1, from the supervisor.
    Init(Task),
}

/// Returns the host's first frame.
pub(crate) fn order(spec: &Spec) -> io::Result<Vec<u8>> {
    wire::encode(&Role::Supervisor(spec.clone()))
}

/// The `main` of `relrun __confined`. Reads its part from descriptor 0, a socket to who started it; it is of no use by hand.
pub fn confined_main() -> ExitCode {
    // For process 1, whose parent has one thread. The supervisor's parent has many, and this signal comes with the end of the one that
    // started it; it watches the socket instead.
    let Ok(control) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else { return ExitCode::FAILURE };
    // Nothing that the terminal or a CI runner left open reaches the command.
    close_fds::set_fds_cloexec(3, &[]);
    if std::process::id() == 1 && set_pdeathsig(Signal::SIGKILL).is_err() {
        return ExitCode::FAILURE;
    }
    match wire::receive(&control) {
        Ok(Role::Supervisor(spec)) => supervise(spec, &control),
        Ok(Role::Init(task)) => init::run(&task, &control),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

fn supervise(spec: Spec, control: &UnixStream) {
    // Ctrl-C is the host's to hear.
    nix::unistd::setsid().ok();
    let reply = match Plan::of(&spec) {
        Ok(None) => unconfined::run(&started(spec), control),
        Ok(Some(plan)) => confine(spec, plan, control),
        Err(error) => Err(error),
    };
    let reply = reply.unwrap_or_else(Reply::Failed);
    wire::send(control, &reply).ok();
}

fn started(spec: Spec) -> Started {
    let env = environment(&spec);
    let cwd = if let Mode::Unconfined { dir } = spec.mode { dir } else { PathBuf::default() };
    Started { program: spec.program, args: spec.args, env, stdin: spec.stdin, cwd, limits: spec.limits }
}

fn confine(spec: Spec, plan: Plan, control: &UnixStream) -> Result<Reply, ConfineError> {
    let network = spec.network;
    let mut command = started(spec);
    namespaces::enter(network)?;
    let base = root::lay_out(&plan)?;
    namespaces::keep_for_process_1()?;
    let writable = plan.writable();
    command.cwd = plan.cwd;
    let (mut init, ours) = start_init()?;
    let last = match wire::send(&ours, &Role::Init(Task { base, writable, network, command })) {
        Ok(()) => relay(control, &ours),
        Err(error) => Err(ConfineError::machine("pass the command on", error)),
    };
    // Process 1 takes all others with it, and is not gone before they are.
    init.kill().ok();
    init.wait().ok();
    last
}

fn start_init() -> Result<(Child, UnixStream), ConfineError> {
    let (ours, theirs) = UnixStream::pair().map_err(|error| ConfineError::machine("open a socket pair", error))?;
    let init = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .map_err(|error| ConfineError::unavailable("process 1 does not start", error, HELP_UNCONFINED))?;
    Ok((init, ours))
}

/// Passes orders in and replies out, and returns the last reply.
fn relay(host: &UnixStream, init: &UnixStream) -> Result<Reply, ConfineError> {
    loop {
        let (from_host, from_init) = wait_for_either(host, init)?;
        if from_init {
            match wire::receive(init) {
                Ok(Reply::Started) => wire::send(host, &Reply::Started).map_err(|_| ConfineError::Lost)?,
                Ok(last) => return Ok(last),
                Err(_) => return Err(ConfineError::Lost),
            }
        } else if from_host {
            let mut order = [0];
            match (&*host).read(&mut order) {
                Ok(1..) => drop((&*init).write_all(&order)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The host is gone, or wants an end.
                _ => return Ok(Reply::Ended(crate::Exit::Signal(Signal::SIGKILL as i32))),
            }
        }
    }
}

fn wait_for_either(host: &UnixStream, init: &UnixStream) -> Result<(bool, bool), ConfineError> {
    let mut descriptors = [PollFd::new(host.as_fd(), PollFlags::POLLIN), PollFd::new(init.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(ConfineError::machine("wait for the command", errno)),
    }
    let [host, init] = descriptors.map(|descriptor| descriptor.revents().is_some_and(|events| !events.is_empty()));
    Ok((host, init))
}

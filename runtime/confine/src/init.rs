//! Process 1 of a confined command: finishes the root from inside the process namespace, gives everything up, starts the command, collects orphans, and says how the command
//! ended. With its own end the kernel ends every process of the namespace.

use crate::error::{ConfineError, HELP_UNCONFINED};
use crate::hold;
use crate::spec::{Exit, Limits};
use crate::wire::{self, Reply, TERMINATE};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::sys::utsname::uname;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, chdir, pivot_root, sethostname, setsid};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NONE: Option<&str> = None;

/// The kernel takes no lower `pid_max` (its reserved numbers, and one).
const LEAST_PID_MAX: u64 = 301;

/// What process 1 does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Where the root was laid out.
    pub(crate) base: PathBuf,
    /// What may be written.
    pub(crate) writable: Vec<PathBuf>,
    /// Whether the network is granted.
    pub(crate) network: bool,
    /// What is started.
    pub(crate) command: Started,
}

/// What is started, confined or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) cwd: PathBuf,
    pub(crate) limits: Limits,
}

/// Runs as process 1 until the command has ended.
pub(crate) fn run(task: &Task, control: &UnixStream) {
    let reply = match begin(task) {
        Ok(leader) => {
            wire::send(control, &Reply::Started).ok();
            follow_orders(control, leader);
            Reply::Ended(collect_until(leader))
        }
        Err(error) => Reply::Failed(error),
    };
    wire::send(control, &reply).ok();
}

fn begin(task: &Task) -> Result<Pid, ConfineError> {
    setsid().map_err(unavailable("a new session is refused"))?;
    // What a command makes must not depend on who runs it.
    umask(Mode::from_bits_truncate(0o022));
    sethostname("relrun").map_err(unavailable("a host name of its own is refused"))?;
    enter_root(&task.base, task.command.limits.processes)?;
    hold::drop_capabilities()?;
    hold::landlock(&task.writable, task.network)?;
    hold::limit(&task.command.limits)?;
    // Giving up capabilities may have cleared it.
    set_pdeathsig(Signal::SIGKILL).map_err(unavailable("no signal at the supervisor's end"))?;
    hold::seccomp()?;
    task.command.start()
}

fn enter_root(base: &Path, processes: Option<u64>) -> Result<(), ConfineError> {
    mount_proc(&base.join("proc"), processes)?;
    chdir(base).map_err(unavailable("the root cannot be entered"))?;
    // The old root comes to lie over the new one at the same place, and is taken off (`pivot_root(2)`).
    pivot_root(".", ".").map_err(unavailable("the root cannot be changed"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(unavailable("the host's files cannot be taken away"))?;
    chdir("/").map_err(unavailable("the root cannot be entered"))?;
    let sealed = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    mount(NONE, "/", NONE, sealed, NONE).map_err(unavailable("the root cannot be made read-only"))
}

fn mount_proc(place: &Path, processes: Option<u64>) -> Result<(), ConfineError> {
    let help = "a container that masks parts of /proc allows no new one: start it with `--security-opt systempaths=unconfined`; or add confine=\"none\" to the `run` grant";
    let failed = |errno| ConfineError::unavailable("no /proc of its own", errno, help);
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), place, Some("proc"), plain, NONE).map_err(failed)?;
    if let Some(most) = processes.filter(|_| pid_max_is_the_namespaces_own()) {
        let most = most.max(LEAST_PID_MAX).to_string();
        std::fs::write(place.join("sys/kernel/pid_max"), most).map_err(|error| ConfineError::machine("limit the processes", error))?;
    }
    // For root, half of /proc/sys is writable whatever its capabilities.
    mount(NONE, place, NONE, plain | MsFlags::MS_RDONLY | MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NONE).map_err(failed)
}

/// Returns whether `pid_max` belongs to the process namespace: since Linux 6.14. Before, it is the whole machine's, and not to be touched.
fn pid_max_is_the_namespaces_own() -> bool {
    let Ok(system) = uname() else { return false };
    system.release().to_str().and_then(version).is_some_and(|version| version >= (6, 14))
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn unavailable(what: &'static str) -> impl Fn(Errno) -> ConfineError {
    move |errno| ConfineError::unavailable(what, errno, HELP_UNCONFINED)
}

impl Started {
    /// Starts the command as the leader of a process group.
    pub(crate) fn start(&self) -> Result<Pid, ConfineError> {
        let child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.cwd)
            .stdin(self.stdin()?)
            .process_group(0)
            .spawn()
            .map_err(|error| self.refusal(&error))?;
        Ok(Pid::from_raw(child.id().cast_signed()))
    }

    /// In memory, and not a pipe: nobody has to feed it.
    fn stdin(&self) -> Result<Stdio, ConfineError> {
        if self.stdin.is_empty() {
            return Ok(Stdio::null());
        }
        let failed = |error: std::io::Error| ConfineError::machine("lay out the standard input", error);
        let memory =
            nix::sys::memfd::memfd_create("stdin", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(memory);
        file.write_all(&self.stdin).and_then(|()| file.rewind()).map_err(failed)?;
        Ok(file.into())
    }

    fn refusal(&self, error: &std::io::Error) -> ConfineError {
        let help = match error.raw_os_error().map(Errno::from_raw) {
            _ if !self.cwd.is_dir() => return self.no_directory(),
            Some(Errno::ENOENT) => "its interpreter or loader is not shown to the command: grant `read` of where it lies",
            Some(Errno::ENOEXEC) => "a script's first line names its interpreter: `#!/bin/sh`",
            Some(Errno::E2BIG) => "pass less by arguments and environment, and more by standard input or files",
            _ => "see that this user may execute it, and that its file system is not mounted noexec",
        };
        ConfineError::Start { program: self.program.clone(), reason: error.to_string(), help: help.to_owned() }
    }

    fn no_directory(&self) -> ConfineError {
        let reason = format!("there is no directory {} to start it in", self.cwd.display());
        ConfineError::Start {
            program: self.program.clone(),
            reason,
            help: "stage something into it, or take another working directory".to_owned(),
        }
    }
}

/// Listens to the supervisor in a thread of its own. Its end is ours.
fn follow_orders(control: &UnixStream, leader: Pid) {
    let Ok(mut control) = control.try_clone() else { std::process::exit(1) };
    std::thread::spawn(move || {
        let mut order = [0];
        loop {
            match control.read(&mut order) {
                Ok(1..) if order[0] == TERMINATE => killpg(leader, Signal::SIGTERM).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => std::process::exit(1),
            }
        }
    });
}

/// Collects every child that ends, and returns how the leader did.
pub(crate) fn collect_until(leader: Pid) -> Exit {
    loop {
        // The leader's number must not be free for another process while a signal to its group may be on the way, so it is looked at first.
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::Exited(pid, code)) if pid == leader => return Exit::Code(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == leader => return Exit::Signal(signal as i32),
            Ok(status) => drop(status.pid().map(|pid| waitpid(pid, None))),
            Err(Errno::EINTR) => {}
            Err(_) => return Exit::Code(255),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version("5.4.0-91-generic"), Some((5, 4)));
        assert!(version("6.9") < Some((6, 14)) && version("7.0") >= Some((6, 14)));
        assert_eq!(version("unknown"), None);
    }
}

//! The supervisor of a command that is not held: it adopts every orphan, and when the command or the host ends, ends all that came from it.

use crate::error::ConfineError;
use crate::hold;
use crate::init::{Started, collect_until};
use crate::wire::{self, Reply, TERMINATE};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long the tree may resist. What is left then cannot be killed by this user at all (a program of another user's, a dead disk).
const END_WITHIN: Duration = Duration::from_secs(10);

/// Runs a command until it and its tree have ended.
pub(crate) fn run(command: Started, control: &UnixStream) -> Result<Reply, ConfineError> {
    set_child_subreaper(true)
        .map_err(|errno| ConfineError::unavailable("orphans cannot be adopted", errno, "this needs Linux 3.4 or newer"))?;
    hold::limit(&command.limits)?;
    let leader = command.start()?;
    wire::send(control, &Reply::Started).ok();
    let mut orders = control.try_clone().map_err(|error| ConfineError::machine("copy a descriptor", error))?;
    std::thread::spawn(move || follow_orders(&mut orders, leader));
    let exit = collect_until(leader);
    end_tree();
    Ok(Reply::Ended(exit))
}

/// Passes SIGTERM on. Where the host is gone or wants an end, the whole tree is ended; how the command ended is then seen as ever.
fn follow_orders(control: &mut UnixStream, leader: Pid) {
    let mut order = [0];
    loop {
        match control.read(&mut order) {
            Ok(1..) if order[0] == TERMINATE => drop(killpg(leader, Signal::SIGTERM)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return kill_tree(),
        }
    }
}

/// Kills until nothing is left, and collects the dead.
fn end_tree() {
    let until = Instant::now() + END_WITHIN;
    while Instant::now() < until {
        kill_tree();
        if collect() == Left::Nothing {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether there are children.
#[derive(PartialEq, Eq)]
enum Left {
    Something,
    Nothing,
}

fn collect() -> Left {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return Left::Something,
            Err(Errno::ECHILD) => return Left::Nothing,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Left::Something,
        }
    }
}

/// Stops every descendant until no new one shows itself, so that none can outrun us by forking, and kills them all.
fn kill_tree() {
    let until = Instant::now() + END_WITHIN;
    let mut seen = BTreeSet::new();
    loop {
        let fresh: Vec<Pid> = descendants(Pid::this()).into_iter().filter(|pid| seen.insert(*pid)).collect();
        if fresh.is_empty() || Instant::now() > until {
            break;
        }
        for pid in fresh {
            kill(pid, Signal::SIGSTOP).ok();
        }
    }
    for pid in seen {
        kill(pid, Signal::SIGKILL).ok();
    }
}

/// Returns every process that came from `root`, the dead among them too.
fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for (pid, parent) in processes() {
        children.entry(parent).or_default().push(pid);
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn processes() -> Vec<(Pid, Pid)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let process = |entry: std::fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((Pid::from_raw(pid), Pid::from_raw(parent_of(&stat)?)))
    };
    entries.flatten().filter_map(process).collect()
}

/// Returns the parent from a line of `/proc/PID/stat`. The name before it is the program's own choice, brackets and all.
fn parent_of(stat: &str) -> Option<i32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_name_itself_out_of_its_tree() {
        assert_eq!(parent_of("42 (sh) S 7 42 42 0"), Some(7));
        assert_eq!(parent_of("42 (x) S 1 (y) R 7 42"), Some(7));
        assert_eq!(parent_of("nonsense"), None);
    }

    #[test]
    fn a_child_is_a_descendant() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        assert!(descendants(Pid::this()).contains(&Pid::from_raw(child.id().cast_signed())));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

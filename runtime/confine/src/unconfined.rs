//! The supervisor of a command that is not held: it adopts every orphan, and when the command or the host ends, ends all that came from it.

use crate::error::ConfineError;
use crate::hold;
use crate::init::{Started, collect_until};
use crate::wire::{self, Reply, TERMINATE};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long the tree may resist. What is left then cannot be killed by this user at all (a program of another user's, a dead disk).
const END_WITHIN: Duration = Duration::from_secs(10);

/// Runs a command until it and its tree have ended.
pub(crate) fn run(command: &Started, control: &UnixStream) -> Result<Reply, ConfineError> {
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

/// Passes SIGTERM on. Where the host is gone or wants an end, the command is ended, and with it the rest of the tree.
fn follow_orders(control: &mut UnixStream, leader: Pid) {
    let mut order = [0];
    loop {
        match control.read(&mut order) {
            Ok(1..) if order[0] == TERMINATE => killpg(leader, Signal::SIGTERM).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    // It may have left its group.
    killpg(leader, Signal::SIGKILL).ok();
    kill(leader, Signal::SIGKILL).ok();
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

/// Kills every descendant. By process groups first: the kernel kills a whole group at once, with no chance to fork, while a list of processes is out of date
/// when it has been read. What joined our own group is killed one by one.
fn kill_tree() {
    let own = getpgrp();
    let found = descendants(Pid::this());
    let groups: BTreeSet<Pid> = found.iter().map(|process| process.group).filter(|group| *group != own && group.as_raw() > 1).collect();
    for group in groups {
        killpg(group, Signal::SIGKILL).ok();
    }
    for process in found {
        kill(process.pid, Signal::SIGKILL).ok();
    }
}

/// A process of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: Pid,
    parent: Pid,
    group: Pid,
}

/// Returns every process that came from `root`, the dead among them too. Their groups hold no others: a group lies in one session, and theirs is ours or
/// of their own making.
fn descendants(root: Pid) -> Vec<Process> {
    let mut children: BTreeMap<Pid, Vec<Process>> = BTreeMap::new();
    for process in processes() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(&process.pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        parse(pid, &std::fs::read_to_string(entry.path().join("stat")).ok()?)
    };
    entries.flatten().filter_map(process).collect()
}

/// Reads a line of `/proc/PID/stat`. The name before the parent is the program's own choice, brackets and all.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let mut words = stat.rsplit_once(") ")?.1.split(' ').skip(1);
    let mut number = || words.next()?.parse().ok().map(Pid::from_raw);
    Some(Process { pid: Pid::from_raw(pid), parent: number()?, group: number()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_name_itself_out_of_its_tree() {
        let process = |parent, group| Some(Process { pid: Pid::from_raw(42), parent: Pid::from_raw(parent), group: Pid::from_raw(group) });
        assert_eq!(parse(42, "42 (sh) S 7 40 42 0"), process(7, 40));
        assert_eq!(parse(42, "42 (x) S 1 (y) R 7 40 42 0"), process(7, 40));
        assert_eq!(parse(42, "nonsense"), None);
    }

    #[test]
    fn a_child_is_a_descendant() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        assert!(descendants(Pid::this()).iter().any(|process| process.pid == pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

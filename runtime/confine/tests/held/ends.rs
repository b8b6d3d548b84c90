//! How a tree of processes ends: whoever is killed, nothing stays.

use crate::bench::{Step, all_of, block_on, is_alive, marker, trial, wait_until};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use relrun_confine::{ConfineError, Exit};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_command_may_end_itself_at_sigterm", a_command_may_end_itself_at_sigterm),
        trial("a_command_that_ignores_sigterm_is_killed", a_command_that_ignores_sigterm_is_killed),
        trial("output_ends_although_grandchildren_linger", output_ends_although_grandchildren_linger),
        trial("a_daemon_ends_with_the_command", a_daemon_ends_with_the_command),
        trial("what_forks_while_it_is_killed_is_killed", what_forks_while_it_is_killed_is_killed),
        trial("dropping_ends_the_tree", dropping_ends_the_tree),
        trial("killing_the_host_ends_the_tree", killing_the_host_ends_the_tree),
        trial("killing_the_supervisor_ends_the_tree", killing_the_supervisor_ends_the_tree),
    ]
}

fn both(script: &str) -> [Step; 2] {
    [Step::sh(script), Step::sh(script).unconfined()]
}

/// A daemon as daemons are: forked twice, in a session of its own, with no stream of ours.
fn daemon(marker: &str) -> String {
    format!("(setsid sh -c 'sleep {marker} & exec sleep {marker}' </dev/null >/dev/null 2>&1 &) & wait")
}

fn a_command_may_end_itself_at_sigterm() {
    for step in both("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done") {
        block_on(async {
            let mut child = step.spawn().await.unwrap();
            let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
            assert_eq!(child.kill(Duration::from_secs(20)).await, Ok(Exit::Code(3)));
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "bye");
            assert_eq!(lines.next_line().await.unwrap(), None);
            // Asked again, it says the same.
            assert_eq!(child.wait().await, Ok(Exit::Code(3)));
        });
    }
}

fn a_command_that_ignores_sigterm_is_killed() {
    for grace in [Duration::ZERO, Duration::from_millis(200)] {
        for step in both("trap '' TERM; echo ready; while :; do sleep 0.05; done") {
            block_on(async {
                let mut child = step.spawn().await.unwrap();
                let mut ready = [0; 6];
                child.stdout.as_mut().unwrap().read_exact(&mut ready).await.unwrap();
                let began = Instant::now();
                assert_eq!(child.kill(grace).await, Ok(Exit::Signal(9)));
                assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
            });
        }
    }
}

fn output_ends_although_grandchildren_linger() {
    for step in both(&format!("echo before; sleep {} & exit 4", marker())) {
        let began = Instant::now();
        let ran = step.run();
        assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Code(4), "before\n"), "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

fn a_daemon_ends_with_the_command() {
    let marker = marker();
    for step in both(&format!("{}; sleep 0.2; echo $(grep -l {marker} /proc/[0-9]*/cmdline | wc -l)", daemon(&marker))) {
        let ran = step.run();
        assert_ne!(ran.stdout.trim(), "0", "the daemon must have run: {ran:?}");
        assert!(!is_alive(&marker), "{ran:?}");
    }
}

/// A tree that grows while it is killed, and a chain of which each process starts the next and ends, so that no list of processes is ever right. Both are
/// bounded, so that a fault of the code under test costs this machine 255 sleeping processes and no more.
fn what_forks_while_it_is_killed_is_killed() {
    let tree = "f() { n=$1; [ $n -le 0 ] && exec sleep 20; f $((n-1)) & f $((n-1)) & sleep 20; }; f 7";
    let chain = "f() { sleep 0.01; [ $1 -gt 0 ] && f $(($1-1)) & }; f 2000; sleep 20";
    for script in [tree, chain] {
        let marker = marker();
        for step in both(&format!(": {marker}; {script}")) {
            block_on(async {
                let mut child = step.spawn().await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert!(is_alive(&marker));
                assert_eq!(child.kill(Duration::ZERO).await, Ok(Exit::Signal(9)));
            });
            assert!(!is_alive(&marker));
        }
    }
}

fn dropping_ends_the_tree() {
    let marker = marker();
    for step in both(&format!("{}; sleep {marker}", daemon(&marker))) {
        block_on(async {
            let child = step.spawn().await.unwrap();
            wait_until("the daemon runs", || is_alive(&marker));
            drop(child);
        });
        wait_until("the daemon is gone", || !is_alive(&marker));
    }
}

/// As another process: starts what it is told to, and waits.
pub(crate) fn be_host(args: &[String]) -> ExitCode {
    let [mode, script] = args else { return ExitCode::FAILURE };
    let step = Step::sh(script);
    let step = if mode == "unconfined" { step.unconfined() } else { step };
    block_on(async {
        let mut child = match step.spawn().await {
            Ok(child) => child,
            Err(error) => return println!("{:?}", miette::Report::new(error)),
        };
        println!("started");
        println!("{:?} {}", child.wait().await, all_of(child.stdout.take().unwrap()).await);
    });
    ExitCode::SUCCESS
}

fn start_host(mode: &str, marker: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let script = format!("{}; sleep {marker}", daemon(marker));
    let mut host = Command::new(std::env::current_exe().unwrap()).args(["__host", mode, &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    (host, lines)
}

fn killing_the_host_ends_the_tree() {
    for mode in ["confined", "unconfined"] {
        let marker = marker();
        let (mut host, _lines) = start_host(mode, &marker);
        host.kill().unwrap();
        host.wait().unwrap();
        wait_until(&format!("{mode}: the tree is gone"), || !is_alive(&marker));
    }
}

/// Only the confined one: a supervisor without namespaces is all that knows its tree.
fn killing_the_supervisor_ends_the_tree() {
    let marker = marker();
    let (mut host, mut lines) = start_host("confined", &marker);
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", host.id())).unwrap();
    let supervisor = Pid::from_raw(children.trim().parse().unwrap());
    kill(supervisor, Signal::SIGKILL).unwrap();
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.starts_with(&format!("{:?}", Err::<Exit, _>(ConfineError::Lost))), "{line}");
    host.wait().unwrap();
    wait_until("the tree is gone", || !is_alive(&marker));
}

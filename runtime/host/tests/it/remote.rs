//! Commands on a host behind SSH, with a real `sshd`: what a guest lets go of does not run on there.

use crate::support::{Step, host, options, step};
use relrun_host::{Host, Level};
use relrun_ledger::FailureKind;
use relrun_manifest::HostAddress;
use relrun_tests::sshd::{SshServer, SshSetup};
use serde_json::json;
use std::time::Duration;

struct Far {
    server: SshServer,
    host: Host,
    _folder: tempfile::TempDir,
}

impl Far {
    fn new() -> Self {
        let server = SshServer::start(&SshSetup { address: "127.0.0.5", ..SshSetup::default() });
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("ssh_config");
        std::fs::write(&config, server.client_lines()).unwrap();
        let ssh = relrun_host::SshOptions { config: Some(config), ..relrun_host::SshOptions::default() };
        let host = Host::new(relrun_host::HostOptions { ssh, ..options(None) });
        Self { server, host, _folder: folder }
    }

    /// A command that says something and then sleeps, with a child that has not its environment.
    fn sleeper(&self, seconds: &str, by: &str) -> Step {
        let script = format!("(env -i sleep {seconds}) & echo begun; sleep {seconds}");
        let config = json!({ "do": "abandon", "by": by, "argv": ["sh", "-c", script], "host": "far" });
        self.may(step(config))
    }

    fn may(&self, step: Step) -> Step {
        let address = HostAddress::Ssh(self.server.url());
        let step = step.may("host \"*\"").may("run \"sh\" \"-c\" \"*\" on=\"*\" confine=\"none\"");
        step.with(|call| call.hosts.push(host("far", address)))
    }
}

/// How many processes sleep so long; the host is this machine.
fn asleep(seconds: &str) -> usize {
    let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let wanted = format!("sleep\0{seconds}\0");
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(line).filter(|line| line == wanted.as_bytes()).count()
}

#[tokio::test]
async fn whatever_way_a_guest_lets_go_of_a_command_it_runs_on_nowhere() {
    let far = Far::new();
    for (number, by) in ["drop", "kill", "forget", "trap"].into_iter().enumerate() {
        let seconds = format!("8{number}{}", std::process::id());
        let (ran, reply) = far.sleeper(&seconds, by).run_by(&far.host).await;
        assert_eq!(reply.is_err(), by == "trap", "{by}: {reply:?}");
        assert_eq!(asleep(&seconds), 0, "{by}");
        let warned = ran.heard.lines.lock().unwrap().iter().any(|(level, _, _)| *level == Level::Warn);
        assert!(!warned, "{by}: {}", ran.heard.text());
    }
}

#[tokio::test]
async fn a_command_that_does_not_hear_the_polite_signal_ends_with_its_step() {
    let far = Far::new();
    let seconds = format!("85{}", std::process::id());
    let script = format!("trap '' TERM; sleep {seconds}; sleep {seconds}");
    let step = far.may(step(json!({ "do": "run", "argv": ["sh", "-c", script], "host": "far" })));
    let (_, reply) = step.with(|call| call.limits.timeout = Duration::from_secs(2)).run_by(&far.host).await;
    assert_eq!(reply.unwrap_err().kind, FailureKind::TimedOut);
    assert_eq!(asleep(&seconds), 0);
}

#[tokio::test]
async fn a_hosts_commands_have_the_granted_variables_and_no_dangerous_ones() {
    let far = Far::new();
    let command = |name: &str| {
        let config = json!({ "do": "run", "argv": ["sh", "-c", "echo $GRANTED-$A"], "host": "far", "env": { name: "1" } });
        far.may(step(config)).with(|call| drop(call.env.insert("GRANTED".into(), "yes".into())))
    };
    let (ran, reply) = command("A").run_by(&far.host).await;
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(ran.heard.text(), "far: yes-1\n");
    let (ran, reply) = command("LD_PRELOAD").run_by(&far.host).await;
    assert_eq!(reply.unwrap_err().kind, FailureKind::Denied);
    assert_eq!(ran.heard.denied(), ["env \"LD_PRELOAD\""]);
}

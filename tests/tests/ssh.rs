//! Deployments to hosts behind SSH: a real `sshd` on the loopback, and relrun as a person runs it.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use nix::sys::signal::Signal;
use relrun_tests::sshd::{SshServer, SshSetup};
use relrun_tests::{Ran, Sandbox};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A project with hosts of its own; each one's files lie in a folder beside the project.
struct Fleet {
    sandbox: Sandbox,
    servers: Vec<SshServer>,
}

impl Fleet {
    /// Makes a project of one host for each setup.
    fn new(setups: &[SshSetup]) -> Self {
        let mut sandbox = Sandbox::new();
        let servers: Vec<SshServer> = setups.iter().map(SshServer::start).collect();
        let config: String = servers.iter().map(SshServer::client_lines).collect();
        sandbox.write("ssh_config", &config);
        sandbox.set("RELRUN_SSH_CONFIG", &sandbox.path("ssh_config").display().to_string());
        sandbox.write("site/index.html", "one\n");
        let fleet = Self { sandbox, servers };
        fleet.manifest("");
        fleet
    }

    fn manifest(&self, more: &str) {
        self.manifest_with(more, "");
    }

    /// With more words in the step beside its config.
    fn manifest_with(&self, more: &str, step: &str) {
        let mut hosts = String::new();
        for (at, server) in self.servers.iter().enumerate() {
            let (url, root) = (server.url(), self.host(at).display().to_string());
            let zone = if at == 0 { "a" } else { "b" };
            writeln!(hosts, "    host \"web{at}\" \"{url}\" {{ label \"zone\" \"{zone}\"; set \"root\" \"{root}\" }}").unwrap();
        }
        self.sandbox.write(
            "release.kdl",
            &format!(
                r#"package "acme/pages" version="1.0.@"
environment "live" {{
{hosts}}}
step "pages" plugin="build" {{
    reads "site/**"
    writes "pages"
    grant {{ run "cp" "**" }}
    config {{ command "cp" "-r" "site" "pages" }}
}}
phase "publish" environments="*" {{
    deploy "web" plugin="symlink-swap" {{
        grant {{ host "*"; run "sh" "-c" "*" on="*" confine="none" }}
        config {{ source "${{step.pages.pages}}"; root "/srv/pages"; confine "none"; {more} }}
        {step}
    }}
}}
"#
            ),
        );
    }

    /// Releases this text as the page.
    fn release(&self, text: &str) -> Ran {
        self.sandbox.write("site/index.html", text);
        self.sandbox.relrun(&["apply"])
    }

    /// What each host serves.
    fn all_serve(&self) -> Vec<String> {
        (0..self.servers.len()).map(|number| self.serves(number)).collect()
    }

    /// The folder of a host.
    fn host(&self, number: usize) -> PathBuf {
        self.servers[number].path("srv")
    }

    fn serves(&self, number: usize) -> String {
        fs::read_to_string(self.host(number).join("current/index.html")).unwrap_or_default()
    }
}

#[test]
fn a_release_is_laid_switched_to_undone_and_rolled_back_over_ssh() {
    let fleet = Fleet::new(&[SshSetup::default()]);
    let first = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(first.code, 0, "{}", first.output);
    assert_eq!(fleet.serves(0), "one\n");
    assert!(first.output.contains("web0: sent 1 files"), "{}", first.output);
    fleet.sandbox.write("site/index.html", "two\n");
    fleet.sandbox.write("site/robots.txt", "none\n");
    fleet.manifest("after \"sh\" \"-c\" \"echo reloaded on $(pwd)\"");
    let second = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(second.code, 0, "{}", second.output);
    assert_eq!(fleet.serves(0), "two\n");
    assert!(second.output.contains("reloaded on /"), "{}", second.output);

    fleet.sandbox.write("site/index.html", "three\n");
    fleet.manifest("expect \"missing.html\"");
    let third = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(third.code, 1, "{}", third.output);
    assert_eq!(fleet.serves(0), "two\n");
    assert_eq!(fs::read_dir(fleet.host(0).join("releases")).unwrap().count(), 3, "two releases and the notes of what is laid");

    let back = fleet.sandbox.relrun(&["rollback", "-e", "live"]);
    assert_eq!(back.code, 0, "{}", back.output);
    assert_eq!(fleet.serves(0), "one\n");
    assert!(back.output.contains("is there already"), "{}", back.output);
    let gone = fleet.sandbox.relrun(&["destroy", "-e", "live", "--yes"]);
    assert_eq!(gone.code, 0, "{}", gone.output);
    assert_eq!(fs::read_dir(fleet.host(0)).unwrap().count(), 0);
}

fn three() -> Fleet {
    let at = |address| SshSetup { address, ..SshSetup::default() };
    Fleet::new(&[at("127.0.0.2"), at("127.0.0.3"), at("127.0.0.4")])
}

#[test]
fn several_hosts_are_switched_together_and_all_go_back_when_one_is_sick() {
    let fleet = three();
    fleet.manifest("after \"sh\" \"-c\" \"printf re; sleep 0.2; echo loaded\"");
    let first = fleet.release("one");
    assert_eq!(first.code, 0, "{}", first.output);
    for host in ["web0", "web1", "web2"] {
        assert!(first.output.contains(&format!("{host}: reloaded")), "lines do not mix, and each says whose it is: {}", first.output);
    }
    assert_eq!(fleet.all_serve(), ["one", "one", "one"]);
    let sick = fleet.host(2).join("current/index.html").display().to_string();
    fleet.manifest(&format!("canary 1; batch \"50%\"; health \"sh\" \"-c\" \"! grep -q bad {sick}\""));
    let failed = fleet.release("bad");
    assert_eq!(failed.code, 1, "{}", failed.output);
    assert!(failed.output.contains("batch 3 of 3: web2"), "{}", failed.output);
    assert_eq!(fleet.all_serve(), ["one", "one", "one"]);
    assert_eq!(fleet.release("good").code, 0);
    assert_eq!(fleet.all_serve(), ["good", "good", "good"]);
    fleet.manifest("hosts \"zone=a\"");
    let one = fleet.release("zone a");
    assert_eq!(one.code, 0, "{}", one.output);
    assert_eq!(fleet.all_serve(), ["zone a", "good", "good"]);
}

#[test]
fn a_host_that_dies_in_the_middle_is_named_and_retry_mends_it() {
    let mut fleet = three();
    assert_eq!(fleet.release("one").code, 0);
    // The canary's command takes the next host away, once.
    let once = fleet.sandbox.path("once").display().to_string();
    let kill = fleet.servers[1].kill_line();
    fleet.manifest(&format!("canary 1; after \"sh\" \"-c\" \"test -e {once} || {{ touch {once}; {kill}; }}\""));
    let failed = fleet.release("two");
    assert_eq!(failed.code, 1, "{}", failed.output);
    assert!(failed.output.contains("web1 cannot be asked, web2 serves releases/r1-"), "{}", failed.output);
    assert_eq!(fleet.all_serve(), ["one", "one", "one"]);
    fleet.servers[1].restart();
    let mended = fleet.sandbox.relrun(&["retry"]);
    assert_eq!(mended.code, 0, "{}", mended.output);
    assert_eq!(fleet.all_serve(), ["two", "two", "two"]);
}

/// Kills relrun at a moment, and brings the release to its end by what it says.
fn dies_at(fleet: &mut Fleet, moment: &str, text: &str) -> bool {
    fleet.sandbox.set("RELRUN_KILL_AT", moment);
    let killed = fleet.release(text);
    fleet.sandbox.unset("RELRUN_KILL_AT");
    if killed.code == 0 {
        return false;
    }
    assert_eq!(killed.code, 137, "{}", killed.output);
    assert!(fleet.all_serve().iter().all(|page| !page.is_empty()), "{moment}: every host serves something whole");
    let on = fleet.sandbox.relrun(&["continue"]);
    assert_eq!(on.code, 0, "{moment}: {}", on.output);
    true
}

#[test]
fn relrun_may_be_killed_at_any_change_and_leaves_no_connection() {
    let mut fleet = three();
    assert_eq!(fleet.release("zero").code, 0);
    let mut deaths = 0;
    // Each of the three hosts is changed some ten times; every fourth moment of them, and those round the switch.
    for number in (1..40).step_by(4) {
        let text = format!("page {number}");
        if !dies_at(&mut fleet, &format!("target.changed:{number}"), &text) {
            break;
        }
        deaths += 1;
        assert_eq!(fleet.all_serve(), [text.as_str(), text.as_str(), text.as_str()], "after {number} changes");
    }
    assert!(deaths > 5, "{deaths}");
    let began = Instant::now();
    while fleet.servers.iter().any(|server| !server.sessions().is_empty()) {
        assert!(began.elapsed() < Duration::from_secs(20), "a connection outlives relrun");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn commands_of_a_deploy_run_on_the_hosts_of_a_role() {
    let fleet = three();
    let manifest = fleet.sandbox.read("release.kdl");
    let (environments, _) = manifest.split_once("step \"pages\"").unwrap();
    let up = r#"up "sh" "-c" "echo up >> $SSH_CONNECTION_FILE"; down "sh" "-c" "true"; check "sh" "-c" "true"; hosts "zone=b""#;
    let log = fleet.sandbox.path("log").display().to_string();
    let up = up.replace("$SSH_CONNECTION_FILE", &log);
    let phase = format!(
        r#"phase "run" environments="*" {{
    deploy "app" plugin="deploy" {{
        grant {{ host "*"; run "sh" "-c" "*" on="*" readonly=#true confine="none" }}
        config {{ {up}; confine "none" }}
    }}
}}
"#
    );
    fleet.sandbox.write("release.kdl", &format!("{environments}{phase}"));
    let ran = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert_eq!(fs::read_to_string(fleet.sandbox.path("log")).unwrap(), "up\nup\n");
    let well = fleet.sandbox.relrun(&["status", "-e", "live", "--verify"]);
    assert_eq!(well.code, 0, "{}", well.output);
    let held = fleet.sandbox.read("release.kdl").replace(" confine=\"none\"", "").replace("; confine \"none\"", "");
    fleet.sandbox.write("release.kdl", &held.replace("echo up", "echo again"));
    let refused = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(refused.code, 1, "{}", refused.output);
    assert!(refused.output.contains("cannot be confined, because web1 is behind SSH"), "{}", refused.output);
}

/// Leaves on each host what Capistrano does.
fn capistrano(fleet: &Fleet, text: &str) {
    for number in 0..fleet.servers.len() {
        let root = fleet.host(number);
        let release = root.join("releases/20260101120000");
        fs::create_dir_all(&release).unwrap();
        fs::create_dir_all(root.join("shared/uploads")).unwrap();
        fs::write(release.join("index.html"), text).unwrap();
        fs::write(release.join("REVISION"), "c0ffee").unwrap();
        symlink(root.join("shared/uploads"), release.join("uploads")).unwrap();
        symlink(&release, root.join("current")).unwrap();
    }
}

#[test]
fn what_capistrano_left_is_adopted_and_a_rollback_goes_back_to_it() {
    let fleet = three();
    capistrano(&fleet, "by capistrano");
    fleet.manifest("linked-dir \"uploads\"; after \"sh\" \"-c\" \"echo reloaded\"");
    let adopted = fleet.sandbox.relrun(&["adopt", "-e", "live"]);
    assert_eq!(adopted.code, 0, "{}", adopted.output);
    assert!(!adopted.output.contains("reloaded"), "{}", adopted.output);
    let link = || fs::read_link(fleet.host(0).join("current")).unwrap();
    assert_eq!(link(), fleet.host(0).join("releases/20260101120000"));
    let again = fleet.sandbox.relrun(&["adopt", "-e", "live"]);
    assert_eq!(again.code, 2, "{}", again.output);
    assert!(again.output.contains("r1 stands in live already"), "{}", again.output);
    let well = fleet.sandbox.relrun(&["status", "-e", "live", "--verify"]);
    assert_eq!(well.code, 0, "{}", well.output);

    assert_eq!(fleet.release("by relrun").code, 0);
    assert_eq!(fleet.all_serve(), ["by relrun", "by relrun", "by relrun"]);
    let back = fleet.sandbox.relrun(&["rollback", "-e", "live"]);
    assert_eq!(back.code, 0, "{}", back.output);
    assert_eq!(fleet.all_serve(), ["by capistrano", "by capistrano", "by capistrano"]);
    assert_eq!(link().to_str(), Some("releases/20260101120000"));
    assert!(!back.output.contains("sent "), "{}", back.output);
}

#[test]
fn what_differs_or_is_not_there_is_not_adopted() {
    let fleet = three();
    let none = fleet.sandbox.relrun(&["adopt", "-e", "live"]);
    assert_eq!(none.code, 2, "{}", none.output);
    assert!(none.output.contains("current is not there: nothing to take over"), "{}", none.output);
    capistrano(&fleet, "same");
    fs::write(fleet.host(1).join("current/index.html"), "other").unwrap();
    fleet.manifest("linked-dir \"uploads\"");
    let differ = fleet.sandbox.relrun(&["adopt", "-e", "live"]);
    assert_eq!(differ.code, 2, "{}", differ.output);
    assert!(differ.output.contains("web0 and web1 serve different trees"), "{}", differ.output);
    assert!(!fleet.host(0).join(".relrun.json").exists(), "nothing was changed");
}

#[test]
fn a_host_that_cannot_replace_in_one_step_stops_it_before_any_is_changed() {
    let fleet =
        Fleet::new(&[SshSetup::default(), SshSetup { address: "127.0.0.3", sftp: "internal-sftp -P posix-rename", ..SshSetup::default() }]);
    let refused = fleet.release("one");
    assert_eq!(refused.code, 1, "{}", refused.output);
    assert!(refused.output.contains("web1: `ssh -p "), "{}", refused.output);
    assert!(refused.output.contains("does not offer posix-rename@openssh.com"), "{}", refused.output);
    assert!(!fleet.host(0).exists());
}

/// Returns the processes of this machine whose command line holds these words; the test's hosts are this machine too.
fn processes(words: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let line = |entry: fs::DirEntry| Some(fs::read_to_string(entry.path().join("cmdline")).ok()?.replace('\0', " "));
    entries.filter_map(line).filter(|line| line.starts_with(words)).collect()
}

/// A command that says in a file that it has begun, and whose children sleep for a time that no other test's do, one of them without a token.
fn sleeper(fleet: &Fleet, seconds: &str) -> String {
    let begun = fleet.sandbox.path("begun").display().to_string();
    format!("after \"sh\" \"-c\" \"(env -i sleep {seconds}) & sleep {seconds} & touch {begun}; sleep {seconds}\"")
}

#[test]
fn a_command_that_takes_too_long_leaves_no_process_on_its_host() {
    let fleet = Fleet::new(&[SshSetup::default()]);
    let seconds = format!("91{}", std::process::id());
    fleet.manifest_with(&sleeper(&fleet, &seconds), "timeout \"3s\"");
    let late = fleet.release("one");
    assert_eq!(late.code, 1, "{}", late.output);
    assert!(fleet.sandbox.path("begun").exists(), "{}", late.output);
    assert_eq!(processes(&format!("sleep {seconds}")), [""; 0], "{}", late.output);
}

#[test]
fn a_release_that_is_cancelled_leaves_no_process_on_its_hosts() {
    let fleet = three();
    let seconds = format!("92{}", std::process::id());
    fleet.manifest(&sleeper(&fleet, &seconds));
    fleet.sandbox.write("site/index.html", "one");
    let running = fleet.sandbox.start(&["apply"]);
    fleet.sandbox.wait_for("begun");
    assert!(!processes(&format!("sleep {seconds}")).is_empty());
    running.signal(Signal::SIGINT);
    let ran = running.wait();
    assert_eq!(ran.code, 130, "{}", ran.output);
    assert_eq!(processes(&format!("sleep {seconds}")), [""; 0], "{}", ran.output);
}

#[test]
fn a_command_that_ends_by_itself_costs_no_more_than_itself() {
    let fleet = Fleet::new(&[SshSetup { lines: "LogLevel VERBOSE", ..SshSetup::default() }]);
    fleet.manifest("after \"sh\" \"-c\" \"echo hello\"");
    let ran = fleet.release("one");
    assert_eq!(ran.code, 0, "{}", ran.output);
    let log = fleet.servers[0].log();
    assert_eq!(log.matches("Starting session: command").count(), 1, "{log}");
    assert_eq!(log.matches("Starting session: subsystem").count(), 1, "{log}");
}

#[test]
fn a_connection_that_is_lost_under_a_command_is_tried_again() {
    let fleet = Fleet::new(&[SshSetup::default()]);
    let once = fleet.sandbox.path("once").display().to_string();
    // What runs it is the connection's own server.
    let after = format!("after \"sh\" \"-c\" \"test -e {once} || {{ touch {once}; kill -9 $PPID; sleep 3; }}\"");
    fleet.manifest_with(&after, "retry attempts=2 backoff=\"100ms\"");
    let ran = fleet.release("one");
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(ran.output.contains("web0: the connection was lost"), "{}", ran.output);
    assert_eq!(fleet.serves(0), "one");
}

#[test]
fn of_several_grants_the_one_that_lets_a_command_run_counts() {
    let fleet = Fleet::new(&[SshSetup::default()]);
    fleet.manifest("after \"sh\" \"-c\" \"echo reloaded\"");
    let manifest = fleet.sandbox.read("release.kdl");
    let held = r#"host "*"; run "sh" "-c" "*" on="*"; run "sh""#;
    fleet.sandbox.write("release.kdl", &manifest.replace(r#"host "*"; run "sh""#, held));
    let ran = fleet.release("one");
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(ran.output.contains("web0: reloaded"), "{}", ran.output);
}

#[test]
fn two_steps_that_would_adopt_different_trees_of_one_step_are_refused() {
    let fleet = Fleet::new(&[SshSetup::default()]);
    let manifest = fleet.sandbox.read("release.kdl").replace(&format!("set \"root\" \"{}\"", fleet.host(0).display()), "");
    let (before, step) = manifest.split_once("    deploy \"web\"").unwrap();
    let step = format!("    deploy \"web\"{}", step.trim_end().strip_suffix('}').unwrap());
    let at = |name: &str| fleet.sandbox.path(name).display().to_string();
    let (one, two) = (step.replace("/srv/pages", &at("one")), step.replace("/srv/pages", &at("two")).replace("\"web\"", "\"other\""));
    fleet.sandbox.write("release.kdl", &format!("{before}{one}{two}}}\n"));
    for (root, text) in [("one", "first"), ("two", "second")] {
        let release = fleet.sandbox.path(root).join("releases/20260101120000");
        fs::create_dir_all(&release).unwrap();
        fs::write(release.join("index.html"), text).unwrap();
        symlink(&release, fleet.sandbox.path(root).join("current")).unwrap();
    }
    let refused = fleet.sandbox.relrun(&["adopt", "-e", "live"]);
    assert_eq!(refused.code, 2, "{}", refused.output);
    assert!(refused.output.contains("${step.pages.pages} would have to be two things"), "{}", refused.output);
    fs::write(fleet.sandbox.path("two/current/index.html"), "first").unwrap();
    let adopted = fleet.sandbox.relrun(&["adopt", "-e", "live"]);
    assert_eq!(adopted.code, 0, "{}", adopted.output);
}

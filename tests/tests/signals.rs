//! SIGINT and SIGTERM in every state: relrun ends within seconds with exit code 130, ends what it started, and what it was about can go on.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod guest;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use relrun_tests::{Ran, Running, Sandbox, next_command};

/// What every slow command of these tests does where nobody lets it go.
const SLEEP: &str = "sleep 31.4159";

const SLOW: &str = r#"
package "acme/slow" version="1.0.@"
environment "live" { host "web1" "file:hosts/live" }
phase "slow" environments="live" {
    deploy "slow" plugin="deploy" {
        grant { run "sh" "-c" "*" confine="none" }
        config {
            up "sh" "-c" "touch [ROOT]/begun; test -e [ROOT]/go || sleep 30"
            down "sh" "-c" "rm -f [ROOT]/begun"
            idempotent #true
            confine "none"
        }
    }
}
"#;

#[test]
fn a_signal_ends_it_in_time_and_it_can_be_continued() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let sandbox = Sandbox::new();
        sandbox.write("release.kdl", SLOW);
        let running = sandbox.start(&["apply"]);
        sandbox.wait_for("begun");
        let asked = Instant::now();
        running.signal(signal);
        let ran = running.wait();
        assert_eq!(ran.code, 130, "{signal}: {}", ran.output);
        assert!(asked.elapsed() < Duration::from_secs(7), "{signal}: {:?}", asked.elapsed());
        let next = next_command(&ran.output).unwrap_or_else(|| panic!("{signal}: it does not say what to type:\n{}", ran.output));
        sandbox.write("go", "");
        let ran = sandbox.relrun(&next.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ran.code, 0, "{signal}: {}", ran.output);
        let status = sandbox.relrun(&["status"]);
        assert!(status.code == 0 && !status.output.contains("UNFINISHED"), "{signal}: {}", status.output);
    }
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", SLOW);
    let running = sandbox.start(&["apply"]);
    sandbox.wait_for("begun");
    let asked = Instant::now();
    running.signal(Signal::SIGINT);
    sleep(Duration::from_millis(100));
    running.signal(Signal::SIGINT);
    let ran = running.wait();
    assert_eq!(ran.code, 130, "{}", ran.output);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    sandbox.write("go", "");
    let ran = sandbox.relrun(&["continue"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
}

/// A step that is slow when it is done and when it is undone, until a file says that it may be quick.
const STEPS: &str = r#"
package "acme/steps" version="1.0.@"
environment "live" { host "web1" "file:hosts/live" }
step "site" plugin="build" {
    reads "src/**"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "test -e src/quick || sleep 31.4159; mkdir dist; echo page > dist/index.html" }
}
phase "live" environments="live" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
    deploy "slow" plugin="deploy" {
        needs "web"
        grant { run "sh" "-c" "*" confine="none" }
        config {
            up "sh" "-c" "touch [ROOT]/up; test -e [ROOT]/quick-up || sleep 31.4159"
            down "sh" "-c" "touch [ROOT]/down; test -e [ROOT]/quick-down || sleep 31.4159"
            idempotent #true
            confine "none"
        }
    }
    deploy "look" plugin="deploy" {
        needs "slow"
        grant { run "sh" "-c" "*" confine="none" }
        config { up "sh" "-c" "test ! -e [ROOT]/sick"; down "sh" "-c" "true"; idempotent #true; confine "none" }
    }
}
"#;

fn steps(quick: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", STEPS);
    sandbox.write("src/page", "");
    for name in quick {
        sandbox.write(name, "");
    }
    sandbox
}

/// Sends SIGINT, and returns what it said when it had ended in time, with all that it started.
fn interrupt(running: Running) -> Ran {
    let asked = Instant::now();
    running.signal(Signal::SIGINT);
    let ran = running.wait();
    assert_eq!(ran.code, 130, "{}", ran.output);
    assert!(asked.elapsed() < Duration::from_secs(7), "{:?}: {}", asked.elapsed(), ran.output);
    ran
}

/// No command that relrun started outlives it by more than a moment. `root` tells this test's commands from another's.
fn nothing_is_left(sandbox: &Sandbox) {
    let root = sandbox.root();
    let left = || {
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let mine = |path: &std::path::PathBuf| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&root));
        let sleeps = |path: &std::path::PathBuf| {
            fs::read(path.join("cmdline")).is_ok_and(|words| String::from_utf8_lossy(&words).replace('\0', " ").contains(SLEEP))
        };
        processes.filter(|path| mine(path) && sleeps(path)).count()
    };
    let asked = Instant::now();
    while left() > 0 {
        assert!(asked.elapsed() < Duration::from_secs(3), "a command runs on");
        sleep(Duration::from_millis(20));
    }
}

fn does(sandbox: &Sandbox, words: &[String]) {
    let ran = sandbox.relrun(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "relrun {words:?}\n{}", ran.output);
}

/// Types what an output says to type, which must then be done.
fn follows(sandbox: &Sandbox, ran: &Ran) {
    does(sandbox, &next_command(&ran.output).unwrap_or_else(|| panic!("it does not say what to type:\n{}", ran.output)));
}

fn is_live(sandbox: &Sandbox) {
    assert_eq!(sandbox.read("hosts/live/srv/shop/current/index.html"), "page\n");
    let status = sandbox.relrun(&["status"]);
    assert!(status.output.contains("live         steps") && !status.output.contains("UNFINISHED"), "{}", status.output);
}

#[test]
fn while_a_pure_step_runs() {
    let sandbox = steps(&["quick-up"]);
    let running = sandbox.start(&["apply"]);
    running.wait_for("site | commands 0/1");
    let ran = interrupt(running);
    nothing_is_left(&sandbox);
    assert!(ran.output.ends_with("hint: type `relrun continue r1`\n"), "{}", ran.output);
    // To be quick it must read another file, and then it is another release.
    sandbox.write("src/quick", "");
    let ran = sandbox.relrun(&["continue"]);
    assert!(ran.code == 2 && ran.output.contains("type `relrun apply`"), "{}", ran.output);
    does(&sandbox, &["apply".to_owned()]);
    assert_eq!(sandbox.read("hosts/live/srv/shop/current/index.html"), "page\n");
}

#[test]
fn while_an_effect_runs() {
    let sandbox = steps(&["src/quick"]);
    let running = sandbox.start(&["apply"]);
    sandbox.wait_for("up");
    let ran = interrupt(running);
    nothing_is_left(&sandbox);
    assert!(ran.output.contains("live         half deployed"), "it names what is half deployed: {}", ran.output);
    sandbox.write("quick-up", "");
    follows(&sandbox, &ran);
    is_live(&sandbox);
}

#[test]
fn while_a_release_is_undone_because_it_failed() {
    let sandbox = steps(&["src/quick", "quick-up", "sick"]);
    let running = sandbox.start(&["apply"]);
    sandbox.wait_for("down");
    let ran = interrupt(running);
    nothing_is_left(&sandbox);
    sandbox.write("quick-down", "");
    follows(&sandbox, &ran);
    assert_eq!(sandbox.read("hosts/live/srv/shop/current/index.html"), "");
    fs::remove_file(sandbox.path("sick")).unwrap();
    does(&sandbox, &["retry".to_owned()]);
    is_live(&sandbox);
}

#[test]
fn while_it_undoes_or_destroys() {
    for words in ["undo r1", "destroy -e live --yes"] {
        let sandbox = steps(&["src/quick", "quick-up"]);
        does(&sandbox, &["apply".to_owned()]);
        let running = sandbox.start(&words.split(' ').collect::<Vec<_>>());
        sandbox.wait_for("down");
        let ran = interrupt(running);
        nothing_is_left(&sandbox);
        let status = sandbox.relrun(&["status"]);
        assert!(status.output.contains("live: undo failed"), "{}", status.output);
        sandbox.write("quick-down", "");
        let mut next = next_command(&ran.output).unwrap_or_else(|| panic!("it does not say what to type:\n{}", ran.output));
        if next[0] == "destroy" {
            next.push("--yes".to_owned());
        }
        does(&sandbox, &next);
        assert_eq!(sandbox.read("hosts/live/srv/shop/current/index.html"), "", "{words}");
        does(&sandbox, &["retry".to_owned()]);
        is_live(&sandbox);
    }
}

#[test]
fn while_it_waits_for_a_lock() {
    let sandbox = steps(&["src/quick"]);
    let holder = sandbox.start(&["apply"]);
    sandbox.wait_for("up");
    for words in ["apply --lock-wait 5m", "apply --force --lock-wait 5m", "undo r1 --lock-wait 5m"] {
        let mut waiting = sandbox.start(&words.split(' ').collect::<Vec<_>>());
        sleep(Duration::from_millis(700));
        assert!(!waiting.has_ended(), "{words}");
        let ran = interrupt(waiting);
        assert!(ran.output.contains("is locked by"), "{words}: {}", ran.output);
    }
    let ran = interrupt(holder);
    sandbox.write("quick-up", "");
    follows(&sandbox, &ran);
    is_live(&sandbox);
}

#[test]
fn while_it_plans() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", "package \"acme/sleepy\" version=\"1.0.@\"\nplugin \"test\" from=\"./test.wasm\"\nstep \"one\" plugin=\"test\" { config { do \"sleep\" } }\n");
    fs::copy(guest::build(), sandbox.path("test.wasm")).unwrap();
    let mut running = sandbox.start(&["plan"]);
    sleep(Duration::from_secs(2));
    assert!(!running.has_ended(), "the plugin sleeps for an hour");
    interrupt(running);
    assert_eq!(sandbox.relrun(&["check"]).code, 0);
}

/// What was begun stands half, and what it was made from is no longer there: it must not keep everything out for ever.
#[test]
fn what_can_neither_go_on_nor_begin_anew_is_undone() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", HALF);
    sandbox.write("src/page", "");
    let running = sandbox.start(&["apply", "-j", "2"]);
    running.wait_for("note@live | done");
    running.wait_for("page@live | commands 0/1");
    let ran = interrupt(running);
    nothing_is_left(&sandbox);
    sandbox.write("src/quick", "");
    let next = next_command(&ran.output).unwrap();
    let ran = sandbox.relrun(&next.iter().map(String::as_str).collect::<Vec<_>>());
    let help = "help: type `relrun undo r1 -e live`, then `relrun apply`, or bring back what it read";
    assert!(ran.code == 2 && ran.output.contains(help), "{}", ran.output);
    follows(&sandbox, &ran);
    does(&sandbox, &["apply".to_owned()]);
}

const HALF: &str = r#"
package "acme/half" version="1.0.@"
environment "live" { host "web1" "file:hosts/live" }
phase "live" environments="live" {
    deploy "note" plugin="deploy" {
        grant { run "sh" "-c" "*" confine="none" }
        config { up "sh" "-c" "true"; down "sh" "-c" "true"; confine "none" }
    }
    step "page" plugin="build" {
        reads "src/**"
        grant { run "sh" "-c" "*" }
        config { command "sh" "-c" "test -e src/quick || sleep 31.4159" }
    }
}
"#;

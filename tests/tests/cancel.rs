//! A release that is told to stop, and goes on later: what was being done then is done once, not twice.

use nix::sys::signal::Signal;
use relrun_tests::Sandbox;

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
environment "live" { host "web1" "file:hosts/live" }
phase "note" environments="live" {
    deploy "note" plugin="deploy" {
        grant { run "sh" "-c" "*" confine="none" }
        config {
            up "sh" "-c" "echo up >> [ROOT]/note.log; touch [ROOT]/begun; test -e [ROOT]/go || sleep 30"
            down "sh" "-c" "echo down >> [ROOT]/note.log"
            confine "none"
        }
    }
}
"#;

/// Starts it and tells it to stop once its command has changed something.
fn stopped() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", MANIFEST);
    let running = sandbox.start(&["apply"]);
    sandbox.wait_for("begun");
    running.signal(Signal::SIGINT);
    let ran = running.wait();
    assert_eq!(ran.code, 130, "{}", ran.output);
    assert!(ran.output.contains("type `relrun continue r1`"), "{}", ran.output);
    sandbox.write("go", "");
    sandbox
}

#[test]
fn what_was_half_done_is_taken_back_before_it_is_done_again() {
    let sandbox = stopped();
    let ran = sandbox.relrun(&["continue"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("it was partly done") && ran.output.contains("type `relrun retry r1`"), "{}", ran.output);
    assert_eq!(sandbox.read("note.log"), "up\ndown\n", "{}", ran.output);
    let ran = sandbox.relrun(&["retry"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert_eq!(sandbox.read("note.log"), "up\ndown\nup\n", "{}", ran.output);
}

#[test]
fn retry_does_not_do_it_twice_either() {
    let sandbox = stopped();
    let ran = sandbox.relrun(&["retry"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert_eq!(sandbox.read("note.log"), "up\ndown\n", "{}", ran.output);
}

#[test]
fn undo_takes_it_back_and_asks_nobody() {
    let sandbox = stopped();
    let ran = sandbox.relrun(&["undo"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert_eq!(sandbox.read("note.log"), "up\ndown\n", "{}", ran.output);
}

const SHOP: &str = r#"
package "acme/shop" version="1.4.@"
input "colour" default="red"
environment "live" { host "web1" "file:hosts/live" }
phase "roll-out" environments="live" {
    step "page" plugin="build" {
        writes "dist"
        grant { run "sh" "-c" "*" }
        config { command "sh" "-c" "mkdir dist && echo ${input.colour} > dist/page" }
    }
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.page.dist}"; root "/srv/shop" }
    }
    deploy "look" plugin="deploy" {
        needs "web"
        grant { run "sh" "-c" "*" confine="none"; run "true" confine="none" }
        config { up "sh" "-c" "test ! -e [ROOT]/slow || { touch [ROOT]/begun; sleep 30; }"; down "true"; confine "none" }
    }
}
"#;

/// Settings are promoted and cancelled in the middle: what served before serves again, and the settings are there to be promoted once more.
#[test]
fn a_cancelled_promotion_leaves_what_served_and_what_was_staged() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", SHOP);
    let does = |args: &[&str]| {
        let ran = sandbox.relrun(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.output);
        ran.output
    };
    let served = || sandbox.read("hosts/live/srv/shop/current/page");
    does(&["apply"]);
    does(&["env", "set", "colour=green", "-e", "live"]);
    does(&["env", "set", "colour=blue", "-e", "live"]);
    sandbox.write("slow", "");
    let running = sandbox.start(&["promote", "r2", "--to", "live", "--yes"]);
    sandbox.wait_for("begun");
    assert_eq!(served(), "green\n");
    does(&["cancel", "r2"]);
    assert_ne!(running.wait().code, 0);
    assert_eq!(served(), "red\n");
    let status = does(&["status"]);
    assert!(status.contains("r1") && status.contains("relrun promote r3 --to live"), "{status}");
    assert!(does(&["releases", "diff"]).contains(r#""red" → "blue""#));
    std::fs::remove_file(sandbox.path("slow")).expect("it was written");
    does(&["promote", "r2", "--to", "live", "--yes"]);
    assert_eq!(served(), "green\n");
    does(&["promote", "r3", "--to", "live", "--yes"]);
    assert_eq!(served(), "blue\n");
}

#[test]
fn the_ledger_tells_who_cancelled_what_another_carried() {
    let sandbox = {
        let mut sandbox = Sandbox::new();
        sandbox.write("release.kdl", MANIFEST);
        sandbox.set("CI_JOB_URL", "https://ci.example.com/jobs/1");
        sandbox
    };
    let running = sandbox.start(&["apply"]);
    sandbox.wait_for("begun");
    let mut other = sandbox;
    other.set("CI_JOB_URL", "https://ci.example.com/jobs/2");
    let ran = other.relrun(&["cancel"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    running.wait();
    let ran = other.relrun(&["--format", "json", "logs", "r1", "--events"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    let lines: Vec<serde_json::Value> = ran.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of =
        |kind: &str| lines.iter().find(|line| line["event"]["type"] == kind).unwrap_or_else(|| panic!("no {kind} in:\n{}", ran.output));
    assert_eq!(of("step-started")["actor"]["job"], "https://ci.example.com/jobs/1");
    assert_eq!(of("cancel-asked")["actor"]["job"], "https://ci.example.com/jobs/2");
    let started = of("step-started");
    assert_eq!((&started["step"], &started["release"], &started["seq"]), (&"note@live".into(), &"r1".into(), &2.into()));
    assert!(started["at"].is_string() && started["actor"]["user"].is_string() && started["actor"]["host"].is_string(), "{started}");
}

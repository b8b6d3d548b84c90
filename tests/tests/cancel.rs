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

//! Plugins that misbehave, in a real release: each fails its step in a bounded time, in a person's words, and takes nothing along that was
//! recorded before.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod guest;

use regex::Regex;
use relrun_tests::{Ran, Sandbox};
use std::time::{Duration, Instant};

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
plugin "bad" from="./bad.wasm"
input "page"
input "deed" default="context"
environment "live" { host "web1" "file:hosts/live" }
step "site" plugin="build" {
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && echo ${input.page} > dist/index.html" }
}
phase "live" environments="live" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
    deploy "bad" plugin="bad" {
        needs "web"
        writes "left"
        limits memory="32MiB" cpu="1s" log="64KiB" output="1MiB"
        config {
            do "${input.deed}"
            text "oh no"
            path "/tmp/big"
            argv "/etc/relrun-was-here" "/escaped" "/in/escaped" "/out/escaped" "/out/left/../escaped" "../escaped" "[ROOT]/escaped"
        }
    }
}
"#;

#[test]
fn each_misdeed_fails_its_step_and_nothing_that_was_recorded_is_lost() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", MANIFEST);
    std::fs::copy(guest::build(), sandbox.path("bad.wasm")).unwrap();
    let apply = |page: &str, deed: &str| sandbox.relrun(&["apply", "-i", &format!("page={page}"), "-i", &format!("deed={deed}")]);
    let good = apply("1", "leave");
    assert_eq!(good.code, 0, "{}", good.output);
    for (page, (deed, words)) in (2..).zip(MISDEEDS) {
        let began = Instant::now();
        let ran = apply(&page.to_string(), deed);
        assert_eq!(ran.code, 1, "{deed}: {}", ran.output);
        assert!(began.elapsed() < Duration::from_secs(30), "{deed}: {:?}", began.elapsed());
        assert_eq!(reason(&sandbox, &ran), words, "{deed}");
        assert!(ran.output.ends_with(&format!("  live         undone\nhint: type `relrun retry r{page}`\n")), "{deed}: {}", ran.output);
        assert_eq!(sandbox.read("hosts/live/srv/shop/current/index.html"), "1\n", "{deed}");
        let status = sandbox.relrun(&["status"]);
        assert!(status.output.contains(" r1 ") && !status.output.contains("UNFINISHED"), "{deed}: {}", status.output);
    }
    for escaped in ["escaped", "hosts/escaped", "../escaped"] {
        assert!(!sandbox.path(escaped).exists(), "{escaped}");
    }
    let good = apply("100", "leave");
    assert_eq!(good.code, 0, "{}", good.output);
    let back = sandbox.relrun(&["rollback", "-e", "live", "--to", "r1"]);
    assert_eq!(back.code, 0, "{}", back.output);
    assert_eq!(sandbox.read("hosts/live/srv/shop/current/index.html"), "1\n");
}

#[test]
fn what_is_no_plugin_is_refused_before_there_is_a_release() {
    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", MANIFEST);
    std::fs::copy(guest::build(), sandbox.path("bad.wasm")).unwrap();
    let apply = |page: &str| sandbox.relrun(&["apply", "-i", &format!("page={page}"), "-i", "deed=leave"]);
    assert_eq!(apply("1").code, 0);
    let other = "(component (instance $i) (export \"relrun:plugin/step@0.9.0\" (instance $i)))";
    let reaching =
        "(component (import \"acme:bomb/fuse@1.0.0\" (instance)) (instance $i) (export \"relrun:plugin/step@0.1.0\" (instance $i)))";
    for (text, words) in [
        ("", "it is empty"),
        ("(module)", "it is a core module, not a component"),
        ("(component)", "it is a component, but does not export relrun:plugin/step; it exports nothing"),
        (other, "built for relrun:plugin@0.9.0; this relrun runs 0.1"),
        (reaching, "it imports acme:bomb/fuse@1.0.0, which relrun does not offer"),
    ] {
        let bytes = if text.is_empty() { Vec::new() } else { wat::parse_str(text).unwrap() };
        std::fs::write(sandbox.path("bad.wasm"), bytes).unwrap();
        let ran = apply("2");
        assert!(ran.code == 2 && one_line(&ran.output).contains(words), "{words}: {}\n{}", ran.code, ran.output);
    }
    std::fs::copy(guest::build(), sandbox.path("bad.wasm")).unwrap();
    let releases = sandbox.relrun(&["releases", "list"]).output;
    assert!(releases.contains("r1 ") && !releases.contains("r2 "), "{releases}");
    assert_eq!(apply("2").code, 0);
}

/// Returns a message without the line breaks of its frame.
fn one_line(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// What a plugin does, and what is said of it.
const MISDEEDS: [(&str, &str); 12] = [
    ("panic", "the plugin panicked: oh no (src/deeds.rs:15:20)"),
    ("trap", "the plugin trapped: wasm `unreachable` instruction executed"),
    ("recurse", "the plugin trapped: it reached outside its memory (a recursion without end?)"),
    ("loop", "it used more than 1 s of CPU time"),
    ("memory", "it asked for more than 32 MiB of memory"),
    ("flood-log", "it wrote more than 65536 bytes of log"),
    ("fill", "it wrote [N] bytes under /out, /tmp and /work; its limit is 1048576"),
    (
        "escape",
        "/etc/relrun-was-here: uncategorized error, /escaped: uncategorized error, /in/escaped: uncategorized error, \
         /out/escaped: uncategorized error, /out/left/../escaped: permission denied, ../escaped: uncategorized error, \
         [ROOT]/escaped: entity not found",
    ),
    (
        "bad-outputs",
        "the plugin answered what it may not: the outputs cannot be read as JSON: EOF while parsing a value at line 1 column 5",
    ),
    ("bad-receipt", "the plugin answered what it may not: the receipt cannot be read as JSON: expected ident at line 1 column 2"),
    ("broken-text", "the plugin trapped: invalid utf-8 sequence of 1 bytes from index 1"),
    ("context", "the step says that it writes \"left\", and wrote nothing there"),
];

/// Returns why the step failed, as the summary says it, without what differs from run to run.
fn reason(sandbox: &Sandbox, ran: &Ran) -> String {
    let line = ran.output.lines().find_map(|line| line.strip_prefix("  failed       bad@live: "));
    let line = line.unwrap_or_else(|| panic!("it does not say why:\n{}", ran.output));
    let line = line.replace(&sandbox.root().display().to_string(), "[ROOT]");
    Regex::new(r"^it wrote \d+ bytes").unwrap().replace(&line, "it wrote [N] bytes").into_owned()
}

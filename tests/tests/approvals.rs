//! Signed approvals, with OpenSSH's own ssh-keygen on the other side of the wire.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::{Ran, Sandbox};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const MANIFEST: &str = r#"
package "acme/shop" version="1.0.@"
environment "live" {
    approval "managers" not-author=#true
    host "web1" "file:hosts/live"
}
step "site" plugin="build" {
    reads "index.html"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp index.html dist" }
}
phase "files" environments="live" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
}
"#;

/// A project with a release that waits, and keys of people.
struct Office(Sandbox);

impl Office {
    fn open() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("release.kdl", MANIFEST);
        sandbox.write("index.html", "hello");
        sandbox.write("relrun.kdl", r#"policy { approvers "managers" signers="ops/allowed_signers" }"#);
        sandbox.write("ops/allowed_signers", "");
        let office = Self(sandbox);
        office.says("apply -j 1", 3, "approve live/managers");
        office
    }

    fn run(&self, words: &str) -> Ran {
        self.0.relrun(&words.split(' ').map(|word| if word == "COMMENT" { "go, 'now'" } else { word }).collect::<Vec<_>>())
    }

    fn says(&self, words: &str, code: i32, what: &str) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, code, "relrun {words}\n{}", ran.output);
        // What is long is broken into lines where it is shown.
        let one_line = ran.output.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        assert!(one_line.contains(what), "relrun {words}\n{}", ran.output);
        ran.output
    }

    /// Makes a key and names it among the allowed signers.
    fn key(&self, principal: &str, kind: &[&str]) -> PathBuf {
        let file = self.0.path(&format!("{}.key", principal.replace('@', "-")));
        keygen(&[&["-q", "-N", "", "-C", "", "-f", file.to_str().unwrap()], kind].concat(), "");
        let public = std::fs::read_to_string(file.with_extension("key.pub")).unwrap();
        let signers = self.0.read("ops/allowed_signers");
        self.0.write("ops/allowed_signers", &format!("{signers}{principal} namespaces=\"relrun-approval\" {public}"));
        file
    }
}

fn keygen(words: &[&str], input: &str) -> String {
    let mut child = Command::new("ssh-keygen")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ssh-keygen is there: cargo xtask setup installs it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success(), "ssh-keygen {words:?}\n{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_gate_with_approvers_is_passed_with_a_signature_alone() {
    let office = Office::open();
    let said = office.says("approve r1 managers --comment COMMENT", 2, "live/managers is passed with a signature alone");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("--text | ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n relrun-approval > approval.sig"), "{said}");
    assert!(said.contains(r"--comment 'go, '\''now'\'''"), "{said}");
    office.says("continue", 3, "approve live/managers");
}

#[test]
fn what_ssh_keygen_signs_opens_the_gate() {
    for (kind, name) in
        [(["-t", "ed25519"].as_slice(), "ana"), (&["-t", "ecdsa", "-b", "384"], "ben"), (&["-t", "rsa", "-b", "2048"], "cyd")]
    {
        let office = Office::open();
        let key = office.key(&format!("{name}@example.com"), kind);
        let text = office.run("approve r1 managers --comment COMMENT --text").output;
        assert!(text.contains("gate: live/managers\nenvironments: live\nplan: -\ncomment: \"go, 'now'\"\n"), "{text}");
        let signature = keygen(&["-q", "-Y", "sign", "-f", key.to_str().unwrap(), "-n", "relrun-approval"], &text);
        office.0.write("approval.sig", &signature);
        office.says("approve r1 managers --comment other --signature approval.sig", 2, "is for something else than this release");
        office.says("approve r1 managers --comment COMMENT --signature approval.sig", 0, "live/managers of r1 is approved");
        office.says("continue", 0, "live: r1 is active".trim_start_matches("live: "));
        office.says("releases show", 0, &format!("signed by {name}@example.com (SHA256:"));
        office.says("releases show --format json", 0, &format!(r#""principal":"{name}@example.com""#));
    }
}

#[test]
fn what_relrun_signs_is_taken_by_ssh_keygen() {
    for kind in [["-t", "ed25519"].as_slice(), &["-t", "ecdsa", "-b", "256"], &["-t", "ecdsa", "-b", "384"]] {
        let office = Office::open();
        let key = office.key("ana@example.com", kind);
        let text = office.run("approve r1 managers --text").output;
        office.says(&format!("approve r1 managers --sign {}", key.display()), 0, "is approved");
        let shown = office.run("releases show --format json").output;
        let at = shown.find("-----BEGIN SSH").unwrap();
        let signature = shown[at..].split('"').next().unwrap().replace("\\n", "\n");
        office.0.write("approval.sig", &signature);
        let (signers, file) = (office.0.path("ops/allowed_signers"), office.0.path("approval.sig"));
        let words = [
            "-Y",
            "verify",
            "-f",
            signers.to_str().unwrap(),
            "-I",
            "ana@example.com",
            "-n",
            "relrun-approval",
            "-s",
            file.to_str().unwrap(),
        ];
        assert!(keygen(&words, &text).contains("Good \"relrun-approval\" signature for ana@example.com"));
        office.says("continue", 0, "done");
    }
}

#[test]
fn a_key_that_is_taken_out_opens_nothing_any_more() {
    let office = Office::open();
    let key = office.key("ana@example.com", &["-t", "ed25519"]);
    office.says(&format!("approve r1 managers --sign {}", key.display()), 0, "is approved");
    let signers = office.0.read("ops/allowed_signers");
    office.0.write("ops/allowed_signers", "# nobody\n");
    office.says("continue", 3, "the approval of live/managers does not count: ops/allowed_signers does not name the key SHA256:");
    assert_eq!(office.0.read("hosts/live/srv/shop/current/index.html"), "");
    // The approval is asked for again; with the key named again it can be given again.
    office.0.write("ops/allowed_signers", &signers);
    office.says(&format!("approve r1 managers --sign {}", key.display()), 0, "is approved");
    office.says("continue", 0, "done");
    assert_eq!(office.0.read("hosts/live/srv/shop/current/index.html"), "hello");
}

#[test]
fn a_ledger_that_was_edited_opens_nothing() {
    let office = Office::open();
    let key = office.key("ana@example.com", &["-t", "ed25519"]);
    office.says(&format!("approve r1 managers --comment no --sign {}", key.display()), 0, "is approved");
    let ledger = rusqlite::Connection::open(office.0.path(".relrun/ledger.db")).unwrap();
    let edited = ledger
        .execute(r#"UPDATE events SET record = replace(record, '"comment":"no"', '"comment":"yes"') WHERE record LIKE '%"approved"%'"#, [])
        .unwrap();
    assert_eq!(edited, 1);
    drop(ledger);
    office.says("continue", 3, "the approval of live/managers does not count: the signature of ana@example.com is for something else");
}

#[test]
fn whoever_made_the_release_signs_for_nothing() {
    let office = Office::open();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let key = office.key(&format!("{user}@example.com"), &["-t", "ed25519"]);
    office.says(&format!("approve r1 managers --sign {}", key.display()), 2, "this gate is for somebody else");
    // A stranger's key, one for other things, and one that policy does not name for this gate.
    let stranger = office.0.path("stranger.key");
    keygen(&["-q", "-N", "", "-t", "ed25519", "-f", stranger.to_str().unwrap()], "");
    office.says(&format!("approve r1 managers --sign {}", stranger.display()), 2, "does not name the key");
    let ben = office.key("ben@example.com", &["-t", "ed25519"]);
    office.0.write("relrun.kdl", r#"policy { approvers "live/managers" signers="ops/allowed_signers" { principal "ana@example.com"; } }"#);
    office.says(&format!("approve r1 managers --sign {}", ben.display()), 2, "policy none of them");
    let text = office.run("approve r1 managers --text").output;
    let other = keygen(&["-q", "-Y", "sign", "-f", ben.to_str().unwrap(), "-n", "file"], &text);
    office.0.write("other.sig", &other);
    office.says("approve r1 managers --signature other.sig", 2, "it was signed for `file`");
    office.0.write("ops/allowed_signers", "ben cert-authority ssh-ed25519 AAAA");
    office.says(&format!("approve r1 managers --sign {}", ben.display()), 2, "ops/allowed_signers:1: there is no key that can be read");
}

#[test]
fn an_approval_may_be_for_a_plan() {
    let office = Office::open();
    let key = office.key("ana@example.com", &["-t", "ed25519"]);
    office.says("plan --out release.plan", 0, "");
    office.says(&format!("approve r1 managers --plan release.plan --sign {}", key.display()), 0, "is approved");
    office.says("releases show", 0, "for the plan ");
    office.says("continue", 0, "done");
    office.0.write("index.html", "new");
    office.says("apply", 3, "approve live/managers");
    office.says(&format!("approve r2 managers --plan release.plan --sign {}", key.display()), 2, "the plan is not of r2");
}

//! An effect that may not run twice, killed in the middle, of which its plugin cannot tell how far it came: a person says, and it goes on.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod guest;

use relrun_tests::{Ran, Sandbox};

const MANIFEST: &str = r#"
package "acme/letter" version="1.0.@"
plugin "mail" from="./mail.wasm"
input "to" default="all"
environment "live" { host "web1" "file:hosts/live" }
phase "send" environments="live" {
    deploy "mail" plugin="mail" {
        grant { run "sh" "-c" "*" confine="none" }
        config {
            do "run"
            argv "sh" "-c" "echo sent to ${input.to} >> [ROOT]/mail.log"
            needs "run \"sh\" \"-c\" \"*\" confine=\"none\""
            idempotent #false
            recover "unsure"
        }
    }
    deploy "note" plugin="deploy" {
        needs "mail"
        grant { run "sh" "-c" "*" confine="none" }
        config { up "sh" "-c" "echo noted >> [ROOT]/note.log"; down "sh" "-c" "true"; confine "none" }
    }
}
"#;

struct Office(Sandbox);

impl Office {
    /// Kills an apply at a moment, and asks the plugin, which cannot tell.
    fn in_doubt(moment: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.write("release.kdl", MANIFEST);
        std::fs::copy(guest::build(), sandbox.path("mail.wasm")).unwrap();
        sandbox.set("RELRUN_KILL_AT", moment);
        let ran = sandbox.relrun(&["apply"]);
        assert_eq!(ran.code, 137, "{}\nbuild it with `cargo build -p relrun --features relrun/failpoints`", ran.output);
        sandbox.unset("RELRUN_KILL_AT");
        let office = Self(sandbox);
        let ran = office.relrun("continue", 3);
        assert!(ran.output.contains("mail@live | in doubt"), "{}", ran.output);
        assert!(ran.output.contains("the plugin could not tell: I kept no notes"), "{}", ran.output);
        assert!(ran.output.ends_with("hint: type `relrun settle r1 mail@live --done|--not-done`\n"), "{}", ran.output);
        office
    }

    fn relrun(&self, words: &str, code: i32) -> Ran {
        let ran = self.0.relrun(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, code, "relrun {words}\n{}", ran.output);
        ran
    }

    fn says(&self, words: &str, code: i32, what: &str) {
        let ran = self.relrun(words, code);
        assert!(ran.output.contains(what), "relrun {words}\n{}", ran.output);
    }

    fn is_done(&self) {
        self.relrun("continue", 0);
        assert_eq!((self.0.read("mail.log").as_str(), self.0.read("note.log").as_str()), ("sent to all\n", "noted\n"));
        self.says("status", 0, "live         letter      r1");
        self.says("apply", 0, "nothing to do");
    }
}

#[test]
fn while_it_is_in_doubt_nothing_goes_on() {
    let office = Office::in_doubt("operation.returned:1");
    for words in ["continue", "retry"] {
        office.says(words, 3, "nobody can tell whether mail@live was done");
    }
    office.says("apply", 2, "r1 is of this very manifest, inputs and files, and it is not finished (waiting)");
    office.says("apply -i to=some", 2, "live is blocked: r1 is in doubt there");
    office.says("status", 0, "live: unknown  relrun settle r1 mail@live --done|--not-done");
    office.says("settle r1 mial@live --done", 2, "did you mean \"mail@live\"?");
    office.says("settle r2 mail@live --done", 2, "acme/letter has no release r2");
    assert_eq!(office.0.read("note.log"), "");
    office.relrun("settle r1 mail@live --done", 0);
    office.is_done();
}

#[test]
fn what_was_done_is_not_done_again() {
    let office = Office::in_doubt("operation.returned:1");
    office.says("settle r1 mail@live --done", 0, "hint: type `relrun continue r1`");
    office.says("settle r1 mail@live --not-done", 2, "there is no doubt about mail@live of r1: it is succeeded");
    office.is_done();
}

#[test]
fn what_was_not_done_is_done_then() {
    // The second append is the one that says that it starts.
    let office = Office::in_doubt("ledger.appended:2");
    assert_eq!(office.0.read("mail.log"), "");
    office.relrun("settle r1 mail@live --not-done", 0);
    office.is_done();
}

#[test]
fn an_undo_waits_for_the_word_too_and_goes_on_then() {
    let office = Office::in_doubt("operation.returned:1");
    office.says("undo r1 -e live", 3, "hint: type `relrun settle r1 mail@live --done|--not-done`");
    office.relrun("settle r1 mail@live --not-done", 0);
    office.says("continue", 0, "acme/letter 1.0.0 r1: undone");
    office.says("status", 0, "nothing is deployed");
}

//! A project's state, taken to another machine: while a release runs, and back to where it came from only if nothing is lost.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::{Ran, Sandbox};

const MANIFEST: &str = r#"
package "acme/shop" version="1.0.@"
environment "staging" { host "web1" "file:hosts/staging" }
environment "slow" { }
step "site" plugin="build" {
    reads "index.html"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp index.html dist" }
}
phase "files" environments="staging" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
}
phase "slow" environments="slow" {
    deploy "wait" plugin="deploy" {
        grant { run "sh" "-c" "*" confine="none"; run "true" confine="none" }
        config { up "sh" "-c" "touch [ROOT]/began; for i in $(seq 200); do test -e [ROOT]/go && exit; sleep 0.1; done"; down "true"; confine "none" }
    }
}
"#;

struct Machine(Sandbox);

impl Machine {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("release.kdl", MANIFEST);
        sandbox.write("index.html", "one");
        Self(sandbox)
    }

    /// Releases twice to staging.
    fn used() -> Self {
        let machine = Self::new();
        machine.says("apply -e staging", 0, "r1 is active");
        machine.0.write("index.html", "two");
        machine.says("apply -e staging", 0, "r2 is active");
        machine
    }

    fn run(&self, words: &str) -> Ran {
        self.0.relrun(&words.split(' ').collect::<Vec<_>>())
    }

    fn says(&self, words: &str, code: i32, what: &str) {
        let ran = self.run(words);
        assert_eq!(ran.code, code, "relrun {words}\n{}", ran.output);
        let one_line = ran.output.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        assert!(one_line.contains(what), "relrun {words}\n{}", ran.output);
    }

    /// Takes a file from another machine.
    fn fetch(&self, from: &Self, file: &str) {
        std::fs::copy(from.0.path(file), self.0.path(file)).unwrap();
    }
}

#[test]
fn what_is_exported_while_a_release_runs_goes_on_elsewhere() {
    let here = Machine::used();
    here.0.write("index.html", "three");
    let running = here.0.start(&["apply", "-e", "slow"]);
    here.0.wait_for("began");
    here.says("state export all.tar", 0, "wrote 3 releases and ");
    here.0.write("go", "");
    assert_eq!(running.wait().code, 0);

    let there = Machine::new();
    there.fetch(&here, "all.tar");
    there.says("state import all.tar", 0, "took in 3 releases and ");
    there.says("status", 0, "staging shop r2");
    there.says("rollback -e staging", 0, "r4 is active");
    assert_eq!(there.0.read("hosts/staging/srv/shop/current/index.html"), "one");
    there.says("logs r1", 0, "web@staging | web1: laying");
    // What ran there when it was exported was left in the middle here, and is nobody's to guess.
    there.says("status", 0, "r3 interrupted");

    // Both went on: neither takes the other's.
    there.says("state import all.tar", 2, "acme/shop is at r4 here, and at r3 in the file");
    there.says("state export there.tar", 0, "wrote 4 releases");
    here.fetch(&there, "there.tar");
    here.says("state import there.tar", 2, "acme/shop r3 has an event");
    here.says("status", 0, "staging shop r2");
}

#[test]
fn the_same_state_is_the_same_file_and_comes_in_twice() {
    let here = Machine::used();
    here.says("state export one.tar", 0, "wrote 2 releases");
    here.says("state export two.tar", 0, "wrote 2 releases");
    assert_eq!(std::fs::read(here.0.path("one.tar")).unwrap(), std::fs::read(here.0.path("two.tar")).unwrap());
    let there = Machine::new();
    there.fetch(&here, "one.tar");
    there.says("state import one.tar", 0, "took in 2 releases");
    there.says("state import one.tar", 0, "took in 2 releases");
    there.says("state export again.tar", 0, "wrote 2 releases");
    assert_eq!(std::fs::read(here.0.path("one.tar")).unwrap(), std::fs::read(there.0.path("again.tar")).unwrap());
    // What went on elsewhere comes home.
    there.says("rollback -e staging", 0, "r3 is active");
    there.says("state export later.tar", 0, "wrote 3 releases");
    here.fetch(&there, "later.tar");
    here.says("state import later.tar", 0, "took in 3 releases");
    here.says("status", 0, "staging shop r3");
}

#[test]
fn what_is_damaged_or_of_another_ledger_is_refused() {
    let here = Machine::used();
    here.says("state export all.tar", 0, "wrote");
    let whole = std::fs::read(here.0.path("all.tar")).unwrap();
    let there = Machine::new();
    let import = |bytes: &[u8], what: &str| {
        std::fs::write(there.0.path("bad.tar"), bytes).unwrap();
        there.says("state import bad.tar", 2, what);
        there.says("releases list", 0, "nothing has been released yet");
    };
    import(b"", "it is empty");
    import(b"no tar at all", "this is no whole state of a project");
    import(&whole[..whole.len() / 2], "this is no whole state of a project");
    let mut bent = whole.clone();
    let at = bent.windows(8).rposition(|window| window == b"step-suc").unwrap();
    bent[at] = b'S';
    import(&bent, "is not what its list says");
    there.says("state import nothing.tar", 2, "cannot be read");

    let other = Machine::used();
    other.fetch(&here, "all.tar");
    other.says("state import all.tar", 2, "and the file has another one");
}

#[test]
fn two_work_trees_share_a_folder() {
    let one = Machine::new();
    one.0.write("relrun.kdl", &format!("state \"{}\"", one.0.path("shared/state").display()));
    one.says("apply -e staging", 0, "r1 is active");
    assert!(one.0.path("shared/state/ledger.db").exists());
    assert!(!one.0.path(".relrun/ledger.db").exists());
    let mut two = Machine::new();
    two.0.write("relrun.kdl", &one.0.read("relrun.kdl"));
    two.0.write("index.html", "two");
    // Where the folder is kept, a CI system may deploy.
    two.0.set("CI", "true");
    two.says("apply -e staging", 0, "r2 is active");
    one.says("status", 0, "staging shop r2");
    one.says("releases list", 0, "r1 1.0.0");
    two.0.write("relrun.kdl", "state \"somewhere\"");
    two.says("apply -e staging", 2, "there is no state `somewhere`");
}

//! A shop that is released again and again, and what must be true of it whenever relrun died.
//!
//! The release has a pure step, a switch of links in two environments, and in one of them a command that may not run twice and a look that fails
//! while the shop is sick. One project lives through all of the deaths, so that whatever one of them breaks is there for the next.

use crate::{Ran, Running, Sandbox};

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
input "n"
environment "staging" { host "web1" "file:hosts/staging" }
environment "production" { host "web1" "file:hosts/production" }
step "site" plugin="build" {
    reads "src/**"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp src/* dist" }
}
phase "files" environments="*" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
}
phase "note" environments="production" {
    deploy "note" plugin="deploy" {
        grant { run "sh" "-c" "*" confine="none" }
        config {
            up "sh" "-c" "sleep 0.05; echo up ${input.n} >> [ROOT]/note.log; sleep 0.05"
            down "sh" "-c" "echo down ${input.n} >> [ROOT]/note.log"
            confine "none"
        }
    }
}
phase "health" environments="production" {
    deploy "health" plugin="deploy" {
        grant { run "test" "!" "-e" "[ROOT]/sick" confine="none"; run "true" confine="none" }
        config { up "test" "!" "-e" "[ROOT]/sick"; down "true"; idempotent #true; confine "none" }
    }
}
"#;

/// Where the shop is released.
pub const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

/// A project with one release live in both environments.
#[derive(Debug)]
pub struct Shop {
    /// Its project.
    pub sandbox: Sandbox,
    release: usize,
}

impl Default for Shop {
    fn default() -> Self {
        Self::open()
    }
}

impl Shop {
    /// Makes the project and its first release.
    pub fn open() -> Self {
        Self::with(MANIFEST)
    }

    /// Like [`Shop::open`], with commands that take no time: for deaths that need not wait for a moment to come.
    pub fn quick() -> Self {
        Self::with(&MANIFEST.replace("sleep 0.05; ", "").replace("; sleep 0.05", ""))
    }

    fn with(manifest: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("release.kdl", manifest);
        let mut shop = Self { sandbox, release: 0 };
        shop.next();
        shop.goes_live();
        shop
    }

    /// Changes the source: what comes now is another release.
    pub fn next(&mut self) {
        self.release += 1;
        self.sandbox.write("src/index.html", &format!("release {}", self.release));
    }

    /// Makes a release, without a death.
    pub fn goes_live(&self) {
        let ran = self.apply();
        assert_eq!(ran.code, 0, "{}", ran.output);
        self.holds();
    }

    /// Returns the number of this release.
    pub fn release(&self) -> usize {
        self.release
    }

    /// Runs a command that must do what it is to do.
    pub fn does(&self, words: &str) {
        let ran = self.sandbox.relrun(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, 0, "{words}: {}", ran.output);
    }

    /// Lets the look at the shop's health fail from now on.
    pub fn falls_sick(&self) {
        self.sandbox.write("sick", "");
    }

    fn is_sick(&self) -> bool {
        self.sandbox.path("sick").exists()
    }

    fn heals(&self) {
        std::fs::remove_file(self.sandbox.path("sick")).unwrap();
    }

    /// Returns what makes this release.
    pub fn words(&self) -> [String; 5] {
        ["apply", "-j", "1", "-i", &format!("n={}", self.release)].map(str::to_owned)
    }

    /// Makes this release.
    pub fn apply(&self) -> Ran {
        self.sandbox.relrun(&self.words().each_ref().map(String::as_str))
    }

    /// Begins to make this release.
    pub fn start(&self) -> Running {
        self.sandbox.start(&self.words().each_ref().map(String::as_str))
    }

    /// Returns what is served in an environment.
    pub fn served(&self, environment: &str) -> String {
        self.sandbox.read(&format!("hosts/{environment}/srv/shop/current/index.html"))
    }

    /// Returns whether an environment serves what this many releases before this one was there.
    pub fn serves(&self, environment: &str, before: usize) -> bool {
        self.served(environment) == format!("release {}", self.release - before)
    }

    /// Returns what the command did for this release: `up` and `down`, in turn.
    fn noted(&self) -> Vec<String> {
        let all = self.sandbox.read("note.log");
        let of = |line: &str| line.split_once(' ').filter(|(_, n)| *n == self.release.to_string()).map(|(what, _)| what.to_owned());
        all.lines().filter_map(of).collect()
    }

    /// Returns whether the command is done for this release, and not taken back.
    pub fn is_up(&self) -> bool {
        self.noted().last().is_some_and(|last| last == "up")
    }

    /// The command may not run twice, unless it was taken back between.
    pub fn never_up_twice(&self) {
        let noted = self.noted();
        assert!(!noted.windows(2).any(|pair| pair == ["up", "up"]), "release {}: {noted:?}", self.release);
    }

    /// What must hold when a release is through.
    pub fn holds(&self) {
        for environment in ENVIRONMENTS {
            assert!(self.serves(environment, 0), "{environment}: {}", self.served(environment));
        }
        assert!(self.is_up(), "release {}: {:?}", self.release, self.noted());
        self.never_up_twice();
        let status = self.sandbox.relrun(&["status"]);
        assert!(status.code == 0 && !status.output.contains("UNFINISHED"), "{}", status.output);
        let again = self.apply();
        assert!(again.code == 0 && again.output.contains("nothing to do"), "{}", again.output);
    }

    /// Returns what `status` says to type. Where something is unfinished it must say so.
    pub fn advice(&self) -> Option<Vec<String>> {
        let status = self.sandbox.relrun(&["status"]);
        assert_eq!(status.code, 0, "{}", status.output);
        let next = next_command(&status.output);
        assert_eq!(status.output.contains("UNFINISHED"), next.is_some(), "{}", status.output);
        next
    }

    /// What `status` must say after the death of an `apply`: the truth, and the way on where there is one.
    pub fn status_is_true(&self) {
        if self.advice().is_none() {
            let status = self.sandbox.relrun(&["status"]).output;
            let active = ENVIRONMENTS.map(|name| active_in(&status, name));
            let served = ENVIRONMENTS.map(|name| self.served(name));
            assert_eq!(active[0] == active[1], served[0] == served[1], "{served:?} is served, and it says:\n{status}");
        }
    }

    /// Types what relrun says until the release is through, and heals the shop when it was taken back; returns all that was typed and said.
    pub fn carry_on(&self) -> String {
        self.follow(self.words().to_vec())
    }

    /// Types these words, and then what relrun says, until a command has done what it was to do.
    pub fn follow(&self, mut words: Vec<String>) -> String {
        let mut story = String::new();
        for _ in 0..8 {
            let ran = self.sandbox.relrun(&words.iter().map(String::as_str).collect::<Vec<_>>());
            story += &format!("$ relrun {}\n{}\n[exit {}]\n", words.join(" "), ran.output, ran.code);
            self.never_up_twice();
            match ran.code {
                0 if words[0] != "settle" => return story,
                0 | 2 | 3 => {}
                // A command that is known to be half done is taken back.
                1 if ran.output.contains("partly done") => {}
                1 if self.is_sick() => {
                    assert!(!self.is_up() && self.serves("production", 1), "it was not taken back:\n{story}");
                    self.heals();
                }
                _ => panic!("that may not be:\n{story}"),
            }
            words = match next_command(&ran.output) {
                // The person looks, and says what is there.
                Some(next) if next[0] == "settle" => {
                    let verdict = if self.is_up() { "--done" } else { "--not-done" };
                    vec![next[0].clone(), next[1].clone(), next[2].clone(), verdict.to_owned()]
                }
                Some(next) => next,
                None => panic!("it does not say what to type:\n{story}"),
            };
        }
        panic!("it does not come to an end:\n{story}");
    }
}

/// Returns the first `relrun …` that an output says to type, of those that go on with what was begun.
pub fn next_command(output: &str) -> Option<Vec<String>> {
    let at = output.lines().filter_map(|line| line.split_once("relrun ").map(|(_, rest)| rest));
    let mut commands =
        at.map(|rest| rest.split(['`', ';']).next().unwrap_or(rest).split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    commands.find(|words| ["continue", "retry", "settle", "undo", "destroy"].contains(&words.first().map_or("", String::as_str)))
}

/// Returns the release that `status` says is active in an environment.
fn active_in(status: &str, environment: &str) -> String {
    let row = status.lines().find(|line| line.starts_with(environment)).unwrap_or_else(|| panic!("{environment} is not in:\n{status}"));
    row.split_whitespace().nth(2).unwrap().to_owned()
}

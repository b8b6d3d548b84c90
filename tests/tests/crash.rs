//! relrun is killed at every moment of a release, and what the next command does is held against what is really there.
//!
//! The release has a pure step, a switch of links in two environments, and a command that may not run twice. One project lives through all of
//! the deaths, so that whatever one of them breaks is there for the next. A watcher looks at what is served all the while.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use relrun_tests::{Ran, Sandbox};

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
"#;
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

/// A project with one release live in both environments.
struct Shop {
    sandbox: Sandbox,
    release: usize,
}

impl Shop {
    fn open() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("release.kdl", MANIFEST);
        let mut shop = Self { sandbox, release: 0 };
        shop.next();
        let first = shop.apply();
        assert_eq!(first.code, 0, "{}", first.output);
        shop.holds();
        shop
    }

    /// Changes the source: what comes now is another release.
    fn next(&mut self) {
        self.release += 1;
        self.sandbox.write("src/index.html", &format!("release {}", self.release));
    }

    fn words(&self) -> [String; 3] {
        ["apply".to_owned(), "-i".to_owned(), format!("n={}", self.release)]
    }

    fn apply(&self) -> Ran {
        self.sandbox.relrun(&self.words().each_ref().map(String::as_str))
    }

    fn start(&self) -> relrun_tests::Running {
        self.sandbox.start(&self.words().each_ref().map(String::as_str))
    }

    fn served(&self, environment: &str) -> String {
        self.sandbox.read(&format!("hosts/{environment}/srv/shop/current/index.html"))
    }

    /// Returns what the command did for this release: `up` and `down`, in turn.
    fn noted(&self) -> Vec<String> {
        let all = self.sandbox.read("note.log");
        let of = |line: &str| line.split_once(' ').filter(|(_, n)| *n == self.release.to_string()).map(|(what, _)| what.to_owned());
        all.lines().filter_map(of).collect()
    }

    fn is_up(&self) -> bool {
        self.noted().last().is_some_and(|last| last == "up")
    }

    /// The command may not run twice, unless it was taken back between.
    fn never_up_twice(&self) {
        let noted = self.noted();
        assert!(!noted.windows(2).any(|pair| pair == ["up", "up"]), "release {}: {noted:?}", self.release);
    }

    /// What must hold when a release is through.
    fn holds(&self) {
        for environment in ENVIRONMENTS {
            assert_eq!(self.served(environment), format!("release {}", self.release), "{environment}");
        }
        assert!(self.is_up(), "release {}: {:?}", self.release, self.noted());
        self.never_up_twice();
        let status = self.sandbox.relrun(&["status"]);
        assert!(status.code == 0 && !status.output.contains("UNFINISHED"), "{}", status.output);
        let again = self.apply();
        assert!(again.code == 0 && again.output.contains("nothing to do"), "{}", again.output);
    }

    /// What `status` must say after a death: the truth, and the way on where there is one.
    fn status_is_true(&self) {
        let status = self.sandbox.relrun(&["status"]);
        assert_eq!(status.code, 0, "{}", status.output);
        if status.output.contains("UNFINISHED") {
            assert!(next_command(&status.output).is_some(), "{}", status.output);
        } else {
            let active = ENVIRONMENTS.map(|name| active_in(&status.output, name));
            let served = ENVIRONMENTS.map(|name| self.served(name));
            assert_eq!(active[0] == active[1], served[0] == served[1], "{served:?} is served, and it says:\n{}", status.output);
        }
    }

    /// Types what relrun says until the release is through; returns all that was typed and said.
    fn carry_on(&self) -> String {
        let mut story = String::new();
        let mut words: Vec<String> = self.words().to_vec();
        for _ in 0..8 {
            let ran = self.sandbox.relrun(&words.iter().map(String::as_str).collect::<Vec<_>>());
            story += &format!("$ relrun {}\n{}\n[exit {}]\n", words.join(" "), ran.output, ran.code);
            // The one failure that there may be: a command that is known to be half done is taken back.
            assert!([0, 2, 3].contains(&ran.code) || ran.code == 1 && ran.output.contains("partly done"), "{story}");
            self.never_up_twice();
            if ran.code == 0 && words[0] != "settle" {
                return story;
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

    /// Kills an apply after a while, and brings it to its end.
    fn die_and_carry_on(&mut self, after: Duration) -> String {
        self.next();
        let running = self.start();
        sleep(after);
        running.signal(Signal::SIGKILL);
        running.wait();
        // A command that outlived relrun would be a fault; one that is dying needs a moment.
        sleep(Duration::from_millis(30));
        self.status_is_true();
        let story = self.carry_on();
        self.holds();
        story
    }
}

/// Returns the first `relrun …` that an output says to type, without what is not to be followed here.
fn next_command(output: &str) -> Option<Vec<String>> {
    let at = output.lines().filter_map(|line| line.split_once("relrun ").map(|(_, rest)| rest));
    let mut commands =
        at.map(|rest| rest.split(['`', ';']).next().unwrap_or(rest).split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    commands.find(|words| ["continue", "retry", "settle", "undo"].contains(&words.first().map_or("", String::as_str)))
}

/// Returns the release that `status` says is active in an environment.
fn active_in(status: &str, environment: &str) -> String {
    let row = status.lines().find(|line| line.starts_with(environment)).unwrap_or_else(|| panic!("{environment} is not in:\n{status}"));
    row.split_whitespace().nth(2).unwrap().to_owned()
}

/// Looks at what is served, until it is told to stop or dropped.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<usize, String>>>,
}

impl Watcher {
    fn watch(shop: &Shop) -> Self {
        let pages = ENVIRONMENTS.map(|name| shop.sandbox.path(&format!("hosts/{name}/srv/shop/current/index.html")));
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || look(&pages, &told));
        Self { stop, thread: Some(thread) }
    }

    fn end(mut self) {
        let looks = self.join().expect("it was not ended before").expect("every page is served at every moment");
        assert!(looks > 100, "{looks}");
    }

    fn join(&mut self) -> Option<Result<usize, String>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(|thread| thread.join().unwrap())
    }
}

impl Drop for Watcher {
    /// The project goes when a test fails, and nobody should look at it then.
    fn drop(&mut self) {
        self.join();
    }
}

fn look(pages: &[PathBuf], told: &AtomicBool) -> Result<usize, String> {
    let mut looks = 0;
    while !told.load(Ordering::Relaxed) {
        for page in pages {
            fs::metadata(page).map_err(|error| format!("{}: {error}", page.display()))?;
            looks += 1;
        }
        sleep(Duration::from_micros(500));
    }
    Ok(looks)
}

/// Returns how long an undisturbed apply takes here.
fn usual(shop: &mut Shop) -> Duration {
    shop.next();
    let started = Instant::now();
    let ran = shop.apply();
    assert_eq!(ran.code, 0, "{}", ran.output);
    started.elapsed()
}

#[test]
fn killed_at_any_moment_it_is_carried_to_its_end_and_does_nothing_twice() {
    const STEPS: u32 = 28;
    let mut shop = Shop::open();
    let usual = usual(&mut shop);
    let watcher = Watcher::watch(&shop);
    let stories: Vec<String> = (0..STEPS).map(|step| shop.die_and_carry_on(usual * step / STEPS)).collect();
    watcher.end();
    let continued = stories.iter().filter(|story| story.contains("$ relrun continue")).count();
    assert!(continued >= 5, "the kills came too early or too late to mean anything: {continued} of {STEPS}");
}

#[test]
fn killed_at_random_it_is_carried_to_its_end_and_does_nothing_twice() {
    let seed = std::env::var("RELRUN_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos());
    println!("RELRUN_SEED={seed}");
    let mut state = u64::from(seed) + 1;
    let mut shop = Shop::open();
    let usual = usual(&mut shop);
    let watcher = Watcher::watch(&shop);
    for _ in 0..12 {
        // Knuth's numbers for a linear congruential generator: any spread will do.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = u32::try_from(state >> 54).unwrap();
        shop.die_and_carry_on(usual * part / 1024);
    }
    watcher.end();
}

#[test]
fn killed_again_and_again_while_it_recovers() {
    let mut shop = Shop::open();
    let usual = usual(&mut shop);
    let watcher = Watcher::watch(&shop);
    for round in 1..6 {
        shop.next();
        for death in 1..4 {
            let running = if death == 1 { shop.start() } else { shop.sandbox.start(&["continue"]) };
            sleep(usual * round * death / 20);
            running.signal(Signal::SIGKILL);
            running.wait();
            shop.status_is_true();
        }
        sleep(Duration::from_millis(30));
        shop.carry_on();
        shop.holds();
    }
    watcher.end();
}

#[test]
fn killed_while_it_rolls_back_it_is_carried_to_its_end() {
    let mut shop = Shop::open();
    let usual = usual(&mut shop);
    let watcher = Watcher::watch(&shop);
    for step in 0..10 {
        let before = shop.served("staging");
        let running = shop.sandbox.start(&["rollback", "-e", "staging", "--to", if step % 2 == 0 { "r1" } else { "r2" }]);
        sleep(usual * step / 16);
        running.signal(Signal::SIGKILL);
        running.wait();
        let status = shop.sandbox.relrun(&["status"]);
        assert_eq!(status.code, 0, "{}", status.output);
        let wanted = format!("release {}", if step % 2 == 0 { 1 } else { 2 });
        match next_command(&status.output) {
            Some(next) => {
                let ran = shop.sandbox.relrun(&next.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(ran.code, 0, "after {}:\n{}", status.output, ran.output);
                assert_eq!(shop.served("staging"), wanted);
            }
            None => assert!([before, wanted].contains(&shop.served("staging")), "{}", status.output),
        }
    }
    watcher.end();
}

#[test]
fn of_two_at_once_one_goes_and_nothing_runs_twice() {
    let mut shop = Shop::open();
    for _ in 0..4 {
        shop.next();
        let (one, other) = (shop.start(), shop.start());
        let (one, other) = (one.wait(), other.wait());
        let codes = [one.code, other.code];
        assert!(codes.contains(&0), "{codes:?}\n{}\n{}", one.output, other.output);
        assert!(codes.iter().all(|code| [0, 5].contains(code)), "{codes:?}\n{}\n{}", one.output, other.output);
        shop.holds();
    }
}

#[test]
fn one_that_waits_for_the_other_runs_nothing_again() {
    let mut shop = Shop::open();
    for _ in 0..3 {
        shop.next();
        let words = shop.words();
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--lock-wait", "30s"]).collect();
        let (one, other) = (shop.sandbox.start(&words), shop.sandbox.start(&words));
        let (one, other) = (one.wait(), other.wait());
        let codes = [one.code, other.code];
        assert!(codes.contains(&0), "{codes:?}\n{}\n{}", one.output, other.output);
        let refused = [one, other].into_iter().filter(|ran| ran.code != 0);
        refused.for_each(|ran| assert!(ran.output.contains("while this one waited"), "{}", ran.output));
        shop.holds();
    }
}

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

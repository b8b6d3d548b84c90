//! relrun is killed at any moment of a release, and what the next command does is held against what is really there.
//!
//! A watcher looks at what is served all the while. `moments.rs` kills it at each moment that its own code names.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use relrun_tests::{ENVIRONMENTS, Shop, next_command};

/// Kills an apply after a while, and brings it to its end.
fn die_and_carry_on(shop: &mut Shop, after: Duration) -> String {
    shop.next();
    let running = shop.start();
    sleep(after);
    running.signal(Signal::SIGKILL);
    running.wait();
    // A command that outlived relrun would be a fault; one that is dying needs a moment.
    sleep(Duration::from_millis(30));
    shop.status_is_true();
    let story = shop.carry_on();
    shop.holds();
    story
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
    let stories: Vec<String> = (0..STEPS).map(|step| die_and_carry_on(&mut shop, usual * step / STEPS)).collect();
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
        die_and_carry_on(&mut shop, usual * part / 1024);
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

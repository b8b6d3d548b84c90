use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const SUFFIX: &str = "-recipe9";

/// A recipe that writes one file, counts how often it was asked, and may fail half-way.
struct Fake<'c> {
    made: &'c AtomicUsize,
    version: &'static str,
    fails: Option<&'static str>,
}

impl Recipe for Fake<'_> {
    fn key(&mut self, _scratch: &Path, _progress: &mut dyn Write) -> Result<String, Error> {
        Ok(self.version.to_owned())
    }

    fn make(&mut self, root: &Path, scratch: &Path, _progress: &mut dyn Write) -> Result<(), Error> {
        self.made.fetch_add(1, Ordering::SeqCst);
        fs::write(root.join("rustc"), self.version).unwrap();
        fs::write(scratch.join("download"), "").unwrap();
        // Long enough for another that does not wait to be caught.
        thread::sleep(Duration::from_millis(100));
        match self.fails {
            None => Ok(()),
            Some(reason) => Err(Error::NoRust { reason: reason.to_owned() }),
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn two_at_once_end_with_one_toolchain() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicUsize::new(0);
    let start = Barrier::new(4);
    let places: Vec<PathBuf> = thread::scope(|scope| {
        let run = || {
            start.wait();
            let mut recipe = Fake { made: &made, version: "1.2", fails: None };
            Cache::new(folder.path().join("toolchains")).ensure(SUFFIX, &mut recipe, &mut Vec::new()).unwrap()
        };
        let running: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(made.load(Ordering::SeqCst), 1);
    assert!(places.iter().all(|place| *place == folder.path().join("toolchains/1.2-recipe9")), "{places:?}");
    assert_eq!(names(&folder.path().join("toolchains")), ["1.2-recipe9", "lock"]);
    assert_eq!(fs::read_to_string(places[0].join("rustc")).unwrap(), "1.2");
}

#[test]
fn who_waits_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    let mut progress = Vec::new();
    let held = cache.lock(&mut progress).unwrap();
    assert_eq!(progress, b"");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut progress = Vec::new();
            cache.lock(&mut progress).map(|_| progress).unwrap()
        });
        thread::sleep(Duration::from_millis(50));
        drop(held);
        assert_eq!(waiting.join().unwrap(), b"waiting for another build that is making the toolchain\n");
    });
}

#[test]
fn what_a_killed_run_left_is_not_taken_and_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    // Killed while it made, and (from a disk that lost the marker) a folder in the right place that is not whole.
    fs::create_dir_all(folder.path().join(".making-7/root")).unwrap();
    fs::write(folder.path().join(".making-7/root").join(MARKER), "").unwrap();
    fs::create_dir_all(folder.path().join("1.2-recipe9")).unwrap();
    fs::write(folder.path().join("1.2-recipe9/rustc"), "half").unwrap();
    let cache = Cache::new(folder.path().to_owned());
    assert_eq!(cache.newest(SUFFIX), None);

    let made = AtomicUsize::new(0);
    let place = cache.ensure(SUFFIX, &mut Fake { made: &made, version: "1.2", fails: None }, &mut Vec::new()).unwrap();
    assert_eq!(fs::read_to_string(place.join("rustc")).unwrap(), "1.2");
    assert_eq!(names(folder.path()), ["1.2-recipe9", "lock"]);
}

#[test]
fn a_recipe_that_fails_leaves_nothing_to_take() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    let made = AtomicUsize::new(0);
    let error = cache.ensure(SUFFIX, &mut Fake { made: &made, version: "1.2", fails: Some("no network") }, &mut Vec::new());
    assert!(error.expect_err("it fails").to_string().contains("no network"));
    assert_eq!(names(folder.path()), ["lock"]);
    // The next one is not held up by it.
    cache.ensure(SUFFIX, &mut Fake { made: &made, version: "1.2", fails: None }, &mut Vec::new()).unwrap();
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[test]
fn the_newest_of_this_recipe_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    for (age, name) in [(300, "1.3-recipe9"), (200, "1.10-recipe9"), (100, "1.11-recipe8")] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let marker = File::create(folder.path().join(name).join(MARKER)).unwrap();
        marker.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    assert_eq!(cache.newest(SUFFIX), Some(folder.path().join("1.10-recipe9")));
    assert_eq!(Cache::new(folder.path().join("absent")).newest(SUFFIX), None);
}

#[test]
fn the_warm_path_is_cheap() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned());
    let made = AtomicUsize::new(0);
    cache.ensure(SUFFIX, &mut Fake { made: &made, version: "1.2", fails: None }, &mut Vec::new()).unwrap();
    // The best of many, so that a busy machine does not fail it: a process started on the way would show in each.
    let best = (0..50).map(|_| {
        let started = Instant::now();
        assert!(cache.newest(SUFFIX).is_some());
        started.elapsed()
    });
    assert!(best.min().is_some_and(|best| best < Duration::from_millis(5)));
}

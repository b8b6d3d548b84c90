//! Every SDK's conformance plugin passes the same cases, in the real host: `tests/conformance/README.md`.
//!
//! The languages' tools are those that `relrun plugin build` finds or fetches, by pinned versions, into the user's cache.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Fetching a language's tools and building with them takes minutes the first time; whatever takes longer than this hangs.
const LONGEST: Duration = Duration::from_mins(20);
/// The case files, each of which is run on its own, so that no case is left out unseen.
const FILES: [&str; 6] = ["calls", "cancel", "data", "describe", "errors", "operations"];

/// One build at a time: each of them takes all there is of a small machine.
static ONE: Mutex<()> = Mutex::new(());

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Builds a language's conformance plugin, and holds it to every case.
fn holds(sdk: &str) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let file = fs::File::create(&output).unwrap();
    let mut child = Command::new(program())
        .args(["--format", "json", "plugin", "test", &format!("sdk/{sdk}/conformance"), "--cases", "tests/conformance"])
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it took too long:\n{}", fs::read_to_string(&output).unwrap());
        }
        sleep(Duration::from_millis(100));
    };
    let said = fs::read_to_string(&output).unwrap();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let cases: Vec<serde_json::Value> = lines.filter(|line| line["type"] == "case").collect();
    let failed: Vec<String> = cases.iter().filter(|case| case["passed"] != true).map(|case| format!("{case:#}")).collect();
    assert!(failed.is_empty(), "{sdk}: {} cases failed:\n{}", failed.len(), failed.join("\n"));
    assert!(status.success(), "{sdk}: {status}\n{said}");
    for file in FILES {
        let path = format!("tests/conformance/{file}.kdl");
        assert!(cases.iter().any(|case| case["file"] == path.as_str()), "{sdk}: no case of {path} was run");
    }
}

#[test]
fn the_rust_sdk_holds() {
    holds("rust");
}

#[test]
fn the_go_sdk_holds() {
    holds("go");
}

#[test]
fn the_python_sdk_holds() {
    holds("python");
}

#[test]
fn the_javascript_sdk_holds() {
    holds("js");
}

#[test]
fn the_c_sdk_holds() {
    holds("c");
}

#[test]
fn every_case_file_is_among_those_that_are_run() {
    let entries = fs::read_dir(root().join("tests/conformance")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "kdl"));
    let mut names: Vec<String> = paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, FILES);
}

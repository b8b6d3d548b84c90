//! Commands, held by the confinement as a step may run them.

use crate::support::{Step, step};
use relrun_host::{LineSource, Operation};
use relrun_ledger::FailureKind;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn run(argv: &[&str]) -> Step {
    command("run", argv)
}

fn command(how: &str, argv: &[&str]) -> Step {
    step(json!({ "do": how, "argv": argv })).may("run \"sh\" \"-c\" \"**\"").may("run \"cat\"")
}

fn set(step: Step, name: &str, value: Value) -> Step {
    step.with(|call| call.config[name] = value)
}

#[tokio::test]
async fn its_output_becomes_lines_and_its_code_an_answer() {
    let (ran, outputs) = run(&["sh", "-c", "echo out; echo err >&2; exit 3"]).outputs().await;
    assert_eq!(outputs, json!({ "code": 3 }));
    let lines = ran.heard.lines.lock().unwrap().clone();
    assert!(lines.iter().any(|(_, source, text)| (*source, text.as_str()) == (LineSource::Stdout, "out")), "{lines:?}");
    assert!(lines.iter().any(|(_, source, text)| (*source, text.as_str()) == (LineSource::Stderr, "err")), "{lines:?}");
    let used = ran.heard.capabilities.lock().unwrap().clone();
    assert!(used[0].2.as_deref().is_some_and(|detail| detail.contains("/sh ")), "the program's file and digest are recorded: {used:?}");
}

#[tokio::test]
async fn it_works_on_a_copy_and_leaves_outputs() {
    let script = "cat hello.txt > /out/dist/copy && echo changed > hello.txt && cat /in/work/hello.txt";
    let (ran, outputs) = run(&["sh", "-c", script]).outputs().await;
    assert_eq!(outputs, json!({ "code": 0 }), "{}", ran.heard.text());
    assert_eq!(ran.heard.text(), "hello\n");
    assert_eq!(std::fs::read_to_string(ran.dir.path().join("step/out/dist/copy")).unwrap(), "hello");
    assert_eq!(std::fs::read_to_string(ran.dir.path().join("step/work/hello.txt")).unwrap(), "changed\n");
}

#[tokio::test]
async fn what_is_not_granted_is_refused_with_the_line_to_add() {
    let (ran, kind, message) = run(&["ls", "-l"]).fails().await;
    assert_eq!(kind, FailureKind::Denied);
    assert!(message.contains("add `run \"ls\" \"-l\"` to the step's `grant` block"), "{message}");
    assert_eq!(ran.heard.denied(), ["run \"ls\" \"-l\""]);
    let planned = run(&["sh", "-c", "true"]).with(|call| call.operation = Operation::Plan);
    assert_eq!(planned.fails().await.1, FailureKind::Denied);
    let readonly =
        step(json!({ "do": "run", "argv": ["true"] })).may("run \"true\" readonly=#true").with(|call| call.operation = Operation::Plan);
    assert!(readonly.run().await.1.is_ok());
}

#[tokio::test]
async fn its_environment_is_what_was_given() {
    let (ran, _) = set(run(&["sh", "-c", "echo $A-$B-$HOME"]), "env", json!({ "A": "1" }))
        .with(|call| drop(call.env.insert("B".into(), "2".into())))
        .outputs()
        .await;
    assert_eq!(ran.heard.text(), "1-2-/tmp\n");
    let (ran, kind, message) = set(run(&["sh", "-c", "true"]), "env", json!({ "LD_PRELOAD": "x" })).fails().await;
    assert_eq!(kind, FailureKind::Denied, "{message}");
    assert_eq!(ran.heard.denied(), ["env \"LD_PRELOAD\""]);
}

#[tokio::test]
async fn its_output_is_masked() {
    let (ran, _) = run(&["sh", "-c", "printf s3cr3t-; sleep 0.1; echo t0ken-value"]).outputs().await;
    assert_eq!(ran.heard.text(), "***\n");
}

#[tokio::test]
async fn it_reads_what_it_is_given_and_is_read() {
    let (_, outputs) = set(command("spawn", &["cat"]), "stdin", json!("a longer text than one piece")).outputs().await;
    assert_eq!(outputs, json!({ "out": "a longer text than one piece", "code": 0 }));
}

#[tokio::test]
async fn a_flood_and_a_sleeper_are_ended() {
    let began = Instant::now();
    let (_, kind, message) =
        run(&["sh", "-c", "while :; do echo xxxxxxxxxxxxxxxx; done"]).with(|call| call.limits.log = 1 << 20).fails().await;
    assert_eq!((kind, message.as_str()), (FailureKind::Limit, "it wrote more than 1048576 bytes of log"));
    let sleeper = run(&["sh", "-c", "sleep 1000"]).with(|call| call.limits.timeout = Duration::from_millis(300));
    assert_eq!(sleeper.fails().await.1, FailureKind::TimedOut);
    let cancelled = run(&["sh", "-c", "sleep 1000"]);
    cancelled.canceller.cancel();
    assert_eq!(cancelled.fails().await.1, FailureKind::Cancelled);
    assert!(began.elapsed() < Duration::from_mins(10));
}

#[tokio::test]
async fn it_starts_where_it_may() {
    let (ran, _) = set(run(&["sh", "-c", "pwd"]), "dir", json!("/work")).outputs().await;
    assert_eq!(ran.heard.text(), "/work\n");
    assert_eq!(set(run(&["sh", "-c", "pwd"]), "dir", json!("../..")).fails().await.1, FailureKind::Invalid);
    let there = || set(run(&["sh", "-c", "echo made > here"]), "host", json!("web1"));
    assert_eq!(there().fails().await.1, FailureKind::Denied);
    let (_, kind, message) = there().may("host \"web1\"").fails().await;
    assert_eq!(kind, FailureKind::Denied, "what may run here may not run there");
    assert!(message.contains(r#"add `run "sh" "-c" "echo made > here" on="web1"`"#), "{message}");
    let on_host = there().may("host \"web1\"").may(r#"run "sh" "-c" "**" on="web*""#);
    let (ran, _) = on_host.outputs().await;
    assert_eq!(std::fs::read_to_string(ran.dir.path().join("hosts/web1/here")).unwrap(), "made\n");
}

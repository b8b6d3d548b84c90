//! The bundled plugins as components, in the real host.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_plugin_test::{Bench, BenchError, FailureKind, Health, Recovery};
use serde_json::{Value, json};
use std::fs;

fn bench(plugin: &str) -> Bench {
    Bench::new(relrun_bundled::get(plugin).unwrap().bytes).unwrap()
}

fn served(bench: &Bench, host: &str) -> Option<String> {
    fs::read_to_string(bench.on_host(host, "/srv/shop/current/index.html")).ok()
}

fn swap(tree: &str) -> Value {
    json!({ "source": tree, "root": "/srv/shop", "expect": ["index.html"] })
}

#[test]
fn each_plugin_is_its_name_and_asks_for_what_its_config_says() {
    let asked = [
        ("build", json!({ "command": [["make", "dist"]] }), r#"run "make" "dist""#),
        ("deploy", json!({ "up": [["start"]], "down": [["start"]] }), r#"run "start""#),
        ("symlink-swap", json!({ "source": "${step.site.dist}", "root": "/srv" }), r#"host "*""#),
        (
            "registry-push",
            json!({ "repository": "registry.example.com/acme/shop", "layer": [{ "tree": "a".repeat(64), "to": "/srv" }] }),
            r#"registry "registry.example.com/acme/shop""#,
        ),
        ("http-check", json!({ "url": "https://shop.example/health" }), r#"http "https://shop.example""#),
    ];
    for (name, config, request) in asked {
        let bench = bench(name);
        assert_eq!(bench.describe().unwrap().name, name);
        let requests: Vec<String> = bench.resolve(&config).unwrap().requests.iter().map(|request| request.capability.to_string()).collect();
        assert_eq!(requests, [request]);
    }
}

#[test]
fn symlink_swap_deploys_is_recovered_verified_undone_and_destroyed() {
    let mut bench = bench("symlink-swap").grant(r#"host "*""#).unwrap().host("web1").host("web2");
    let (first, second) = (bench.tree(&[("index.html", "one")]).unwrap(), bench.tree(&[("index.html", "two")]).unwrap());
    bench.apply(&swap(&first)).unwrap();

    bench = bench.release("r2");
    let ran = bench.apply(&swap(&second)).unwrap();
    assert_eq!([served(&bench, "web1"), served(&bench, "web2")], [Some("two".to_owned()), Some("two".to_owned())]);
    assert_eq!(ran.used(), [r#"host "web1""#, r#"host "web2""#]);
    let receipt = ran.reply.receipt.clone().unwrap();
    assert_eq!(ran.checkpoints(), [&receipt, &receipt], "before anything is laid, and before anything is switched");

    assert_eq!(bench.verify(&swap(&second), receipt.clone()).unwrap().reply, Health::Intact);
    let found = bench.recover(&swap(&second), Some(receipt.clone())).unwrap().reply;
    assert!(matches!(found, Recovery::Done(ref outcome) if outcome.receipt.as_ref() == Some(&receipt)), "{found:?}");

    for _ in 0..2 {
        bench.undo(&swap(&second), receipt.clone()).unwrap();
        assert_eq!([served(&bench, "web1"), served(&bench, "web2")], [Some("one".to_owned()), Some("one".to_owned())]);
    }
    bench.destroy(&swap(&second), receipt).unwrap();
    assert_eq!(served(&bench, "web1"), None);
}

#[test]
fn what_is_not_granted_is_refused_before_anything_runs() {
    let mut bench = bench("symlink-swap").host("web1");
    let tree = bench.tree(&[("index.html", "one")]).unwrap();
    let refused = bench.apply(&swap(&tree)).unwrap_err();
    assert!(matches!(refused, BenchError::NotGranted(ref lines) if lines == &[r#"host "*""#]), "{refused}");
    assert!(!bench.on_host("web1", "/srv").exists());
}

#[test]
fn a_plugins_own_error_leaves_it_as_itself() {
    let mut bench = bench("symlink-swap").grant(r#"host "*""#).unwrap().host("web1");
    let tree = bench.tree(&[("other.html", "one")]).unwrap();
    let BenchError::Failed(failure) = bench.apply(&swap(&tree)).unwrap_err() else { panic!("the plugin failed") };
    assert_eq!(failure.kind, FailureKind::Missing, "{}", failure.message);
    assert!(failure.message.contains("has no \"index.html\"; nothing was switched"), "{}", failure.message);
}

/// The relrun that was built beside this test.
fn relrun() -> std::path::PathBuf {
    let here = std::env::current_exe().unwrap();
    let relrun = here.ancestors().nth(2).unwrap().join("relrun");
    assert!(relrun.is_file(), "there is no {}: type `cargo build -p relrun` first", relrun.display());
    relrun
}

#[test]
fn build_runs_its_commands_over_what_is_staged() {
    let config = json!({ "command": [["cp", "-r", "src", "dist"]] });
    let bench = bench("build").commands(relrun()).grant(r#"run "cp" "-r" "src" "dist""#).unwrap();
    let bench = bench.reads("work", &[("src/a.txt", "one")]).unwrap().writes("dist").unwrap();
    let ran = bench.apply(&config).unwrap();
    assert_eq!(bench.output("dist/a.txt").unwrap(), b"one");
    assert_eq!((ran.reply.outputs["commands"].as_u64(), ran.used()), (Some(1), vec![r#"run "cp" "-r" "src" "dist""#]));
}

#[test]
fn deploy_goes_up_and_down_and_takes_back_what_failed() {
    let config = json!({ "up": [["true"], ["false"]], "down": [["true"]] });
    let bench = bench("deploy").commands(relrun()).grant(r#"run "true""#).unwrap().grant(r#"run "false""#).unwrap();
    let BenchError::Failed(failure) = bench.apply(&config).unwrap_err() else { panic!("the second command fails") };
    assert!(failure.message.contains("`false` ended with exit code 1"), "{}", failure.message);
    let up = json!({ "up": [["true"]], "down": [["true"]] });
    let ran = bench.apply(&up).unwrap();
    let receipt = ran.reply.receipt.clone().unwrap();
    assert!(!ran.checkpoints().is_empty(), "a crash in the middle must be seen");
    assert!(bench.undo(&up, receipt).unwrap().used().contains(&r#"run "true""#));
}

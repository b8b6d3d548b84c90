use super::Deploy;
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::testing::{Fake, RecoveryJson};
use relrun_sdk::{Change, Error, ErrorKind, Health};

fn config() -> Value {
    json!({ "up": [["migrate"], ["start", "shop"]], "down": [["stop", "shop"]], "check": [["is-up", "shop"]] })
}

#[test]
fn it_asks_for_each_command_and_marks_the_check_as_reading() {
    let needs = Fake::new().resolve::<Deploy>(&config()).expect("resolves");
    assert!(needs.is_effect());
    let asked = ["run \"migrate\"", "run \"start\" \"shop\"", "run \"stop\" \"shop\"", "run \"is-up\" \"shop\" readonly=#true"];
    assert_eq!(needs.capabilities(), asked);
}

#[test]
fn each_command_has_a_checkpoint_before_it() {
    let fake = Fake::new();
    let outcome = fake.apply::<Deploy>(&config()).expect("deploys");
    assert_eq!(fake.calls(), ["run migrate", "run start shop"]);
    let saved = [json!({"begun": 1, "ended": 0}), json!({"begun": 2, "ended": 1}), json!({"begun": 2, "ended": 2})];
    assert_eq!(fake.checkpoints(), saved);
    assert_eq!(outcome.receipt, Some(json!({"begun": 2, "ended": 2})));
}

#[test]
fn a_failure_ends_it_and_undo_runs_down() {
    let fake = Fake::new().exit(&["migrate"], 3);
    let error = fake.apply::<Deploy>(&config()).expect_err("fails");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Permanent, "`migrate` ended with exit code 3"));
    let checkpoint = fake.checkpoints().pop().expect("one was saved");
    fake.calls();
    assert_eq!(fake.undo::<Deploy>(&config(), &checkpoint).expect("undoes").summary, "ran stop shop");
    assert_eq!(fake.calls(), ["run stop shop"]);
}

#[test]
fn recover_tells_by_the_checkpoint() {
    let fake = Fake::new();
    let recover = |checkpoint: Option<Value>| fake.recover::<Deploy>(&config(), checkpoint.as_ref()).expect("tells");
    assert_eq!(recover(None), RecoveryJson::NotDone);
    assert_eq!(recover(Some(json!({"begun": 2, "ended": 1}))), RecoveryJson::Partly(json!({"begun": 2, "ended": 1})));
    assert!(matches!(recover(Some(json!({"begun": 2, "ended": 2}))), RecoveryJson::Done(_)));
}

#[test]
fn verify_asks_the_check_and_says_when_there_is_none() {
    let receipt = json!({"begun": 2, "ended": 2});
    let fake = Fake::new();
    assert_eq!(fake.verify::<Deploy>(&config(), &receipt).expect("verifies"), Health::Intact);
    let fake = fake.exit(&["is-up", "shop"], 1);
    let drifted = Health::Drifted(vec![Change::new("`is-up shop` ended with exit code 1")]);
    assert_eq!(fake.verify::<Deploy>(&config(), &receipt).expect("verifies"), drifted);
    let blind = json!({ "up": [["a"]], "down": [["b"]] });
    assert_eq!(fake.verify::<Deploy>(&blind, &receipt).expect_err("cannot tell").kind(), ErrorKind::Permanent);
}

#[test]
fn destroy_falls_back_on_down() {
    let fake = Fake::new();
    let receipt = json!({"begun": 2, "ended": 2});
    assert_eq!(fake.destroy::<Deploy>(&config(), &receipt).expect("destroys").summary, "ran stop shop");
    let config = json!({ "up": [["a"]], "down": [["b"]], "destroy": [["c"]] });
    assert_eq!(fake.destroy::<Deploy>(&config, &receipt).expect("destroys").summary, "ran c");
}

#[test]
fn a_secret_goes_to_every_command_that_it_is_for() {
    let secret = json!([{ "secret": "token", "env": "TOKEN" }, { "secret": "key", "to-command": "b" }]);
    let config = json!({ "up": [["a"]], "down": [["b"]], "secret": secret });
    let fake = Fake::new().secret("token", "s3cret").secret("key", "k3y");
    let needs = fake.resolve::<Deploy>(&config).expect("resolves");
    let asked = [
        "run \"a\"",
        "run \"b\"",
        "secret \"token\" to-command=\"a\" env=\"TOKEN\"",
        "secret \"token\" to-command=\"b\" env=\"TOKEN\"",
        "secret \"key\" to-command=\"b\"",
    ];
    assert_eq!(needs.capabilities(), asked);
    let outcome = fake.apply::<Deploy>(&config).expect("deploys");
    fake.undo::<Deploy>(&config, &outcome.receipt.expect("it leaves one")).expect("undoes");
    assert_eq!(fake.calls(), ["run a TOKEN=<token>", "run b TOKEN=<token>"]);
}

#[test]
fn commands_run_on_the_hosts_of_a_role_all_at_once_and_undo_goes_to_the_same() {
    let fake = Fake::new().host("web1").host("web2").host("db1").label("web1", "role", "web").label("web2", "role", "web");
    let config = json!({ "up": [["migrate"], ["start"]], "down": [["stop"]], "check": [["is-up"]], "hosts": "role=web" });
    assert!(fake.resolve::<Deploy>(&config).expect("resolves").capabilities().contains(&"host \"*\""));
    assert_eq!(fake.plan::<Deploy>(&config).expect("plans")[0].summary, "would run migrate on web1, web2");
    let outcome = fake.apply::<Deploy>(&config).expect("deploys");
    assert_eq!(fake.calls(), ["run web1: migrate", "run web2: migrate", "run web1: start", "run web2: start"]);
    let receipt = outcome.receipt.expect("it leaves one");
    assert_eq!(receipt["hosts"], json!(["web1", "web2"]));
    let fake = fake.fail("run web2: is-up", relrun_sdk::Error::permanent("`is-up` ended with exit code 1"));
    let drifted = Health::Drifted(vec![Change::new("web2: `is-up` ended with exit code 1")]);
    assert_eq!(fake.verify::<Deploy>(&config, &receipt).expect("verifies"), drifted);
    fake.calls();
    fake.undo::<Deploy>(&config, &receipt).expect("undoes");
    assert_eq!(fake.calls(), ["run web1: stop", "run web2: stop"]);
    let once = json!({ "up": [["migrate"]], "down": [["stop"]], "hosts": "*", "once": true });
    fake.apply::<Deploy>(&once).expect("deploys");
    assert_eq!(fake.calls(), ["run web1: migrate"]);
    let nobody = json!({ "up": [["migrate"]], "down": [["stop"]], "hosts": "role=cache" });
    assert_eq!(fake.apply::<Deploy>(&nobody).expect_err("nobody").kind(), ErrorKind::Invalid);
}

#[test]
fn a_host_that_is_away_keeps_no_other_from_being_undone() {
    let config = json!({ "up": [["start"]], "down": [["stop"], ["tidy"]], "hosts": "*" });
    let fake = Fake::new().host("web1").host("web2").host("web3");
    let receipt = fake.apply::<Deploy>(&config).expect("deploys").receipt.expect("a receipt");
    fake.calls();
    let away = |name: &str| Error::transient(format!("failed to connect to {name}"));
    let fake = fake.fail("run web1: stop", away("web1")).fail("run web2: stop", away("web2"));
    let error = fake.undo::<Deploy>(&config, &receipt).expect_err("two are away");
    assert_eq!(error.message(), "web1: failed to connect to web1; web2: failed to connect to web2");
    let calls = fake.calls();
    assert_eq!(calls, ["run web1: stop", "run web2: stop", "run web3: stop", "run web3: tidy"]);
    let fake = fake.without_host("web1").fail("run web1: stop", Error::missing("the environment has no host \"web1\""));
    let undone = fake.undo::<Deploy>(&config, &receipt).expect("one is there again, one is no host of the environment any more");
    assert_eq!(undone.summary, "ran stop, tidy on web2, web3");
    assert!(fake.lines().iter().any(|line| line.starts_with("warn: web1 is no host of the environment any more")));
}

use super::Build;
use relrun_sdk::serde_json::json;
use relrun_sdk::testing::Fake;
use relrun_sdk::{ErrorKind, Plugin};

#[test]
fn it_asks_for_exactly_its_commands_and_is_pure() {
    let config = json!({ "command": [["make", "dist"], ["make", "dist"], ["npm", "test"]], "env": { "LD_PRELOAD": "x", "TIER": "y" } });
    let needs = Fake::new().resolve::<Build>(&config).expect("resolves");
    assert!(!needs.is_effect());
    assert_eq!(needs.capabilities(), ["env \"LD_PRELOAD\"", "run \"make\" \"dist\"", "run \"npm\" \"test\""]);
}

#[test]
fn the_network_makes_it_an_effect() {
    let config = json!({ "command": [["npm", "ci"]], "network": true, "in-place": true, "confine": "none" });
    let needs = Fake::new().resolve::<Build>(&config).expect("resolves");
    assert!(needs.is_effect());
    assert_eq!(needs.capabilities(), ["run \"npm\" \"ci\" network=#true in-place=#true confine=\"none\""]);
}

#[test]
fn commands_run_in_turn_and_pure_ones_save_no_checkpoint() {
    let fake = Fake::new();
    let outcome = fake.apply::<Build>(&json!({ "command": [["make"], ["make", "check"]] })).expect("applies");
    assert_eq!(outcome.summary, "ran 2 commands, the last: make check");
    assert_eq!(outcome.outputs, json!({ "commands": 2 }));
    assert_eq!(fake.calls(), ["run make", "run make check"]);
    assert!(fake.checkpoints().is_empty());
}

#[test]
fn the_first_failure_ends_it_and_names_the_command_and_its_code() {
    let fake = Fake::new().exit(&["make"], 2);
    let error = fake.apply::<Build>(&json!({ "command": [["make"], ["make", "check"]] })).expect_err("fails");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Permanent, "`make` ended with exit code 2"));
    assert_eq!(fake.calls(), ["run make"]);
}

#[test]
fn a_command_without_words_is_refused() {
    let error = Fake::new().resolve::<Build>(&json!({ "command": [[]] })).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(Build::about().name, "build");
}

#[test]
fn a_secret_makes_it_an_effect_and_goes_to_the_named_program_alone() {
    let secret = json!([{ "secret": "token", "env": "NPM_TOKEN", "to-command": "npm" }]);
    let config = json!({ "command": [["npm", "ci"], ["make"]], "secret": secret });
    let fake = Fake::new().secret("token", "s3cret");
    let needs = fake.resolve::<Build>(&config).expect("resolves");
    assert!(needs.is_effect());
    assert_eq!(needs.capabilities(), ["run \"npm\" \"ci\"", "run \"make\"", "secret \"token\" to-command=\"npm\" env=\"NPM_TOKEN\""]);
    fake.apply::<Build>(&config).expect("applies");
    assert_eq!(fake.calls(), ["run npm ci NPM_TOKEN=<token>", "run make"]);
}

#[test]
fn a_secret_for_a_program_that_nothing_runs_is_refused() {
    let config = json!({ "command": [["make"]], "secret": [{ "secret": "token", "to-command": "npm" }] });
    let error = Fake::new().resolve::<Build>(&config).expect_err("refused");
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Invalid, "the secret \"token\" is for the program \"npm\", which no command here runs")
    );
}

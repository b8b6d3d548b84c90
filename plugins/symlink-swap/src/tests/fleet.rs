//! Several hosts: who is switched when, who goes back, and who keeps nobody from it.

use super::*;

#[test]
fn canaries_and_batches_are_switched_one_after_the_other_and_a_sick_one_takes_all_back() {
    let well = |fake: Fake| {
        let config = with(with(with(config(B), "canary", json!(1)), "batch", json!("50%")), "after", json!([["reload"]]));
        let config = with(config, "health", json!([["is-up"]]));
        fake.calls();
        (fake.apply::<SymlinkSwap>(&config), fake.calls())
    };
    let four = || {
        let fake = fake().host("web3").host("web4").host("web5");
        deploy(&fake, &config(A));
        fake.release("r2")
    };
    let (outcome, calls) = well(four());
    outcome.expect("deploys");
    let steps: Vec<&str> = calls.iter().map(String::as_str).filter(|call| call.starts_with("rename") || call.starts_with("run")).collect();
    let expected = [
        "rename web1 /srv/shop/current",
        "run web1: reload",
        "run web1: is-up",
        "rename web2 /srv/shop/current",
        "rename web3 /srv/shop/current",
        "run web2: reload",
        "run web3: reload",
        "run web2: is-up",
        "run web3: is-up",
        "rename web4 /srv/shop/current",
        "rename web5 /srv/shop/current",
        "run web4: reload",
        "run web5: reload",
        "run web4: is-up",
        "run web5: is-up",
    ];
    assert_eq!(steps, expected);

    let fake = four().fail("run web3: is-up", Error::permanent("`is-up` ended with exit code 1"));
    let (failed, calls) = well(fake);
    assert_eq!(failed.expect_err("web3 is sick").message(), "web3: `is-up` ended with exit code 1");
    assert!(!calls.iter().any(|call| call.starts_with("rename web4")), "nobody behind it was switched");
    for host in ["web1", "web2", "web3", "web4"] {
        assert_eq!(
            relrun_sdk::hosts::named(host).stat("/srv/shop/current").expect("looks").expect("is").target.as_deref(),
            Some(RELEASE_1)
        );
    }
}

#[test]
fn roles_select_hosts_and_a_host_may_have_a_root_of_its_own() {
    let fake = fake().label("web1", "role", "web").label("web2", "role", "db").host_setting("web1", "root", "/home/shop");
    let config = with(config(A), "hosts", json!("role=web"));
    let outcome = deploy(&fake, &config);
    assert_eq!(fake.link("web1", "/home/shop/current").as_deref(), Some(RELEASE_1));
    assert_eq!(current(&fake), [None, None]);
    assert_eq!(fake.verify::<SymlinkSwap>(&config, &receipt(&outcome)).expect("verifies"), Health::Intact);
    fake.undo::<SymlinkSwap>(&config, &receipt(&outcome)).expect("undoes");
    assert_eq!(fake.link("web1", "/home/shop/current"), None);
    let none = fake.apply::<SymlinkSwap>(&with(config, "hosts", json!("role=cache"))).expect_err("nobody");
    assert_eq!(none.message(), "no host of the environment has the labels \"role=cache\"");
    let wrong = fake.resolve::<SymlinkSwap>(&with(self::config(A), "hosts", json!("web"))).expect_err("no label");
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
}

#[test]
fn a_host_that_is_away_keeps_no_other_from_going_back_and_is_named() {
    let fake = fake().host("web3");
    deploy(&fake, &config(A));
    let fake = fake.release("r2");
    let receipt = receipt(&deploy(&fake, &config(B)));
    // One was made anew and has another key, one goes away in the middle.
    let fake = fake.fail("stat web1 ", Error::denied("the host key is not the known one"));
    let fake = fake.fail("claim web2", Error::transient("connection lost"));
    let error = fake.undo::<SymlinkSwap>(&config(B), &receipt).expect_err("two are away");
    assert_eq!(error.kind(), ErrorKind::Denied);
    let serving = format!("web1 serves {RELEASE_2}, web2 serves {RELEASE_2}, web3 serves {RELEASE_1}");
    assert_eq!(error.message(), format!("{serving}; still to be undone: web1, web2: web1: the host key is not the known one"));
    let fake = fake.without_host("web1");
    let undone = fake.undo::<SymlinkSwap>(&config(B), &receipt).expect("one is there again, one is no host of the environment any more");
    assert_eq!(undone.summary, format!("/srv/shop/current serves {RELEASE_1} on web2"));
    assert!(fake.lines().iter().any(|line| line.starts_with("warn: web1 is no host of the environment any more")));
    assert_eq!(fake.list("web3", "/srv/shop/releases").expect("lists"), ["r1-aaaaaaaaaaaa"]);
}

#[test]
fn a_host_that_is_away_keeps_no_other_from_being_destroyed() {
    let fake = fake().host("web3");
    let receipt = receipt(&deploy(&fake, &config(A)));
    let fake = fake.fail("stat web1 ", Error::missing("there is no such host")).fail("claim web2", Error::transient("connection lost"));
    let error = fake.destroy::<SymlinkSwap>(&config(A), &receipt).expect_err("two are away");
    assert_eq!(error.message(), "still to be destroyed: web1, web2: web1: there is no such host");
    assert!(fake.list("web3", "/srv/shop").expect("lists").is_empty());
    let fake = fake.without_host("web1");
    fake.destroy::<SymlinkSwap>(&config(A), &receipt).expect("one is there again, one is no host of the environment any more");
    assert!(fake.list("web2", "/srv/shop").expect("lists").is_empty());
}

#[test]
fn where_several_hosts_fail_all_are_named() {
    let fake = fake().fail("upload web1", Error::transient("connection lost")).fail("upload web2", Error::permanent("the disk is full"));
    let error = fake.apply::<SymlinkSwap>(&config(A)).expect_err("both fail");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Transient, "web1: connection lost; web2: the disk is full"));
}

#[test]
fn the_commands_run_again_where_they_ran_when_a_later_batch_cannot_be_switched() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2").fail("rename web2", Error::transient("connection lost"));
    fake.calls();
    let canary = with(with(config(B), "canary", json!(1)), "after", json!([["reload"]]));
    let error = fake.apply::<SymlinkSwap>(&canary).expect_err("web2 fails");
    assert_eq!(error.message(), "failed to switch web2: connection lost");
    assert_eq!(current(&fake), both(RELEASE_1));
    let calls = fake.calls();
    let runs: Vec<&String> = calls.iter().filter(|call| call.starts_with("run") || call.starts_with("rename")).collect();
    let expected = [
        "rename web1 /srv/shop/current",
        "run web1: reload",
        "rename web2 /srv/shop/current",
        "rename web1 /srv/shop/current",
        "run web1: reload",
    ];
    assert_eq!(runs, expected);
}

#[test]
fn going_back_goes_on_when_it_is_told_that_the_release_is_being_cancelled() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2").fail("run web2: is-up", Error::permanent("sick")).fail_after(1, "rename web1", Error::cancelled());
    let config = with(config(B), "health", json!([["is-up"]]));
    let error = fake.apply::<SymlinkSwap>(&config).expect_err("web2 is sick");
    assert_eq!(error.message(), "web2: sick");
    assert_eq!(current(&fake), both(RELEASE_1));
}

#[test]
fn a_retry_still_knows_what_was_served_before_where_a_host_could_not_go_back() {
    let fake = fake();
    deploy(&fake, &config(A));
    let config = with(with(config(B), "health", json!([["is-up"]])), "keep", json!(1));
    let fake = fake.release("r2").fail("run web2: is-up", Error::permanent("sick")).fail_after(1, "rename web1", Error::transient("lost"));
    fake.apply::<SymlinkSwap>(&config).expect_err("web2 is sick, and web1 is stuck");
    assert_eq!(current(&fake), [Some(RELEASE_2.to_owned()), Some(RELEASE_1.to_owned())]);
    let checkpoint = fake.checkpoints().pop().expect("a checkpoint");
    // What stands there is not whole any more, so it is laid beside it.
    relrun_sdk::hosts::named("web1").remove("/srv/shop/releases/r2-bbbbbbbbbbbb/RELEASE.json").expect("removes");
    let fake = fake.unfinished(&checkpoint);
    let again = deploy(&fake, &config);
    assert_eq!(again.outputs["directories"], json!(["r2-bbbbbbbbbbbb-2", "r2-bbbbbbbbbbbb"]));
    fake.undo::<SymlinkSwap>(&config, &receipt(&again)).expect("undoes");
    assert_eq!(current(&fake), both(RELEASE_1));
    assert_eq!(fake.read("web1", "/srv/shop/current/index.html").expect("is served"), "one");
}

#[test]
fn a_host_may_take_its_time_to_be_well() {
    let patient = |within: &str| {
        let config = with(with(config(A), "health", json!([["is-up"]])), "health-within", json!(within));
        with(config, "health-every", json!("5ms"))
    };
    let sick = || Error::permanent("`is-up` ended with exit code 1");
    let fake = fake().fail("run web2: is-up", sick()).fail("run web2: is-up", sick());
    deploy(&fake, &patient("20s"));
    let asked = fake.calls().iter().filter(|call| call.ends_with("is-up")).cloned().collect::<Vec<_>>();
    assert_eq!(asked, ["run web1: is-up", "run web2: is-up", "run web2: is-up", "run web2: is-up"], "who is well is not asked again");
    assert!(fake.lines().contains(&"info: not yet well: web2: `is-up` ended with exit code 1".to_owned()));

    let mut fake = self::fake();
    for _ in 0..1_000 {
        fake = fake.fail("run web2: is-up", sick());
    }
    let error = fake.apply::<SymlinkSwap>(&patient("50ms")).expect_err("never well");
    assert_eq!(error.message(), "web2: `is-up` ended with exit code 1 (not well within 50ms)");
    assert_eq!(current(&fake), [None, None]);

    // What asking again cannot mend, and a stop, end it at once.
    let fake = self::fake().fail("run web2: is-up", Error::denied("no grant covers it"));
    assert_eq!(fake.apply::<SymlinkSwap>(&patient("20s")).expect_err("denied").kind(), ErrorKind::Denied);
    // The third look at that host is the one between two questions.
    let fake = self::fake().fail("run web1: is-up", sick()).fail_after(2, "stat web1 ", Error::cancelled());
    assert_eq!(fake.apply::<SymlinkSwap>(&patient("20s")).expect_err("is told to stop").kind(), ErrorKind::Cancelled);
    assert_eq!(fake.calls().iter().filter(|call| *call == "run web1: is-up").count(), 1);
}

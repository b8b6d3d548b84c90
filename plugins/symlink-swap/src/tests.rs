mod fleet;

use super::SymlinkSwap;
use crate::layout;
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::testing::{Fake, OutcomeJson, RecoveryJson};
use relrun_sdk::{Change, Error, ErrorKind, Health};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const RELEASE_1: &str = "releases/r1-aaaaaaaaaaaa";
const RELEASE_2: &str = "releases/r2-bbbbbbbbbbbb";

fn fake() -> Fake {
    Fake::new().host("web1").host("web2").tree(A, &[("index.html", "one")]).tree(B, &[("index.html", "two"), ("deep/page.html", "deep")])
}

fn config(source: &str) -> Value {
    json!({ "source": source, "root": "/srv/shop" })
}

fn with(mut config: Value, key: &str, value: Value) -> Value {
    config[key] = value;
    config
}

fn deploy(fake: &Fake, config: &Value) -> OutcomeJson {
    fake.apply::<SymlinkSwap>(config).expect("deploys")
}

fn receipt(outcome: &OutcomeJson) -> Value {
    outcome.receipt.clone().expect("a receipt")
}

fn current(fake: &Fake) -> [Option<String>; 2] {
    ["web1", "web2"].map(|host| fake.link(host, "/srv/shop/current"))
}

fn both(target: &str) -> [Option<String>; 2] {
    [Some(target.to_owned()), Some(target.to_owned())]
}

#[test]
fn it_asks_for_the_hosts_and_its_commands() {
    let needs = fake().resolve::<SymlinkSwap>(&with(config("${step.site.dist}"), "after", json!([["true", "now"]]))).expect("resolves");
    assert!(needs.is_effect());
    assert_eq!(needs.capabilities(), ["host \"*\"", "run \"true\" \"now\" on=\"*\""]);
}

#[test]
fn a_config_that_no_host_could_do_right_is_refused() {
    let refused = [
        config("dist"),
        json!({ "source": A, "root": "srv/shop" }),
        json!({ "source": A, "root": "/" }),
        json!({ "source": A, "root": "/srv/../etc" }),
        with(config(A), "keep", json!(0)),
        with(config(A), "linked-dir", json!(["../up"])),
        with(config(A), "file", json!({ "/etc/passwd": "x" })),
        with(config(A), "file", json!({ "RELEASE.json": "x" })),
        with(config(A), "linked-file", json!(["RELEASE.json"])),
        with(config(A), "linked-dir", json!(["storage", "storage/logs"])),
        with(config(A), "linked-dir", json!(["storage/logs", "storage"])),
        with(config(A), "linked-dir", json!(["storage", "storage"])),
        with(with(config(A), "linked-dir", json!(["storage"])), "file", json!({ "storage/x": "x" })),
        with(with(config(A), "linked-dir", json!(["storage"])), "linked-file", json!(["storage/.env"])),
        with(with(config(A), "linked-file", json!([".env"])), "file", json!({ ".env": "x" })),
        with(config(A), "health-within", json!("30s")),
        with(with(config(A), "health", json!([["is-up"]])), "health-every", json!("1s")),
        with(with(config(A), "health", json!([["is-up"]])), "health-within", json!("soon")),
        with(with(config(A), "health", json!([["is-up"]])), "health-within", json!("0s")),
    ];
    for config in refused {
        let error = fake().resolve::<SymlinkSwap>(&config).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{config}: {error}");
    }
    let apart = with(with(config(A), "linked-dir", json!(["storage", "storage-2"])), "file", json!({ "storage.txt": "x" }));
    fake().resolve::<SymlinkSwap>(&apart).expect("only the beginnings of their names are the same");
}

#[test]
fn the_first_release_is_laid_checked_and_served_on_every_host() {
    let fake = fake();
    let config = with(with(config(A), "file", json!({ "conf/hello.txt": "Hello!" })), "expect", json!(["index.html", "conf/hello.txt"]));
    let outcome = deploy(&fake, &with(config, "metadata", json!({ "commit": "c0ffee" })));
    assert_eq!(outcome.summary, "/srv/shop/current serves r1-aaaaaaaaaaaa on web1, web2");
    assert_eq!(outcome.outputs["uploaded"], 2);
    for host in ["web1", "web2"] {
        assert_eq!(fake.link(host, "/srv/shop/current").as_deref(), Some(RELEASE_1));
        assert_eq!(fake.read(host, "/srv/shop/current/conf/hello.txt").expect("is written"), "Hello!");
        let record: Value =
            relrun_sdk::serde_json::from_str(&fake.read(host, "/srv/shop/current/RELEASE.json").expect("is written")).expect("is JSON");
        assert_eq!((&record["digest"], &record["metadata"]["commit"], &record["release"]), (&json!(A), &json!("c0ffee"), &json!("r1")));
        let log = fake.read(host, "/srv/shop/revisions.log").expect("is written");
        assert_eq!(log, "2023-11-14T22:13:20Z acme/shop 1.0.0 r1 deployed r1-aaaaaaaaaaaa\n");
        assert!(fake.is_claimed(host, "/srv/shop"));
    }
}

#[test]
fn nothing_is_switched_before_all_is_laid_and_checked() {
    let fake = fake();
    deploy(&fake, &config(A));
    fake.calls();
    let fake = fake.release("r2");
    deploy(&fake, &config(B));
    let calls = fake.calls();
    let last_upload = calls.iter().rposition(|call| call.starts_with("upload")).expect("uploads");
    let first_switch = calls.iter().position(|call| call.starts_with("rename")).expect("switches");
    assert!(last_upload < first_switch, "{calls:#?}");
    assert_eq!(current(&fake), both(RELEASE_2));
    assert_eq!(fake.read("web2", "/srv/shop/current/deep/page.html").expect("is there"), "deep");
}

#[test]
fn what_is_expected_and_missing_stops_it_before_the_switch() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2");
    let error = fake.apply::<SymlinkSwap>(&with(config(B), "expect", json!(["robots.txt"]))).expect_err("is missing");
    assert_eq!(error.message(), "web1: /srv/shop/releases/r2-bbbbbbbbbbbb has no \"robots.txt\"; nothing was switched");
    assert_eq!(current(&fake), both(RELEASE_1));
}

#[test]
fn one_host_that_cannot_be_switched_takes_the_others_back() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2").fail("rename web2", Error::transient("connection lost"));
    let error = fake.apply::<SymlinkSwap>(&config(B)).expect_err("fails");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Transient, "failed to switch web2: connection lost"));
    assert_eq!(current(&fake), both(RELEASE_1));
}

#[test]
fn a_command_that_fails_takes_all_back_and_runs_again() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2").exit(&["reload"], 1);
    fake.calls();
    let error = fake.apply::<SymlinkSwap>(&with(config(B), "after", json!([["reload"]]))).expect_err("fails");
    assert_eq!(error.message(), "web1: `reload` ended with exit code 1; web2: `reload` ended with exit code 1");
    assert_eq!(current(&fake), both(RELEASE_1));
    let runs: Vec<String> = fake.calls().into_iter().filter(|call| call.starts_with("run")).collect();
    assert_eq!(runs, ["run web1: reload", "run web2: reload", "run web1: reload", "run web2: reload"]);
}

#[test]
fn undo_goes_back_runs_the_commands_and_removes_what_was_laid_and_may_be_done_twice() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2");
    let config = with(config(B), "after", json!([["reload"]]));
    let receipt = receipt(&deploy(&fake, &config));
    fake.calls();
    let undone = fake.undo::<SymlinkSwap>(&config, &receipt).expect("undoes");
    assert_eq!(undone.summary, format!("/srv/shop/current serves {RELEASE_1} on web1, {RELEASE_1} on web2"));
    assert_eq!(current(&fake), both(RELEASE_1));
    assert_eq!(fake.list("web1", "/srv/shop/releases").expect("lists"), ["r1-aaaaaaaaaaaa"]);
    assert_eq!(fake.calls().iter().filter(|call| call.ends_with("reload")).count(), 2);
    fake.undo::<SymlinkSwap>(&config, &receipt).expect("twice does no harm");
    assert_eq!(current(&fake), both(RELEASE_1));
    assert!(!fake.calls().iter().any(|call| call.ends_with("reload")), "nothing is left to undo");
}

#[test]
fn undo_of_the_first_release_leaves_no_link() {
    let fake = fake();
    let receipt = receipt(&deploy(&fake, &config(A)));
    fake.undo::<SymlinkSwap>(&config(A), &receipt).expect("undoes");
    assert_eq!(current(&fake), [None, None]);
}

#[test]
fn undo_refuses_what_it_cannot_restore_before_it_changes_anything() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2");
    let receipt = receipt(&deploy(&fake, &config(B)));
    relrun_sdk::hosts::named("web2").remove("/srv/shop/releases/r1-aaaaaaaaaaaa").expect("removes");
    let error = fake.undo::<SymlinkSwap>(&config(B), &receipt).expect_err("nothing to go back to");
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.message().starts_with("web2: /srv/shop/releases/r1-aaaaaaaaaaaa was removed"), "{error}");
    assert_eq!(current(&fake), both(RELEASE_2));
}

#[test]
fn undo_never_takes_back_a_later_release() {
    let fake = fake();
    let first = receipt(&deploy(&fake, &config(A)));
    let fake = fake.release("r2");
    deploy(&fake, &config(B));
    let error = fake.undo::<SymlinkSwap>(&config(A), &first).expect_err("is not served");
    assert!(error.message().contains("which this release did not put there"), "{error}");
    assert_eq!(current(&fake), both(RELEASE_2));
}

#[test]
fn an_earlier_tree_is_not_laid_again() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2");
    deploy(&fake, &config(B));
    let fake = fake.release("r3");
    fake.calls();
    let outcome = deploy(&fake, &config(A));
    assert_eq!(outcome.outputs["uploaded"], 0);
    assert_eq!(current(&fake), both(RELEASE_1));
    assert!(!fake.calls().iter().any(|call| call.starts_with("upload")));
    fake.undo::<SymlinkSwap>(&config(A), &receipt(&outcome)).expect("undoes");
    assert_eq!(current(&fake), both(RELEASE_2));
    assert!(fake.list("web1", "/srv/shop/releases").expect("lists").contains(&"r1-aaaaaaaaaaaa".to_owned()), "it was there before");
}

#[test]
fn the_same_tree_with_another_file_is_another_directory() {
    let fake = fake();
    let hello = |who: &str| with(config(A), "file", json!({ "who.txt": who }));
    deploy(&fake, &hello("World"));
    let fake = fake.release("r2");
    deploy(&fake, &hello("Moon"));
    assert_eq!(current(&fake), both("releases/r2-aaaaaaaaaaaa"));
    assert_eq!(fake.read("web1", "/srv/shop/releases/r1-aaaaaaaaaaaa/who.txt").expect("stays"), "World");
}

#[test]
fn shared_directories_and_files_are_links() {
    let config = with(with(config(A), "linked-dir", json!(["media/uploads"])), "linked-file", json!([".env"]));
    let missing = fake().apply::<SymlinkSwap>(&config).expect_err(".env is not there");
    assert_eq!(missing.kind(), ErrorKind::Missing);

    let fake = fake()
        .write("web1", "/srv/shop/shared/.env", "KEY=1")
        .expect("writes")
        .write("web2", "/srv/shop/shared/.env", "KEY=2")
        .expect("writes");
    deploy(&fake, &config);
    assert_eq!(fake.link("web1", "/srv/shop/current/media/uploads").as_deref(), Some("../../../shared/media/uploads"));
    assert_eq!(fake.read("web2", "/srv/shop/current/.env").expect("reads through"), "KEY=2");
    relrun_sdk::hosts::named("web1").write_file("/srv/shop/current/media/uploads/cat.txt", b"cat").expect("writes through");
    assert_eq!(fake.read("web1", "/srv/shop/shared/media/uploads/cat.txt").expect("is shared"), "cat");
}

#[test]
fn old_releases_go_but_never_the_served_one_nor_the_one_before_it() {
    let mut fake = fake();
    let trees: Vec<String> = (1..=6).map(|number| format!("{number:064x}").chars().rev().collect()).collect();
    for (number, tree) in (1..).zip(&trees) {
        fake = fake.tree(tree, &[("index.html", tree)]).release(&format!("r{number}"));
        deploy(&fake, &with(config(tree), "keep", json!(3)));
    }
    let names = fake.list("web1", "/srv/shop/releases").expect("lists");
    assert_eq!(names.iter().filter_map(|name| layout::number_of(name)).collect::<Vec<_>>(), [4, 5, 6]);

    fake = fake.release("r7");
    deploy(&fake, &with(config(&trees[3]), "keep", json!(1)));
    let names = fake.list("web1", "/srv/shop/releases").expect("lists");
    assert_eq!(names.iter().filter_map(|name| layout::number_of(name)).collect::<Vec<_>>(), [4, 6], "r4 is served, and undo needs r6");
}

#[test]
fn a_strangers_mark_or_a_directory_in_the_links_place_stops_it() {
    let fake = fake().stranger("web2", "/srv/shop");
    let error = fake.apply::<SymlinkSwap>(&config(A)).expect_err("denied");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(current(&fake), [None, None]);

    let fake = fake.write("web1", "/srv/shop/current/index.html", "by hand").expect("writes");
    let error = fake.apply::<SymlinkSwap>(&config(A)).expect_err("no link");
    assert_eq!(error.message(), "web1: /srv/shop/current is no link: move it away first");
}

#[test]
fn verify_sees_what_was_changed_by_hand() {
    let fake = fake();
    let config = with(config(A), "file", json!({ "who.txt": "World" }));
    let receipt = receipt(&deploy(&fake, &config));
    assert_eq!(fake.verify::<SymlinkSwap>(&config, &receipt).expect("verifies"), Health::Intact);
    let web2 = relrun_sdk::hosts::named("web2");
    web2.write_file("/srv/shop/current/who.txt", b"Moon").expect("writes");
    let changes = ["web2: who.txt was changed"].map(Change::new).to_vec();
    assert_eq!(fake.verify::<SymlinkSwap>(&config, &receipt).expect("verifies"), Health::Drifted(changes));

    web2.remove("/srv/shop/current").expect("removes");
    let Health::Drifted(changes) = fake.verify::<SymlinkSwap>(&config, &receipt).expect("verifies") else { panic!("web2 serves nothing") };
    assert_eq!(changes[0].summary, "web2: /srv/shop/current points to nothing, not to r1-aaaaaaaaaaaa");

    fake.destroy::<SymlinkSwap>(&config, &receipt).expect("destroys");
    assert_eq!(fake.verify::<SymlinkSwap>(&config, &receipt).expect("verifies"), Health::Gone);
}

#[test]
fn destroy_removes_all_but_what_is_shared_and_may_be_done_twice() {
    let fake = fake();
    let config = with(config(A), "linked-dir", json!(["uploads"]));
    let receipt = receipt(&deploy(&fake, &config));
    fake.destroy::<SymlinkSwap>(&config, &receipt).expect("destroys");
    assert_eq!(fake.list("web1", "/srv/shop").expect("lists"), ["shared"]);
    assert!(!fake.is_claimed("web1", "/srv/shop"));
    let config = with(config, "destroy-shared", json!(true));
    fake.destroy::<SymlinkSwap>(&config, &receipt).expect("twice does no harm");
    assert!(fake.list("web1", "/srv/shop").expect("lists").is_empty());
}

#[test]
fn plan_says_what_would_be_switched_and_changes_nothing() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = fake.release("r2").crash_after(0);
    let known = fake.plan::<SymlinkSwap>(&config(B)).expect("plans");
    assert_eq!(known[1].summary, format!("web2: would switch /srv/shop/current from {RELEASE_1} to {RELEASE_2}"));
    let unknown = fake.plan::<SymlinkSwap>(&config("${step.site.dist}")).expect("plans");
    assert_eq!(unknown[0].summary, format!("web1: would switch /srv/shop/current from {RELEASE_1} to ${{step.site.dist}}"));
    assert_eq!(fake.changes(), 0);
}

/// Cuts the power after every single change of a second release, and looks at what `recover`, `undo` and another `apply` make of it.
#[test]
fn a_crash_at_any_change_is_told_apart_undone_and_carried_on() {
    let config = with(with(config(B), "file", json!({ "who.txt": "World" })), "keep", json!(1));
    let mut kinds = [0; 3];
    for cut in 0.. {
        let crashed = || {
            let fake = fake();
            deploy(&fake, &self::config(A));
            fake.checkpoints();
            let fake = fake.release("r2").crash_after(cut);
            let whole = fake.apply::<SymlinkSwap>(&config).is_ok() && fake.changes() < cut;
            (fake.restart(), whole)
        };
        let (fake, whole) = crashed();
        let checkpoint = fake.checkpoints().pop();
        match fake.recover::<SymlinkSwap>(&config, checkpoint.as_ref()).expect("tells") {
            RecoveryJson::NotDone => {
                kinds[0] += 1;
                assert_eq!(current(&fake), both(RELEASE_1), "cut {cut}");
            }
            RecoveryJson::Partly(receipt) => {
                kinds[1] += 1;
                fake.undo::<SymlinkSwap>(&config, &receipt).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
                assert_eq!(current(&fake), both(RELEASE_1), "cut {cut}");
                assert_eq!(fake.list("web1", "/srv/shop/releases").expect("lists"), ["r1-aaaaaaaaaaaa"], "cut {cut}");
            }
            RecoveryJson::Done(outcome) => {
                kinds[2] += 1;
                assert_eq!(current(&fake), both(RELEASE_2), "cut {cut}");
                assert!(outcome.receipt.is_some());
            }
        }
        let (fake, _) = crashed();
        let fake = match fake.checkpoints().pop() {
            Some(checkpoint) => fake.unfinished(&checkpoint),
            None => fake,
        };
        let carried_on = deploy(&fake, &config);
        assert_eq!(current(&fake), both(RELEASE_2), "cut {cut}");
        fake.undo::<SymlinkSwap>(&config, &receipt(&carried_on)).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert_eq!(current(&fake), both(RELEASE_1), "cut {cut}, carried on");
        assert_eq!(fake.list("web1", "/srv/shop/releases").expect("lists"), ["r1-aaaaaaaaaaaa"], "cut {cut}, carried on");
        if whole {
            break;
        }
    }
    assert!(kinds.iter().all(|&kind| kind > 0), "not done, partly, done: {kinds:?}");
}

/// Makes a host's link whole, as somebody does by hand.
fn by_hand(fake: Fake, host: &str, target: &str) -> Fake {
    relrun_sdk::hosts::named(host).remove("/srv/shop/current").expect("removes");
    fake.symlink(host, target, "/srv/shop/current").expect("links")
}

#[test]
fn what_a_whole_link_names_is_neither_pruned_nor_laid_over() {
    let fake = fake();
    deploy(&fake, &config(A));
    let fake = by_hand(fake, "web1", "/srv/shop/./releases/r1-aaaaaaaaaaaa/");
    // The same directory by another way, which no text shows.
    let fake = by_hand(fake, "web2", "/var/www/releases/r1-aaaaaaaaaaaa").release("r2");
    let second = deploy(&fake, &with(config(B), "keep", json!(1)));
    for host in ["web1", "web2"] {
        assert_eq!(fake.list(host, "/srv/shop/releases").expect("lists"), ["r1-aaaaaaaaaaaa", "r2-bbbbbbbbbbbb"], "{host}");
    }
    let only_web1 = json!({ "root": "/srv/shop", "hosts": [receipt(&second)["hosts"][0]] });
    fake.undo::<SymlinkSwap>(&config(B), &only_web1).expect("undoes");
    assert_eq!(fake.read("web1", "/srv/shop/current/index.html").expect("is served"), "one");

    let fake = fake.release("r1");
    let plan = fake.plan::<SymlinkSwap>(&config(A)).expect("plans");
    assert_eq!(plan[0].summary, "web1: /srv/shop/current stays at /srv/shop/./releases/r1-aaaaaaaaaaaa/");
    // It is not whole any more, but it is served: it is laid beside it.
    relrun_sdk::hosts::named("web1").remove("/srv/shop/releases/r1-aaaaaaaaaaaa/RELEASE.json").expect("removes");
    let again = deploy(&fake, &config(A));
    assert_eq!(again.outputs["directories"][0], "r1-aaaaaaaaaaaa-2");
}

/// A host as Capistrano leaves it: the link is whole, and what is shared is linked.
fn capistrano(fake: Fake, host: &str) -> Fake {
    let fake = fake.write(host, "/srv/shop/releases/20260101120000/index.html", "one").expect("writes");
    let fake = fake.symlink(host, "/srv/shop/shared/uploads", "/srv/shop/releases/20260101120000/uploads").expect("links");
    fake.symlink(host, "/srv/shop/releases/20260101120000", "/srv/shop/current").expect("links")
}

#[test]
fn what_capistrano_left_is_taken_over_as_it_is_and_can_be_gone_back_to() {
    let unknown = with(config("${step.site.dist}"), "linked-dir", json!(["uploads"]));
    let fake = capistrano(capistrano(fake(), "web1"), "web2").crash_after(0);
    let found = fake.find::<SymlinkSwap>(&unknown).expect("finds");
    assert_eq!(found.summary, "/srv/shop/current serves 20260101120000 on web1, web2");
    assert_eq!(found.outputs, json!({ "${step.site.dist}": A }));
    assert_eq!(fake.changes(), 0, "it only looks");

    // The release that takes it over: nothing is laid, switched or reloaded.
    let found = found.receipt.expect("a receipt");
    let adopting = with(with(config(A), "linked-dir", json!(["uploads"])), "after", json!([["reload"]]));
    let fake = fake.restart().previous(&found);
    fake.calls();
    let first = deploy(&fake, &adopting);
    assert_eq!(first.outputs["uploaded"], 0);
    assert!(!fake.calls().iter().any(|call| call.starts_with("upload") || call.starts_with("rename") || call.starts_with("run")));
    assert_eq!(current(&fake), both("/srv/shop/releases/20260101120000"));
    assert_eq!(fake.verify::<SymlinkSwap>(&adopting, &receipt(&first)).expect("verifies"), Health::Intact);
    fake.undo::<SymlinkSwap>(&adopting, &receipt(&first)).expect("undoes");
    assert_eq!(current(&fake), both("/srv/shop/releases/20260101120000"));

    // The next one is ours, and the way back to theirs is a switch.
    let fake = fake.release("r2").previous(&receipt(&first));
    let second = deploy(&fake, &config(B));
    assert_eq!(current(&fake), both(RELEASE_2));
    let fake = fake.release("r3").previous(&receipt(&second));
    fake.calls();
    deploy(&fake, &adopting);
    assert!(!fake.calls().iter().any(|call| call.starts_with("upload")));
    assert_eq!(current(&fake), both("releases/20260101120000"));
}

#[test]
fn what_cannot_be_taken_over_is_said() {
    let nothing = fake().find::<SymlinkSwap>(&config("${step.site.dist}")).expect_err("nothing is there");
    assert_eq!(nothing.message(), "web1: /srv/shop/current is not there: nothing to take over");
    let fake = capistrano(capistrano(fake(), "web1"), "web2").write("web2", "/srv/shop/releases/20260101120000/more", "x").expect("writes");
    let differ = fake.find::<SymlinkSwap>(&config("${step.site.dist}")).expect_err("they differ");
    assert!(differ.message().starts_with("web1 and web2 serve different trees"), "{differ}");
}

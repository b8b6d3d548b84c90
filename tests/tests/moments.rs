//! relrun is killed at every event of its ledger, and between: before an append, when it is on the disk, when a checkpoint is, when an operation has
//! returned and nobody has recorded it, and before and after every change of a host.
//!
//! An append is all or nothing, so that what the disk holds after these deaths is everything that it can hold. It needs a relrun with the
//! feature `failpoints`, as `cargo xtask test` builds it.

use relrun_tests::Shop;

/// Every moment that `runtime/engine` and `runtime/host` name.
const ALL: &[&str] = &["ledger.append", "ledger.appended", "checkpoint.durable", "operation.returned", "target.change", "target.changed"];
/// SIGKILL, as an exit code.
const KILLED: i32 = 128 + 9;
/// More often no moment is reached in any of these runs.
const MOST: u32 = 100;

/// Kills a command when it comes to each moment for the first time, the second, and so on until it does not come there so often. `begin` makes
/// ready and says what to type; `after` looks at what was left, and brings the shop back to where it was.
#[expect(clippy::print_stdout, reason = "libtest shows it where the test fails")]
fn at_every(moments: &[&str], shop: &mut Shop, begin: impl Fn(&mut Shop) -> Vec<String>, after: impl Fn(&mut Shop)) {
    let mut all = 0;
    for moment in moments {
        let deaths = (1..=MOST).take_while(|nth| {
            let words = begin(shop);
            shop.sandbox.set("RELRUN_KILL_AT", &format!("{moment}:{nth}"));
            let ran = shop.sandbox.relrun(&words.iter().map(String::as_str).collect::<Vec<_>>());
            shop.sandbox.unset("RELRUN_KILL_AT");
            // Where this fails, the last line says how to see it again.
            println!("RELRUN_KILL_AT={moment}:{nth} relrun {}: {}", words.join(" "), ran.code);
            after(shop);
            ran.code == KILLED
        });
        let deaths = deaths.count();
        assert!(deaths < MOST as usize, "{moment} is reached without end");
        all += deaths;
    }
    assert!(all >= 6, "it was killed {all} times: build it with `cargo build -p relrun --features relrun/failpoints`");
}

/// A shop with two releases.
fn two_releases() -> Shop {
    let mut shop = Shop::quick();
    shop.next();
    shop.goes_live();
    shop
}

fn typed(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A release that fails in its last step, so that it is undone, and then is healed and goes live.
fn apply_dies(moments: &[&str]) {
    let begin = |shop: &mut Shop| {
        shop.next();
        shop.falls_sick();
        shop.words().to_vec()
    };
    let after = |shop: &mut Shop| {
        shop.status_is_true();
        shop.carry_on();
        shop.holds();
    };
    at_every(moments, &mut Shop::quick(), begin, after);
}

#[test]
fn killed_around_every_event_of_a_release_it_is_carried_to_its_end() {
    apply_dies(&["ledger.append", "ledger.appended"]);
}

#[test]
fn killed_around_every_change_of_a_host_it_is_carried_to_its_end() {
    apply_dies(&["target.change", "target.changed"]);
}

#[test]
fn killed_between_an_operation_and_its_record_it_is_carried_to_its_end() {
    apply_dies(&["checkpoint.durable", "operation.returned"]);
}

#[test]
fn killed_while_it_undoes_it_is_carried_to_its_end() {
    let begin = |shop: &mut Shop| typed(&format!("undo r{}", shop.release()));
    let after = |shop: &mut Shop| {
        if let Some(next) = shop.advice() {
            shop.follow(next);
        }
        if shop.is_up() {
            // It died before the undo had begun, or it never began.
            shop.holds();
            shop.does(&format!("undo r{}", shop.release()));
        }
        assert!(shop.serves("staging", 1) && shop.serves("production", 1), "what was there before is back");
        shop.does(&format!("retry r{}", shop.release()));
        shop.holds();
    };
    at_every(ALL, &mut two_releases(), begin, after);
}

#[test]
fn killed_while_it_destroys_it_is_carried_to_its_end() {
    let begin = |_: &mut Shop| typed("destroy -e production --yes");
    let after = |shop: &mut Shop| {
        if let Some(next) = shop.advice() {
            shop.follow(next);
        }
        if shop.is_up() {
            shop.holds();
            shop.does("destroy -e production --yes");
        }
        assert!(shop.served("production").is_empty() && shop.serves("staging", 0), "{}", shop.served("production"));
        shop.does(&format!("retry r{}", shop.release()));
        shop.holds();
    };
    at_every(ALL, &mut two_releases(), begin, after);
}

#[test]
fn killed_while_it_rolls_back_it_is_carried_to_its_end() {
    let begin = |_: &mut Shop| typed("rollback -e staging --to r1");
    let after = |shop: &mut Shop| {
        if let Some(next) = shop.advice() {
            shop.follow(next);
        }
        if shop.serves("staging", 0) {
            shop.does("rollback -e staging --to r1");
        }
        assert!(shop.serves("staging", 1) && shop.serves("production", 0), "staging went back, and only staging");
        shop.does("rollback -e staging --to r2");
        assert!(shop.serves("staging", 0));
    };
    at_every(ALL, &mut two_releases(), begin, after);
}

#[test]
fn no_release_goes_over_what_a_dead_process_left() {
    let mut shop = Shop::quick();
    shop.next();
    shop.sandbox.set("RELRUN_KILL_AT", "target.changed:12");
    assert_eq!(shop.apply().code, KILLED);
    shop.sandbox.unset("RELRUN_KILL_AT");
    for words in ["apply -i n=x", "rollback -e production --to r1"] {
        let ran = shop.sandbox.relrun(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, 2, "{}", ran.output);
        assert!(ran.output.contains("is blocked: r2 was left in the middle there\n  help: type `relrun continue r2`"), "{}", ran.output);
    }
    shop.carry_on();
    shop.holds();
}

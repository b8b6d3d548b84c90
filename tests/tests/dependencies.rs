//! A deployment with a part is carried to its end, wherever relrun was killed on the way there.
//!
//! It needs a relrun with the feature `failpoints`, as `cargo xtask test` builds it.

use relrun_tests::Sandbox;
use std::path::Path;

/// SIGKILL, as an exit code.
const KILLED: i32 = 128 + 9;
/// More often no moment is reached in this run.
const MOST: u32 = 60;

/// A shop that depends on a database, of which there is a release.
fn project() -> Sandbox {
    let sandbox = Sandbox::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/depends"));
    let ran = sandbox.relrun(&["apply", "database/release.kdl", "-e", "staging"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    sandbox
}

#[test]
fn killed_anywhere_on_its_way_a_deployment_gets_its_part_and_its_value() {
    let mut deaths = 0;
    for moment in ["ledger.append", "target.changed"] {
        for nth in 1..=MOST {
            let mut sandbox = project();
            sandbox.set("RELRUN_KILL_AT", &format!("{moment}:{nth}"));
            let ran = sandbox.relrun(&["apply", "shop/release.kdl", "-e", "staging"]);
            sandbox.unset("RELRUN_KILL_AT");
            if ran.code != KILLED {
                assert_eq!(ran.code, 0, "{moment}:{nth}: {}", ran.output);
                break;
            }
            deaths += 1;
            // Where it died before there was a release, there is none to go on with; what was partly done is undone first.
            let mut said = String::new();
            let ways: [&[&str]; 3] = [
                &["apply", "shop/release.kdl", "-e", "staging"],
                &["continue", "-m", "shop/release.kdl"],
                &["retry", "-m", "shop/release.kdl"],
            ];
            let ended = ways.iter().any(|words| {
                let ran = sandbox.relrun(words);
                said.push_str(&ran.output);
                ran.code == 0
            });
            assert!(ended, "{moment}:{nth}: {said}");
            let got = sandbox.read("hosts/staging/srv/shop/current/db.txt");
            assert_eq!(got, "db://staging/shop-db?v=2.0.0&size=small", "{moment}:{nth}");
            let parts = sandbox.relrun(&["status", "-m", "database/release.kdl"]);
            assert!(parts.output.contains("shop-db"), "{moment}:{nth}: {}", parts.output);
        }
    }
    assert!(deaths >= 20, "it was killed {deaths} times: build it with `cargo build -p relrun --features relrun/failpoints`");
}

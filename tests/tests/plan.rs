//! What a plan says of the commit that it is made of.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::Sandbox;
use std::process::Command;

fn git(sandbox: &Sandbox, words: &[&str]) -> String {
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").args(who).args(words).current_dir(sandbox.root()).output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_plan_names_the_commit_and_whether_it_is_all_of_it() {
    let sandbox = Sandbox::new();
    sandbox.write("src/a", "one");
    sandbox.write(
        "release.kdl",
        r#"package "acme/shop" version="1.4.@"
step "list" plugin="build" { reads "src/**"; grant { run "ls" "src" }; config { command "ls" "src" } }"#,
    );
    let bare = sandbox.relrun(&["plan"]);
    assert!(bare.code == 0 && !bare.output.contains("commit "), "{}", bare.output);
    git(&sandbox, &["init"]);
    git(&sandbox, &["add", "-A"]);
    git(&sandbox, &["commit", "-m", "One"]);
    let commit = &git(&sandbox, &["rev-parse", "HEAD"])[..12];
    let clean = sandbox.relrun(&["plan"]);
    assert!(clean.code == 0 && clean.output.contains(&format!("  commit    {commit}\n")), "{}", clean.output);
    sandbox.write("src/a", "two");
    let dirty = sandbox.relrun(&["plan"]);
    assert!(dirty.code == 0 && dirty.output.contains(&format!("  commit    {commit}, and what is not committed\n")), "{}", dirty.output);
}

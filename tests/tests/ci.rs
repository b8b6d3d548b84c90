//! What `ci/` gives to GitHub and GitLab: the script that runs relrun there, the comment that is written anew, and a plan that is Markdown.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
input "who" default="World"
environment "staging" { host "web1" "file:hosts/staging" }
step "site" plugin="build" {
    reads "src/**"
    writes "dist"
    grant { run "cp" "-r" "src" "dist" }
    config { command "cp" "-r" "src" "dist" }
}
phase "roll-out" environments="*" {
    deploy "web|<b>" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop"; file "who.txt" "${input.who}" }
    }
}
"#;

fn ci(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci").join(name)
}

fn project() -> Sandbox {
    let project = Sandbox::new();
    project.write("release.kdl", &MANIFEST.replace("web|<b>", "web"));
    project.write("relrun.kdl", "state \"local\"\n");
    project.write("src/index.html", "hello");
    project
}

/// Runs a script of `ci/` as a CI job would.
fn script(project: &Sandbox, name: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let relrun = relrun_tests::program();
    let ran = Command::new("bash")
        .arg(ci(name))
        .current_dir(project.root())
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", project.path("bin").display()))
        .env("HOME", project.path("home"))
        .env("CI", "true")
        .env("RELRUN_ACTION_PROGRAM", relrun)
        .envs(std::env::var_os("XDG_CACHE_HOME").map(|cache| ("XDG_CACHE_HOME", cache)))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (ran.status.code().unwrap(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

#[test]
fn a_plan_is_markdown_and_an_apply_asks_nobody() {
    let project = project();
    let (summary, output) = (project.path("summary.md"), project.path("output"));
    let files =
        [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()), ("GITHUB_OUTPUT", output.to_str().unwrap()), ("GITHUB_ACTIONS", "true")];
    let run = |more: &[(&str, &str)]| script(&project, "relrun.sh", &[files.as_slice(), more].concat());
    let (code, said) = run(&[("RELRUN_ACTION_COMMAND", "plan"), ("RELRUN_ACTION_INPUTS", "who=Moon\n\n")]);
    assert_eq!(code, 0, "{said}");
    let page = project.read("summary.md");
    assert!(page.starts_with("<!-- relrun plan -->\n### `relrun plan` of acme/shop\n"), "{page}");
    assert!(page.contains("| 🔨 | site | site | runs") && page.contains("| ❔ | web"), "{page}");
    let output = project.read("output");
    assert!(output.contains("exit-code=0\n") && output.contains("plan="), "{output}");

    let (code, said) =
        run(&[("RELRUN_ACTION_COMMAND", "apply"), ("RELRUN_ACTION_ENVIRONMENTS", "staging"), ("RELRUN_ACTION_INPUTS", "who=Moon")]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(project.read("hosts/staging/srv/shop/current/who.txt"), "Moon");
    let (code, said) = run(&[("RELRUN_ACTION_COMMAND", "apply"), ("RELRUN_ACTION_ENVIRONMENTS", "nowhere")]);
    assert_eq!(code, 2, "{said}");
    assert!(project.read("output").ends_with("exit-code=2\n"));
    let (code, _) = run(&[("RELRUN_ACTION_COMMAND", "destroy; true")]);
    assert_eq!(code, 2, "what is no command of CI is refused, and nothing is evaluated");
}

#[test]
fn what_comes_from_outside_is_one_word_and_never_run() {
    let project = project();
    let hostile = "who=$(touch pwned) `touch pwned`; touch pwned";
    let (code, said) = script(&project, "relrun.sh", &[("RELRUN_ACTION_COMMAND", "apply"), ("RELRUN_ACTION_INPUTS", hostile)]);
    assert_eq!(code, 0, "{said}");
    assert!(!project.path("pwned").exists());
    assert_eq!(project.read("hosts/staging/srv/shop/current/who.txt"), hostile.strip_prefix("who=").unwrap());
}

/// Stands for GitHub's own program: it knows one comment of the bot's once it was told one, and writes down what it is asked.
const GH: &str = r#"#!/bin/bash
echo "$*" >> "$GH_LOG"
case "$*" in
    *"--method POST"*) echo 17 > "$GH_LOG.known" ;;
    *--paginate*) cat "$GH_LOG.known" 2>/dev/null ;;
esac
exit 0
"#;

#[test]
fn a_comment_is_made_once_and_then_written_anew() {
    let project = project();
    project.write("bin/gh", GH);
    fs::set_permissions(project.path("bin/gh"), fs::Permissions::from_mode(0o755)).unwrap();
    project.write("plan.md", "<!-- relrun plan -->\nhello\n");
    let (log, plan) = (project.path("gh.log"), project.path("plan.md"));
    let variables = [
        ("GH_LOG", log.to_str().unwrap()),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("RELRUN_ACTION_PULL_REQUEST", "7"),
        ("RELRUN_ACTION_PLAN", plan.to_str().unwrap()),
    ];
    for _ in 0..2 {
        let (code, said) = script(&project, "github/comment.sh", &variables);
        assert_eq!(code, 0, "{said}");
    }
    let calls = project.read("gh.log");
    let writes: Vec<&str> = calls.lines().filter(|line| line.contains("--method")).collect();
    assert_eq!(writes.len(), 2, "{calls}");
    assert!(writes[0].contains("POST repos/acme/shop/issues/7/comments"), "{calls}");
    assert!(writes[1].contains("PATCH repos/acme/shop/issues/comments/17"), "{calls}");
    project.write("plan.md", "an error\n");
    assert!(script(&project, "github/comment.sh", &variables).1.contains("there is no plan to show"));
}

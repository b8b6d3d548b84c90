//! A planted secret is looked for in everything that is written: output in every form, the ledger, the store, summaries, and what commands leave.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// It holds what JSON, URLs and shells must escape.
const SECRET: &str = "pl4nted \"s3cret\"/with+what&is=escaped";
const BASE64: &str = "cGw0bnRlZCAiczNjcmV0Ii93aXRoK3doYXQmaXM9ZXNjYXBlZA==";
const URL: &str = "pl4nted%20%22s3cret%22%2Fwith%2Bwhat%26is%3Descaped";
const JSON: &str = "pl4nted \\\"s3cret\\\"/with+what&is=escaped";

/// Says the secret in every form, split over two writes too, to both streams, and fails with it where it is told to.
const SAY: &str = r#"
echo "raw $TOKEN"
echo "raw $TOKEN" >&2
printf 'split %s' "$(printf %s "$TOKEN" | cut -c1-9)"; sleep 0.05; printf '%s\n' "$(printf %s "$TOKEN" | cut -c10-)"
printf 'base64 '; printf %s "$TOKEN" | base64 -w0; echo
echo 'url pl4nted%20%22s3c''ret%22%2Fwith%2Bwhat%26is%3Descaped'
echo 'json {"a":"pl4nted \"s3c''ret\"/with+what&is=escaped"}'
[ "$1" != fail ] || exit 3
"#;

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
secret "token" from="SOURCE"
input "how" default="well"
environment "live" { label "tier" "live" }
phase "roll-out" environments="*" {
    deploy "say" plugin="deploy" {
        reads "say.sh"
        grant {
            run "sh" "say.sh" "*"
            run "true"
            secret "token" to-command="sh" env="TOKEN"
        }
        config {
            up "sh" "say.sh" "${input.how}"
            down "true"
            secret "${secret.token}" to-command="sh" env="TOKEN"
        }
    }
}
"#;

fn project(source: &str) -> Sandbox {
    let mut project = Sandbox::new();
    project.write("release.kdl", &MANIFEST.replace("SOURCE", source));
    project.write("relrun.kdl", "state \"local\"\n");
    project.write("say.sh", SAY);
    project.set("GITHUB_STEP_SUMMARY", project.path("summary.md").to_str().unwrap());
    project
}

fn is_clean(what: &str, bytes: &[u8]) {
    for form in [SECRET, BASE64, URL, JSON, "s3cret\"/with", "s3cret\\\"/with"] {
        let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!found, "{what} holds {form:?}:\n{}", String::from_utf8_lossy(bytes));
    }
}

fn folder_is_clean(folder: &Path, but: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            folder_is_clean(&path, but);
        } else if !but.iter().any(|name| path.ends_with(name)) {
            is_clean(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}

#[test]
fn nothing_that_is_written_holds_it() {
    let mut project = project("env:SHOP_TOKEN");
    project.set("SHOP_TOKEN", SECRET);
    for (format, how) in [("plain", "well"), ("json", "fail"), ("github", "fail"), ("human", "fail")] {
        let ran = project.relrun(&["apply", "--yes", "--force", "--format", format, "-i", &format!("how={how}")]);
        assert_eq!(ran.code, i32::from(how == "fail"), "{}", ran.output);
        assert!(ran.output.contains("***") || ran.output.to_lowercase().contains("mask"), "it was said, and masked: {}", ran.output);
        is_clean(format, ran.output.as_bytes());
    }
    project.set("RELRUN_LOG", "trace");
    let loud = project.relrun(&["apply", "--yes", "--force", "-i", "how=fail"]);
    is_clean("the trace", loud.output.as_bytes());
    project.unset("RELRUN_LOG");
    for words in [vec!["logs", "r1"], vec!["releases", "show", "r1"], vec!["plan"], vec!["status"], vec!["logs", "r2", "--format", "json"]]
    {
        is_clean(&words.join(" "), project.relrun(&words).output.as_bytes());
    }
    folder_is_clean(&project.root(), &["say.sh"]);
}

#[test]
fn it_comes_from_a_file_a_command_or_standard_input() {
    let file = project("file:token.txt");
    file.write("token.txt", &format!("{SECRET}\n"));
    assert_eq!(file.relrun(&["apply", "--yes"]).code, 0);
    folder_is_clean(&file.root(), &["say.sh", "token.txt"]);

    let vault = project("cmd:./vault");
    vault.write("vault", &format!("#!/bin/sh\ncat <<'END'\n{SECRET}\nEND\n"));
    fs::set_permissions(vault.path("vault"), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = vault.relrun(&["apply", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    folder_is_clean(&vault.root(), &["say.sh", "vault"]);

    let piped = project("stdin");
    let ran = piped.relrun(&["apply", "--yes"]);
    assert!(ran.code == 2 && ran.output.contains("secret \"token\" cannot be read"), "standard input is empty: {}", ran.output);
    piped.write("secret-in", &format!("{SECRET}\n"));
    let (well, said) = apply_piped(&piped);
    assert!(well, "{}", String::from_utf8_lossy(&said));
    is_clean("the output", &said);
    // A longer one is no secret, and is not cut to one.
    piped.write("secret-in", &"a".repeat((64 << 10) + 1));
    let (well, said) = apply_piped(&piped);
    assert!(!well && String::from_utf8_lossy(&said).contains("no secret is longer"), "{}", String::from_utf8_lossy(&said));
}

/// Applies with what is in `secret-in` at standard input.
fn apply_piped(project: &Sandbox) -> (bool, Vec<u8>) {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(|cache| ("XDG_CACHE_HOME", cache));
    let ran = Command::new(relrun_tests::program())
        .args(["apply", "--yes", "--force"])
        .current_dir(project.root())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", project.path("home"))
        .envs(cache)
        .stdin(Stdio::from(fs::File::open(project.path("secret-in")).unwrap()))
        .output()
        .unwrap();
    (ran.status.success(), [ran.stdout, ran.stderr].concat())
}

#[test]
fn one_that_is_missing_is_told_before_anything_runs() {
    for source in ["env:SHOP_TOKEN", "file:nowhere", "cmd:false", "cmd:/nonexistent/vault"] {
        let project = project(source);
        let ran = project.relrun(&["apply", "--yes"]);
        assert_eq!(ran.code, 2, "{source}: {}", ran.output);
        assert!(ran.output.contains("secret \"token\" cannot be read"), "{source}: {}", ran.output);
        assert!(!ran.output.contains("started"), "{source}: {}", ran.output);
    }
    let project = project("stdin");
    project.write(
        "release.kdl",
        &MANIFEST.replace("secret \"token\" from=\"SOURCE\"", "secret \"token\" from=\"stdin\"\nsecret \"other\" from=\"stdin\""),
    );
    assert!(project.relrun(&["check"]).output.contains("standard input is one secret's already"));
}

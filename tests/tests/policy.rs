//! Policy from several files, of which the strictest wins: what is refused, by whom, before anything runs; and what `policy` says of it.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::{Ran, Sandbox};
use std::process::Command;

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
step "site" plugin="build" {
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && echo hello > dist/index.html" }
}
step "note" plugin="deploy" {
    grant { run "true" confine="none"; run "false" confine="none" }
    config { up "true"; down "true"; confine "none" }
    timeout "20m"
}
"#;

fn project() -> Sandbox {
    let mut project = Sandbox::new();
    project.set("XDG_CONFIG_HOME", project.path("config").to_str().unwrap());
    project.write("release.kdl", MANIFEST);
    project
}

fn refused(ran: &Ran, parts: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.output);
    // A long sentence is broken to the width of a page.
    let said = ran.output.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(said.contains(part), "it should say {part:?}: {}", ran.output);
    }
}

fn good(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{}", ran.output);
    ran.output
}

fn keygen(project: &Sandbox, words: &[&str]) {
    let ran = Command::new("ssh-keygen").args(words).current_dir(project.root()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn without_a_policy_nothing_is_bounded() {
    let project = project();
    assert!(good(project.relrun(&["policy", "check"])).contains("no policy holds here"));
    good(project.relrun(&["apply", "--yes"]));
}

#[test]
fn each_file_holds_and_the_strictest_wins() {
    let mut project = project();
    project.write("policy.kdl", "allow {\n    run \"sh\" \"-c\" \"*\"\n    run \"true\" confine=\"none\"\n}\n");
    good(project.relrun(&["apply", "--yes"]));

    project.write("config/relrun/policy.kdl", "refuse \"unconfined\"\n");
    let path = project.path("config/relrun/policy.kdl").display().to_string();
    refused(&project.relrun(&["apply", "--yes", "--force"]), &["refuses `confine=\"none\"`", &path]);
    project.write("config/relrun/policy.kdl", "limits timeout=\"5m\"\n");
    refused(&project.relrun(&["apply", "--yes", "--force"]), &["bounds `timeout` by 300 s", &path]);
    std::fs::remove_file(project.path("config/relrun/policy.kdl")).unwrap();

    project.write("ours.kdl", "plugin \"bundled:build\"\n");
    project.set("RELRUN_POLICY", project.path("ours.kdl").to_str().unwrap());
    refused(&project.relrun(&["apply", "--yes", "--force"]), &["lets no plugin from `bundled:deploy` run", "ours.kdl"]);
    project.write("ours.kdl", "plugin \"bundled\"\nallow { run \"sh\" \"-c\" \"*\" }\n");
    refused(&project.relrun(&["apply", "--yes", "--force"]), &["ours.kdl allows nothing that covers", "`run \"true\" confine=\"none\"`"]);
    // What the project allows for itself does not loosen it.
    project.write("relrun.kdl", "policy { allow { run \"true\" confine=\"none\" } }\n");
    refused(&project.relrun(&["apply", "--yes", "--force"]), &["allows nothing that covers"]);
}

#[test]
fn a_policy_that_cannot_be_read_or_does_not_parse_stops_everything() {
    let mut project = project();
    project.write("policy.kdl", "allow { run }\nplugn \"bundled\"\n");
    refused(&project.relrun(&["apply", "--yes"]), &["plugn", "plugin"]);
    std::fs::remove_file(project.path("policy.kdl")).unwrap();
    project.set("RELRUN_POLICY", "/nonexistent/policy.kdl");
    refused(&project.relrun(&["apply", "--yes"]), &["/nonexistent/policy.kdl cannot be read", "nothing runs without it"]);
    project.set("RELRUN_POLICY", project.root().to_str().unwrap());
    refused(&project.relrun(&["apply", "--yes"]), &["cannot be read"]);
    assert!(!project.path(".relrun/ledger.db").exists() || project.relrun(&["releases", "list"]).output.contains("nothing"));
}

#[test]
fn policy_says_what_it_makes_of_each_step() {
    let project = project();
    project.write("policy.kdl", "plugin \"bundled:*\"\nallow { run \"sh\" \"-c\" \"*\" }\nlimits timeout=\"5m\"\n");
    let ran = project.relrun(&["policy", "check"]);
    refused(&ran, &["policy: policy.kdl", "note is refused", "1 of 2 steps let through"]);
    let site = good(project.relrun(&["policy", "explain", "site"]));
    assert!(site.contains("site is let through") && site.contains("`run \"sh\" \"-c\" \"*\"` in policy.kdl"), "{site}");
    assert!(site.contains("+ plugin bundled:build: `plugin \"bundled:*\"` in policy.kdl"), "{site}");
    let note = good(project.relrun(&["policy", "explain", "note"]));
    assert!(note.contains("- run \"true\" confine=\"none\": policy.kdl allows nothing that covers it"), "{note}");
    assert!(note.contains("- limit timeout: policy.kdl lets 300 s through at most"), "{note}");
    refused(&project.relrun(&["policy", "explain", "sit"]), &["did you mean \"site\"?"]);
    let json = good(project.relrun(&["policy", "explain", "note", "--format", "json"]));
    assert!(json.contains("\"passes\":false") || json.contains("\"passes\": false"), "{json}");
}

#[test]
fn a_secret_of_a_command_is_an_unconfined_command() {
    let project = project();
    project.write(
        "release.kdl",
        r#"package "acme/shop" version="1.0.0"
secret "token" from="cmd:touch ran"
step "note" plugin="deploy" {
    grant { run "true"; secret "token" to-command="true" env="TOKEN" }
    config { up "true"; down "true"; secret "${secret.token}" to-command="true" env="TOKEN" }
}
"#,
    );
    project.write("policy.kdl", "refuse \"unconfined\"\n");
    for command in [&["check"][..], &["plan"], &["apply", "--yes"]] {
        refused(&project.relrun(command), &["the policy in policy.kdl refuses unconfined commands, and `touch ran` would be one"]);
    }
    assert!(!project.path("ran").exists());
}

/// A policy that a relative path names is held by what lies beside it, and not by what a project has under the same names.
#[test]
fn a_relative_policy_takes_its_signers_from_beside_it() {
    let mut project = project();
    project.write("outer/policy.kdl", "plugin \"file:*\" signers=\"signers\"\n");
    project.write("odd.wasm", "no component at all");
    keygen(&project, &["-q", "-t", "ed25519", "-N", "", "-C", "mallory", "-f", "key"]);
    project.write("signers", &format!("mallory namespaces=\"relrun-plugin\" {}", project.read("key.pub")));
    keygen(&project, &["-q", "-Y", "sign", "-n", "relrun-plugin", "-f", "key", "odd.wasm"]);
    project
        .write("release.kdl", "package \"acme/shop\" version=\"1.0.0\"\nplugin \"odd\" from=\"./odd.wasm\"\nstep \"odd\" plugin=\"odd\"\n");
    project.set("RELRUN_POLICY", "outer/policy.kdl");
    let ran = project.relrun(&["check"]);
    // A long path is broken to the width of a page.
    let said: String = ran.output.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
    let beside = project.path("outer/signers").display().to_string();
    assert!(ran.code == 2 && said.contains(&beside), "{}", ran.output);
}

#[test]
fn whose_certificates_count_and_who_asks_is_for_policy_to_say() {
    let project = project();
    let manifest = |tls: &str| {
        let grant = format!("http \"https://example.com\" {tls}");
        format!(
            "package \"acme/shop\" version=\"1.0.0\"\nsecret \"key\" from=\"env:KEY\"\nstep \"check\" plugin=\"http-check\" {{\n    grant {{ {grant} }}\n    \
             config {{ url \"https://example.com/\" }}\n}}\n"
        )
    };
    project.write("policy.kdl", "allow { http \"https://example.com\" }\n");
    project.write("release.kdl", &manifest(""));
    good(project.relrun(&["check"]));
    for tls in ["ca=\"own.pem\"", "cert=\"own.pem\" key=\"key\""] {
        project.write("release.kdl", &manifest(tls));
        refused(&project.relrun(&["check"]), &["allows nothing that covers"]);
    }
}

/// A plugin file passes where a key that the policy's file names has signed it, and one more byte in it is enough that it does not.
#[test]
fn a_plugin_of_a_file_is_run_only_where_it_is_signed() {
    let project = project();
    keygen(&project, &["-q", "-t", "ed25519", "-N", "", "-C", "ana", "-f", "key"]);
    let public = project.read("key.pub");
    project.write("ops/signers", &format!("ana@example.com namespaces=\"relrun-plugin\" {public}"));
    project.write("policy.kdl", "plugin \"file:./plugins/*\" signers=\"ops/signers\"\nplugin \"bundled\"\n");
    project.write("plugins/odd.wasm", "no component at all");
    project.write(
        "release.kdl",
        "package \"acme/shop\" version=\"1.0.0\"\nplugin \"odd\" from=\"./plugins/odd.wasm\"\nstep \"odd\" plugin=\"odd\"\n",
    );
    refused(&project.relrun(&["check"]), &["asks for a signature", "odd.wasm.sig", "ssh-keygen -Y sign -n relrun-plugin"]);
    keygen(&project, &["-q", "-Y", "sign", "-n", "relrun-plugin", "-f", "key", "plugins/odd.wasm"]);
    refused(&project.relrun(&["check"]), &["it is no WebAssembly"]);
    project.write("plugins/odd.wasm", "no component at all!");
    refused(&project.relrun(&["check"]), &["the signature of ana@example.com is for something else"]);
    keygen(&project, &["-q", "-Y", "sign", "-n", "file", "-f", "key", "plugins/odd.wasm"]);
    refused(&project.relrun(&["check"]), &["asks for a signature"]);
    project.write("plugins-elsewhere/odd.wasm", "no component at all");
    project.write("release.kdl", &project.read("release.kdl").replace("./plugins/", "./plugins-elsewhere/"));
    refused(&project.relrun(&["check"]), &["lets no plugin from `file:./plugins-elsewhere/odd.wasm` run"]);
}

/// Where a plugin comes from is where its file really lies, whatever the manifest writes.
#[test]
fn a_plugin_does_not_pass_under_the_name_of_another_folder() {
    let project = project();
    project.write("policy.kdl", "plugin \"file:./plugins/*\"\n");
    project.write("evil.wasm", "no component at all");
    project.write("plugins/good.wasm", "no component at all");
    project.write("sub/plugins/evil.wasm", "no component at all");
    std::os::unix::fs::symlink("../sub/plugins", project.path("plugins/linked")).unwrap();
    let check = |folder: &str, from: &str| {
        let text = format!("package \"acme/shop\" version=\"1.0.0\"\nplugin \"odd\" from=\"{from}\"\nstep \"odd\" plugin=\"odd\"\n");
        project.write(&format!("{folder}release.kdl"), &text);
        project.relrun(&["check", &format!("{folder}release.kdl")])
    };
    for from in ["./plugins/../evil.wasm", "./evil.wasm"] {
        refused(&check("", from), &["lets no plugin from `file:./evil.wasm` run"]);
    }
    refused(&check("", "./plugins/linked/evil.wasm"), &["lets no plugin from `file:./sub/plugins/evil.wasm` run"]);
    project.write("relrun.kdl", "");
    refused(&check("sub/", "./plugins/evil.wasm"), &["lets no plugin from `file:./sub/plugins/evil.wasm` run"]);
    refused(&check("sub/", "../plugins/good.wasm"), &["it is no WebAssembly"]);
}

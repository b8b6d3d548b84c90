//! Bundles: what somebody vetted runs, as one file on a machine without a network, and nothing else does where policy says so.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod guest;

use relrun_tests::registry::{RegistryServer, RegistrySetup};
use relrun_tests::{Ran, Sandbox};
use std::fs;
use std::path::Path;

fn good(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{}", ran.output);
    ran.output
}

fn refused(ran: &Ran, texts: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.output);
    let one_line = ran.output.replace("│ ", "").split_whitespace().collect::<Vec<_>>().join(" ");
    for text in texts {
        assert!(one_line.contains(text), "it should say {text:?}:\n{}", ran.output);
    }
}

fn manifest(from: &str) -> String {
    format!(
        r#"package "acme/shop" version="1.4.@"
plugin "audit" from="{from}"
environment "live" {{ host "web1" "file:hosts/live" }}
phase "live" environments="live" {{
    deploy "audit" plugin="audit" {{ config {{ do "leave"; kind "effect" }} }}
}}
"#
    )
}

/// Makes a project with a plugin cache of its own.
fn project() -> Sandbox {
    let mut project = Sandbox::new();
    let cache = project.path("plugin-cache").display().to_string();
    project.set("RELRUN_PLUGIN_CACHE", &cache);
    project
}

/// Makes a key, and returns its public half.
fn key(project: &Sandbox, name: &str) -> String {
    let said = good(project.relrun(&["plugin", "key", "new", name, "--no-passphrase", "--format", "json"]));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    said["key"].as_str().unwrap().to_owned()
}

/// Lays the component into a project; `other` is another component that does the same.
fn lay(project: &Sandbox, name: &str, other: bool) {
    let mut bytes = fs::read(guest::build()).unwrap();
    if other {
        let was = b"Does what its config says";
        for at in 0..bytes.len() - was.len() {
            if bytes[at..].starts_with(was) {
                bytes[at..at + 4].copy_from_slice(b"Did_");
            }
        }
    }
    fs::write(project.path(name), bytes).unwrap();
}

fn bundle(serial: u64) -> String {
    format!(
        "bundle \"platform\" serial={serial} {{\n    summary \"Vetted\"\n    changelog \"changes.md\"\n    plugin \"audit\" from=\"./audit.wasm\" {{ docs \"audit.md\" }}\n}}\n"
    )
}

/// Makes a platform team: a key, and what its bundles are made of.
fn team() -> (Sandbox, String) {
    let team = project();
    let public = key(&team, "team.key");
    lay(&team, "audit.wasm", false);
    team.write("changes.md", "audit is new\n");
    team.write("audit.md", "# audit\n");
    (team, public)
}

fn build(team: &Sandbox, serial: u64) {
    team.write("bundle.kdl", &bundle(serial));
    good(team.relrun(&["bundle", "build", "--key", "team.key"]));
}

fn take(from: &Sandbox, name: &str, to: &Sandbox) {
    fs::copy(from.path(name), to.path(name)).unwrap();
}

#[test]
fn one_file_is_all_that_a_machine_without_a_network_needs() {
    let (team, public) = team();
    build(&team, 7);
    let there = project();
    take(&team, "platform-7.tar", &there);
    refused(&there.relrun(&["bundle", "add", "platform-7.tar"]), &["nobody said who must have signed bundle \"platform\""]);
    let stranger = key(&there, "stranger.key");
    refused(&there.relrun(&["bundle", "add", "platform-7.tar", "--key", &stranger]), &["which nobody here trusts"]);
    good(there.relrun(&["--offline", "bundle", "add", "platform-7.tar", "--key", &public]));
    assert!(good(there.relrun(&["bundle", "list"])).contains("audit 0.1.0"));
    good(there.relrun(&["bundle", "verify", "platform"]));
    there.write("release.kdl", &manifest("bundle:platform/audit"));
    good(there.relrun(&["--offline", "apply"]));
    good(there.relrun(&["--offline", "--locked", "apply", "--force"]));
    there.write("release.kdl", &manifest("bundle:platform/audti"));
    refused(&there.relrun(&["check"]), &["bundle \"platform\" has no plugin \"audti\"", "it has audit"]);
    there.write("release.kdl", &manifest("bundle:elsewhere/audit"));
    refused(&there.relrun(&["check"]), &["bundle \"elsewhere\" is not on this machine", "relrun bundle add"]);
}

#[test]
fn an_older_bundle_does_not_come_back() {
    let (team, public) = team();
    build(&team, 7);
    lay(&team, "audit.wasm", true);
    build(&team, 8);
    let there = project();
    for name in ["platform-7.tar", "platform-8.tar"] {
        take(&team, name, &there);
    }
    let said = good(there.relrun(&["bundle", "diff", "platform-7.tar", "platform-8.tar"]));
    assert!(said.contains("~ audit") && said.contains("component ") && said.contains("audit is new"), "{said}");
    good(there.relrun(&["bundle", "add", "platform-7.tar", "--key", &public]));
    there.write("release.kdl", &manifest("bundle:platform/audit"));
    good(there.relrun(&["apply"]));
    let lock = there.read("relrun.lock");

    good(there.relrun(&["bundle", "add", "platform-8.tar", "--key", &public]));
    refused(
        &there.relrun(&["bundle", "add", "platform-7.tar", "--key", &public]),
        &["bundle \"platform\" 7 is older than 8, which was seen here", "--allow-older"],
    );
    // The lock wins over the newer bundle, until it is asked again.
    good(there.relrun(&["--locked", "apply", "--force"]));
    assert_eq!(there.read("relrun.lock"), lock);
    good(there.relrun(&["plugin", "update"]));
    assert_ne!(there.read("relrun.lock"), lock);
    good(there.relrun(&["apply"]));
    good(there.relrun(&["bundle", "add", "platform-7.tar", "--key", &public, "--allow-older"]));

    there.write(
        "relrun.kdl",
        &format!("policy {{\n trust \"team\" {{ key \"{public}\" }}\n bundle \"platform\" signed-by=\"team\" at-least=8\n}}\n"),
    );
    refused(&there.relrun(&["check"]), &["bundle \"platform\" 7 is too old", "asks for 8 at least"]);
    refused(&there.relrun(&["bundle", "add", "platform-7.tar", "--allow-older"]), &["is too old"]);
    good(there.relrun(&["bundle", "add", "platform-8.tar"]));
}

#[test]
fn what_no_bundle_has_is_an_error_before_it_is_compiled() {
    let (team, public) = team();
    build(&team, 7);
    let there = project();
    take(&team, "platform-7.tar", &there);
    let policy = format!(
        "policy {{\n trust \"team\" {{ key \"{public}\" }}\n bundle \"platform\" signed-by=\"team\"\n plugin \"bundled\"\n plugin \"*\" bundle=\"platform\"\n}}\n"
    );
    there.write("relrun.kdl", &policy);
    // It would not even compile.
    there.write("own.wasm", "no component at all");
    there.write("release.kdl", &manifest("./own.wasm"));
    refused(&there.relrun(&["check"]), &["bundle \"platform\" is not on this machine"]);
    good(there.relrun(&["bundle", "add", "platform-7.tar"]));
    refused(&there.relrun(&["check"]), &["it is not in bundle \"platform\" 7"]);
    // The same component from elsewhere is what was vetted.
    take(&team, "audit.wasm", &there);
    there.write("release.kdl", &manifest("./audit.wasm"));
    good(there.relrun(&["check"]));
    let said = good(there.relrun(&["policy", "explain", "audit"]));
    assert!(said.contains("+ plugin file:./audit.wasm") && said.contains("bundle=\"platform\""), "{said}");
    there.write("release.kdl", &manifest("bundle:platform/audit"));
    good(there.relrun(&["apply"]));

    // Neither its component nor its index can be changed on this machine.
    let shelf = there.path("../home/.local/share/relrun/bundles/platform/7");
    let component = only(&shelf.join("components"));
    let bytes = fs::read(&component).unwrap();
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    fs::write(&component, changed).unwrap();
    refused(&there.relrun(&["apply", "--force"]), &["is not what was pinned"]);
    fs::write(&component, bytes).unwrap();
    let index = fs::read_to_string(shelf.join("index.json")).unwrap();
    fs::write(shelf.join("index.json"), index.replace("Vetted", "Vetter")).unwrap();
    refused(&there.relrun(&["apply", "--force"]), &["is not believed by relrun.kdl"]);
    assert!(good(there.relrun(&["bundle", "list"])).contains("not believed"));
    fs::write(shelf.join("index.json"), &index).unwrap();
    good(there.relrun(&["apply", "--force"]));
    fs::remove_file(only(&shelf.join("signatures"))).unwrap();
    refused(&there.relrun(&["apply", "--force"]), &["it is not signed"]);
}

fn only(folder: &Path) -> std::path::PathBuf {
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_bundle_goes_through_a_registry_with_its_signature() {
    let registry = RegistryServer::start(RegistrySetup { user: Some(("ada", "a-secret-word")), tls: true });
    let reach = |project: &mut Sandbox| {
        let config = registry.docker_config();
        project.set("DOCKER_CONFIG", config.parent().unwrap().to_str().unwrap());
        project.write("relrun.kdl", &format!("registry \"oci://{}/team\" ca=\"{}\"\n", registry.host(), registry.ca_file().display()));
    };
    let (mut team, public) = team();
    reach(&mut team);
    team.write("bundle.kdl", &bundle(7));
    let place = format!("oci://{}/bundles/platform", registry.host());
    good(team.relrun(&["bundle", "build", "--key", "team.key", "--to", &place]));
    let mut there = project();
    reach(&mut there);
    refused(&there.relrun(&["--offline", "bundle", "add", &format!("{place}:7"), "--key", &public]), &["the network may not be used"]);
    good(there.relrun(&["bundle", "verify", &format!("{place}:latest"), "--key", &public]));
    good(there.relrun(&["bundle", "add", &format!("{place}:7"), "--key", &public]));
    there.write("release.kdl", &manifest("bundle:platform/audit"));
    good(there.relrun(&["--offline", "apply"]));
    // A serial stands for one content.
    team.write("changes.md", "something else\n");
    refused(&team.relrun(&["bundle", "build", "--key", "team.key", "--to", &place]), &["exists with another content"]);
}

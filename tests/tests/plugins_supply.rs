//! Plugins from a real registry with TLS and a password: what is locked runs, whatever a tag says, and what policy does not believe never does.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod guest;

use relrun_tests::registry::{RegistryServer, RegistrySetup};
use relrun_tests::{Ran, Sandbox};
use std::fs;
use std::path::PathBuf;

/// The first component reads `needs`, and one that was made greedy `wants` in its place.
const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
environment "live" { host "web1" "file:hosts/live" }
phase "live" environments="live" {
    deploy "audit" plugin="audit" {
        grant { env "HOME"; env "LANG" }
        config { do "leave"; kind "effect"; needs "env \"HOME\""; wants "env \"HOME\"" "env \"LANG\"" }
    }
}
"#;

fn good(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{}", ran.output);
    ran.output
}

fn refused(ran: &Ran, code: i32, texts: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.output);
    // What is long is broken into lines where it is shown.
    let one_line = ran.output.replace("│ ", "").split_whitespace().collect::<Vec<_>>().join(" ");
    for text in texts {
        assert!(one_line.contains(text), "it should say {text:?}:\n{}", ran.output);
    }
}

/// Returns the component with a word of it replaced by another of the same length: another component, which is still one.
fn component(was: &str, becomes: &str) -> Vec<u8> {
    let (was, becomes) = (was.as_bytes(), becomes.as_bytes());
    assert_eq!(was.len(), becomes.len());
    let mut bytes = fs::read(guest::build()).unwrap();
    let mut found = 0;
    for at in 0..bytes.len() - was.len() {
        if bytes[at..].starts_with(was) {
            bytes[at..at + was.len()].copy_from_slice(becomes);
            found += 1;
        }
    }
    assert!(found > 0);
    bytes
}

/// The component as it is.
fn first() -> Vec<u8> {
    fs::read(guest::build()).unwrap()
}

/// Another component that asks for no more.
fn second() -> Vec<u8> {
    component("Does what its config says", "Does what its config told")
}

/// Another component that asks for more.
fn greedy() -> Vec<u8> {
    component("needs", "wants")
}

struct Registry(RegistryServer);

impl Registry {
    fn start() -> Self {
        Self(RegistryServer::start(RegistrySetup { user: Some(("ada", "a-secret-word")), tls: true }))
    }

    /// Makes a project that knows this registry and its password, with a plugin cache and a home of its own.
    fn project(&self) -> Sandbox {
        let mut project = Sandbox::new();
        let config = self.0.docker_config();
        project.set("DOCKER_CONFIG", config.parent().unwrap().to_str().unwrap());
        let cache = project.path("plugin-cache").display().to_string();
        project.set("RELRUN_PLUGIN_CACHE", &cache);
        project.write("relrun.kdl", &self.relrun_kdl(""));
        project.write("release.kdl", MANIFEST);
        project
    }

    fn relrun_kdl(&self, policy: &str) -> String {
        format!("registry \"oci://{}/team\" ca=\"{}\"\n{policy}", self.0.host(), self.0.ca_file().display())
    }

    fn reference(&self) -> String {
        format!("oci://{}/plugins/audit:1.2", self.0.host())
    }

    fn push(&self, project: &Sandbox, bytes: &[u8], more: &[&str]) {
        fs::write(project.path("audit.wasm"), bytes).unwrap();
        let reference = self.reference();
        let words: Vec<&str> = ["plugin", "push", "audit.wasm", &reference].iter().chain(more).copied().collect();
        good(project.relrun(&words));
    }
}

/// Makes a key, and returns its public half and its id.
fn key(project: &Sandbox, name: &str) -> (String, String) {
    let said = good(project.relrun(&["plugin", "key", "new", name, "--no-passphrase", "--format", "json"]));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    (said["key"].as_str().unwrap().to_owned(), said["id"].as_str().unwrap().to_owned())
}

/// Returns the one component in a project's cache.
fn cached(project: &Sandbox) -> PathBuf {
    let mut found = fs::read_dir(project.path("plugin-cache/components")).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.extension().is_some_and(|extension| extension == "wasm")).unwrap()
}

fn pinned(project: &Sandbox) -> String {
    let lock = project.read("relrun.lock");
    lock.lines().map(str::trim).find(|line| line.starts_with("component ")).unwrap().to_owned()
}

#[test]
fn a_moved_tag_changes_nothing_until_it_is_asked_again() {
    let registry = Registry::start();
    let project = registry.project();
    registry.push(&project, &first(), &[]);
    // The very same again is no other artifact; another is, and its tag is taken.
    registry.push(&project, &first(), &[]);
    fs::write(project.path("audit.wasm"), second()).unwrap();
    let reference = registry.reference();
    refused(&project.relrun(&["plugin", "push", "audit.wasm", &reference]), 2, &["exists with another content"]);

    refused(&project.relrun(&["--locked", "plugin", "add", &reference]), 2, &["is not in relrun.lock", "plugin prefetch"]);
    assert!(!project.read("release.kdl").contains("plugin \"audit\""), "nothing was written");
    good(project.relrun(&["plugin", "add", &reference]));
    let before = pinned(&project);
    assert!(project.read("relrun.lock").contains(r#"requests "env \"HOME\"""#), "{}", project.read("relrun.lock"));
    good(project.relrun(&["--locked", "apply"]));

    registry.push(&project, &second(), &["--move-tag"]);
    assert!(good(project.relrun(&["apply"])).contains("nothing to do"));
    fs::remove_dir_all(project.path("plugin-cache")).unwrap();
    assert!(good(project.relrun(&["--locked", "apply", "--force"])).contains("r2"), "it is fetched by its digest");
    assert_eq!(pinned(&project), before);

    let said = good(project.relrun(&["plugin", "update"]));
    assert!(said.contains("audit 0.1.0 is updated") && said.contains("component "), "{said}");
    assert_ne!(pinned(&project), before);
    // The lock that a colleague has still holds for the colleague.
    assert!(good(project.relrun(&["apply"])).contains("r3"));
}

#[test]
fn what_asks_for_more_waits_for_a_person() {
    let registry = Registry::start();
    let mut project = registry.project();
    registry.push(&project, &first(), &[]);
    good(project.relrun(&["plugin", "add", &registry.reference()]));
    let before = project.read("relrun.lock");
    registry.push(&project, &greedy(), &["--move-tag"]);
    refused(&project.relrun(&["plugin", "update", "audit"]), 3, &["audit 0.1.0 waits", "+ env \"LANG\"", "--accept"]);
    assert_eq!(project.read("relrun.lock"), before);
    project.set("CI", "true");
    refused(&project.relrun(&["plugin", "update"]), 2, &["would get more than before"]);
    good(project.relrun(&["--locked", "check"]));
    let said = good(project.relrun(&["plugin", "update", "--accept"]));
    assert!(said.contains("+ env \"LANG\""), "{said}");
    assert!(project.read("relrun.lock").contains("LANG"));
    refused(&project.relrun(&["plugin", "update", "audti"]), 2, &["did you mean \"audit\"?"]);

    // A file that was built anew is held to the same.
    project.unset("CI");
    let file = MANIFEST.replace("package", "plugin \"audit\" from=\"./own.wasm\"\npackage");
    project.write("release.kdl", &file);
    fs::write(project.path("own.wasm"), first()).unwrap();
    good(project.relrun(&["apply"]));
    fs::write(project.path("own.wasm"), second()).unwrap();
    refused(&project.relrun(&["--locked", "apply"]), 2, &["relrun.lock is not what the manifest needs", "component "]);
    good(project.relrun(&["apply"]));
    fs::write(project.path("own.wasm"), greedy()).unwrap();
    refused(&project.relrun(&["apply"]), 2, &["asks for more: + env \"LANG\"", "plugin update audit --accept"]);
}

#[test]
fn without_a_network_what_was_fetched_is_enough_and_nothing_else() {
    let registry = Registry::start();
    let project = registry.project();
    registry.push(&project, &first(), &[]);
    let line = format!("plugin \"audit\" from=\"{}\"\n", registry.reference());
    project.write("release.kdl", &format!("{line}{MANIFEST}"));
    refused(&project.relrun(&["--offline", "apply"]), 2, &["is not on this machine", "plugin prefetch"]);
    let said = good(project.relrun(&["plugin", "prefetch"]));
    assert!(said.contains("audit 0.1.0 is here"), "{said}");
    drop(registry);
    good(project.relrun(&["--offline", "--locked", "apply"]));
    assert!(good(project.relrun(&["plugin", "list"])).contains("yes"));

    // What was changed in the cache is neither run nor believed.
    let path = cached(&project);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    refused(&project.relrun(&["--offline", "apply", "--force"]), 2, &["is not on this machine"]);
    assert!(path.with_extension("damaged").exists());
    assert!(good(project.relrun(&["plugin", "list"])).contains("no "));
}

#[test]
fn policy_believes_a_trusted_key_alone() {
    let registry = Registry::start();
    let project = registry.project();
    let ((one, id), (other, _)) = (key(&project, "one.key"), key(&project, "other.key"));
    let policy = |more: &str| {
        let text = format!(
            "policy {{\n trust \"team\" {{ key \"{one}\" }}\n plugin \"oci://{}/*\" signed-by=\"team\"\n plugin \"bundled\"\n{more}}}\n",
            registry.0.host()
        );
        project.write("relrun.kdl", &registry.relrun_kdl(&text));
    };
    registry.push(&project, &first(), &[]);
    let line = format!("plugin \"audit\" from=\"{}\"\n", registry.reference());
    project.write("release.kdl", &format!("{line}{MANIFEST}"));
    policy("");
    refused(&project.relrun(&["apply"]), 2, &["does not let plugin \"audit\"", "it is not signed"]);
    assert!(project.read("relrun.lock").is_empty(), "what is refused is not locked");

    let reference = registry.reference();
    good(project.relrun(&["plugin", "sign", &reference, "--key", "other.key"]));
    refused(&project.relrun(&["apply"]), 2, &["which nobody here trusts"]);
    refused(&project.relrun(&["plugin", "verify", &reference]), 2, &["which nobody here trusts"]);
    good(project.relrun(&["plugin", "verify", &reference, "--key", &other]));

    good(project.relrun(&["plugin", "sign", &reference, "--key", "one.key"]));
    good(project.relrun(&["plugin", "verify", &reference]));
    good(project.relrun(&["plugin", "update"]));
    good(project.relrun(&["apply"]));
    let said = good(project.relrun(&["policy", "explain", "audit"]));
    assert!(said.contains("signed-by=\"team\""), "{said}");

    policy(&format!(" revoke \"{id}\" reason=\"the laptop was stolen\"\n"));
    refused(&project.relrun(&["apply", "--force"]), 2, &["which was revoked"]);
    refused(&project.relrun(&["rollback", "-e", "live", "--to", "r1"]), 2, &["which was revoked"]);
    refused(&project.relrun(&["policy", "check"]), 2, &["audit@live is refused", "which was revoked", "0 of 1 step let through"]);
    let component = pinned(&project).replace("component ", "").replace('"', "");
    policy(&format!(" revoke \"{component}\" reason=\"it leaks\"\n"));
    refused(&project.relrun(&["check"]), 2, &["revokes the component of plugin \"audit\"", "it leaks"]);

    // The signature is asked for again where the component comes from the cache; the project has one too.
    policy("");
    good(project.relrun(&["--offline", "apply", "--force"]));
    fs::remove_dir_all(project.path("plugin-cache/signatures")).unwrap();
    good(project.relrun(&["--offline", "apply", "--force"]));
    fs::remove_dir_all(project.path(".relrun/plugins/signatures")).unwrap();
    refused(&project.relrun(&["--offline", "apply", "--force"]), 2, &["it is not signed"]);
    good(project.relrun(&["apply", "--force"]));

    // The key's time is asked of the signature.
    let late = format!("policy {{\n trust \"team\" {{ key \"{one}\" until=\"2020-01-01\" }}\n plugin \"*\" signed-by=\"team\"\n}}\n");
    project.write("relrun.kdl", &registry.relrun_kdl(&late));
    refused(&project.relrun(&["check"]), 2, &["when that key was trusted no longer"]);
}

#[test]
fn a_blob_that_was_changed_in_the_registry_is_refused() {
    let registry = Registry::start();
    let project = registry.project();
    registry.push(&project, &first(), &[]);
    let line = format!("plugin \"audit\" from=\"{}\"\n", registry.reference());
    project.write("release.kdl", &format!("{line}{MANIFEST}"));
    let blob = registry.0.largest_blob();
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    refused(&project.relrun(&["apply"]), 2, &["is not what its digest says"]);
    assert!(!project.path("relrun.lock").exists() && !project.path("plugin-cache/components").exists());
    // A digest in the manifest holds though the registry is whole.
    fs::write(&blob, first()).unwrap();
    let line = format!("plugin \"audit\" from=\"{}\" digest=\"sha256:{}\"\n", registry.reference(), "0".repeat(64));
    project.write("release.kdl", &format!("{line}{MANIFEST}"));
    refused(&project.relrun(&["apply"]), 2, &["is not what was pinned"]);
}

#[test]
fn a_record_runs_with_the_signature_that_it_was_made_with() {
    let mut project = Sandbox::new();
    let cache = project.path("plugin-cache").display().to_string();
    project.set("RELRUN_PLUGIN_CACHE", &cache);
    let (one, id) = key(&project, "one.key");
    project.write("policy.kdl", &format!("trust \"team\" {{ key \"{one}\" }}\nplugin \"file:./own.wasm\" signed-by=\"team\"\n"));
    project.write("release.kdl", &MANIFEST.replace("package", "plugin \"audit\" from=\"./own.wasm\"\npackage"));
    let sign = |bytes: Vec<u8>| {
        fs::write(project.path("own.wasm"), bytes).unwrap();
        good(project.relrun(&["plugin", "sign", "own.wasm", "--key", "one.key"]));
        good(project.relrun(&["apply"]))
    };
    sign(first());
    assert!(sign(second()).contains("r2"));
    // Neither the file nor its signature is what it was.
    fs::remove_file(project.path("own.wasm.minisig")).unwrap();
    assert!(good(project.relrun(&["rollback", "-e", "live", "--to", "r1"])).contains("r3"));
    refused(&project.relrun(&["apply", "--force"]), 0, &["r4"]);
    project.write(
        "policy.kdl",
        &format!("trust \"team\" {{ key \"{one}\" }}\nplugin \"file:./own.wasm\" signed-by=\"team\"\nrevoke \"{id}\"\n"),
    );
    refused(&project.relrun(&["rollback", "-e", "live", "--to", "r2"]), 2, &["which was revoked"]);
}

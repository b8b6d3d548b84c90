//! Packages in a real registry, with TLS and a password: pushed, read by another program, deployed where no sources are, and never replaced.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::registry::{RegistryServer, RegistrySetup};
use relrun_tests::{Ran, Running, Sandbox};
use std::fs;
use std::process::Command;

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
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop"; file "greeting.txt" "Hello ${input.who}!" }
    }
}
"#;

struct Registry(RegistryServer);

impl Registry {
    fn start() -> Self {
        Self(RegistryServer::start(RegistrySetup { user: Some(("ada", "a-secret-word")), tls: true }))
    }

    /// Makes a project that knows this registry and its password.
    fn project(&self) -> Sandbox {
        let mut project = Sandbox::new();
        let config = self.0.docker_config();
        project.set("DOCKER_CONFIG", config.parent().unwrap().to_str().unwrap());
        let place = format!("oci://{}/team", self.0.host());
        project.write("relrun.kdl", &format!("registry \"{place}\" ca=\"{}\"\n", self.0.ca_file().display()));
        project
    }

    /// Makes a project with sources.
    fn sources(&self, page: &str) -> Sandbox {
        let project = self.project();
        project.write("release.kdl", MANIFEST);
        project.write("src/index.html", page);
        project
    }

    fn inspect(&self, tag: &str) -> String {
        let certificates = self.0.ca_file().parent().unwrap().display().to_string();
        let reference = format!("docker://{}/team/acme/shop:{tag}", self.0.host());
        self.0.skopeo(&["inspect", "--raw", "--cert-dir", &certificates, &reference])
    }
}

fn good(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{}", ran.output);
    ran.output
}

fn refused(ran: &Ran, texts: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.output);
    // What is long is broken into lines where it is shown.
    let one_line = ran.output.replace("│ ", "").split_whitespace().collect::<Vec<_>>().join(" ");
    for text in texts {
        assert!(one_line.contains(text), "it should say {text:?}:\n{}", ran.output);
    }
}

fn digest(output: &str) -> String {
    let line = output.lines().find_map(|line| line.trim().strip_prefix("digest")).unwrap_or_else(|| panic!("no digest in:\n{output}"));
    line.trim().to_owned()
}

/// Runs git as somebody, without what the machine's own settings say.
fn git(project: &Sandbox, words: &[&str]) {
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"];
    let ran = Command::new("git").args(who).args(words).current_dir(project.root()).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(ran.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn commit(project: &Sandbox, message: &str) {
    git(project, &["add", "."]);
    git(project, &["commit", "-q", "-m", message]);
}

#[test]
fn a_package_goes_through_a_registry_to_a_machine_without_the_sources() {
    let registry = Registry::start();
    let here = registry.sources("one");
    good(here.relrun(&["apply", "-e", "staging"]));
    let pushed = good(here.relrun(&["push", "--tag", "prod-candidate"]));
    assert!(!pushed.contains("a-secret-word"), "{pushed}");

    // Another program reads it, under both tags, and finds what is attached to it.
    let raw = registry.inspect("1.4.0");
    assert_eq!(raw, registry.inspect("prod-candidate"));
    assert!(raw.contains("application/vnd.relrun.package.v1"), "{raw}");
    let attached = registry.inspect(&digest(&pushed).replace(':', "-"));
    for kind in ["application/vnd.cyclonedx+json", "application/vnd.in-toto+json"] {
        assert!(attached.contains(kind), "{attached}");
    }

    // Pushed again, it is the same; and built again elsewhere, it is the same too.
    assert_eq!(digest(&good(here.relrun(&["push"]))), digest(&pushed));
    let twin = registry.sources("one");
    good(twin.relrun(&["apply", "-e", "staging"]));
    assert_eq!(digest(&good(twin.relrun(&["push"]))), digest(&pushed));

    let there = registry.project();
    let deployed = good(there.relrun(&["apply", "acme/shop@1.4.@", "-e", "staging", "-i", "who=Ada"]));
    assert!(!deployed.contains("site |"), "something was built:\n{deployed}");
    assert_eq!(there.read("hosts/staging/srv/shop/current/index.html"), "one");
    assert_eq!(there.read("hosts/staging/srv/shop/current/greeting.txt").trim(), "Hello Ada!");
    let kept = there.read(".relrun/packages/acme/shop/index.json");
    assert!(kept.contains("cyclonedx") && kept.contains("in-toto"), "what is attached comes too: {kept}");
    // What was pulled needs no registry any more.
    drop(registry);
    good(there.relrun(&["apply", "acme/shop@1.4.0", "-e", "staging"]));
    assert_eq!(there.read("hosts/staging/srv/shop/current/greeting.txt").trim(), "Hello World!");
}

#[test]
fn a_version_with_another_content_is_never_replaced() {
    let registry = Registry::start();
    let (one, other) = (registry.sources("one"), registry.sources("other"));
    for project in [&one, &other] {
        good(project.relrun(&["apply", "-e", "staging"]));
    }
    let first = digest(&good(one.relrun(&["push"])));
    let second = digest(&good(other.relrun(&["package"])));
    assert_ne!(first, second);
    for words in [&["push"][..], &["push", "--force"]] {
        refused(&other.relrun(words), &[&first, &second, "1.4.0"]);
    }
    assert_eq!(format!("sha256:{}", sha256(registry.inspect("1.4.0").as_bytes())), first);
    // The next version goes.
    good(other.relrun(&["apply", "-e", "staging", "--force"]));
    assert_eq!(good(other.relrun(&["push"])).matches("acme/shop@1.4.1").count(), 1);
    let there = registry.project();
    refused(&there.relrun(&["apply", "acme/shop@2.@", "-e", "staging"]), &["acme/shop@2.@ is not in", "1.4.1, 1.4.0"]);
}

#[test]
fn of_two_that_push_one_version_one_wins_and_the_other_is_told() {
    let registry = Registry::start();
    let projects: Vec<Sandbox> = ["one", "other"].iter().map(|page| registry.sources(page)).collect();
    for project in &projects {
        good(project.relrun(&["apply", "-e", "staging"]));
    }
    // Into one layout directory, which compares and sets.
    let folder = tempfile::tempdir().unwrap();
    let place = format!("oci-layout:{}/shared", folder.path().display());
    let running: Vec<_> = projects.iter().map(|project| project.start(&["push", "--to", &place])).collect();
    let ran: Vec<Ran> = running.into_iter().map(Running::wait).collect();
    let mut codes: Vec<i32> = ran.iter().map(|ran| ran.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 2], "{ran:?}");
    let lost = ran.iter().find(|ran| ran.code == 2).unwrap();
    let won = ran.iter().find(|ran| ran.code == 0).unwrap();
    assert!(lost.output.contains(&digest(&won.output)), "{}", lost.output);
    // Nor does one place replace what another gave under this version.
    let mine = tempfile::tempdir().unwrap();
    let other = format!("oci-layout:{}/other", mine.path().display());
    let loser = if ran[0].code == 2 { &projects[0] } else { &projects[1] };
    good(loser.relrun(&["push", "--to", &other]));
    let there = registry.project();
    good(there.relrun(&["pull", "acme/shop@1.4.0", "--from", &place]));
    refused(&there.relrun(&["pull", "acme/shop@1.4.0", "--from", &other]), &["exists with another content"]);
}

#[test]
fn a_dirty_tree_and_a_commit_that_was_released_are_refused() {
    let registry = Registry::start();
    let project = registry.sources("one");
    git(&project, &["init", "-q"]);
    project.write(".gitignore", ".relrun\nhosts\n");
    commit(&project, "Greet everybody");
    let released = good(project.relrun(&["release", "--scratch", "staging", "--git-tag"]));
    assert!(released.contains("pushed acme/shop@1.4.0") && released.contains("tagged v1.4.0"), "{released}");
    git(&project, &["rev-parse", "--verify", "v1.4.0"]);
    refused(&project.relrun(&["release", "--scratch", "staging"]), &["was released already, as 1.4.0 (r1)", "--force"]);

    project.write("src/index.html", "two");
    refused(&project.relrun(&["release", "--scratch", "staging"]), &["the work tree differs from its commit", "--force"]);
    good(project.relrun(&["apply", "-e", "staging"]));
    refused(&project.relrun(&["push"]), &["differs from its commit", "--force"]);
    let forced = good(project.relrun(&["push", "--force"]));
    assert!(forced.contains("acme/shop@1.4.1"), "{forced}");
    good(project.relrun(&["destroy", "-e", "staging", "--yes"]));
    commit(&project, "Say two");
    let next = good(project.relrun(&["release", "--scratch", "staging", "--git-tag"]));
    // The same content was released of a dirty tree, so that this is another release.
    assert!(next.contains("pushed acme/shop@1.4.2 (r3)") && next.contains("tagged v1.4.2"), "{next}");
}

#[test]
fn a_package_that_was_tampered_with_is_refused() {
    let project = Sandbox::new();
    project.write("release.kdl", MANIFEST);
    project.write("src/index.html", "one");
    project.write("relrun.kdl", "registry \"oci-layout:registry\"\n");
    good(project.relrun(&["apply", "-e", "staging"]));
    good(project.relrun(&["push"]));
    let blobs = project.path("registry/acme/shop/blobs/sha256");
    let page =
        fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).find(|path| fs::read(path).unwrap().starts_with(&[0x1f, 0x8b]));
    let page = page.expect("the site's layer is there");
    let mut bytes = fs::read(&page).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&page, bytes).unwrap();
    project.write("elsewhere/relrun.kdl", "registry \"oci-layout:../registry\"\n");
    let ran = project.relrun(&["--project", "elsewhere", "apply", "acme/shop@latest", "-e", "staging"]);
    refused(&ran, &["is not what its digest says"]);
    assert!(!project.path("elsewhere/hosts").exists());
}

fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let ran = Command::new("sha256sum").arg(file.path()).output().unwrap();
    String::from_utf8(ran.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn packages_that_no_release_was_taken_from_can_go() {
    let registry = Registry::start();
    let here = registry.sources("one");
    for page in ["one", "two"] {
        here.write("src/index.html", page);
        good(here.relrun(&["apply", "-e", "staging"]));
        good(here.relrun(&["push"]));
    }
    let there = registry.project();
    good(there.relrun(&["apply", "acme/shop@1.4.0", "-e", "staging"]));
    good(there.relrun(&["pull", "acme/shop@1.4.1"]));
    // A long time, so that nothing of other tests is swept.
    let sweep = |more: &[&str]| good(there.relrun(&[&["cache", "gc", "--keep-for", "9000d"], more].concat()));
    assert!(!sweep(&[]).contains("removed package"), "what came lately stays");
    let layout = there.root().join(".relrun/packages/acme/shop");
    for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        fs::File::open(blob.unwrap().path()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    assert!(sweep(&["--dry-run"]).contains("would remove package acme/shop 1.4.1"));
    assert!(there.read(".relrun/packages/acme/shop/index.json").contains("1.4.1"), "that was only said");
    let swept = sweep(&[]);
    assert!(swept.contains("removed package acme/shop 1.4.1") && !swept.contains("1.4.0"), "{swept}");
    assert!(!sweep(&[]).contains("packages of"), "nothing is left to go");
    // What a release was taken from is whole, with what is attached to it; the other is asked for again.
    drop(registry);
    let whole = good(there.relrun(&["apply", "acme/shop@1.4.0", "-e", "staging", "-i", "who=Ada"]));
    assert!(whole.contains("done"), "{whole}");
    assert_eq!(there.read(".relrun/packages/acme/shop/index.json").matches("application/vnd.oci.image.manifest").count(), 3);
    assert_ne!(there.relrun(&["apply", "acme/shop@1.4.1", "-e", "staging"]).code, 0);
}

fn key(project: &Sandbox, name: &str, kind: &[&str]) -> std::path::PathBuf {
    let file = project.path(name);
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-C", "", "-f"]).arg(&file).args(kind).status();
    assert!(made.expect("ssh-keygen is there: cargo xtask setup installs it").success());
    file
}

fn signers(project: &Sandbox, lines: &[(&str, &std::path::Path)]) {
    let line = |(principal, key): &(&str, &std::path::Path)| {
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        format!("{principal} namespaces=\"relrun-provenance\" {public}")
    };
    project.write("ops/signers", &lines.iter().map(line).collect::<String>());
}

/// Adds a policy to a project's relrun.kdl.
fn policy(project: &Sandbox, line: &str) {
    let text = project.read("relrun.kdl");
    project.write("relrun.kdl", &format!("{text}policy {{ {line} }}\n"));
}

#[test]
fn what_policy_wants_signed_comes_in_signed_or_not_at_all() {
    let registry = Registry::start();
    let here = registry.sources("one");
    let ana = key(&here, "ana", &["-t", "ed25519"]);
    let ben = key(&here, "ben", &["-t", "ecdsa", "-b", "384"]);
    let rsa = key(&here, "rsa", &["-t", "rsa"]);
    good(here.relrun(&["apply", "-e", "staging"]));
    refused(&here.relrun(&["push", "--sign", "no-such-file"]), &["the signing key no-such-file cannot be read"]);
    refused(&here.relrun(&["push", "--sign", rsa.to_str().unwrap()]), &["does not sign"]);
    let unsigned = digest(&good(here.relrun(&["push"])));

    let there = registry.project();
    policy(&there, r#"packages "acme/*" signers="ops/signers""#);
    let asks = |words: &[&str], texts: &[&str]| refused(&there.relrun(words), texts);
    let ways: [&[&str]; 3] =
        [&["pull", "acme/shop@1.4.0"], &["apply", "acme/shop@latest", "-e", "staging"], &["plan", "acme/shop@1.4.0", "-e", "staging"]];
    for words in ways {
        asks(words, &["may not come in", "it is not signed", "relrun push --sign"]);
    }
    assert!(!there.path(".relrun/packages/acme/shop/index.json").exists(), "nothing of it was kept");

    // Signed by somebody whom the file does not name, or for something else, it does not come in either.
    good(here.relrun(&["push", "--sign", ben.to_str().unwrap()]));
    asks(&["pull", "acme/shop@1.4.0"], &["may not come in", "ops/signers cannot be read"]);
    signers(&there, &[("ana@example.com", &ana)]);
    asks(&["pull", "acme/shop@1.4.0"], &["none of the keys of ops/signers signed it"]);
    signers(&there, &[("ben@example.com", &ben)]);
    let other = there.read("ops/signers").replace("relrun-provenance", "git");
    there.write("ops/signers", &other);
    asks(&["pull", "acme/shop@1.4.0"], &["other namespaces than `relrun-provenance`"]);

    // Signed by one whom it names, the very same package comes in.
    signers(&there, &[("ana@example.com", &ana)]);
    let mut signing = registry.sources("one");
    signing.set("RELRUN_SIGNING_KEY", ana.to_str().unwrap());
    good(signing.relrun(&["apply", "-e", "staging"]));
    assert_eq!(digest(&good(signing.relrun(&["push"]))), unsigned, "a signature is about a package, and no part of it");
    good(there.relrun(&["apply", "acme/shop@1.4.0", "-e", "staging"]));
    assert_eq!(there.read("hosts/staging/srv/shop/current/index.html"), "one");
    let attached = registry.inspect(&unsigned.replace(':', "-"));
    assert!(attached.contains("application/vnd.dsse.envelope.v1+json"), "{attached}");

    // What was pulled is looked at again: a signer who was taken out counts no more, and of several lines each must be met.
    signers(&there, &[("ben@example.com", &ben)]);
    good(there.relrun(&["pull", "acme/shop@1.4.0"]));
    policy_of(&there, r#"packages "acme/*" signers="ops/signers" { principal "ana@example.com" }"#);
    asks(&["pull", "acme/shop@1.4.0"], &["policy none of them"]);
    policy_of(&there, r#"packages "other/*" signers="no-such-file""#);
    good(there.relrun(&["pull", "acme/shop@1.4.0"]));
}

/// Puts another policy in the place of a project's.
fn policy_of(project: &Sandbox, line: &str) {
    let text = project.read("relrun.kdl");
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("policy")).collect();
    project.write("relrun.kdl", &(kept.join("\n") + "\n"));
    policy(project, line);
}

#[test]
fn a_signature_for_one_version_lets_no_other_in() {
    let registry = Registry::start();
    let here = registry.sources("one");
    let ana = key(&here, "ana", &["-t", "ed25519"]);
    good(here.relrun(&["apply", "-e", "staging"]));
    good(here.relrun(&["package", "--out", "signed", "--sign", ana.to_str().unwrap()]));
    here.write("src/index.html", "two");
    good(here.relrun(&["apply", "-e", "staging"]));
    good(here.relrun(&["package", "--out", "unsigned"]));
    // Whoever may write into a registry attaches the envelope of the one package to the other.
    let (signed, unsigned) = (here.path("signed"), here.path("unsigned"));
    let index: serde_json::Value = serde_json::from_str(&fs::read_to_string(signed.join("index.json")).unwrap()).unwrap();
    let blob = |layout: &std::path::Path, digest: &str| layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let documents = index["manifests"].as_array().unwrap().iter();
    let of = |layout: &std::path::Path, digest: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(blob(layout, digest)).unwrap()).unwrap()
    };
    let mut about = documents
        .map(|entry| of(&signed, entry["digest"].as_str().unwrap()))
        .find(|manifest| manifest["artifactType"] == "application/vnd.dsse.envelope.v1+json")
        .unwrap();
    let mut other: serde_json::Value = serde_json::from_str(&fs::read_to_string(unsigned.join("index.json")).unwrap()).unwrap();
    let package =
        other["manifests"].as_array().unwrap().iter().find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == "1.4.1");
    about["subject"]["digest"] = package.unwrap()["digest"].clone();
    about["subject"]["size"] = package.unwrap()["size"].clone();
    for part in [&about["config"], &about["layers"][0]] {
        let digest = part["digest"].as_str().unwrap();
        fs::copy(blob(&signed, digest), blob(&unsigned, digest)).unwrap();
    }
    let text = about.to_string();
    let digest = sha256(text.as_bytes());
    fs::write(blob(&unsigned, &digest), &text).unwrap();
    let entry = serde_json::json!({ "mediaType": about["mediaType"], "digest": format!("sha256:{digest}"), "size": text.len() });
    other["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(unsigned.join("index.json"), other.to_string()).unwrap();

    let there = registry.project();
    signers(&there, &[("ana@example.com", &ana)]);
    policy(&there, r#"packages "*" signers="ops/signers""#);
    let place = format!("oci-layout:{}:1.4.1", unsigned.display());
    refused(&there.relrun(&["pull", &place]), &["may not come in", "it is about something else than acme/shop@1.4.1 with this digest"]);
    good(there.relrun(&["pull", &format!("oci-layout:{}:1.4.0", signed.display())]));
}

#[test]
fn far_registries_are_reached_by_the_proxies_of_everything_else() {
    let registry = Registry::start();
    let mut project = registry.sources("hello");
    good(project.relrun(&["apply", "--yes"]));
    good(project.relrun(&["push"]));
    for (variable, proxy) in [("HTTPS_PROXY", "socks5://127.0.0.1:9"), ("all_proxy", "ftp://127.0.0.1:9")] {
        project.set(variable, proxy);
        good(project.relrun(&["pull", "acme/shop@latest"]));
        let far = ["pull", "acme/shop@latest", "--from", "oci://registry.invalid/team"];
        let says = |ran: &Ran| ran.output.contains("cannot be used");
        let ran = project.relrun(&far);
        assert!(ran.code != 0 && says(&ran), "{variable}: {}", ran.output);
        project.set("no_proxy", "registry.invalid");
        if variable == "all_proxy" {
            // It is looked up then, a few times, and is not there.
            let ran = project.relrun(&far);
            assert!(ran.code != 0 && !says(&ran), "{variable}: {}", ran.output);
        }
        project.unset("no_proxy");
        project.unset(variable);
    }
}

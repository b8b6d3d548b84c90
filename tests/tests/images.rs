//! Container images, pushed by a release into a real registry: read by another program, never replaced, taken back, and through a bad connection.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::registry::{RegistryServer, RegistrySetup};
use relrun_tests::{Ran, Sandbox};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

const PASSWORD: &str = "a-secret-word";

fn guarded() -> RegistryServer {
    RegistryServer::start(RegistrySetup { user: Some(("ada", PASSWORD)), tls: true })
}

/// Makes a project of the example, for this registry, and lets it know the registry's password and authority.
fn project(server: &RegistryServer) -> Sandbox {
    let mut sandbox = Sandbox::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/image"));
    let manifest = sandbox.read("release.kdl").replace("localhost:5000", &server.host());
    sandbox.write("release.kdl", &manifest);
    let ca = server.ca_file();
    if ca.exists() {
        sandbox.write("relrun.kdl", &format!("registry \"oci://{}\" ca=\"{}\"\n", server.host(), ca.display()));
    }
    let config = server.docker_config();
    sandbox.set("DOCKER_CONFIG", config.parent().unwrap().to_str().unwrap());
    sandbox
}

/// Makes one that writes another page.
fn says(sandbox: &Sandbox, page: &str) {
    sandbox.write("site/index.html", page);
}

fn good(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(!ran.output.contains(PASSWORD), "the password is shown:\n{}", ran.output);
    ran.output
}

fn skopeo(server: &RegistryServer, words: &[&str]) -> String {
    let certificates = server.ca_file().parent().unwrap().display().to_string();
    let (first, rest) = words.split_first().unwrap();
    let tls = if server.ca_file().exists() { vec!["--cert-dir", &certificates] } else { vec!["--tls-verify=false"] };
    server.skopeo(&[&[*first], tls.as_slice(), rest].concat())
}

fn inspect(server: &RegistryServer, name: &str) -> Value {
    serde_json::from_str(&skopeo(server, &["inspect", "--raw", &format!("docker://{}/acme/hello{name}", server.host())])).unwrap()
}

fn tags(server: &RegistryServer) -> Vec<String> {
    let listed = skopeo(server, &["list-tags", &format!("docker://{}/acme/hello", server.host())]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["Tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

/// Returns the outputs of the step that pushes, of a release.
fn outputs(sandbox: &Sandbox, release: &str) -> Value {
    let shown: Value = serde_json::from_str(&good(sandbox.relrun(&["--format", "json", "releases", "show", release]))).unwrap();
    let step = shown["steps"].as_array().unwrap().iter().find(|step| step["step"] == "image").unwrap().clone();
    step["outcome"]["outputs"].clone()
}

#[test]
fn an_image_is_made_of_trees_and_read_by_another_program() {
    let server = guarded();
    let here = project(&server);
    let planned = good(here.relrun(&["plan", "--build"]));
    assert!(planned.contains("would make the tag candidate") && planned.contains("would push sha256:"), "{planned}");
    good(here.relrun(&["apply"]));
    let made = outputs(&here, "r1");
    let digest = made["digest"].as_str().unwrap();
    assert_eq!(made["reference"], format!("{}/acme/hello@{digest}", server.host()));
    assert_eq!(made["tags"], serde_json::json!(["1.0.0", "candidate"]));

    let index = inspect(&server, ":1.0.0");
    assert_eq!(index, inspect(&server, &format!("@{digest}")));
    let platforms: Vec<&str> =
        index["manifests"].as_array().unwrap().iter().map(|part| part["platform"]["architecture"].as_str().unwrap()).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    let reference = format!("docker://{}/acme/hello:1.0.0", server.host());
    let config: Value = serde_json::from_str(&skopeo(&server, &["inspect", "--config", "--override-arch", "arm64", &reference])).unwrap();
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/httpd", "-d", "/srv/www"]));
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.title"], "hello");
    assert_eq!((&config["architecture"], &config["config"]["ExposedPorts"]["8080/tcp"]), (&"arm64".into(), &serde_json::json!({})));

    // Another program takes it whole.
    let copy = here.path("copy");
    let to = format!("oci:{}:hello", copy.display());
    let certificates = server.ca_file().parent().unwrap().display().to_string();
    server.skopeo(&["copy", "--all", "--src-cert-dir", &certificates, &reference, &to]);
    let copied = fs::read_to_string(copy.join("index.json")).unwrap();
    assert!(copied.contains(digest), "{copied}");

    // Made again elsewhere, of the same, it is the same, and a success; nothing of the password is anywhere.
    let twin = project(&server);
    good(twin.relrun(&["apply"]));
    assert_eq!(outputs(&twin, "r1")["digest"], digest);
    assert!(good(twin.relrun(&["logs"])).contains("0 sent"), "{}", good(twin.relrun(&["logs"])));
    assert_eq!(here.relrun(&["--format", "json", "logs", "--events"]).output.matches(PASSWORD).count(), 0);
    good(here.relrun(&["status", "--verify"]));
}

#[test]
fn a_version_is_never_replaced_and_a_tag_that_moves_goes_with_the_last() {
    let server = guarded();
    let here = project(&server);
    good(here.relrun(&["apply"]));
    let first = outputs(&here, "r1")["digest"].clone();

    // Another ledger makes another image of the same version: it is refused, and nothing moved.
    let other = project(&server);
    says(&other, "<h1>Another</h1>");
    let ran = other.relrun(&["apply"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("never changes") && ran.output.contains(first.as_str().unwrap()), "{}", ran.output);
    assert_eq!(format!("sha256:{}", sha256(&inspect_raw(&server, ":candidate"))), first);

    // The next version goes, and the tag that moves goes with it.
    says(&here, "<h1>Next</h1>");
    good(here.relrun(&["apply"]));
    let second = outputs(&here, "r2")["digest"].clone();
    assert_ne!(first, second);
    assert_eq!(format!("sha256:{}", sha256(&inspect_raw(&server, ":candidate"))), second);
    assert_eq!(format!("sha256:{}", sha256(&inspect_raw(&server, ":1.0.0"))), first);
    assert_eq!(tags(&server), ["1.0.0", "1.0.1", "candidate"]);
}

fn inspect_raw(server: &RegistryServer, name: &str) -> String {
    skopeo(server, &["inspect", "--raw", &format!("docker://{}/acme/hello{name}", server.host())])
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const DEPLOYED: &str = r#"
package "acme/hello" version="1.0.@"
environment "live" { host "web1" "file:hosts/live" }
step "page" plugin="build" {
    reads "site/**"
    writes "www"
    grant { run "cp" "-r" "site" "www" }
    config { command "cp" "-r" "site" "www" }
}
phase "publish" environments="live" {
    step "image" plugin="registry-push" {
        grant { registry "HOST/acme/hello" }
        config { repository "HOST/acme/hello"; moving "live"; layer "${step.page.www}" "/srv" }
    }
    step "check" plugin="deploy" {
        needs "image"
        grant { run "test" "-e" "*" confine="none"; run "true" confine="none" }
        config { up "test" "-e" "[ROOT]/healthy"; down "true"; confine "none" }
    }
}
"#;

#[test]
fn what_fails_behind_it_takes_the_tag_back() {
    let server = guarded();
    let here = project(&server);
    here.write("release.kdl", &DEPLOYED.replace("HOST", &server.host()));
    here.write("healthy", "");
    good(here.relrun(&["apply"]));
    let before = inspect_raw(&server, ":live");
    fs::remove_file(here.path("healthy")).unwrap();
    says(&here, "<h1>Broken</h1>");
    let ran = here.relrun(&["apply"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("1 of 1 tags") && ran.output.contains("undone"), "{}", ran.output);
    assert_eq!(inspect_raw(&server, ":live"), before);
    // Somebody else moves it: that is drift, and destroying leaves it alone.
    let certificates = server.ca_file().parent().unwrap().display().to_string();
    let reference = |tag: &str| format!("docker://{}/acme/hello:{tag}", server.host());
    here.write("healthy", "");
    says(&here, "<h1>Good</h1>");
    good(here.relrun(&["apply"]));
    let held = inspect_raw(&server, ":live");
    let old = format!("docker://{}/acme/hello@sha256:{}", server.host(), sha256(&before));
    server.skopeo(&["copy", "--src-cert-dir", &certificates, "--dest-cert-dir", &certificates, &old, &reference("live")]);
    let ran = here.relrun(&["status", "--verify"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains(&sha256(&held)) && ran.output.contains(&sha256(&before)), "{}", ran.output);
    let gone = good(here.relrun(&["destroy", "-e", "live", "--yes"]));
    assert!(gone.contains("live was moved since"), "{gone}");
    assert_eq!(inspect_raw(&server, ":live"), before);
}

#[test]
fn a_layout_is_pushed_as_it_is() {
    let server = guarded();
    let here = project(&server);
    good(here.relrun(&["apply"]));
    let digest = outputs(&here, "r1")["digest"].clone();
    let certificates = server.ca_file().parent().unwrap().display().to_string();
    let from = format!("docker://{}/acme/hello:1.0.0", server.host());
    fs::create_dir(here.path("images")).unwrap();
    let to = format!("oci:{}:one", here.path("images/layout").display());
    server.skopeo(&["copy", "--all", "--src-cert-dir", &certificates, &from, &to]);
    let manifest = r#"
package "acme/hello" version="2.0.@"
step "layout" plugin="build" {
    reads "images/**"
    writes "image"
    grant { run "cp" "-r" "images/layout" "image" }
    config { command "cp" "-r" "images/layout" "image" }
}
step "image" plugin="registry-push" {
    grant { registry "HOST/acme/copied"; registry "HOST/acme/hello" }
    config { repository "HOST/acme/copied"; tag "${release.version}"; layout "${step.layout.image}"; mount-from "HOST/acme/hello" }
}
"#;
    here.write("release.kdl", &manifest.replace("HOST", &server.host()));
    let ran = good(here.relrun(&["apply"]));
    assert_eq!(outputs(&here, "r2")["digest"], digest, "{ran}");
    // The registry took the layers from its other repository.
    let logs = good(here.relrun(&["logs", "image"]));
    assert!(logs.contains("0 sent"), "{logs}");
}

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Fate {
    /// It is passed on.
    Pass,
    /// It is passed on, and breaks after so many bytes of the client's.
    Break(usize),
    /// It is answered with this.
    Say(&'static str),
}

/// Stands between relrun and a registry that speaks in plain text, and treats each connection as the next of these says, and the rest well.
fn bad_wire(server: SocketAddr, fates: &'static [Fate]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().take(1000).enumerate() {
            let (Ok(client), fate) = (stream, fates.get(at).copied().unwrap_or(Fate::Pass)) else { continue };
            std::thread::spawn(move || treat(client, server, fate));
        }
    });
    address
}

fn treat(mut client: TcpStream, server: SocketAddr, fate: Fate) {
    let limit = match fate {
        Fate::Pass => usize::MAX,
        Fate::Break(after) => after,
        Fate::Say(text) => {
            let _ = client.set_read_timeout(Some(Duration::from_millis(200)));
            let _ = client.read(&mut [0; 8192]);
            let _ = client.write_all(text.as_bytes());
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
    };
    let Ok(mut upstream) = TcpStream::connect(server) else { return };
    let (Ok(mut from), Ok(mut back)) = (client.try_clone(), upstream.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut client);
        let _ = client.shutdown(Shutdown::Both);
    });
    let mut left = limit;
    let mut piece = [0; 8192];
    while left > 0 {
        let most = left.min(piece.len());
        match from.read(&mut piece[..most]) {
            Ok(0) | Err(_) => break,
            Ok(count) if upstream.write_all(&piece[..count]).is_ok() => left -= count,
            Ok(_) => break,
        }
    }
    let _ = upstream.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[test]
fn a_registry_that_stumbles_gets_the_image_all_the_same() {
    static FATES: [Fate; 7] = [
        Fate::Say("HTTP/1.1 503 Later\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Fate::Say("HTTP/1.1 429 Slowly\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Fate::Say(""),
        Fate::Break(60_000),
        Fate::Break(100_000),
        Fate::Say("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Fate::Break(30_000),
    ];
    let server = RegistryServer::start(RegistrySetup::default());
    let wire = bad_wire(server.address(), &FATES);
    let here = project(&server);
    let manifest = here.read("release.kdl").replace(&server.host(), &wire.to_string());
    here.write("release.kdl", &manifest);
    // What cannot be pressed, so that it takes a while on the wire.
    let noise: Vec<u8> = (0..400_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    fs::write(here.path("site/noise"), &noise).unwrap();
    good(here.relrun(&["apply"]));
    let digest = outputs(&here, "r1")["digest"].clone();
    assert_eq!(format!("sha256:{}", sha256(&inspect_raw(&server, ":1.0.0"))), digest);
}

#[test]
fn a_registry_that_talks_nonsense_or_is_not_there_fails_the_step_and_says_why() {
    static NONSENSE: [Fate; 200] = [Fate::Say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"); 200];
    let server = RegistryServer::start(RegistrySetup::default());
    let here = project(&server);
    let manifest = here.read("release.kdl");
    let wire = bad_wire(server.address(), &NONSENSE);
    here.write("release.kdl", &manifest.replace(&server.host(), &wire.to_string()));
    let ran = here.relrun(&["apply"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("failed to"), "{}", ran.output);
    // Nobody who may not push gets in.
    let guarded = guarded();
    let mut stranger = project(&guarded);
    stranger.write("config.json", "{}");
    let folder = stranger.root().display().to_string();
    stranger.set("DOCKER_CONFIG", &folder);
    let ran = stranger.relrun(&["apply"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("does not let") && ran.output.contains("docker login"), "{}", ran.output);
}

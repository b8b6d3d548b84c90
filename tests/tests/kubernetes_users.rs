//! Who asks a cluster: every way in which a kubeconfig says so, and that none of it is ever written or reaches the guest.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::Sandbox;
use relrun_tests::kubernetes_stub::{Fault, Harm, KubernetesStub, TOKEN};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
input "who"
environment "live" { label "tier" "live" }
phase "roll-out" environments="*" {
    deploy "settings" plugin="k8s-rollout" {
        reads "k8s/**"
        grant { kubernetes context="stub" namespace="shop" }
        config { context "stub"; namespace "shop"; set "ConfigMap/settings:data.who" "${input.who}" }
    }
}
"#;

struct Shop {
    stub: KubernetesStub,
    project: Sandbox,
    number: std::cell::Cell<u32>,
}

impl Shop {
    fn open() -> Self {
        let (stub, mut project) = (KubernetesStub::start(), Sandbox::new());
        project.write("release.kdl", MANIFEST);
        project.write("k8s/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {who: nobody}\n");
        project.set("KUBECONFIG", project.path("kubeconfig").to_str().unwrap());
        Self { stub, project, number: std::cell::Cell::new(0) }
    }

    /// Releases as the user that these lines describe.
    fn as_user(&self, user: &str) -> relrun_tests::Ran {
        self.project.write("kubeconfig", &self.stub.kubeconfig_with(user));
        self.release()
    }

    fn release(&self) -> relrun_tests::Ran {
        self.number.set(self.number.get() + 1);
        self.project.relrun(&["apply", "--yes", "-i", &format!("who=W{}", self.number.get())])
    }

    fn is_let_in(&self, user: &str) {
        let ran = self.as_user(user);
        assert_eq!(ran.code, 0, "{user}: {}", ran.output);
        assert_eq!(self.stub.get("configmaps", "settings").unwrap()["data"]["who"], format!("W{}", self.number.get()));
    }

    fn is_refused(&self, user: &str, part: &str) {
        let ran = self.as_user(user);
        assert!(ran.code != 0 && ran.output.contains(part), "{user} should say {part:?}: {}", ran.output);
    }

    fn program(&self, script: &str) -> String {
        self.project.write("give", &format!("#!/bin/sh\n{script}\n"));
        let path = self.project.path("give");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        format!("exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: {}\n  interactiveMode: Never", path.display())
    }
}

#[test]
fn tokens_files_certificates_and_programs_are_let_in() {
    let shop = Shop::open();
    shop.is_let_in(&format!("token: {TOKEN}"));
    shop.project.write("token", &format!("{TOKEN}\n"));
    shop.is_let_in("tokenFile: token");
    let (certificate, key) = (shop.stub.path("client.crt"), shop.stub.path("client.key"));
    shop.is_let_in(&format!("client-certificate: {}\nclient-key: {}", certificate.display(), key.display()));
    let answer = format!(r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"{TOKEN}"}}}}"#);
    shop.is_let_in(&shop.program(&format!("case \"$KUBERNETES_EXEC_INFO\" in *ExecCredential*) echo '{answer}';; esac")));
}

#[test]
fn a_program_is_asked_again_when_its_token_is_no_longer_believed() {
    let shop = Shop::open();
    shop.project.write("now", TOKEN);
    let script =
        r#"n=$(cat now); echo called >> calls; printf '{"kind":"ExecCredential","status":{"token":"%s"}}' "$n"; echo second-token > now"#;
    shop.stub.believe("second-token");
    let user = shop.program(&format!("cd {}; {script}", shop.project.root().display()));
    shop.is_let_in(&user);
    assert_eq!(shop.project.read("calls").lines().count(), 2, "once, and once more after 401");
}

#[test]
fn what_cannot_work_says_why() {
    let shop = Shop::open();
    shop.is_refused("token: wrong", "does not believe the credentials");
    shop.is_refused("tokenFile: nowhere", "failed to read the token");
    shop.is_refused(&shop.program("echo not signed in >&2; exit 3"), "not signed in");
    shop.is_refused(&shop.program("echo nonsense"), "answered no ExecCredential");
    shop.is_refused(
        "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: /nonexistent/give\n  installHint: install it first",
        "install it first",
    );
    shop.is_refused("as: root", "acts as another one");
    shop.is_refused("auth-provider: {name: gcp}", "its successor is `exec`");
    shop.is_refused("client-certificate: x.crt", "failed to read the client's certificate");
    let mut elsewhere = Shop::open();
    elsewhere.project.write("kubeconfig", &elsewhere.stub.kubeconfig_with("token: x").replace("name: stub", "name: other"));
    let ran = elsewhere.release();
    assert!(ran.output.contains("has no context \"stub\"; there: other"), "{}", ran.output);
    elsewhere.project.write("kubeconfig", "clusters: [");
    assert!(elsewhere.release().output.contains("is no kubeconfig"));
    elsewhere.project.unset("KUBECONFIG");
    assert!(elsewhere.release().output.contains("there is no kubeconfig"));
    let insecure =
        elsewhere.stub.kubeconfig_with("token: x").replace("certificate-authority:", "insecure-skip-tls-verify: true\n    x-was:");
    elsewhere.project.write("insecure", &insecure);
    elsewhere.project.set("KUBECONFIG", elsewhere.project.path("insecure").to_str().unwrap());
    assert!(elsewhere.release().output.contains("insecure-skip-tls-verify"));
    let other_authority = KubernetesStub::start();
    let text = elsewhere
        .stub
        .kubeconfig_with("token: x")
        .replace(elsewhere.stub.path("ca.crt").to_str().unwrap(), other_authority.path("ca.crt").to_str().unwrap());
    elsewhere.project.write("insecure", &text);
    let ran = elsewhere.release();
    assert!(ran.output.contains("TLS with"), "{}", ran.output);
}

#[test]
fn the_first_of_several_files_that_says_something_counts() {
    let mut shop = Shop::open();
    shop.project
        .write("one", "contexts:\n- name: stub\n  context: {cluster: stub, user: ci}\nusers:\n- name: ci\n  user: {tokenFile: token}\n");
    shop.project.write("token", TOKEN);
    shop.project.write("two", &shop.stub.kubeconfig_with("token: wrong"));
    let list = ["one", "nowhere", "two"].map(|name| shop.project.path(name).display().to_string()).join(":");
    shop.project.set("KUBECONFIG", &list);
    let ran = shop.release();
    assert_eq!(ran.code, 0, "{}", ran.output);
}

fn holds(folder: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds(&path, needle, found);
        } else if fs::read(&path).unwrap_or_default().windows(needle.len()).any(|window| window == needle) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn no_credential_is_written_anywhere() {
    let mut shop = Shop::open();
    shop.is_let_in(&format!("token: {TOKEN}"));
    shop.project.set("RELRUN_LOG", "trace");
    let ran = shop.release();
    assert_eq!(ran.code, 0);
    assert!(ran.output.len() > 1_000, "it was to be loud");
    assert!(!ran.output.contains(TOKEN));
    shop.stub.believe("another");
    let ran = shop.release();
    assert!(ran.code != 0 && !ran.output.contains(TOKEN));
    shop.stub.believe(TOKEN);
    shop.stub.harm(Fault::once("GET /api/v1/namespaces/shop/configmaps/settings", Harm::Echo));
    let ran = shop.release();
    assert!(ran.code != 0 && ran.output.contains("a proxy does not let Bearer *** through"), "{}", ran.output);
    let mut found = Vec::new();
    holds(&shop.project.root(), TOKEN.as_bytes(), &mut found);
    assert_eq!(found, [shop.project.path("kubeconfig").display().to_string()]);
}

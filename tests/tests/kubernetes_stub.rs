//! The stub of the Kubernetes API, held to what `kubectl` makes of it: a stub that only we understand would prove nothing.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::kubernetes_stub::{Fault, Harm, KubernetesStub};
use std::process::{Command, Stdio};

const WEB: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
      - name: web
        image: shop:1
";

fn kubectl(stub: &KubernetesStub, words: &[&str], stdin: &str) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("in.yaml"), stdin).unwrap();
    let ran = Command::new("kubectl")
        .args(words)
        .env("KUBECONFIG", stub.kubeconfig())
        .env("HOME", home.path())
        .stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::from(std::fs::File::open(home.path().join("in.yaml")).unwrap()) })
        .output()
        .unwrap_or_else(|error| panic!("`kubectl` does not run ({error}): type `cargo xtask test`, which installs it"));
    let text = [ran.stdout, ran.stderr].concat();
    (ran.status.success(), String::from_utf8(text).unwrap())
}

fn applies(stub: &KubernetesStub, text: &str, more: &[&str]) -> (bool, String) {
    kubectl(stub, &[&["apply", "--server-side", "--validate=false", "-f", "-"], more].concat(), text)
}

#[test]
fn kubectl_applies_waits_and_reads() {
    let stub = KubernetesStub::start();
    let (good, said) = applies(&stub, WEB, &[]);
    assert!(good && said.contains("deployment.apps/web serverside-applied"), "{said}");
    let (good, said) = kubectl(&stub, &["rollout", "status", "deployment/web", "--timeout=20s"], "");
    assert!(good && said.contains("successfully rolled out"), "{said}");
    let (good, said) = kubectl(&stub, &["get", "pods", "-o", "jsonpath={.items[*].status.phase}"], "");
    assert!(good && said == "Running Running", "{said}");
    let (good, said) = kubectl(&stub, &["wait", "--for=condition=Available", "deployment/web", "--timeout=20s"], "");
    assert!(good, "{said}");
    let (good, said) = kubectl(&stub, &["delete", "deployment", "web", "--timeout=20s"], "");
    assert!(good && said.contains("deleted"), "{said}");
    stub.wait_for("its pods go too", |stub| stub.names("pods").is_empty() && stub.names("replicasets").is_empty());
}

#[test]
fn kubectl_understands_its_refusals() {
    let stub = KubernetesStub::start();
    applies(&stub, WEB, &[]);
    stub.edit("deployments", "web", "somebody", |object| object["spec"]["replicas"] = 5.into());
    let (good, said) = applies(&stub, WEB, &[]);
    assert!(!good && said.contains("conflict with \"somebody\"") && said.contains(".spec.replicas"), "{said}");
    let (good, said) = applies(&stub, WEB, &["--force-conflicts"]);
    assert!(good, "{said}");
    assert_eq!(stub.get("deployments", "web").unwrap()["spec"]["replicas"], 2);
    let (good, said) = applies(&stub, &WEB.replace("app: web } }\n  template", "app: other } }\n  template"), &[]);
    assert!(!good && said.contains("is invalid") && said.contains("field is immutable") | said.contains("does not match"), "{said}");
    stub.forbid("patch", "deployments");
    let (good, said) = applies(&stub, WEB, &[]);
    assert!(!good && said.contains("cannot patch resource \"deployments\""), "{said}");
}

#[test]
fn what_a_manager_no_longer_names_goes() {
    let stub = KubernetesStub::start();
    let map = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: settings }}\ndata: {{ {data} }}\n");
    applies(&stub, &map("a: '1', b: '2'"), &[]);
    stub.edit("configmaps", "settings", "somebody", |object| object["data"]["c"] = "3".into());
    let (good, said) = applies(&stub, &map("a: '1'"), &[]);
    assert!(good, "{said}");
    assert_eq!(stub.get("configmaps", "settings").unwrap()["data"], serde_json::json!({ "a": "1", "c": "3" }));
}

#[test]
fn kubectl_outlives_a_watch_that_breaks_off() {
    let stub = KubernetesStub::start();
    stub.slow_pods(40);
    applies(&stub, WEB, &[]);
    stub.harm(Fault::once("watch=true", Harm::Gone));
    let (good, said) = kubectl(&stub, &["rollout", "status", "deployment/web", "--timeout=20s"], "");
    assert!(good && said.contains("successfully rolled out"), "{said}");
}

#[test]
fn a_wrong_token_is_told() {
    let stub = KubernetesStub::start();
    stub.believe("another");
    let (good, said) = kubectl(&stub, &["get", "pods"], "");
    assert!(!good && said.to_lowercase().contains("logged in") || said.contains("Unauthorized"), "{said}");
}

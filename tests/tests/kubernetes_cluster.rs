//! One suite for any cluster: the stub, and where `RELRUN_TEST_KUBECONFIG` names a kubeconfig, the cluster of its current context too. What came of it is
//! asked of `kubectl` alone.
//!
//! On a real cluster it works in a namespace of its own, which goes with it. `RELRUN_TEST_IMAGES` names two images there that run on by themselves, with a
//! space between; without it, a real cluster is an error and not a pass.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::kubernetes_stub::KubernetesStub;
use relrun_tests::{Ran, Sandbox};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Cluster {
    kubeconfig: PathBuf,
    context: String,
    namespace: String,
    images: [String; 2],
    project: Sandbox,
    real: bool,
}

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
input "image"
input "who" default="World"
environment "live" { label "tier" "live" }
step "manifests" plugin="build" {
    reads "k8s/**"
    writes "k8s"
    grant { run "true" }
    config { command "true" }
}
phase "roll-out" environments="*" {
    deploy "web" plugin="k8s-rollout" {
        reads "${step.manifests.k8s}" as="work"
        grant { kubernetes context="CONTEXT" namespace="NAMESPACE" }
        config {
            context "CONTEXT"
            namespace "NAMESPACE"
            image "placeholder" "${input.image}"
            set "ConfigMap/settings:data.who" "${input.who}"
            timeout "2m"
        }
    }
}
"#;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: placeholder}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {who: nobody}
";

const OLD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {a: b}\n";

impl Cluster {
    fn new(kubeconfig: &Path, context: &str, namespace: &str, images: [String; 2], real: bool) -> Self {
        let mut project = Sandbox::new();
        project.set("KUBECONFIG", kubeconfig.to_str().unwrap());
        project.write("release.kdl", &MANIFEST.replace("CONTEXT", context).replace("NAMESPACE", namespace));
        project.write("k8s/web.yaml", WEB);
        project.write("k8s/old.yaml", OLD);
        Self { kubeconfig: kubeconfig.to_owned(), context: context.to_owned(), namespace: namespace.to_owned(), images, project, real }
    }

    fn kubectl(&self, words: &[&str]) -> (bool, String) {
        let ran = Command::new("kubectl")
            .args(["--context", &self.context, "-n", &self.namespace])
            .args(words)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .unwrap_or_else(|error| panic!("`kubectl` does not run ({error}): type `cargo xtask test`, which installs it"));
        (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
    }

    fn asked(&self, words: &[&str]) -> String {
        let (good, said) = self.kubectl(words);
        assert!(good, "kubectl {words:?}: {said}");
        said
    }

    fn relrun(&self, words: &[&str]) -> Ran {
        self.project.relrun(words)
    }

    fn good(&self, words: &[&str]) -> String {
        let ran = self.relrun(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.output);
        ran.output
    }

    /// Checks what runs, and that it is available.
    fn runs(&self, image: &str, who: &str) {
        let text = "{.spec.template.spec.containers[0].image} {.status.availableReplicas} {.status.updatedReplicas} {.status.replicas}";
        assert_eq!(self.asked(&["get", "deployment", "web", "-o", &format!("jsonpath={text}")]), format!("{image} 2 2 2"));
        assert_eq!(self.asked(&["get", "configmap", "settings", "-o", "jsonpath={.data.who}"]), who);
    }

    fn suite(&self) {
        let [one, two] = &self.images;
        let set = |image: &str, who: &str| [format!("image={image}"), format!("who={who}")];
        let apply = |image: &str, who: &str| {
            let [image, who] = set(image, who);
            self.relrun(&["apply", "--yes", "-i", &image, "-i", &who])
        };
        let plan = self.good(&["plan", "--build", "-i", &format!("image={one}")]);
        assert!(plan.contains("would make Deployment/web"), "{plan}");
        assert!(!self.kubectl(&["get", "deployment", "web"]).0, "a plan makes nothing");
        let ran = apply(one, "World");
        assert_eq!(ran.code, 0, "{}", ran.output);
        self.runs(one, "World");
        assert!(apply(one, "World").output.contains("nothing to do"));

        std::fs::remove_file(self.project.path("k8s/old.yaml")).unwrap();
        assert_eq!(apply(two, "Moon").code, 0);
        self.runs(two, "Moon");
        assert!(!self.kubectl(&["get", "configmap", "old"]).0, "what the manifests name no longer goes");

        let ran = apply("no-such-registry.invalid/missing:1", "Mars");
        assert_eq!(ran.code, 1, "{}", ran.output);
        assert!(ran.output.contains("ErrImagePull") || ran.output.contains("ImagePullBackOff"), "{}", ran.output);
        self.runs(two, "Moon");

        self.asked(&["patch", "configmap", "settings", "--type=merge", "--field-manager=by-hand", "-p", r#"{"data":{"who":"Venus"}}"#]);
        let said = self.relrun(&["status", "--verify"]).output;
        assert!(said.contains("ConfigMap/settings was changed") && said.contains("by-hand"), "{said}");
        let ran = apply(two, "Pluto");
        assert!(ran.code != 0 && ran.output.contains(".data.who") && ran.output.contains("by-hand"), "{}", ran.output);

        self.asked(&["delete", "configmap", "settings"]);
        self.good(&["rollback", "-e", "live", "--yes", "--to", "r1"]);
        self.runs(one, "World");
        assert_eq!(self.asked(&["get", "configmap", "old", "-o", "jsonpath={.data.a}"]), "b");
        self.good(&["destroy", "-e", "live", "--yes"]);
        assert!(!self.kubectl(&["get", "deployment", "web"]).0);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.real {
            let _ = self.kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]);
        }
    }
}

#[test]
fn the_stub() {
    let stub = KubernetesStub::start();
    Cluster::new(&stub.kubeconfig(), "stub", "shop", ["shop:1".to_owned(), "shop:2".to_owned()], false).suite();
}

#[test]
fn the_cluster_that_the_environment_names() {
    let Some(kubeconfig) = std::env::var_os("RELRUN_TEST_KUBECONFIG").map(PathBuf::from) else { return };
    let images = std::env::var("RELRUN_TEST_IMAGES").unwrap_or_default();
    let images: Vec<String> = images.split_whitespace().map(ToOwned::to_owned).collect();
    let images = images.try_into().unwrap_or_else(|_| panic!("RELRUN_TEST_IMAGES names two images that run on by themselves"));
    let context = Command::new("kubectl").args(["config", "current-context"]).env("KUBECONFIG", &kubeconfig).output().unwrap();
    let context = String::from_utf8(context.stdout).unwrap().trim().to_owned();
    let cluster = Cluster::new(&kubeconfig, &context, &format!("relrun-test-{}", std::process::id()), images, true);
    cluster.asked(&["create", "namespace", &cluster.namespace]);
    cluster.suite();
}

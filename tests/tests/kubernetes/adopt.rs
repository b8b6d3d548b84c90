//! `relrun adopt`: what `kubectl` made becomes the first release, and a rollback goes back to it.

use super::{MANIFEST, Shop, WEB};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

/// The image and the manifests come from steps, as they do where a rollback is to bring back both. What is not read must not run: it fails.
const STEPS: &str = r#"
step "site" plugin="build" {
    writes "dist"
    grant { run "false" }
    config { command "false" }
}
step "image" plugin="registry-push" {
    grant { registry "registry.example.com/acme/shop" }
    config { repository "registry.example.com/acme/shop"; layer "${step.site.dist}" "/srv" }
}
step "manifests" plugin="build" {
    reads "k8s/**"
    writes "k8s"
    grant { run "true" }
    config { command "true" }
}
phase"#;

impl Shop {
    /// Makes what somebody made with `kubectl` before there was relrun.
    fn stands(&self, text: &str) {
        let mut kubectl = Command::new("kubectl")
            .args(["create", "--validate=false", "-f", "-"])
            .env("KUBECONFIG", self.stub.kubeconfig())
            .env("HOME", self.project.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("`kubectl` does not run ({error}): type `cargo xtask test`, which installs it"));
        kubectl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(kubectl.wait().unwrap().success());
        self.stub.wait_for("it comes up", |_| self.is_available());
    }
}

fn with_steps() -> String {
    MANIFEST
        .replace("input \"image\" default=\"shop:1\"\n", "")
        .replacen("phase", STEPS.trim_start(), 1)
        .replace("reads \"k8s/**\"\n        grant { kubernetes", "reads \"${step.manifests.k8s}\" as=\"work\"\n        grant { kubernetes")
        .replace("${input.image}", "${step.image.reference}")
}

#[test]
fn what_kubectl_made_is_adopted_and_a_rollback_goes_back_to_it() {
    let shop = Shop::open();
    shop.stands(&WEB.replace("shop:0", "shop:from-kubectl").replace("nobody", "World"));
    shop.project.write("release.kdl", &with_steps());
    let before = shop.web();
    let said = shop.good("adopt -e live");
    assert!(said.contains("belong to kubectl-create too"), "{said}");
    let adopted = shop.web();
    assert_eq!((&adopted["spec"], &adopted["metadata"]["generation"]), (&before["spec"], &before["metadata"]["generation"]));
    assert!(adopted["metadata"]["annotations"]["relrun/mark"].as_str().unwrap().contains("\"r1\""), "{adopted}");
    shop.good("status --verify");
    let again = shop.fails("adopt -e live", &["r1 stands in live already"]);
    assert!(again.contains("relrun apply"), "{again}");

    // The next release has other manifests, and takes the fields that are kubectl's too.
    let next = MANIFEST.replace("timeout \"15s\"", "timeout \"15s\"; conflicts \"take\"");
    shop.project.write("release.kdl", &next);
    shop.project.write("k8s/web.yaml", &WEB.replace("replicas: 2", "replicas: 2\n  minReadySeconds: 1"));
    shop.good("apply --yes -i image=shop:2 -i who=Moon");
    assert_eq!((shop.image(), shop.who()), (json!("shop:2"), json!("Moon")));
    shop.good("rollback -e live --yes");
    assert_eq!((shop.image(), shop.who(), shop.is_available()), (json!("shop:from-kubectl"), json!("World"), true));
    assert!(shop.web()["spec"]["minReadySeconds"].is_null(), "the manifests are those of then");
    shop.good("destroy -e live --yes");
    assert!(shop.stub.names("deployments").is_empty());
}

#[test]
fn what_is_not_what_the_manifests_make_is_not_adopted() {
    let shop = Shop::open();
    shop.fails("adopt -e live", &["ConfigMap/settings is not there: nothing to take over", "nothing was changed"]);
    shop.stands(&WEB.replace("shop:0", "shop:1"));
    let said = shop
        .fails("adopt -e live", &["what stands is not what the manifests make", "ConfigMap/settings", "-  who: nobody", "+  who: World"]);
    assert!(!said.contains("Deployment/web\n"), "{said}");
    assert!(shop.web()["metadata"]["annotations"]["relrun/mark"].is_null(), "nothing was changed");
    shop.good("adopt -e live -i who=nobody");
    shop.fails("apply --yes -i image=shop:2 -i who=nobody", &["belongs to \"kubectl-create\"", "conflicts \"take\""]);
    assert_eq!(shop.image(), "shop:1");
    shop.good("undo r1 -e live --yes");
    let web = shop.web();
    assert!(web["metadata"]["annotations"]["relrun/mark"].is_null() && web["metadata"]["labels"]["relrun/inventory"].is_null(), "{web}");
    assert_eq!((shop.image(), shop.who()), (json!("shop:1"), json!("nobody")));
}

//! Rollouts into a cluster: applied, waited for, undone, rolled back, pruned, verified; with a server that breaks off, answers late, and answers
//! nonsense; and with relrun killed in the middle.
//!
//! The cluster is the stub of `tests/src/kubernetes_stub`; `kubernetes_cluster.rs` does the same against a real one.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod adopt;
mod back;
mod others;

use nix::sys::signal::Signal;
use relrun_tests::kubernetes_stub::{Fault, Harm, KubernetesStub, TOKEN};
use relrun_tests::{Ran, Sandbox};
use serde_json::{Value, json};
use std::time::Duration;

const MANIFEST: &str = r#"
package "acme/shop" version="1.4.@"
input "image" default="shop:1"
input "who" default="World"
environment "live" { label "tier" "live" }
phase "roll-out" environments="*" {
    deploy "web" plugin="k8s-rollout" {
        reads "k8s/**"
        grant { kubernetes context="stub" namespace="shop" }
        config {
            context "stub"
            namespace "shop"
            image "shop" "${input.image}"
            set "ConfigMap/settings:data.who" "${input.who}"
            timeout "15s"
        }
    }
}
"#;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: shop:0
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {who: nobody}
";

struct Shop {
    stub: KubernetesStub,
    project: Sandbox,
}

impl Shop {
    fn open() -> Self {
        let (stub, mut project) = (KubernetesStub::start(), Sandbox::new());
        project.set("KUBECONFIG", stub.kubeconfig().to_str().unwrap());
        project.write("release.kdl", MANIFEST);
        project.write("k8s/web.yaml", WEB);
        Self { stub, project }
    }

    fn run(&self, words: &str) -> Ran {
        self.project.relrun(&words.split(' ').collect::<Vec<_>>())
    }

    fn good(&self, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words}: {}", ran.output);
        ran.output
    }

    fn fails(&self, words: &str, parts: &[&str]) -> String {
        let ran = self.run(words);
        assert_ne!(ran.code, 0, "{words}: {}", ran.output);
        for part in parts {
            assert!(ran.output.contains(part), "{words} should say {part:?}:\n{}", ran.output);
        }
        ran.output
    }

    fn web(&self) -> Value {
        self.stub.get("deployments", "web").unwrap()
    }

    fn image(&self) -> Value {
        self.web()["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    }

    fn who(&self) -> Value {
        self.stub.get("configmaps", "settings").unwrap()["data"]["who"].clone()
    }

    fn is_available(&self) -> bool {
        let status = &self.web()["status"];
        status["availableReplicas"] == 2 && status["replicas"] == 2
    }
}

#[test]
fn a_release_goes_out_and_comes_up() {
    let shop = Shop::open();
    let said = shop.good("apply --yes");
    assert_eq!((shop.image(), shop.who()), (json!("shop:1"), json!("World")));
    assert!(shop.is_available(), "{said}");
    assert!(said.contains("Scaled up replica set"), "events are lines of the log: {said}");
    let mark = shop.web()["metadata"]["annotations"]["relrun/mark"].as_str().unwrap().to_owned();
    let mark: Value = serde_json::from_str(&mark).unwrap();
    assert_eq!(mark["release"], "r1");
    assert!(mark["ledger"].is_string() && mark["fence"].is_number(), "{mark}");
    assert!(shop.good("apply --yes").contains("nothing to do"));
    shop.good("apply --yes -i image=shop:2 -i who=Moon");
    assert_eq!((shop.image(), shop.who()), (json!("shop:2"), json!("Moon")));
    shop.good("rollback -e live --yes");
    assert_eq!((shop.image(), shop.who(), shop.is_available()), (json!("shop:1"), json!("World"), true));
    let outputs = shop.good("releases show r1");
    assert!(!outputs.contains(TOKEN) && !said.contains(TOKEN));
}

#[test]
fn a_crash_loop_fails_at_once_and_goes_back() {
    let shop = Shop::open();
    shop.good("apply --yes");
    let began = std::time::Instant::now();
    let said =
        shop.fails("apply --yes -i image=shop-crash:2 -i who=Moon", &["CrashLoopBackOff", "exit code 1", "the database is not there"]);
    assert!(began.elapsed() < Duration::from_secs(12), "it does not wait for its deadline: {said}");
    assert_eq!((shop.image(), shop.who(), shop.is_available()), (json!("shop:1"), json!("World"), true), "{said}");
}

#[test]
fn images_that_are_not_there_quotas_and_deadlines_fail() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.fails("apply --yes -i image=shop-missing:2", &["ErrImagePull", "shop-missing:2"]);
    assert_eq!(shop.image(), "shop:1");
    shop.stub.quota("pods", 2);
    shop.fails("apply --yes -i image=shop:3", &["exceeded quota"]);
    assert_eq!(shop.image(), "shop:1");
    shop.stub.quota("pods", 100);
    shop.project.write("release.kdl", &MANIFEST.replace("15s", "1s"));
    shop.fails("apply --yes -i image=shop-never:4", &["it did not come up in 1s", "of before are still there"]);
    assert_eq!(shop.image(), "shop:1");
}

#[test]
fn nothing_is_changed_unless_the_server_would_take_all_of_it() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.stub.requests();
    let said = shop.fails("apply --yes -i who=Moon -i image=denied.example/shop:1", &[]);
    assert!(said.contains("no container has") || said.contains("denied"), "{said}");
    shop.project.write("k8s/web.yaml", &WEB.replace("shop:0", "denied.example/shop:0"));
    shop.project.write("release.kdl", &MANIFEST.replace("image \"shop\"", "image \"denied.example/shop\""));
    shop.fails("apply --yes -i who=Moon -i image=denied.example/shop:2", &["admission webhook", "is not allowed"]);
    shop.project.write("release.kdl", MANIFEST);
    shop.project.write("k8s/web.yaml", &WEB.replace("replicas: 2", "replicas: -1"));
    shop.fails("apply --yes -i who=Mars", &["must be greater than or equal to 0"]);
    assert_eq!((shop.who(), shop.image()), (json!("World"), json!("shop:1")));
    let changed = shop.stub.requests().into_iter().filter(|line| line.starts_with("PATCH") && !line.contains("dryRun=All"));
    assert_eq!(changed.count(), 0, "only dry runs went out");
}

#[test]
fn fields_of_others_are_named_and_taken_only_where_the_config_says_so() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.stub.edit("deployments", "web", "kubectl-edit", |object| object["spec"]["replicas"] = json!(5));
    shop.fails("apply --yes -i who=Moon", &[".spec.replicas", "belongs to", "kubectl-edit", "conflicts \"take\""]);
    assert_eq!((shop.web()["spec"]["replicas"].clone(), shop.who()), (json!(5), json!("World")));
    shop.project.write("release.kdl", &MANIFEST.replace("timeout \"15s\"", "timeout \"15s\"; conflicts \"take\""));
    shop.good("apply --yes -i who=Moon");
    assert_eq!((shop.web()["spec"]["replicas"].clone(), shop.who()), (json!(2), json!("Moon")));
}

#[test]
fn what_the_manifests_name_no_longer_goes_and_comes_back() {
    let shop = Shop::open();
    shop.project.write("k8s/old.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {a: b}\n");
    shop.good("apply --yes");
    shop.stub.edit("configmaps", "settings", "somebody", |object| object["data"]["theirs"] = json!("kept"));
    std::fs::remove_file(shop.project.path("k8s/old.yaml")).unwrap();
    let plan = shop.good("plan -i who=Moon");
    assert!(plan.contains("would remove ConfigMap/old"), "{plan}");
    shop.good("apply --yes -i who=Moon");
    assert!(shop.stub.get("configmaps", "old").is_none());
    shop.good("undo r2 -e live --yes");
    assert_eq!(shop.stub.get("configmaps", "old").unwrap()["data"], json!({ "a": "b" }));
    assert_eq!(shop.stub.get("configmaps", "settings").unwrap()["data"], json!({ "who": "World", "theirs": "kept" }));
}

#[test]
fn a_plan_is_a_diff_that_the_server_made_and_changes_nothing() {
    let shop = Shop::open();
    let first = shop.good("plan");
    assert!(first.contains("would make Deployment/web") && first.contains("+kind: Deployment"), "{first}");
    assert!(shop.stub.names("deployments").is_empty());
    shop.good("apply --yes");
    let plan = shop.good("plan -i image=shop:2");
    assert!(
        plan.contains("would change Deployment/web") && plan.contains("-        - image: shop:1") | plan.contains("image: shop:2"),
        "{plan}"
    );
    assert!(!plan.contains("Service/web") && !plan.contains("relrun/mark"), "{plan}");
    assert_eq!(shop.image(), "shop:1");
}

#[test]
fn drift_is_seen_and_who_made_it() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.good("status --verify");
    shop.stub.edit("configmaps", "settings", "kubectl-edit", |object| object["data"]["who"] = json!("Mars"));
    let said = shop.run("status --verify").output;
    assert!(said.contains("ConfigMap/settings was changed") && said.contains("kubectl-edit"), "{said}");
    shop.stub.remove("services", "web");
    let said = shop.run("status --verify").output;
    assert!(said.contains("Service/web is gone"), "{said}");
}

#[test]
fn destroy_leaves_nothing() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.good("destroy -e live --yes");
    for resource in ["deployments", "services", "configmaps"] {
        assert!(shop.stub.names(resource).is_empty(), "{resource}");
    }
}

#[test]
fn a_strangers_object_is_refused_until_it_is_adopted() {
    let shop = Shop::open();
    shop.good("apply --yes");
    let stranger = Sandbox::new();
    let mut stranger = Shop { stub: KubernetesStub::start(), project: stranger };
    stranger.project.set("KUBECONFIG", shop.stub.kubeconfig().to_str().unwrap());
    stranger.project.write("release.kdl", MANIFEST);
    stranger.project.write("k8s/web.yaml", WEB);
    stranger.fails("apply --yes -i who=Thief", &["belongs to the ledger", "--adopt"]);
    assert_eq!(shop.who(), "World");
    stranger.good("apply --yes -i who=Thief --adopt --force");
    assert_eq!(shop.who(), "Thief");
}

#[test]
fn a_server_that_breaks_off_answers_late_and_answers_nonsense_is_outlived() {
    let harms = [
        Fault::once("GET /apis/apps/v1", Harm::Half),
        Fault::once("GET /api/v1", Harm::Nonsense),
        Fault::once("PATCH /apis", Harm::Drop),
        Fault::once("PATCH /api/v1/namespaces/shop/services/web?fieldManager", Harm::TooMany(1)),
        Fault::once("force=false&fieldValidation=Strict", Harm::DropAfter),
        Fault::once("watch=true", Harm::Half),
        Fault::once("watch=true", Harm::Gone),
        Fault::once("watch=true", Harm::TooMany(1)),
        Fault::once("watch=true", Harm::Nonsense),
        Fault::once("watch=true", Harm::Drop),
        Fault::once("GET /apis/apps/v1/namespaces/shop/deployments/web", Harm::Unavailable),
        Fault::once("/pods?labelSelector", Harm::Slow(Duration::from_millis(300))),
    ];
    let shop = Shop::open();
    shop.project.write("release.kdl", &MANIFEST.replace("15s", "50s"));
    shop.stub.slow_pods(700);
    for harm in harms {
        shop.stub.harm(harm);
    }
    let said = shop.good("apply --yes");
    assert!(shop.is_available(), "{said}");
    assert!(shop.stub.is_harmless(), "not all that was to go wrong did: {said}");
}

#[test]
fn a_server_that_falls_silent_is_outlived() {
    let shop = Shop::open();
    shop.project.write("release.kdl", &MANIFEST.replace("15s", "90s"));
    shop.stub.slow_pods(700);
    shop.stub.harm(Fault::once("GET /apis/apps/v1/namespaces/shop/deployments/web", Harm::Silent));
    shop.stub.harm(Fault::once("watch=true", Harm::Silent));
    let said = shop.good("apply --yes");
    assert!(shop.is_available() && said.contains("took too long"), "{said}");
    assert!(shop.stub.is_harmless(), "{said}");
}

#[test]
fn a_kill_anywhere_leaves_what_can_be_gone_on_with() {
    let shop = Shop::open();
    shop.good("apply --yes");
    let mut number = 1;
    for on in [
        "force=false&fieldValidation=Strict&dryRun",
        "configmaps/settings?fieldManager=relrun&force=false&fieldValidation=Strict HTTP",
        "watch=true",
        "replicasets?",
    ] {
        number += 1;
        shop.stub.slow_pods(60);
        let on = on.trim_end_matches(" HTTP");
        shop.stub.requests();
        let (image, who) = (format!("image=shop:{number}"), format!("who=W{number}"));
        let running = shop.project.start(&["apply", "--yes", "-i", &image, "-i", &who]);
        let started = std::time::Instant::now();
        while !shop.stub.requests().iter().any(|line| line.contains(on)) {
            assert!(started.elapsed() < Duration::from_secs(20), "nothing asks for {on}");
            std::thread::sleep(Duration::from_millis(2));
        }
        running.signal(Signal::SIGKILL);
        running.wait();
        shop.stub.slow_pods(2);
        // What was partly done is taken back, and then the release is one that failed.
        let mut ran = shop.project.relrun(&["continue"]);
        if ran.code != 0 {
            assert!(ran.output.contains("relrun retry r"), "{on}: {}", ran.output);
            ran = shop.project.relrun(&["retry", "--yes"]);
        }
        assert_eq!(ran.code, 0, "{on}: {}", ran.output);
        assert_eq!(
            (shop.image(), shop.who(), shop.is_available()),
            (json!(format!("shop:{number}")), json!(format!("W{number}")), true),
            "{on}: {}",
            ran.output
        );
    }
    shop.good("rollback -e live --yes");
    assert!(shop.is_available());
}

#[test]
fn what_the_grant_does_not_open_is_refused_before_anything_runs() {
    let shop = Shop::open();
    shop.project.write("release.kdl", &MANIFEST.replace("grant { kubernetes context=\"stub\" namespace=\"shop\" }", ""));
    let said = shop.fails("apply --yes", &["kubernetes context=\"stub\" namespace=\"shop\"", "grant"]);
    assert!(shop.stub.requests().is_empty(), "{said}");
    shop.project.write("release.kdl", MANIFEST);
    shop.project.write("k8s/role.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\n");
    shop.fails("apply --yes", &["ClusterRole/all belongs to no namespace"]);
    shop.project.write("k8s/role.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: other}\n");
    shop.fails("apply --yes", &["for the namespace \"other\""]);
    assert!(shop.stub.names("deployments").is_empty());
}

#[test]
fn rbac_and_quota_say_what_is_missing() {
    let shop = Shop::open();
    shop.stub.forbid("patch", "services");
    shop.fails("apply --yes", &["Service/web", "cannot patch resource", "services"]);
    assert!(shop.stub.names("configmaps").is_empty(), "it was tried before anything was changed");
    let shop = Shop::open();
    shop.stub.quota("configmaps", 0);
    shop.fails("apply --yes", &["ConfigMap/settings", "exceeded quota"]);
}

#[test]
fn stateful_sets_daemon_sets_jobs_and_other_kinds_are_waited_for() {
    let shop = Shop::open();
    let template = "template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: 'db:1'}]}}";
    let set = |kind: &str, name: &str| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{selector: {{matchLabels: {{app: db}}}}, {template}}}\n---\n"
        )
    };
    let job = format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate-1}}\nspec: {{{template}}}\n---\n");
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1}\n";
    shop.project.write("k8s/more.yaml", &[set("StatefulSet", "db"), set("DaemonSet", "agent"), job.clone(), widget.to_owned()].concat());
    let said = shop.good("apply --yes");
    for part in [
        "StatefulSet/db: 1 of 1 are ready",
        "DaemonSet/agent: 2 of 2 are available",
        "Job/migrate-1: it is complete",
        "Widget/w: Ready is true",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    shop.project.write("k8s/more.yaml", &job.replace("migrate-1", "migrate-2").replace("db:1", "db-fail:1"));
    shop.fails("apply --yes", &["Job/migrate-2", "BackoffLimitExceeded"]);
    assert_eq!(shop.stub.names("jobs"), ["migrate-1"]);
    shop.project.write("k8s/more.yaml", &job.replace("db:1", "db:2"));
    shop.fails("apply --yes", &["Job/migrate-1", "immutable", "under another name"]);
}

//! The ways back that are not smooth: sets that do not come up, conditions of before, secrets that nobody kept.

use super::{MANIFEST, Shop, WEB};
use relrun_tests::kubernetes_stub::{Fault, Harm};

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: password}\ndata: {a: aGVsbG8=}\n";

#[test]
fn a_stateful_set_that_crashes_goes_back() {
    let shop = Shop::open();
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  selector: {matchLabels: {app: db}}\n  template:\n    \
               metadata: {labels: {app: db}}\n    spec: {containers: [{name: db, image: 'db:1'}]}\n";
    shop.project.write("k8s/db.yaml", set);
    shop.good("apply --yes");
    shop.project.write("k8s/db.yaml", &set.replace("db:1", "db-crash:2"));
    let said = shop.fails("apply --yes", &["StatefulSet/db", "CrashLoopBackOff", "Pod/db-0 removed"]);
    let pod = shop.stub.get("pods", "db-0").unwrap();
    assert_eq!((&pod["spec"]["containers"][0]["image"], &pod["status"]["phase"]), (&"db:1".into(), &"Running".into()), "{said}");
    assert_eq!(shop.stub.get("statefulsets", "db").unwrap()["status"]["readyReplicas"], 1);
}

#[test]
fn what_the_failed_rollout_said_of_itself_is_not_taken_for_the_way_back() {
    let shop = Shop::open();
    shop.project.write("k8s/web.yaml", &WEB.replace("replicas: 2", "replicas: 2\n  progressDeadlineSeconds: 1"));
    shop.good("apply --yes");
    let said = shop.fails("apply --yes -i image=shop-never:2", &["ProgressDeadlineExceeded"]);
    assert!(!said.contains("does not come up again"), "{said}");
    assert_eq!((shop.image(), shop.is_available()), ("shop:1".into(), true), "{said}");
}

#[test]
fn a_secret_that_is_gone_keeps_nothing_else_from_going_back() {
    let shop = Shop::open();
    shop.project.write("k8s/password.yaml", SECRET);
    shop.good("apply --yes");
    std::fs::remove_file(shop.project.path("k8s/password.yaml")).unwrap();
    shop.good("apply --yes -i who=Moon -i image=shop:2");
    assert!(shop.stub.get("secrets", "password").is_none());
    shop.fails("undo r2 -e live --yes", &["Secret/password cannot be put back", "3 objects of shop are as before"]);
    assert_eq!((shop.who(), shop.image(), shop.is_available()), ("World".into(), "shop:1".into(), true));
}

#[test]
fn a_plan_shows_nothing_of_what_a_secret_holds() {
    let shop = Shop::open();
    shop.project.write("k8s/password.yaml", SECRET);
    shop.good("apply --yes");
    shop.stub.edit("secrets", "password", "kubectl", |object| {
        object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = r#"{"data":{"a":"aGVsbG8="}}"#.into();
    });
    shop.project.write("k8s/password.yaml", &SECRET.replace("aGVsbG8=", "bW9vbg=="));
    let plan = shop.good("plan");
    assert!(plan.contains("would change Secret/password") && plan.contains("(hidden, after)"), "{plan}");
    assert!(!plan.contains("aGVsbG8=") && !plan.contains("bW9vbg=="), "{plan}");
}

#[test]
fn an_attempt_that_is_made_again_remembers_what_stood_before_the_first() {
    let shop = Shop::open();
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n");
    shop.project.write("k8s/old.yaml", &map("old"));
    shop.good("apply --yes");
    std::fs::remove_file(shop.project.path("k8s/old.yaml")).unwrap();
    shop.project.write("k8s/new.yaml", &map("new"));
    let text = MANIFEST.replace("reads \"k8s/**\"", "reads \"k8s/**\"; retry attempts=2 backoff=\"10ms\"");
    shop.project.write("release.kdl", &text);
    // The maps are changed, and then the server takes no change of the deployment until the first attempt gives up. Its dry run goes through.
    let change = "deployments/web?fieldManager=relrun&force=false&fieldValidation=Strict";
    shop.stub.harm(Fault { spared: 1, ..Fault::times(change, Harm::TooMany(0), 6) });
    let said = shop.good("apply --yes -i who=Moon -i image=shop:2");
    assert!(shop.stub.is_harmless(), "{said}");
    assert_eq!(
        (shop.who(), shop.image(), shop.stub.names("configmaps")),
        ("Moon".into(), "shop:2".into(), vec!["new".into(), "settings".into()])
    );
    shop.good("undo r2 -e live --yes");
    assert_eq!(
        (shop.who(), shop.image(), shop.stub.names("configmaps")),
        ("World".into(), "shop:1".into(), vec!["old".into(), "settings".into()])
    );
}

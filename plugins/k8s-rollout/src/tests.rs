//! What can be said without a cluster; `tests/tests/kubernetes` says the rest, against an API server.

use crate::api::Target;
use crate::ready::{Readiness, of};
use crate::set::{Place, images};
use crate::wait::Stuck;
use crate::{Rollout, diff, fields, manifests};
use relrun_sdk::ErrorKind;
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::testing::Fake;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

fn config(more: &Value) -> Value {
    let mut config = json!({ "context": "prod", "namespace": "shop" });
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

fn read(more: &Value, files: &[(&str, &str)]) -> relrun_sdk::Result<Vec<Value>> {
    let folder = std::env::temp_dir().join(format!("k8s-rollout-{}-{:?}", std::process::id(), std::thread::current().id()));
    let _ = std::fs::remove_dir_all(&folder);
    for (name, text) in files {
        let path = folder.join("work").join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("can be made");
        std::fs::write(path, text).expect("can be written");
    }
    let config = relrun_sdk::serde_json::from_value(config(more)).expect("is a config");
    let objects = manifests::read(&config, Path::new(&folder));
    let _ = std::fs::remove_dir_all(&folder);
    objects
}

const TWO: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  template: {spec: {containers: [{name: web, image: 'registry:5000/shop:1', env: [{name: WHO, value: World}]}]}}
---
# nothing here
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {answer: '42', on: 'yes'}
";

#[test]
fn it_asks_for_its_namespace_alone() {
    let fake = Fake::new();
    let needs = fake.resolve::<Rollout>(&config(&json!({}))).expect("resolves");
    assert_eq!(needs.capabilities(), ["kubernetes context=\"prod\" namespace=\"shop\""]);
    assert!(needs.is_effect());
    for (more, part) in [
        (json!({ "namespace": "Shop" }), "no namespace's name"),
        (json!({ "context": " " }), "context is empty"),
        (json!({ "timeout": "soon" }), "write \"5m\""),
        (json!({ "set": { "web": "1" } }), "no `:` parts"),
        (json!({ "set": { "Deployment/web:spec.[x": "1" } }), "set "),
        (json!({ "manifest": ["../x"] }), "leads out of /in"),
    ] {
        let error = fake.resolve::<Rollout>(&config(&more)).expect_err("is wrong");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{more}");
        assert!(error.message().contains(part), "{more}: {error}");
    }
}

#[test]
fn documents_are_read_in_the_order_that_a_cluster_wants() {
    let objects = read(&json!({}), &[("k8s/all.yaml", TWO), ("k8s/notes.txt", "no manifest")]).expect("reads");
    let shown: Vec<String> = objects.iter().map(manifests::shown).collect();
    assert_eq!(shown, ["ConfigMap/settings", "Deployment/web"]);
    assert_eq!(objects[0]["data"], json!({ "answer": "42", "on": "yes" }));
    assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "shop"));
}

#[test]
fn a_mode_is_octal_as_it_is_to_kubectl() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: modes}\nspec: {a: 0400, b: 0644, c: 0o755, d: 400, e: '0400', f: 0, g: 0.5, h: 089}\n";
    let objects = read(&json!({}), &[("a.yaml", text)]).expect("reads");
    assert_eq!(objects[0]["spec"], json!({ "a": 256, "b": 420, "c": 493, "d": 400, "e": "0400", "f": 0, "g": 0.5, "h": 89.0 }));
    let set = json!({ "set": { "ConfigMap/modes:spec.a": "0644" } });
    assert_eq!(read(&set, &[("a.yaml", text)]).expect("reads")[0]["spec"]["a"], 420);
}

#[test]
fn a_list_is_what_it_holds_and_what_is_twice_is_refused() {
    let list = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}},{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}]}"#;
    assert_eq!(read(&json!({}), &[("a.json", list)]).expect("reads").len(), 2);
    let error = read(&json!({}), &[("a.json", list), ("b.json", list)]).expect_err("twice");
    assert!(error.message().contains("ConfigMap/a stands in the manifests twice"), "{error}");
}

#[test]
fn nonsense_is_named_by_its_file() {
    for (text, part) in [
        ("a: [", "a.yaml is no YAML"),
        ("just text", "a.yaml: a document has no `kind`"),
        ("kind: Pod\napiVersion: v1\n", "has no name"),
        ("kind: Pod\napiVersion: v1\nmetadata: {generateName: x-}\n", "has no name"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: x, labels: [a]}\n", "are no map"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: x, namespace: other}\n", "for the namespace \"other\""),
        ("", "no manifest is staged"),
        ("- 1\n- 2\n", "has no `kind`"),
    ] {
        let error = read(&json!({}), &[("a.yaml", text)]).expect_err(text);
        assert!(error.message().contains(part), "{text:?}: {error}");
    }
}

#[test]
fn values_and_images_are_set() {
    let more = json!({
        "set": { "Deployment/web:spec.replicas": "5", "Deployment/web:spec.template.spec.containers[web].env[WHO].value": "3" },
        "image": { "registry:5000/shop": "registry:5000/shop@sha256:00" },
    });
    let objects = read(&more, &[("a.yaml", TWO)]).expect("reads");
    let container = &objects[1]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(objects[1]["spec"]["replicas"], 5);
    assert_eq!((&container["image"], &container["env"][0]["value"]), (&json!("registry:5000/shop@sha256:00"), &json!("3")));
    for (more, part) in [
        (json!({ "set": { "Deployment/api:spec.replicas": "5" } }), "no manifest holds Deployment/api"),
        (json!({ "set": { "Deployment/web:spec.replicas": "many" } }), "is not what 2 is"),
        (json!({ "set": { "Deployment/web:spec.template": "x" } }), "more than one value"),
        (json!({ "set": { "Deployment/web:spec.template.spec.containers[api].image": "x" } }), "no item is named"),
        (json!({ "image": { "other": "x" } }), "no container has an image of this name"),
    ] {
        let error = read(&more, &[("a.yaml", TWO)]).expect_err("is wrong");
        assert!(error.message().contains(part), "{more}: {error}");
    }
}

#[test]
fn an_images_name_has_no_tag_and_no_digest() {
    let known = BTreeMap::from([("shop".to_owned(), "new".to_owned())]);
    for (image, replaced) in
        [("shop", true), ("shop:1", true), ("shop@sha256:0", true), ("shop:1@sha256:0", true), ("my/shop:1", false), ("shop/a", false)]
    {
        let mut object = json!({ "spec": { "initContainers": [{ "image": image }], "containers": [{}] } });
        images(&mut object, &known, &mut Vec::new());
        assert_eq!(object["spec"]["initContainers"][0]["image"] == "new", replaced, "{image}");
    }
}

#[test]
fn a_place_may_make_what_is_not_there() {
    let mut object = json!({ "kind": "ConfigMap" });
    Place::parse("ConfigMap/a:data.who").expect("a place").put(&mut object, "World").expect("puts");
    assert_eq!(object["data"]["who"], "World");
}

#[test]
fn an_object_is_cut_down_to_the_fields_of_one_manager() {
    let live = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop", "uid": "1", "labels": { "app": "web", "other": "x" }, "finalizers": ["a", "b"],
            "managedFields": [
                { "manager": "relrun", "operation": "Apply", "fieldsV1": {
                    "f:metadata": { "f:labels": { "f:app": {} }, "f:finalizers": { "v:\"a\"": {} } },
                    "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:image": {}, "f:name": {},
                        "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {} } } } } } } } } },
                { "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:spec": { "f:replicas": {} } } },
            ] },
        "spec": { "replicas": 3, "template": { "spec": { "containers": [
            { "name": "web", "image": "shop:1", "pull": "Always", "ports": [{ "containerPort": 80, "protocol": "TCP" }] }, { "name": "side", "image": "x" }] } } },
        "status": { "replicas": 3 },
    });
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop", "labels": { "app": "web" }, "finalizers": ["a"] },
        "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "shop:1", "ports": [{ "containerPort": 80, "protocol": "TCP" }] }] } } },
    });
    let owned = fields::owned(&live, "relrun");
    assert_eq!(fields::project(&live, &owned), expected);
    let more = fields::union(&owned, &json!({ "f:spec": { "f:replicas": {} }, "f:metadata": { "f:labels": {} } }));
    let wider = fields::project(&live, &more);
    assert_eq!((&wider["spec"]["replicas"], &wider["metadata"]["labels"]), (&json!(3), &json!({ "app": "web", "other": "x" })));
    assert_eq!(fields::project(&live, &fields::owned(&live, "nobody"))["metadata"], json!({ "name": "web", "namespace": "shop" }));
}

#[test]
fn readiness_follows_the_generation_that_was_applied() {
    let deployment = |generation: u64, status: Value| json!({ "kind": "Deployment", "metadata": { "generation": generation }, "spec": { "replicas": 2 }, "status": status });
    let full = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
    assert!(matches!(of(&deployment(2, full.clone())), Readiness::Ready(_)));
    assert!(matches!(of(&deployment(3, full.clone())), Readiness::Waiting(_)), "what it says is about the change before");
    let surge = json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3 });
    assert_eq!(of(&deployment(2, surge)), Readiness::Waiting("1 of before are still there".to_owned()));
    let late = json!({ "observedGeneration": 2, "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }] });
    assert_eq!(of(&deployment(2, late.clone())), Readiness::Stuck("ProgressDeadlineExceeded".to_owned()));
    let refused = json!({ "observedGeneration": 2, "conditions": [{ "type": "ReplicaFailure", "status": "True", "message": "quota" }] });
    assert!(matches!(of(&deployment(2, refused)), Readiness::Waiting(_)), "it may be about a replica set of before");
    let target = Target { api_version: "apps/v1".into(), kind: "Deployment".into(), resource: "deployments".into(), name: "web".into() };
    let (mut stuck, began) = (Stuck::default(), Instant::now());
    let mut after =
        |seconds: u64, said: &Value| stuck.judge(&target, of(&deployment(2, said.clone())), began + Duration::from_secs(seconds));
    assert!(matches!(after(0, &late), Readiness::Waiting(_)));
    assert!(matches!(after(4, &late), Readiness::Waiting(_)));
    assert!(matches!(after(6, &late), Readiness::Failed(_)), "it has said so for long enough");
    assert!(matches!(after(7, &full), Readiness::Ready(_)));
    assert!(matches!(after(8, &late), Readiness::Waiting(_)), "what it says anew is waited for anew");
    assert!(matches!(of(&json!({ "kind": "Deployment", "metadata": {} })), Readiness::Waiting(_)));
}

#[test]
fn other_kinds_are_ready_by_what_they_say() {
    let with = |kind: &str, conditions: Value| {
        of(&json!({ "kind": kind, "metadata": { "generation": 1 }, "status": { "conditions": conditions } }))
    };
    assert!(matches!(with("Widget", json!([{ "type": "Ready", "status": "True" }])), Readiness::Ready(_)));
    assert!(matches!(with("Widget", json!([{ "type": "Ready", "status": "Unknown" }])), Readiness::Waiting(_)));
    assert!(matches!(with("Widget", json!([{ "type": "Stalled", "status": "True" }])), Readiness::Failed(_)));
    assert!(matches!(with("Widget", json!([])), Readiness::Ready(_)));
    assert!(matches!(of(&json!({ "kind": "ConfigMap", "metadata": {} })), Readiness::Ready(_)));
    assert!(matches!(with("Job", json!([{ "type": "Failed", "status": "True" }])), Readiness::Failed(_)));
    assert!(matches!(with("Job", json!([{ "type": "Complete", "status": "True" }])), Readiness::Ready(_)));
    assert!(matches!(with("Job", json!([])), Readiness::Waiting(_)));
}

#[test]
fn a_diff_shows_no_secret_and_no_mark() {
    let secret = |value: &str| json!({ "kind": "Secret", "metadata": { "name": "s", "annotations": { "relrun/mark": value } }, "data": { "a": value, "b": "eA==" } });
    let text = diff::unified(Some(&secret("aGVsbG8=")), Some(&secret("bW9vbg==")));
    assert!(
        text.contains("+  a: (hidden, after)") && !text.contains("aGVsbG8=") && !text.contains("eA==") && !text.contains("mark"),
        "{text}"
    );
    let copied = |value: &str| {
        json!({ "kind": "Secret", "metadata": { "name": "s", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":{{\"a\":\"{value}\"}}}}"), "example.com/original": value } } })
    };
    let text = diff::unified(Some(&copied("aGVsbG8=")), Some(&copied("bW9vbg==")));
    assert!(!text.contains("aGVsbG8=") && !text.contains("bW9vbg==") && text.contains("original: (hidden, after)"), "{text}");
    let marked = |mark: &str| json!({ "kind": "ConfigMap", "metadata": { "name": "c", "annotations": { "relrun/mark": mark } } });
    assert!(diff::is_same(&marked("1"), &marked("2")));
    assert!(diff::is_same(&marked("1"), &json!({ "kind": "ConfigMap", "metadata": { "name": "c" } })));
}

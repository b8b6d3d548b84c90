//! What is another's: another rollout of the same ledger, and whoever changes an object between the look at it and its change.

use super::{MANIFEST, Shop};
use relrun_tests::kubernetes_stub::{Fault, Harm};

impl Shop {
    /// Goes on as another package of the same project, whose manifests name the same objects.
    fn becomes(&self, package: &str) {
        self.project.write("release.kdl", &MANIFEST.replace("acme/shop", package));
    }

    fn inventory(&self) -> String {
        self.web()["metadata"]["labels"]["relrun/inventory"].as_str().unwrap().to_owned()
    }
}

#[test]
fn two_packages_of_one_project_do_not_take_each_others_objects() {
    let shop = Shop::open();
    shop.good("apply --yes");
    let ours = shop.inventory();
    shop.becomes("acme/other");
    shop.fails("apply --yes -i who=Thief", &["belongs to the rollout", &ours, "--adopt"]);
    let plan = shop.good("plan -i who=Thief");
    assert!(plan.contains("would be refused without --adopt: ConfigMap/settings belongs to the rollout"), "{plan}");
    assert_eq!((shop.who(), shop.inventory()), ("World".into(), ours.clone()));
    shop.good("apply --yes -i who=Thief --adopt --force");
    assert_eq!(shop.who(), "Thief");
    shop.becomes("acme/shop");
    let said = shop.run("status --verify").output;
    assert!(said.contains("ConfigMap/settings belongs to the rollout other-web"), "{said}");
    let said = shop.good("destroy -e live --yes");
    assert!(said.contains("is not this rollout's any more: it stays"), "{said}");
    assert_eq!((shop.who(), shop.is_available()), ("Thief".into(), true));
    shop.becomes("acme/other");
    shop.good("destroy -e live --yes");
    assert!(shop.stub.names("configmaps").is_empty() && shop.stub.names("deployments").is_empty());
}

#[test]
fn an_undo_leaves_what_another_rollout_has_taken_meanwhile() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.good("apply --yes -i who=Moon -i image=shop:2");
    shop.stub.edit("configmaps", "settings", "somebody", |object| {
        object["metadata"]["labels"]["relrun/inventory"] = "another".into();
        object["data"]["who"] = "Mars".into();
    });
    let said = shop.good("undo r2 -e live --yes");
    assert!(said.contains("is not this rollout's any more but the rollout another's: it stays"), "{said}");
    assert_eq!((shop.who(), shop.image()), ("Mars".into(), "shop:1".into()));
}

#[test]
fn what_is_taken_between_the_look_and_the_change_is_not_changed() {
    let shop = Shop::open();
    shop.good("apply --yes");
    let change = "PATCH /api/v1/namespaces/shop/configmaps/settings?fieldManager=relrun&force=false&fieldValidation=Strict";
    shop.stub.harm(Fault::after(1, change, Harm::Taken));
    shop.fails("apply --yes -i who=Moon", &["ConfigMap/settings: it belongs to the rollout another"]);
    assert_eq!(shop.who(), "World");
    assert!(shop.stub.is_harmless());
}

#[test]
fn what_is_taken_between_the_look_and_its_removal_stays() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.stub.harm(Fault::once("DELETE /api/v1/namespaces/shop/configmaps/settings", Harm::Taken));
    let said = shop.good("destroy -e live --yes");
    assert!(said.contains("ConfigMap/settings is not this rollout's any more: it stays"), "{said}");
    assert_eq!((shop.who(), shop.stub.names("deployments")), ("World".into(), Vec::new()));
}

#[test]
fn what_somebody_put_in_the_place_of_a_new_object_is_not_removed_by_undo() {
    let shop = Shop::open();
    shop.good("apply --yes");
    shop.project.write("k8s/new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n");
    shop.good("apply --yes -i who=Moon");
    shop.stub.remove("configmaps", "new");
    shop.stub.put("configmaps", "new", &serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "c": "d" } }));
    let said = shop.good("undo r2 -e live --yes");
    assert!(said.contains("ConfigMap/new is not this rollout's any more but nobody's: it stays"), "{said}");
    assert_eq!(shop.stub.get("configmaps", "new").unwrap()["data"]["c"], "d");
    assert_eq!(shop.who(), "World");
}

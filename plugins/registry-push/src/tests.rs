use super::RegistryPush;
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::testing::Fake;
use relrun_sdk::{Error, ErrorKind, Health};

const REPOSITORY: &str = "registry.example.com/acme/shop";

fn tree(letter: &str) -> String {
    letter.repeat(64)
}

fn config() -> Value {
    json!({ "repository": REPOSITORY, "tag": ["1.4.2"], "moving": ["candidate"], "layer": [{ "tree": tree("a"), "to": "/srv" }] })
}

fn with(name: &str, value: Value) -> Value {
    let mut config = config();
    config[name] = value;
    config
}

#[test]
fn it_asks_for_its_repositories_alone() {
    let needs = Fake::new().resolve::<RegistryPush>(&with("mount-from", json!("registry.example.com/acme/base"))).expect("resolves");
    assert!(needs.is_effect());
    assert_eq!(needs.capabilities(), [format!("registry {REPOSITORY:?}"), "registry \"registry.example.com/acme/base\"".to_owned()]);
    assert_eq!(Fake::new().resolve::<RegistryPush>(&with("mount-from", json!(REPOSITORY))).expect("resolves").capabilities().len(), 1);
}

#[test]
fn what_cannot_be_pushed_is_refused() {
    for (name, value, why) in [
        ("repository", json!("shop"), "is no repository"),
        ("repository", json!("registry.example.com/Acme"), "is no repository"),
        ("repository", json!("registry.example.com/acme:1"), "is no repository"),
        ("mount-from", json!("other.example.com/acme/base"), "another registry"),
        ("tag", json!(["-x"]), "is no tag"),
        ("moving", json!(["1.4.2"]), "write it once"),
        ("layer", json!([]), "wants a layer"),
        ("layer", json!([{ "tree": "dist" }]), "is no artifact"),
        ("layout", json!(tree("b")), "write one of both"),
        ("name", json!("x"), "in a `layout`"),
    ] {
        let error = Fake::new().resolve::<RegistryPush>(&with(name, value.clone())).expect_err(&format!("{name} {value}"));
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(why), "{name} {value}: {error}");
    }
    let plain = json!({ "repository": REPOSITORY, "layout": tree("b"), "user": "1000" });
    assert!(Fake::new().resolve::<RegistryPush>(&plain).expect_err("it is no image of ours").to_string().contains("as it is"));
}

#[test]
fn an_image_is_pushed_and_its_tags_point_at_it() {
    let fake = Fake::new();
    let planned = fake.plan::<RegistryPush>(&config()).expect("plans");
    assert_eq!(planned.len(), 3, "{planned:?}");
    let done = fake.apply::<RegistryPush>(&config()).expect("applies");
    let digest = done.outputs["digest"].as_str().expect("it is a text").to_owned();
    assert_eq!(done.outputs["reference"], format!("{REPOSITORY}@{digest}"));
    assert_eq!(done.outputs["tags"], json!(["1.4.2", "candidate"]));
    assert_eq!(fake.image_tag(REPOSITORY, "1.4.2"), Some(digest.clone()));
    assert_eq!(fake.checkpoints().len(), 1, "one before the first change");
    // Again, there is nothing to plan, and it is a success.
    assert_eq!(fake.plan::<RegistryPush>(&config()).expect("plans"), []);
    let receipt = done.receipt.expect("it has one");
    assert_eq!(fake.verify::<RegistryPush>(&config(), &receipt).expect("verifies"), Health::Intact);
    fake.apply::<RegistryPush>(&config()).expect("applies again");
}

#[test]
fn what_is_not_known_yet_is_planned_as_far_as_it_is() {
    let fake = Fake::new();
    let planned = fake.plan::<RegistryPush>(&with("tag", json!(["${release.version}"]))).expect("plans");
    assert!(planned.iter().any(|change| change.summary.starts_with("would point the tag ${release.version} at sha256:")), "{planned:?}");
    let planned = fake.plan::<RegistryPush>(&with("layer", json!([{ "tree": "${step.site.dist}", "to": "/" }]))).expect("plans");
    assert_eq!(planned, [relrun_sdk::Change::new(format!("would push an image to {REPOSITORY}"))]);
}

#[test]
fn versions_move_their_lines() {
    let fake = Fake::new();
    let mut config = with("lines", json!(true));
    config["tag"] = json!(["1.4.2", "2.0.0-rc.1", "build+7"]);
    fake.apply::<RegistryPush>(&config).expect("applies");
    let digest = fake.image_tag(REPOSITORY, "1.4.2");
    for tag in ["1.4", "1", "latest", "candidate", "build_7", "2.0.0-rc.1"] {
        assert_eq!(fake.image_tag(REPOSITORY, tag), digest, "{tag}");
    }
    assert_eq!(fake.image_tag(REPOSITORY, "2.0"), None);
}

#[test]
fn a_tag_that_never_changes_is_never_taken_from_another_image() {
    let fake = Fake::new();
    let before = fake.apply::<RegistryPush>(&config()).expect("applies").outputs["digest"].clone();
    let other = with("layer", json!([{ "tree": tree("c"), "to": "/srv" }]));
    fake.calls();
    let error = fake.apply::<RegistryPush>(&other).expect_err("it is another");
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains("never changes"), "{error}");
    assert!(!fake.calls().iter().any(|call| call.starts_with("push")), "nothing was sent");
    assert!(fake.plan::<RegistryPush>(&other).is_err(), "the plan says so too");
    assert_eq!(fake.image_tag(REPOSITORY, "1.4.2"), before.as_str().map(str::to_owned));
}

#[test]
fn an_undo_leaves_what_stood_before() {
    let fake = Fake::new();
    let first = with("tag", json!(["1.4.1"]));
    let before = fake.apply::<RegistryPush>(&first).expect("applies").outputs["digest"].as_str().map(str::to_owned);
    let other = with("layer", json!([{ "tree": tree("c"), "to": "/srv" }]));
    let receipt = fake.apply::<RegistryPush>(&other).expect("applies").receipt.expect("it has one");
    assert_ne!(fake.image_tag(REPOSITORY, "candidate"), before);
    for _ in 0..2 {
        fake.undo::<RegistryPush>(&other, &receipt).expect("undoes, and does no harm twice");
        assert_eq!(fake.image_tag(REPOSITORY, "candidate"), before);
        assert_eq!(fake.image_tag(REPOSITORY, "1.4.2"), None);
    }
}

#[test]
fn an_attempt_that_is_made_again_remembers_what_stood_before_the_first() {
    let fake = Fake::new();
    let first = with("tag", json!(["1.4.1"]));
    let before = fake.apply::<RegistryPush>(&first).expect("applies").outputs["digest"].as_str().map(str::to_owned);
    let other = with("layer", json!([{ "tree": tree("c"), "to": "/srv" }]));
    fake.apply::<RegistryPush>(&other).expect("points both tags, and then its answer is lost");
    let left = fake.checkpoints().last().cloned().expect("it saved one");
    let fake = fake.unfinished(&left);
    let receipt = fake.apply::<RegistryPush>(&other).expect("applies again").receipt.expect("it has one");
    fake.undo::<RegistryPush>(&other, &receipt).expect("undoes");
    assert_eq!(fake.image_tag(REPOSITORY, "candidate"), before);
    assert_eq!(fake.image_tag(REPOSITORY, "1.4.2"), None, "the first attempt made it");
}

#[test]
fn what_somebody_moved_since_and_what_cannot_be_taken_away_stays() {
    let fake = Fake::new();
    let receipt = fake.apply::<RegistryPush>(&config()).expect("applies").receipt.expect("it has one");
    let fake = fake.point(REPOSITORY, "candidate", "sha256:other");
    let drifted = fake.verify::<RegistryPush>(&config(), &receipt).expect("verifies");
    assert!(matches!(&drifted, Health::Drifted(changes) if changes.len() == 1), "{drifted:?}");
    let fake = fake.fail("untag", Error::other("this registry cannot take tags away"));
    let said = fake.undo::<RegistryPush>(&config(), &receipt).expect("undoes what it can").summary;
    assert!(said.contains("candidate was moved since") && said.contains("1.4.2 stays"), "{said}");
    assert_eq!(fake.image_tag(REPOSITORY, "candidate").as_deref(), Some("sha256:other"));
    fake.destroy::<RegistryPush>(&config(), &receipt).expect("destroys");
    assert_eq!(fake.image_tag(REPOSITORY, "1.4.2"), None);
    assert_eq!(fake.image_tag(REPOSITORY, "candidate").as_deref(), Some("sha256:other"));
}

#[test]
fn after_a_crash_it_is_known_how_far_it_came() {
    use relrun_sdk::testing::RecoveryJson;
    for changes in 0..=3 {
        let fake = Fake::new().crash_after(changes);
        let done = fake.apply::<RegistryPush>(&config());
        assert_eq!(done.is_ok(), changes == 3, "after {changes} changes");
        let fake = fake.restart();
        let last = fake.checkpoints().last().cloned();
        let found = fake.recover::<RegistryPush>(&config(), last.as_ref()).expect("recovers");
        match changes {
            0 | 1 => assert!(matches!(found, RecoveryJson::NotDone), "after {changes}: {found:?}"),
            2 => assert!(matches!(found, RecoveryJson::Partly(_)), "after {changes}: {found:?}"),
            _ => assert!(matches!(found, RecoveryJson::Done(_)), "after {changes}: {found:?}"),
        }
    }
}

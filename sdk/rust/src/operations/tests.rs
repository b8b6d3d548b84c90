use crate::testing::{Fake, OutcomeJson, RecoveryJson};
use crate::{About, ErrorKind, Needs, Nothing, Outcome, Plugin, Result, config, http, outputs, receipt};
use serde_json::json;

/// Posts to a hook: the smallest effect.
struct Hook;

#[config]
struct HookConfig {
    /// Where to post.
    url: String,
}

impl Plugin for Hook {
    type Config = HookConfig;
    type Outputs = Nothing;
    type Receipt = Nothing;

    fn about() -> About {
        About { name: "hook", version: "0.1.0", summary: "Posts to a hook" }
    }

    fn resolve(config: &HookConfig) -> Result<Needs> {
        Ok(Needs::effect().with(crate::need::http(&config.url).methods(&["POST"])))
    }

    fn apply(config: HookConfig) -> Result<Outcome<Nothing, Nothing>> {
        http::post(&config.url).send()?;
        Ok(Outcome::done("posted"))
    }
}

/// Records what it did.
struct Keeper;

#[config(args("name", "size"))]
struct Part {
    name: String,
    size: u32,
}

#[config]
struct KeeperConfig {
    /// The parts.
    part: Vec<Part>,
}

#[outputs]
struct Kept {
    how_many: usize,
}

#[receipt]
struct Names {
    names: Vec<String>,
}

impl Plugin for Keeper {
    type Config = KeeperConfig;
    type Outputs = Kept;
    type Receipt = Names;

    fn about() -> About {
        About { name: "keeper", version: "0.1.0", summary: "Keeps parts" }
    }

    fn resolve(_: &KeeperConfig) -> Result<Needs> {
        Ok(Needs::effect())
    }

    fn apply(config: KeeperConfig) -> Result<Outcome<Kept, Names>> {
        let names: Vec<String> = config.part.iter().map(|part| format!("{}x{}", part.name, part.size)).collect();
        crate::checkpoint(&Names { names: names.clone() })?;
        Ok(Outcome::new("kept", Kept { how_many: names.len() }).receipt(Names { names }))
    }
}

#[test]
fn a_mutation_without_a_checkpoint_leaves_an_empty_one_first() {
    let fake = Fake::new();
    let config = json!({ "url": "http://a.example" });
    assert!(fake.apply::<Hook>(&config).is_err(), "nothing answers");
    assert_eq!(fake.checkpoints(), [json!(null)]);
    assert_eq!(fake.recover::<Hook>(&config, None).expect("untouched"), RecoveryJson::NotDone);
    assert_eq!(fake.recover::<Hook>(&config, Some(&json!(null))).expect_err("begun").kind(), ErrorKind::Other);
    assert!(fake.undo::<Hook>(&config, &json!(null)).is_ok(), "a plugin without receipts has nothing to undo");
}

#[test]
fn a_plugin_with_receipts_that_saved_none_says_so() {
    let error = Fake::new().undo::<Keeper>(&json!({ "part": [] }), &json!(null)).expect_err("nothing to undo by");
    assert_eq!(error.message(), "keeper had begun to change something, and recorded nothing that says what");
}

#[test]
fn outputs_and_receipts_travel_as_json() {
    let fake = Fake::new();
    let config = json!({ "part": [{ "name": "a", "size": 2 }] });
    let expected =
        OutcomeJson { summary: "kept".to_owned(), outputs: json!({ "how-many": 1 }), receipt: Some(json!({ "names": ["ax2"] })) };
    assert_eq!(fake.apply::<Keeper>(&config).expect("applies"), expected);
    assert_eq!(fake.checkpoints(), [json!({ "names": ["ax2"] })]);
}

#[test]
fn the_schema_denies_unknown_fields_and_names_positional_arguments() {
    let schema = Fake::new().describe::<Keeper>().config_schema;
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["part"]["items"]["x-args"], json!(["name", "size"]));
    assert_eq!(schema["properties"]["part"]["description"], json!("The parts."));
}

#[test]
fn a_config_of_the_wrong_shape_is_the_authors_mistake() {
    let error = Fake::new().resolve::<Hook>(&json!({ "uri": "x" })).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("unknown field `uri`, expected `url`"), "{error}");
}

//! What stands beside the manifest's text: typed values of inputs, the compiled form, and that nothing panics.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use proptest::prelude::*;
use relrun_manifest::{Input, Manifest, Project, StateSetting, check_input_value, parse, parse_input_value, parse_project};
use serde_json::{Value, json};

const SHOP: &str = include_str!("good/shop.kdl");

fn good(text: &str) -> Manifest {
    parse("release.kdl", text, &["build", "symlink-swap"]).unwrap_or_else(|wrong| panic!("{:?}", wrong.mistakes()))
}

fn input(line: &str) -> Input {
    good(&format!("package \"a/b\" version=\"1.0.0\"\n{line}")).inputs.remove(0)
}

fn value(line: &str, text: &str) -> Result<Value, String> {
    parse_input_value(&input(line), text).map_err(|error| error.to_string())
}

#[test]
fn typed_text_becomes_a_typed_value() {
    assert_eq!(value("input \"a\"", "5"), Ok(json!("5")));
    assert_eq!(value("input \"a\"", "${input.b}"), Ok(json!("${input.b}")));
    assert_eq!(value("input \"a\" type=\"integer\"", "-5"), Ok(json!(-5)));
    assert_eq!(value("input \"a\" type=\"number\"", "1.5"), Ok(json!(1.5)));
    assert_eq!(value("input \"a\" type=\"boolean\"", "true"), Ok(json!(true)));
    assert_eq!(value("input \"a\" type=\"list\"", "x, y"), Ok(json!(["x", "y"])));
    assert_eq!(value("input \"a\" type=\"list\"", ""), Ok(json!([])));
    assert_eq!(value("input \"a\" { allowed \"x\" \"y\" }", "y"), Ok(json!("y")));
    assert_eq!(value("input \"a\" type=\"number\" { allowed 1 2 }", "1.0"), Ok(json!(1.0)));
}

#[test]
fn a_value_with_a_type_is_not_read_as_text() {
    let value = |line: &str, value: Value| check_input_value(&input(line), &value).map_err(|error| error.to_string());
    assert_eq!(value("input \"a\" type=\"list\"", json!(["x", "y, z"])), Ok(json!(["x", "y, z"])));
    assert_eq!(value("input \"a\" type=\"number\"", json!(2)), Ok(json!(2)));
    assert_eq!(value("input \"a\" type=\"integer\"", json!("5")), Err("it is a string, not an integer".to_owned()));
    assert_eq!(value("input \"a\"", json!(null)), Err("null is not a string".to_owned()));
    let small = "input \"a\" type=\"enum\" { allowed \"small\" \"large\" }";
    assert_eq!(value(small, json!("large")), Ok(json!("large")));
    insta::assert_snapshot!(value(small, json!("huge")).unwrap_err(), @r#""huge" is not one of the allowed values; the allowed values are "small", "large""#);
}

#[test]
fn an_enum_says_what_it_may_be() {
    assert_eq!(input("input \"a\" type=\"enum\" { allowed \"x\" \"y\" }").takes(), "one of x, y");
    let wrong = parse("release.kdl", "package \"a/b\" version=\"1.0.0\"\ninput \"a\" type=\"enum\"", &[]).unwrap_err();
    assert_eq!(wrong.mistakes()[0].message, "an `enum` says which values it may have, and this does not");
}

#[test]
fn a_value_of_the_wrong_type_says_what_would_be_right() {
    let wrong = |line: &str, text: &str| value(line, text).unwrap_err();
    insta::assert_snapshot!(wrong("input \"a\" type=\"integer\"", "5.5"), @r#""5.5" is not an integer"#);
    insta::assert_snapshot!(wrong("input \"a\" type=\"number\"", "inf"), @r#""inf" is not a number"#);
    insta::assert_snapshot!(wrong("input \"a\" type=\"boolean\"", "yes"), @r#""yes" is neither true nor false"#);
    insta::assert_snapshot!(wrong("input \"a\" { allowed \"x\" \"y\" }", "z"), @r#""z" is not one of the allowed values; the allowed values are "x", "y""#);
    insta::assert_snapshot!(wrong("input \"a\" type=\"list\" { allowed \"x\" }", "x,z"), @r#""z" is not one of the allowed values; the allowed values are "x""#);
}

#[test]
fn defaults_have_the_inputs_type() {
    let default = |line: &str| relrun_manifest::scalar_to_json(&input(line).default.unwrap().value, &|_| None);
    assert_eq!(default("input \"a\" type=\"list\" { default \"x\" \"y\" }"), json!(["x", "y"]));
    assert_eq!(default("input \"a\" type=\"list\" { default }"), json!([]));
    assert_eq!(default("input \"a\" type=\"list\" default=\"x\""), json!(["x"]));
    assert_eq!(default("input \"a\" type=\"number\" default=1"), json!(1));
    assert_eq!(default("input \"a\" default=\"$${x}\""), json!("${x}"));
    assert!(parse("release.kdl", "package \"a/b\" version=\"1.0.0\"\ninput \"a\" default=#null", &[]).is_err());
}

#[test]
fn a_project_is_read() {
    let text = "state \"local\"\nenvironment \"staging\" { host \"web1\" \"file:srv\" { label \"zone\" \"a\" } }\npolicy { allow { run \"make\" \"**\" }; refuse \"unconfined\" \"in-place\" }";
    let project = parse_project("relrun.kdl", text).unwrap_or_else(|wrong| panic!("{:?}", wrong.mistakes()));
    assert_eq!(project.state, Some(StateSetting::Local));
    assert_eq!(project.environments[0].hosts[0].labels["zone"], "a");
    assert_eq!(project.policy.refuse_unconfined.as_deref(), Some("relrun.kdl"));
    assert!(project.policy.refuse_in_place.is_some());
    assert_eq!(project.policy.allow[0].says.len(), 1);
    assert_eq!(parse_project("relrun.kdl", "").unwrap(), Project::default());
    let closed = parse_project("relrun.kdl", "policy { allow }").unwrap();
    assert!(closed.policy.allow[0].says.is_empty());
}

#[test]
fn the_compiled_form_is_read_back_whole_or_not_at_all() {
    let manifest = good(SHOP);
    let bytes = manifest.to_bytes();
    assert_eq!(Manifest::from_bytes(&bytes), Some(manifest));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(Manifest::from_bytes(&damaged), None, "byte {at}");
        assert_eq!(Manifest::from_bytes(&bytes[..at]), None, "cut at {at}");
    }
}

#[test]
fn deep_and_long_text_is_refused_in_time() {
    let n = 10_000;
    let nested = [
        "a {".repeat(n) + &"}".repeat(n),
        "a {".repeat(n),
        "{".repeat(n),
        "a \"\\q {".repeat(n),
        "a \"} { \" {\n".repeat(n),
        "/*".repeat(n) + &"*/".repeat(n),
        "a /-{".repeat(n) + &"}".repeat(n),
        "/-".repeat(n) + "a",
        "a #\"".repeat(n),
        "\"\"\"\n{".repeat(n),
        "(".repeat(n),
        "}".repeat(n),
        "a \"\n".repeat(n),
        "a #\"\n".repeat(n),
        "a \"\"\"\n".repeat(n),
        "// \u{2028} a {".repeat(n),
        "a {}\n".repeat(n) + "a {",
    ];
    for text in nested {
        let start = std::time::Instant::now();
        assert!(parse("release.kdl", &text, &[]).is_err(), "{:?}", text.get(..7));
        assert!(start.elapsed().as_secs() < 30, "{:?}", text.get(..7));
    }
    assert!(parse("release.kdl", &" ".repeat((32 << 20) + 1), &[]).is_err());
}

#[test]
fn a_manifest_of_many_steps_is_no_deep_one() {
    let step = |n: usize| format!("step \"s{n}\" plugin=\"build\" {{ reads \"a\"; grant {{ run \"x\" }}; config {{ k {{ v 1 }} }} }}\n");
    let text = "package \"a/b\" version=\"1.0.0\"\n".to_owned() + &(0..1000).map(step).collect::<String>();
    assert_eq!(good(&text).phases.len(), 1000);
}

/// The example with some pieces cut out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(""),
        Just("{"),
        Just("}"),
        Just("\""),
        Just("${"),
        Just("}${step."),
        Just("/-"),
        Just("/*"),
        Just("#\""),
        Just("="),
        Just("\\"),
        Just("#true"),
        Just("99999999999999999999"),
        Just("\u{0}"),
        Just("é"),
        Just("\n"),
        Just("\"\"\"\n"),
        Just("(a)"),
        Just(";"),
        Just("@"),
        Just("*")
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, piece), 1..6).prop_map(|edits| {
        let mut text: Vec<char> = SHOP.chars().collect();
        for (at, len, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + len).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// Reads the text and writes the whole report, which fails where a span lies outside the text.
fn report(text: &str) {
    for wrong in
        [parse("release.kdl", text, &["build", "symlink-swap"]).err(), parse_project("relrun.kdl", text).err()].into_iter().flatten()
    {
        assert!(!wrong.mistakes().is_empty());
        let mut out = String::new();
        miette::GraphicalReportHandler::new().render_report(&mut out, &wrong).unwrap();
        assert!(wrong.mistakes().iter().all(|mistake| wrong.position(mistake.span).0 >= 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn mutated_manifests_never_panic(text in mutated()) {
        report(&text);
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,80}") {
        report(&text);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        report(&String::from_utf8_lossy(&bytes));
        let _ = Manifest::from_bytes(&bytes);
    }
}

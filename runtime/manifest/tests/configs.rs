//! Configs: how nodes become JSON, with and without a schema, and how the schema's complaints point at the manifest.

use relrun_manifest::{ConfigNode, ConfigSchema, Diagnostics, Namespace, Reference, Shaped, check, parse, shape};
use serde_json::{Value, json};

const HEAD: &str = "package \"acme/shop\" version=\"1.0.0\"\ninput \"n\" type=\"integer\"\ninput \"tags\" type=\"list\"\nsecret \"token\" from=\"env:T\"\n";

fn manifest(config: &str) -> String {
    format!("{HEAD}step \"other\" plugin=\"build\"\nstep \"it\" plugin=\"build\" {{\n    {config}\n}}\n")
}

fn config(text: &str) -> ConfigNode {
    let parsed = parse("release.kdl", text, &["build"]).unwrap_or_else(|wrong| panic!("{:?}", wrong.mistakes()));
    parsed.phases[1].steps[0].config.clone()
}

fn known(reference: &Reference) -> Option<Value> {
    match (reference.namespace, reference.path[0].as_str()) {
        (Namespace::Input, "n") => Some(json!(5)),
        (Namespace::Input, "tags") => Some(json!(["a", "b"])),
        _ => None,
    }
}

fn shaped(nodes: &str, schema: &Value) -> Shaped {
    shape(&config(&manifest(nodes)), schema, &known)
}

fn natural(nodes: &str) -> Value {
    shaped(nodes, &Value::Bool(true)).json
}

#[test]
fn without_guidance_nodes_become_what_they_look_like() {
    assert_eq!(
        natural("config { keep 5; ratio 1.5; on; off #false; none #null }"),
        json!({"keep": 5, "ratio": 1.5, "on": true, "off": false, "none": null})
    );
    assert_eq!(natural("config { command \"make\" \"dist\" }"), json!({"command": ["make", "dist"]}));
    assert_eq!(natural("config { site root=\"/srv\" { keep 5 } }"), json!({"site": {"root": "/srv", "keep": 5}}));
    assert_eq!(natural("config { check \"a\"; check \"b\" \"c\" }"), json!({"check": ["a", ["b", "c"]]}));
    assert_eq!(natural("config keep=5 { root \"/srv\" }"), json!({"keep": 5, "root": "/srv"}));
    assert_eq!(natural("config"), json!({}));
}

#[test]
fn a_lone_reference_keeps_the_values_type() {
    let nodes =
        "config { n \"${input.n}\"; text \"n=${input.n}\"; tags \"${input.tags}\"; later \"${step.other.x}\"; literal \"$${input.n}\" }";
    let shaped = shaped(nodes, &Value::Bool(true));
    assert_eq!(shaped.json, json!({"n": 5, "text": "n=5", "tags": ["a", "b"], "later": "${step.other.x}", "literal": "${input.n}"}));
    let unknown: Vec<_> = shaped.unknown.iter().map(|(pointer, reference)| format!("{pointer} {reference}")).collect();
    assert_eq!(unknown, ["/later ${step.other.x}"]);
}

fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["root"],
        "properties": {
            "root": { "type": "string", "description": "Where the releases lie.\nMore." },
            "keep": { "type": "integer", "minimum": 1 },
            "mode": { "enum": ["copy", "link"] },
            "tags": { "type": "array", "items": { "type": "string" } },
            "command": { "type": "array", "items": { "type": "array", "items": { "type": "string" } } },
            "file": { "type": "object", "additionalProperties": { "type": "string" } },
            "label": { "anyOf": [{ "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } } }, { "type": "null" }] },
            "check": { "type": ["array", "null"], "items": { "$ref": "#/$defs/Check" } },
            "site": { "anyOf": [{ "$ref": "#/$defs/Check" }, { "type": "null" }] }
        },
        "$defs": {
            "Check": {
                "type": "object", "additionalProperties": false, "required": ["url"], "x-args": ["url", "status"],
                "properties": { "url": { "type": "string" }, "status": { "type": "integer" }, "header": { "type": "object", "additionalProperties": { "type": "string" } } }
            }
        }
    })
}

#[test]
fn the_schema_guides_the_shape() {
    let json = |nodes: &str| shaped(nodes, &schema()).json;
    assert_eq!(json("config { tags \"a\"; tags \"b\" \"c\" }"), json!({"tags": ["a", "b", "c"]}));
    assert_eq!(json("config { tags \"x\" \"${input.tags}\" }"), json!({"tags": ["x", "a", "b"]}));
    assert_eq!(json("config { command \"make\" }"), json!({"command": [["make"]]}));
    assert_eq!(json("config { command \"make\" \"a\"; command \"b\" }"), json!({"command": [["make", "a"], ["b"]]}));
    assert_eq!(json("config { file \"a.txt\" \"A\"; file \"b/c.txt\" \"B\" }"), json!({"file": {"a.txt": "A", "b/c.txt": "B"}}));
    assert_eq!(json("config { file { a \"A\" } }"), json!({"file": {"a": "A"}}));
    assert_eq!(json("config { file a=\"A\" b=\"B\" }"), json!({"file": {"a": "A", "b": "B"}}));
    assert_eq!(json("config { label \"k\" \"x\" \"y\"; label \"k\" \"z\" }"), json!({"label": {"k": ["x", "y", "z"]}}));
    assert_eq!(
        json("config { check \"http://a\" 200; check url=\"http://b\" { header \"A\" \"1\" } }"),
        json!({"check": [{"url": "http://a", "status": 200}, {"url": "http://b", "header": {"A": "1"}}]})
    );
    assert_eq!(json("config { site \"http://a\" }"), json!({"site": {"url": "http://a"}}));
}

#[test]
fn a_circular_schema_is_no_guidance() {
    let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
    assert_eq!(shaped("config { keep 5 }", &circle).json, json!({"keep": 5}));
}

#[test]
fn values_know_their_places() {
    let text = manifest("config { root \"/srv\"; file \"a/b~c\" \"A\"; check \"u\" 200 }");
    let shaped = shape(&config(&text), &schema(), &known);
    let place = |pointer: &str| {
        let span = shaped.span(pointer);
        &text[span.start as usize..][..span.len as usize]
    };
    assert_eq!(place("/root"), "\"/srv\"");
    assert_eq!(place("/file/a~1b~0c"), "\"A\"");
    assert_eq!(place("/check/0/status"), "200");
    assert_eq!(place("/check/0/nowhere/1"), "check");
    assert_eq!(place("/nowhere"), "config");
}

#[test]
fn complaints_point_at_the_manifest() {
    let text = manifest(
        "config { rot \"/srv\"; keep \"five\"; mode \"cpy\"; tags 1; file \"a\" #true; check 200 \"u\" 5; site { url \"u\"; hedaer \"x\" \"y\" } }",
    );
    let shaped = shape(&config(&text), &schema(), &known);
    let mistakes = check(&shaped, &ConfigSchema::new(schema()).unwrap());
    let mut out = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_width(120)
        .with_links(false)
        .with_context_lines(0)
        .render_report(&mut out, &Diagnostics::new("release.kdl", &text, mistakes))
        .unwrap();
    insta::assert_snapshot!("complaints", out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_right_is_let_through_and_what_is_unknown_is_not_judged() {
    let schema = ConfigSchema::new(schema()).unwrap();
    let mistakes = |nodes: &str| {
        let shaped = shaped(nodes, schema.json());
        check(&shaped, &schema).into_iter().map(|mistake| mistake.message).collect::<Vec<_>>()
    };
    assert_eq!(mistakes("config { root \"/srv\"; keep \"${input.n}\"; mode \"copy\" }"), [""; 0]);
    assert_eq!(mistakes("config { root \"/srv\"; keep \"${step.other.n}\"; check \"u\" \"${step.other.status}\" }"), [""; 0]);
    assert_eq!(mistakes("config { root \"/srv\"; keep 0 }"), ["`keep`: this value is less than the minimum of 1"]);
    assert_eq!(mistakes("config { keep \"${step.other.n}\"; kep 1 }").len(), 2);
}

#[test]
fn a_schema_that_reaches_out_is_refused() {
    assert!(ConfigSchema::new(json!({"$ref": "https://example.com/schema.json"})).is_err());
    assert!(ConfigSchema::new(json!({"type": 5})).is_err());
    assert!(ConfigSchema::new(json!({"type": "string", "pattern": "("})).is_err());
}

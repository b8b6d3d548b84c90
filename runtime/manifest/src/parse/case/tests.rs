use super::*;
use crate::case::{CaseOperation, Expect, Stop, TextRule};

fn mistakes(text: &str) -> Vec<String> {
    match parse_cases("a.kdl", text) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.mistakes().iter().map(|mistake| mistake.message.clone()).collect(),
    }
}

#[test]
fn a_case_is_read_whole() {
    let text = r#"
case "announces" {
    config { url "https://api.example.com/x"; source "${step.site.dist}" }
    secret "token" "hunter2"
    artifact "step.site.dist" { file "index.html" "hello"; link "latest" "index.html" }
    value "input.big" "ab" repeat=3
    host "web1" { label "role" "web"; file "/etc/motd" "hello" }
    grant { http "https://api.example.com" methods="POST" }
    http "post" "https://api.example.com/x" { status 201; header "x-id" "7"; body "ok" repeat=2; times 1 }
    command "git" "log" "**" { exit 3; stdout "a"; after "10ms" }
    apply {
        cancel checkpoint=1
        summary contains="announced"
        output "id" 7
        output "text" contains="x"
        error "cancelled"
        log "info" json="[1]"
        checkpoint "{\"id\": 7}"
        sent "POST" "https://api.example.com/x" { header "Authorization" "Bearer hunter2"; body json="{}" }
        file "a/b" "text"
    }
    undo { given #null; summary "gone" }
}
"#;
    let cases = parse_cases("a.kdl", text).unwrap();
    let case = &cases[0];
    assert_eq!(case.values, [("input.big".to_owned(), Value::from("ababab"))]);
    assert_eq!(case.artifacts[0].1.len(), 2);
    assert_eq!((case.http[0].method.as_str(), case.http[0].status, case.http[0].repeat), ("POST", 201, 2));
    assert_eq!((case.commands[0].exit, case.commands[0].after), (3, Some(Duration::from_millis(10))));
    assert_eq!(case.grants.as_ref().unwrap().len(), 1);
    assert_eq!(case.calls.len(), 2);
    let apply = &case.calls[0];
    assert_eq!(apply.operation, CaseOperation::Apply);
    assert_eq!(apply.stopped.as_ref().map(|stopped| (stopped.how, stopped.checkpoint)), Some((Stop::Cancelled, Some(1))));
    assert_eq!(apply.expects.len(), 8);
    assert_eq!(apply.expects[1].value, Expect::Output("id".to_owned(), Value::from(7)));
    assert_eq!(apply.expects[2].value, Expect::OutputText("text".to_owned(), TextRule::Contains("x".to_owned())));
    assert_eq!(case.calls[1].given, Some(Value::Null));
}

#[test]
fn a_config_may_be_json() {
    let cases = parse_cases("a.kdl", r##"case "a" { config #"{"who": ["a"]}"#; apply }"##).unwrap();
    assert!(matches!(&cases[0].config, CaseConfig::Json(value) if value["who"][0] == "a"));
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = r#"
case "a" {
    config "{"
    value "who" "x"
    http "GET" "https://x.example" { status 99 }
    aply
}
case "a" {
    resolve { kind "prue"; need "htp \"https://x.example\"" }
    apply { summary "a" contains="b"; error "bad"; output "x" 1 contains="y" }
}
"#;
    let found = mistakes(text);
    for part in [
        "this is no JSON",
        "`who` is nothing that a config can refer to",
        "99 is no status",
        "aply",
        "this case calls nothing",
        "`kind` cannot be `prue`",
        "this is no capability",
        "`summary` says in two ways",
        "`error` cannot be `bad`",
        "`output` says in two ways",
        "there are two cases `a`",
    ] {
        assert!(found.iter().any(|message| message.contains(part)), "{part}: {found:#?}");
    }
}

#[test]
fn nonsense_is_an_error_and_no_panic() {
    for text in [
        "",
        "case",
        "{",
        "case \"a\"",
        "case \"a\" { value \"input.x\" \"y\" repeat=99999999999; apply }",
        "case \"a\" { apply { cancel checkpoint=-1 } }",
    ] {
        assert!(parse_cases("a.kdl", text).is_err(), "{text}");
    }
}

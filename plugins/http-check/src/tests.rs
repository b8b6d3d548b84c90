use super::HttpCheck;
use relrun_sdk::serde_json::{Value, json};
use relrun_sdk::testing::Fake;
use relrun_sdk::{Change, Error, ErrorKind, Health};

fn config() -> Value {
    json!({ "url": "http://127.0.0.1:8080/health?deep=1", "interval": "1ms", "timeout": "200ms", "contains": "all is well" })
}

#[test]
fn it_asks_for_the_origin_alone() {
    let mut config = config();
    config["private"] = json!(true);
    let needs = Fake::new().resolve::<HttpCheck>(&config).expect("resolves");
    assert!(needs.is_effect());
    assert_eq!(needs.capabilities(), ["http \"http://127.0.0.1:8080\" private=#true"]);
    config["url"] = json!("https://Shop.Example/${step.site.path}");
    config["private"] = json!(false);
    let needs = Fake::new().resolve::<HttpCheck>(&config).expect("resolves");
    assert_eq!(needs.capabilities(), ["http \"https://shop.example\""]);
}

#[test]
fn what_cannot_be_checked_is_refused() {
    for (key, value) in [
        ("url", "shop.example"),
        ("url", "ftp://shop.example"),
        ("url", "http://user@shop.example"),
        ("url", "http:///health"),
        ("url", "http://${step.a.host}/"),
        ("interval", "often"),
        ("timeout", "10"),
    ] {
        let mut config = config();
        config[key] = json!(value);
        let error = Fake::new().resolve::<HttpCheck>(&config).expect_err(value);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{value}: {error}");
    }
}

#[test]
fn it_waits_through_refusals_statuses_and_bodies() {
    let fake =
        Fake::new().fail("GET", Error::transient("connection refused")).answer(503, "").answer(200, "starting").answer(200, "all is well!");
    let outcome = fake.apply::<HttpCheck>(&config()).expect("is healthy at last");
    assert_eq!((&outcome.outputs["attempts"], &outcome.outputs["status"]), (&json!(4), &json!(200)));
    assert_eq!(outcome.receipt, None);
    assert!(fake.checkpoints().is_empty(), "it changes nothing");
    let lines = fake.lines();
    assert!(lines.contains(&"info: not yet healthy: connection refused".to_owned()), "{lines:?}");
    assert!(lines.contains(&"info: not yet healthy: the status is 503".to_owned()), "{lines:?}");
}

#[test]
fn it_gives_up_in_time_and_says_why() {
    let error = Fake::new().apply::<HttpCheck>(&config()).expect_err("nothing answers");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.message(), "http://127.0.0.1:8080/health?deep=1 was not healthy within 200ms, at last: connection refused");
}

#[test]
fn a_denial_is_not_asked_again() {
    let fake = Fake::new().fail("GET", Error::denied("no grant covers it")).answer(200, "all is well");
    assert_eq!(fake.apply::<HttpCheck>(&config()).expect_err("denied").kind(), ErrorKind::Denied);
    assert_eq!(fake.calls().len(), 1);
}

#[test]
fn headers_are_sent_and_verify_asks_once() {
    let mut config = config();
    config["header"] = json!({ "host": "shop.example" });
    let fake = Fake::new().answer(500, "");
    let drifted = Health::Drifted(vec![Change::new("http://127.0.0.1:8080/health?deep=1: the status is 500")]);
    assert_eq!(fake.verify::<HttpCheck>(&config, &json!({})).expect("verifies"), drifted);
    assert_eq!(fake.calls(), ["GET http://127.0.0.1:8080/health?deep=1 host: shop.example"]);
}

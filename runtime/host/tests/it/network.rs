//! HTTP and secrets, as far as the host adds to the gate's own tests: one request through, and what is refused.

use crate::support::step;
use relrun_host::Operation;
use relrun_ledger::{FailureKind, StepKind};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

/// Answers one request; gives what was asked.
fn server() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).expect("reads");
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone").expect("answers");
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    (url, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_request_goes_out_with_its_secret() {
    let (url, asked) = server();
    let request = step(json!({ "do": "http", "url": format!("{url}/a?b"), "secret": "token" }))
        .may(&format!("http \"{url}\" private=#true"))
        .may(&format!("secret \"token\" to=\"{url}\""));
    let (ran, outputs) = request.outputs().await;
    assert_eq!(outputs, json!({ "status": 404, "body": "gone", "again": false }));
    let asked = asked.join().expect("asked").to_lowercase();
    assert!(asked.starts_with("get /a?b http/1.1") && asked.contains("authorization: bearer s3cr3t-t0ken-value"), "{asked}");
    assert_eq!(ran.heard.used(), ["secret \"token\"".to_owned(), format!("http \"{url}\"")]);
}

#[tokio::test]
async fn what_is_not_granted_does_not_go_out() {
    let (ran, kind, message) = step(json!({ "do": "http", "url": "https://user:pw@example.com/secret/path?q" })).fails().await;
    assert!(matches!(kind, FailureKind::Denied | FailureKind::Invalid), "{message}");
    assert!(!message.contains("pw"), "{message}");
    drop(ran);
    let (ran, kind, message) = step(json!({ "do": "http", "url": "https://example.com/" })).fails().await;
    assert_eq!(kind, FailureKind::Denied);
    assert!(message.contains("add `http \"https://example.com"), "{message}");
    assert_eq!(ran.heard.denied(), ["http \"https://example.com\""]);
    let posting = step(json!({ "do": "http", "url": "http://127.0.0.1:1/", "method": "POST" }))
        .may("http \"http://127.0.0.1:1\" methods=\"POST\" private=#true")
        .with(|call| call.operation = Operation::Plan);
    assert_eq!(posting.fails().await.1, FailureKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_http_goes_through_the_same_gate() {
    let (url, asked) = server();
    let authority = url.trim_start_matches("http://").to_owned();
    let ask = || step(json!({ "do": "wasi-http", "authority": authority }));
    let (ran, outputs) = ask().outputs().await;
    assert!(outputs["refused"].as_str().is_some_and(|code| code.contains("Denied")), "{outputs}");
    assert_eq!(ran.heard.denied(), [format!("http \"{url}\"")]);
    let (_, outputs) = ask().may(&format!("http \"{url}\"")).outputs().await;
    assert!(outputs["refused"].is_string(), "a loopback address is private: {outputs}");
    let pure = ask().may(&format!("http \"{url}\" private=#true")).with(|call| call.kind = StepKind::Pure);
    assert!(pure.outputs().await.1["refused"].is_string(), "a pure step reaches nothing");
    let (ran, outputs) = ask().may(&format!("http \"{url}\" private=#true")).outputs().await;
    assert_eq!(outputs, json!({ "status": 404 }));
    assert!(asked.join().expect("asked").starts_with("GET /wasi?q HTTP/1.1"));
    assert_eq!(ran.heard.used(), [format!("http \"{url}\"")]);
    let posting = step(json!({ "do": "wasi-http", "authority": authority, "method": "POST" }))
        .may(&format!("http \"{url}\" methods=\"POST\" private=#true"))
        .with(|call| call.operation = Operation::Plan);
    let (_, _, message) = match posting.run().await {
        (ran, Ok(relrun_host::Reply::Changes(changes))) => (ran, 0, changes[0].summary.clone()),
        (_, other) => panic!("{other:?}"),
    };
    assert!(message.contains("refused"), "a plan sends nothing that changes: {message}");
}

#[tokio::test]
async fn a_secret_is_a_handle_unless_it_is_revealed() {
    let (ran, kind, _) = step(json!({ "do": "secret", "name": "token" })).may("secret \"token\" to=\"https://example.com\"").fails().await;
    assert_eq!((kind, ran.heard.denied()), (FailureKind::Denied, vec!["secret \"token\" reveal=#true".to_owned()]));
    let (ran, outputs) = step(json!({ "do": "secret", "name": "token" })).may("secret \"token\" reveal=#true").outputs().await;
    assert_eq!(outputs, json!({ "name": "token", "length": 18 }));
    assert_eq!(ran.heard.text(), "the secret is ***\n");
    let (_, outputs) = step(json!({ "do": "sign", "name": "token" })).may("secret \"token\" sign=#true").outputs().await;
    assert_eq!(outputs, json!({ "value": 32 }));
    assert_eq!(step(json!({ "do": "secret", "name": "token" })).fails().await.1, FailureKind::Denied);
}

#[tokio::test]
async fn the_environment_is_what_was_granted() {
    let (_, outputs) = step(json!({ "do": "env" })).with(|call| drop(call.env.insert("CI".into(), "1".into()))).outputs().await;
    assert_eq!(outputs, json!({ "CI": "1" }));
}

/// Answers requests with what they said, in headers and body; ends with the runtime.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.expect("a request");
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).expect("reads");
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let said = asked.lines().find(|line| line.to_lowercase().starts_with("authorization:")).unwrap_or_default().to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\nx-said: {said}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{said}", said.len());
            stream.write_all(answer.as_bytes()).expect("answers");
        }
    });
    url
}

/// Every form of the secret that a server or a command would say, and a text that is there for certain; each in disguise.
fn disguised() -> Vec<Vec<u8>> {
    let forms = [
        "s3cr3t-t0ken-value",
        // base64 of the secret, and of user:secret as basic authentication has it.
        "czNjcjN0LXQwa2VuLXZhbHVl",
        "dXNlcjpzM2NyM3QtdDBrZW4tdmFsdWU=",
        "this stands in the config",
    ];
    forms.map(|form| form.bytes().map(|byte| byte ^ 0x55).collect()).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_used_in_every_way_is_nowhere_in_the_guests_memory() {
    let search = |reveal: bool| {
        let url = echo();
        let config = json!({
            "do": "use-secret-and-search", "url": url, "disguised": disguised(), "reveal": reveal, "note": "this stands in the config",
        });
        let step = step(config)
            .may(&format!("http \"{url}\" private=#true"))
            .may(&format!("secret \"token\" to=\"{url}\""))
            .may("secret \"token\" sign=#true")
            .may("run \"sh\" \"-c\" \"*\"")
            .may("secret \"token\" to-command=\"sh\" env=\"TOKEN\"")
            .may("run \"cat\" \"-\" \"*\"")
            .may("secret \"token\" to-command=\"cat\"");
        if reveal { step.may("secret \"token\" reveal=#true") } else { step }
    };
    let count = |outputs: &serde_json::Value, at: usize| outputs["found"][at].as_u64().expect("a count");
    let (_, outputs) = search(false).outputs().await;
    assert_eq!((&outputs["heard"], &outputs["signed"]), (&json!(true), &json!(32)), "it was said back, and masked: {outputs}");
    assert_eq!([0, 1, 2].map(|at| count(&outputs, at)), [0, 0, 0], "{outputs}");
    assert!(count(&outputs, 3) > 0, "the search finds what is there: {outputs}");
    let (_, shown) = search(true).outputs().await;
    assert!(count(&shown, 0) > 0, "the search finds the secret where it was revealed: {shown}");
}

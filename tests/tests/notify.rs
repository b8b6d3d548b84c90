//! Those who are to hear of releases, and what reaches them: over a real socket, signed, tried again, and never in a release's way.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use hmac::{Hmac, Mac};
use relrun_tests::Sandbox;
use sha2::Sha256;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What came in: its headers in lower case, and its body.
struct Heard {
    headers: Vec<String>,
    body: String,
}

/// Answers one request with each of these, in turn, and then no more.
fn listen(answers: &'static [u16]) -> (String, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut headers = Vec::new();
            for line in reader.by_ref().lines() {
                let line = line.unwrap();
                if line.is_empty() {
                    break;
                }
                headers.push(line.to_lowercase());
            }
            let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 {answer} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            sender.send(Heard { headers, body: String::from_utf8(body).unwrap() }).unwrap();
        }
    });
    (address, receiver)
}

const MANIFEST: &str = r#"
package "acme/shop" version="1.0.@" { metadata "bytes" "${step.site.size}"; metadata "label" "v${release.version}"; }
environment "staging" { approval "testers"; host "web1" "file:hosts/staging" }
step "site" plugin="build" {
    reads "index.html"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp index.html dist" }
}
phase "files" environments="staging" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
}
"#;

fn project(notify: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.write("release.kdl", &MANIFEST.replace("metadata \"bytes\" \"${step.site.size}\"; ", ""));
    sandbox.write("index.html", "hello");
    sandbox.write("relrun.kdl", notify);
    sandbox.set("HOOK_KEY", "a key of the hook");
    sandbox
}

fn says(sandbox: &Sandbox, words: &str, code: i32, what: &str) {
    let ran = sandbox.relrun(&words.split(' ').collect::<Vec<_>>());
    assert_eq!(ran.code, code, "relrun {words}\n{}", ran.output);
    let one_line = ran.output.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
    assert!(one_line.contains(what), "relrun {words}\n{}", ran.output);
}

fn next(heard: &Receiver<Heard>) -> Heard {
    heard.recv_timeout(Duration::from_secs(10)).expect("somebody was told")
}

#[test]
fn whoever_is_to_hear_of_it_gets_a_signed_word() {
    let (address, heard) = listen(&[200, 200, 503, 200, 200]);
    let sandbox = project(&format!(r#"notify "{address}" on="started waiting succeeded rolled-back" secret="env:HOOK_KEY" private=#true"#));
    says(&sandbox, "apply", 3, "approve staging/testers");
    let first = next(&heard);
    assert_eq!(first.headers[0], "post /hook http/1.1");
    assert!(first.body.contains(r#""event":"started""#), "{}", first.body);
    let signature = first.headers.iter().find_map(|line| line.strip_prefix("relrun-signature: t=")).unwrap();
    let (at, tag) = signature.split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a key of the hook").unwrap();
    mac.update(format!("{at}.{}", first.body).as_bytes());
    let due = mac.finalize().into_bytes().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(tag, due);
    let waiting = next(&heard);
    assert!(
        waiting.body.contains(r#""event":"waiting""#) && waiting.body.contains(r#""waiting_for":["approve staging/testers"]"#),
        "{}",
        waiting.body
    );

    says(&sandbox, "approve r1 testers", 0, "is approved");
    says(&sandbox, "continue", 0, "done");
    // What is refused for now is sent again, as the same delivery.
    let (refused, again) = (next(&heard), next(&heard));
    assert_eq!(refused.body, again.body);
    let last = next(&heard);
    assert!(last.body.contains(r#""event":"succeeded""#) && last.body.contains(r#""staging":"deployed""#), "{}", last.body);
    assert!(last.body.contains(r#""metadata":{"label":"v1.0.0"}"#), "{}", last.body);
    says(&sandbox, "releases list", 0, "METADATA");
    says(&sandbox, "releases show", 0, "metadata label=v1.0.0");
    says(&sandbox, "releases list --format json", 0, r#""metadata":{"label":"v1.0.0"}"#);
}

#[test]
fn an_address_that_fails_fails_no_release() {
    let (address, heard) = listen(&[400]);
    let notify = format!(
        "notify \"{address}\" on=\"failed waiting\" private=#true\nnotify \"{address}\" on=\"waiting\"\nnotify \"{address}\" on=\"waiting\" secret=\"env:NOBODY_SET\"\n"
    );
    let sandbox = project(&notify);
    let ran = sandbox.relrun(&["apply"]);
    assert_eq!(ran.code, 3, "{}", ran.output);
    assert!(next(&heard).body.contains(r#""event":"waiting""#));
    for why in ["it answered 400", "its secret cannot be read: the variable NOBODY_SET is not set", "address"] {
        assert!(ran.output.contains(why), "{why}: {}", ran.output);
    }
    assert_eq!(ran.output.matches("could not be told about \"waiting\"").count(), 3, "{}", ran.output);
    let ledger = rusqlite::Connection::open(sandbox.path(".relrun/ledger.db")).unwrap();
    let sql = r#"SELECT count(*) FROM events WHERE record LIKE '%"notified"%' AND record LIKE '%"failure":"%'"#;
    assert_eq!(ledger.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap(), 3);
}

#[test]
fn what_is_no_address_and_no_occasion_is_said() {
    let sandbox = project("notify \"ftp://example.com\" on=\"succeded\"");
    says(&sandbox, "check", 2, "nothing can be sent to `ftp://example.com`");
    says(&sandbox, "check", 2, "did you mean `succeeded`?");
    sandbox.write("relrun.kdl", "");
    sandbox.write("release.kdl", MANIFEST);
    sandbox.write("release.kdl", &MANIFEST.replace("step.site.size", "step.sit.size"));
    says(&sandbox, "check", 2, "there is no step `sit`");
    sandbox.write("release.kdl", &MANIFEST.replace("step.site.size", "env.HOME"));
    says(&sandbox, "check", 2, "`${env.HOME}` cannot be referred to here");
}

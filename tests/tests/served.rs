//! A release that looks at what it serves: a small server hands out what the links lead to, and a check that fails takes the deployment back.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use relrun_tests::Sandbox;

const MANIFEST: &str = r#"
package "acme/shop" version="1.0.@"
environment "live" { host "web1" "file:hosts/live" }
step "site" plugin="build" {
    reads "src/**"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp src/* dist" }
}
phase "live" environments="live" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
    step "health" plugin="http-check" {
        needs "web"
        grant { http "http://127.0.0.1:[PORT]" private=#true }
        config { url "http://127.0.0.1:[PORT]/index.html"; contains "all is well"; private #true; interval "50ms"; timeout "1s" }
    }
}
"#;

/// Serves a folder on a loopback port until it is dropped.
struct Server {
    port: u16,
    told: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn open(folder: PathBuf, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&told);
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => answer(stream, &folder),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(5)),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        Self { port, told, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.told.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Answers one request; a client that goes away before the end is its own affair.
fn answer(mut stream: TcpStream, folder: &std::path::Path) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let (status, body) = fs::read(folder.join(path)).map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

#[test]
fn a_check_that_fails_takes_the_deployment_back() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("hosts/live/srv/shop/current");
    let server = Server::open(folder.clone(), 0);
    let port = server.port;
    sandbox.write("release.kdl", &MANIFEST.replace("[PORT]", &port.to_string()));
    let page = "hosts/live/srv/shop/current/index.html";

    sandbox.write("src/index.html", "1: all is well");
    let ran = sandbox.relrun(&["apply"]);
    assert_eq!(ran.code, 0, "{}", ran.output);

    sandbox.write("src/index.html", "2: all is lost");
    let ran = sandbox.relrun(&["apply"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    let reason = format!(
        "health@live: http://127.0.0.1:{port}/index.html was not healthy within 1s, at last: the status is 200, but the body does not contain \"all is well\"\n"
    );
    assert!(ran.output.contains(&reason), "{}", ran.output);
    assert!(ran.output.ends_with("  live         undone\nhint: type `relrun retry r2`\n"), "{}", ran.output);
    assert_eq!(sandbox.read(page), "1: all is well");

    drop(server);
    sandbox.write("src/index.html", "3: all is well");
    let ran = sandbox.relrun(&["apply"]);
    assert_eq!(ran.code, 1, "nobody serves it: {}", ran.output);
    assert_eq!(sandbox.read(page), "1: all is well");

    let _server = Server::open(folder, port);
    let ran = sandbox.relrun(&["retry"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert_eq!(sandbox.read(page), "3: all is well");
}

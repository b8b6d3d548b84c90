//! What the gate makes of networks and servers that misbehave.

mod support;

use http_body_util::{BodyExt, Full};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use relrun_gate::{GateErrorKind, Request, Timeouts};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use support::{Names, Server, World, answer, body, now};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

async fn outcome(world: &World, url: &str) -> GateErrorKind {
    match world.get(url).await {
        Ok(response) => body(response).await.expect_err("the answer is broken").kind,
        Err(error) => error.kind,
    }
}

#[tokio::test]
async fn what_breaks_off_may_hold_the_next_time() {
    let broken: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ];
    for bytes in broken {
        let server = Server::start(move |_| now(bytes)).await;
        let world = World::new(&[]).open(&server);
        assert_eq!(outcome(&world, &server.url("/")).await, GateErrorKind::Transient, "{}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn nonsense_stays_nonsense() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(300)).into_bytes();
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)).into_bytes();
    for bytes in [b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(), b"HTTP/1.1 abc\r\n\r\n".to_vec(), vec![0; 64], many, large] {
        let copy = bytes.clone();
        let server = Server::start(move |_| now(copy.clone())).await;
        let world = World::new(&[]).open(&server);
        assert_eq!(outcome(&world, &server.url("/")).await, GateErrorKind::Permanent, "{}", String::from_utf8_lossy(&bytes[..20]));
    }
}

#[tokio::test]
async fn a_refused_connection_may_be_open_the_next_time() {
    let server = Server::start(|_| now("")).await;
    let (world, url) = (World::new(&[]).open(&server), server.url("/"));
    drop(server);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(outcome(&world, &url).await, GateErrorKind::Transient);
}

#[tokio::test]
async fn slow_answers_are_cut_off() {
    let slow = Duration::from_secs(30);
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n".to_vec();
    for script in [vec![(slow, head.clone())], vec![(Duration::ZERO, head), (slow, b"late".to_vec())]] {
        let server = Server::start(move |_| script.clone()).await;
        let world = World::new(&[]).open(&server);
        let mut request = Request::new("GET", server.url("/"));
        request.timeout = Some(Duration::from_millis(100));
        let kind = match world.send(request).await {
            Ok(response) => body(response).await.expect_err("too slow").kind,
            Err(error) => error.kind,
        };
        assert_eq!(kind, GateErrorKind::TimedOut);
    }
}

#[tokio::test]
async fn a_body_over_its_cap_is_cut_off() {
    let server = Server::start(|_| answer("200 OK", "", &"x".repeat(5000))).await;
    let mut world = World::new(&[]).open(&server);
    world.options.max_body = 5000;
    assert_eq!(body(world.get(&server.url("/")).await.expect("granted")).await.expect("it just fits").len(), 5000);
    world.options.max_body = 4999;
    let error = body(world.get(&server.url("/")).await.expect("granted")).await.expect_err("it does not fit");
    assert_eq!(error.kind, GateErrorKind::Permanent);
    assert!(error.to_string().ends_with("is larger than 4999 bytes"), "{error}");
}

#[tokio::test]
async fn errors_of_the_server_are_answers() {
    for status in ["404 Not Found", "500 Oops", "304 Not Modified"] {
        let server = Server::start(move |_| answer(status, "", "")).await;
        let response = World::new(&[]).open(&server).get(&server.url("/")).await.expect("an answer");
        assert!(status.starts_with(response.status().as_str()));
    }
}

#[tokio::test]
async fn the_other_interface_goes_through_the_same_checks() {
    let server =
        Server::start(
            |request| if request.contains(" /slow ") { vec![(Duration::from_secs(30), Vec::new())] } else { support::redirect(302, "/x") },
        )
        .await;
    let world = World::new(&[]).open(&server);
    let send = |path: &str, method: &str, timeouts: Timeouts| {
        let request = http::Request::builder().method(method).uri(server.url(path)).header("host", "evil").header("content-length", "4");
        let request = request.body(Full::new(bytes::Bytes::from("data"))).expect("a request");
        let (gate, access) = (world.gate(), world.access());
        async move { gate.send_http(request, timeouts, &access).await }
    };
    let response = send("/", "POST", Timeouts::default()).await.expect("granted");
    assert_eq!(response.status(), 302, "redirects are the guest's business here");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes().len(), 0);
    let sent = &server.requests()[0];
    assert!(sent.contains(&format!("host: {}\r\n", server.address)) && !sent.contains("evil") && sent.ends_with("data"), "{sent}");
    let error = send("/", "DELETE", Timeouts::default()).await.expect_err("not granted");
    assert_eq!(error.kind, GateErrorKind::Denied);
    let short = Timeouts { first_byte: Some(Duration::from_millis(50)), ..Timeouts::default() };
    assert_eq!(send("/slow", "POST", short).await.expect_err("too slow").kind, GateErrorKind::TimedOut);
}

/// A server that says it is `good.example`, and a file with the authority that says so too.
async fn tls_server() -> (Server, tempfile::NamedTempFile) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new(vec!["good.example".to_owned()]).expect("a name").signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .expect("a key that fits");
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(authority.pem().as_bytes()).expect("room for it");
    (Server::start_tls(TlsAcceptor::from(Arc::new(config)), |_| answer("200 OK", "", "private")).await, file)
}

#[tokio::test]
async fn tls_is_checked_against_the_name() {
    let (server, authority) = tls_server().await;
    let port = server.address.port();
    let names = Arc::new(Names::default().with("good.example", &[&["127.0.0.1"]]).with("bad.example", &[&["127.0.0.1"]]));
    let mut world = World::new(&[]).grant("https", "*.example", port, "GET", true).names(&names);
    let (good, bad) = (format!("https://good.example:{port}/"), format!("https://bad.example:{port}/"));
    let error = world.get(&good).await.expect_err("nobody knows the authority");
    assert_eq!(error.kind, GateErrorKind::Permanent, "{error}");
    world.options.ca_files.push(authority.path().to_owned());
    assert_eq!(body(world.get(&good).await.expect("the authority is known")).await.expect("a body"), "private");
    let error = world.get(&bad).await.expect_err("another name");
    assert_eq!(error.kind, GateErrorKind::Permanent, "{error}");
    let plain = Server::start(|_| now("HTTP/1.1 200 OK\r\n\r\n")).await;
    let world = World::new(&[]).grant("https", "127.0.0.1", plain.address.port(), "GET", true);
    let mut request = Request::new("GET", format!("https://{}/", plain.address));
    request.timeout = Some(Duration::from_millis(500));
    assert!(world.send(request).await.is_err(), "no TLS there");
}

#[test]
fn authorities_that_are_none_are_named() {
    let mut world = World::new(&[]);
    world.options.ca_files = vec!["/nonexistent/ca.pem".into()];
    assert_eq!(relrun_gate::Gate::new(world.options.clone()).expect_err("no file").kind, GateErrorKind::Missing);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    world.options.ca_files = vec![file.path().to_owned()];
    assert_eq!(relrun_gate::Gate::new(world.options).expect_err("empty").kind, GateErrorKind::Invalid);
}

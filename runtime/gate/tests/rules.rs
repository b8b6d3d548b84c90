//! What the gate lets through, and what it refuses, against servers on the loopback.

mod support;

use relrun_gate::{BasicAuth, Body, GateErrorKind, Mode, Request, SecretHeader};
use relrun_manifest::SecretTarget;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::{Names, Server, World, answer, body, origin, redirect};

#[tokio::test]
async fn a_granted_request_goes_through() {
    let server = Server::start(|_| answer("201 Created", "x-a: 1\r\n", "hello")).await;
    let world = World::new(&[]).open(&server);
    let mut request = Request::new("post", server.url("/a?b=c"));
    request.headers.push(("X-Who".to_owned(), "me".to_owned()));
    request.body = Body::Bytes("data".into());
    let response = world.send(request).await.expect("it is granted");
    assert_eq!((response.status().as_u16(), response.header("x-a"), response.remote()), (201, Some("1"), server.address));
    assert_eq!(body(response).await.expect("a body"), "hello");
    let sent = &server.requests()[0];
    assert!(sent.starts_with("POST /a?b=c HTTP/1.1\r\n") && sent.ends_with("\r\n\r\ndata"), "{sent}");
    assert!(sent.contains(&format!("host: {}\r\n", server.address)) && sent.contains("x-who: me\r\n"), "{sent}");
}

#[tokio::test]
async fn a_file_is_sent_whole() {
    use std::io::Write;
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&vec![b'x'; 200_000]).expect("room for it");
    let mut request = Request::new("PUT", server.url("/"));
    request.body = Body::File(file);
    World::new(&[]).open(&server).send(request).await.expect("it is granted");
    let sent = &server.requests()[0];
    assert!(sent.contains("content-length: 200000\r\n") && sent.ends_with(&"x".repeat(1000)));
}

#[tokio::test]
async fn scheme_host_port_and_method_must_be_granted() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let port = server.address.port();
    let url = server.url("/p?token=abc");
    for (scheme, host, granted_port, methods) in [
        ("https", "127.0.0.1", port, "GET"),
        ("http", "localhost", port, "GET"),
        ("http", "*.0.0.1", port, "GET"),
        ("http", "127.0.0.1", port.wrapping_add(1), "GET"),
        ("http", "127.0.0.1", port, "HEAD POST"),
    ] {
        let error = World::new(&[]).grant(scheme, host, granted_port, methods, true).get(&url).await.expect_err("not granted");
        assert_eq!(error.kind, GateErrorKind::Denied, "{error}");
        assert_eq!(error.to_string(), format!("no grant covers GET http://127.0.0.1:{port}/p"));
        assert_eq!(error.help, Some(format!("add `http \"http://127.0.0.1:{port}\" methods=\"GET\"` to the step's `grant` block")));
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn read_only_calls_may_only_read() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let mut world = World::new(&[]).open(&server);
    world.mode = Mode::ReadOnly;
    world.get(&server.url("/")).await.expect("GET reads");
    let error = world.send(Request::new("POST", server.url("/"))).await.expect_err("POST may change something");
    assert_eq!(error.kind, GateErrorKind::Denied);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn odd_addresses_are_refused() {
    let world = World::new(&[]).grant("http", "a.example", 80, "GET CONNECT TRACE", true);
    for (url, kind) in [
        ("http://user:pw@a.example/", GateErrorKind::Invalid),
        ("http://user@a.example/", GateErrorKind::Invalid),
        ("file:///etc/passwd", GateErrorKind::Invalid),
        ("/relative", GateErrorKind::Invalid),
        ("http://", GateErrorKind::Invalid),
        ("http://a.example:0/", GateErrorKind::Invalid),
        ("http://a.example@b.example/", GateErrorKind::Invalid),
        ("http://a.example.b.example/", GateErrorKind::Denied),
    ] {
        let error = world.get(url).await.expect_err(url);
        assert_eq!(error.kind, kind, "{url}: {error}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
    for method in ["CONNECT", "TRACE"] {
        let error = world.send(Request::new(method, "http://a.example/")).await.expect_err(method);
        assert_eq!(error.kind, GateErrorKind::Denied);
    }
}

#[tokio::test]
async fn private_addresses_need_a_grant_that_says_so() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{port}/");
        let error = World::new(&[]).grant("http", host, port, "GET", false).get(&url).await.expect_err("loopback is private");
        assert_eq!(error.kind, GateErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("a loopback address"), "{error}");
        assert!(error.help.expect("a hint").contains("private=#true"));
        World::new(&[]).grant("http", host, port, "GET", true).get(&url).await.expect("granted with private=#true");
    }
    for host in ["2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"] {
        let url = format!("http://{host}:{port}/");
        let host = url::Url::parse(&url).expect("a URL").host_str().expect("a host").to_owned();
        let error = World::new(&[]).grant("http", &host, port, "GET", false).get(&url).await.expect_err("still the loopback");
        assert_eq!(error.kind, GateErrorKind::Denied, "{error}");
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "100.64.0.1"] {
        let names = Arc::new(Names::default().with("a.example", &[&["93.184.216.34", inside]]));
        let world = World::new(&[]).grant("http", "a.example", 80, "GET", false).names(&names);
        let error = world.get("http://a.example/").await.expect_err("one bad address refuses all");
        assert_eq!(error.kind, GateErrorKind::Denied, "{inside}: {error}");
    }
    let names = Arc::new(Names::default().with("a.example", &[&["0.0.0.0"]]));
    let world = World::new(&[]).grant("http", "a.example", 80, "GET", true).names(&names);
    assert_eq!(world.get("http://a.example/").await.expect_err("no grant opens it").kind, GateErrorKind::Denied);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_pinned() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let names = Arc::new(Names::default().with("a.example", &[&["127.0.0.1"], &["0.0.0.0"]]));
    let port = server.address.port();
    let world = World::new(&[]).grant("http", "*.example", port, "GET", true).names(&names);
    let response = world.get(&format!("http://a.example:{port}/")).await.expect("granted");
    assert_eq!(response.remote(), server.address);
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert!(server.requests()[0].contains(&format!("host: a.example:{port}\r\n")));
    let error = world.get(&format!("http://unknown.example:{port}/")).await.expect_err("no such name");
    assert_eq!(error.kind, GateErrorKind::Transient);
}

#[tokio::test]
async fn each_redirect_is_checked() {
    let inner = Server::start(|_| answer("200 OK", "", "inside")).await;
    let to = inner.url("/secret?x=1");
    let outer = Server::start(move |_| redirect(302, &to)).await;
    let error = World::new(&[]).open(&outer).get(&outer.url("/")).await.expect_err("the second hop is not granted");
    assert_eq!(error.kind, GateErrorKind::Denied);
    assert_eq!(error.to_string(), format!("after a redirect: no grant covers GET {}", inner.url("/secret")));
    let world = World::new(&[]).open(&outer).grant("http", "127.0.0.1", inner.address.port(), "GET", false);
    let error = world.get(&outer.url("/")).await.expect_err("the second hop is private");
    assert!(error.to_string().contains("a loopback address"), "{error}");
    assert!(inner.requests().is_empty());
    let response = World::new(&[]).open(&outer).open(&inner).get(&outer.url("/")).await.expect("both are granted");
    assert_eq!(body(response).await.expect("a body"), "inside");
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|_| redirect(307, "/again")).await;
    let error = World::new(&[]).open(&server).get(&server.url("/")).await.expect_err("a loop");
    assert_eq!(error.kind, GateErrorKind::Permanent);
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn redirects_change_the_method_as_they_should() {
    for (status, method, becomes, keeps_body) in [
        (301, "POST", "GET", false),
        (302, "POST", "GET", false),
        (302, "PUT", "PUT", true),
        (303, "PUT", "GET", false),
        (303, "HEAD", "HEAD", false),
        (307, "POST", "POST", true),
        (308, "PUT", "PUT", true),
    ] {
        let server =
            Server::start(move |request| if request.contains(" /next ") { answer("200 OK", "", "") } else { redirect(status, "/next") })
                .await;
        let mut request = Request::new(method, server.url("/"));
        if method != "HEAD" {
            request.body = Body::Bytes("data".into());
        }
        World::new(&[]).open(&server).send(request).await.expect("granted");
        let last = server.requests()[1].clone();
        assert!(last.starts_with(&format!("{becomes} /next ")), "{status} {method}: {last}");
        assert_eq!(last.ends_with("data"), keeps_body, "{status} {method}: {last}");
    }
}

fn bearer() -> SecretHeader {
    SecretHeader { name: "Authorization".to_owned(), prefix: "Bearer ".to_owned(), secret: "token".to_owned() }
}

#[tokio::test]
async fn a_secret_goes_to_its_target_alone() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let port = server.address.port();
    let request = || {
        let mut request = Request::new("GET", server.url("/"));
        request.secret_headers.push(bearer());
        request
    };
    let world = World::new(&[("token", "s3cr3t-value")]).open(&server);
    for target in [SecretTarget::Reveal, SecretTarget::Sign, SecretTarget::Http(origin("https", "127.0.0.1", port))] {
        let world = World::new(&[("token", "s3cr3t-value")]).open(&server).secret("token", target);
        let error = world.send(request()).await.expect_err("not for this target");
        assert_eq!(error.kind, GateErrorKind::Denied);
        assert!(!error.to_string().contains("s3cr3t"));
    }
    assert!(server.requests().is_empty());
    world.secret("token", SecretTarget::Http(origin("http", "127.0.0.1", port))).send(request()).await.expect("granted");
    assert!(server.requests()[0].contains("authorization: Bearer s3cr3t-value\r\n"));
}

#[tokio::test]
async fn no_secret_follows_a_redirect_to_another_origin() {
    let other = Server::start(|_| answer("200 OK", "", "")).await;
    let to = other.url("/");
    let first =
        Server::start(move |request| if request.contains("GET /there ") { redirect(307, &to) } else { redirect(307, "/there") }).await;
    for by_guest in [false, true] {
        let mut request = Request::new("GET", first.url("/"));
        if by_guest {
            request.headers.push(("Authorization".to_owned(), "Bearer own".to_owned()));
            request.headers.push(("Cookie".to_owned(), "own=1".to_owned()));
        } else {
            request.basic_auth = Some(BasicAuth { user: "me".to_owned(), secret: "token".to_owned() });
        }
        let world = World::new(&[("token", "s3cr3t-value")]).open(&first).open(&other);
        let granted = SecretTarget::Http(origin("http", "127.0.0.1", first.address.port()));
        world.secret("token", granted).send(request).await.expect("both hops are granted");
    }
    let sent = first.requests();
    assert!(sent[0].contains("authorization: Basic bWU6czNjcjN0LXZhbHVl\r\n") && sent[1].contains("authorization: Basic "), "{sent:?}");
    assert!(sent[2].contains("Bearer own") && sent[3].contains("Bearer own"));
    for request in other.requests() {
        assert!(!request.contains("authorization") && !request.contains("cookie"), "{request}");
    }
    assert_eq!(other.requests().len(), 2);
}

#[tokio::test]
async fn headers_cannot_be_injected() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    for (name, value) in [
        ("x", "a\r\nx-evil: 1"),
        ("x\r\nx-evil", "1"),
        ("x y", "1"),
        ("", "1"),
        ("host", "evil"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "9"),
        ("x", "a\0b"),
    ] {
        let mut request = Request::new("GET", server.url("/"));
        request.headers.push((name.to_owned(), value.to_owned()));
        let error = World::new(&[]).open(&server).send(request).await.expect_err(name);
        assert_eq!(error.kind, GateErrorKind::Invalid, "{name:?}: {error}");
    }
    let error =
        World::new(&[]).open(&server).send(Request::new("GET / HTTP/1.1\r\nx: y\r\n", server.url("/"))).await.expect_err("no method");
    assert_eq!(error.kind, GateErrorKind::Invalid);
    let port = server.address.port();
    let world =
        World::new(&[("token", "two\nlines-secret")]).open(&server).secret("token", SecretTarget::Http(origin("http", "127.0.0.1", port)));
    let mut request = Request::new("GET", server.url("/"));
    request.secret_headers.push(bearer());
    let error = world.send(request).await.expect_err("a secret with a line break");
    assert_eq!(error.to_string(), "the secret \"token\" holds a line break or a control character, so it cannot stand in a header");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn errors_hold_no_secret() {
    let world = World::new(&[("token", "s3cr3t-value")]);
    let error = world.get("https://a.example/s3cr3t-value/x?key=s3cr3t-value#s3cr3t-value").await.expect_err("not granted");
    assert_eq!(error.to_string(), "no grant covers GET https://a.example/***/x");
}

#[test]
fn revealing_and_signing_need_their_own_grants() {
    let target = || SecretTarget::Http(origin("https", "a.example", 443));
    let world = World::new(&[("key", "key")]).secret("key", target());
    assert_eq!(world.access().reveal("key").expect_err("not granted").kind, GateErrorKind::Denied);
    assert_eq!(world.access().sign("key", b"").expect_err("not granted").kind, GateErrorKind::Denied);
    assert_eq!(world.access().secret("other").expect_err("not granted").kind, GateErrorKind::Denied);
    assert!(world.access().secret("key").is_ok());
    let world = world.secret("key", SecretTarget::Reveal).secret("key", SecretTarget::Sign).secret("gone", SecretTarget::Reveal);
    assert_eq!(world.access().reveal("key"), Ok("key"));
    assert_eq!(world.access().reveal("gone").expect_err("no value").kind, GateErrorKind::Missing);
    let signed = world.access().sign("key", b"The quick brown fox jumps over the lazy dog").expect("granted");
    // The well-known pair of this key and this text.
    assert_eq!(signed[..4], [0xf7, 0xbc, 0x83, 0xf4]);
}

#[test]
fn a_command_gets_its_own_secrets_alone() {
    let command = |program: &str, env: Option<&str>| SecretTarget::Command { program: program.to_owned(), env: env.map(str::to_owned) };
    let world =
        World::new(&[("a", "value-a"), ("b", "value-b")]).secret("a", command("npm", Some("NPM_TOKEN"))).secret("b", command("make", None));
    let access = world.access();
    let found = access.command_secrets("npm").expect("it has a value");
    assert_eq!(
        found.iter().map(|secret| (secret.name, secret.env, secret.value)).collect::<Vec<_>>(),
        [("a", Some("NPM_TOKEN"), "value-a")]
    );
    assert!(access.command_secrets("sh").expect("none").is_empty());
}

//! The ways to a server: through proxies, as a client with a certificate, over a connection that is there already.

mod support;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use relrun_gate::{GateErrorKind, Mode, Proxies, Request};
use relrun_manifest::{Capability, HttpGrant, HttpTls};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Server, World, answer, body, origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// A server with TLS that takes nobody without a certificate, and the files that a client needs.
struct Guarded {
    server: Server,
    folder: tempfile::TempDir,
    key: String,
}

async fn guarded() -> Guarded {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let signed = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).expect("a name").signed_by(&key, &authority).expect("a certificate");
        (certificate, key)
    };
    let ((server, server_key), (client, client_key)) = (signed("shop.example"), signed("ci.example"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("an authority");
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![server.der().clone()], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der())))
        .expect("a key that fits");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("room");
    std::fs::write(folder.path().join("client.pem"), client.pem()).expect("room");
    let server = Server::start_tls(TlsAcceptor::from(Arc::new(config)), |_| answer("200 OK", "", "guarded")).await;
    Guarded { server, folder, key: client_key.serialize_pem() }
}

impl Guarded {
    fn world(&self, with_certificate: bool) -> World {
        let path = |name: &str| Some(self.folder.path().join(name).display().to_string());
        let names = Arc::new(support::Names::default().with("shop.example", &[&["127.0.0.1"]]));
        let mut world = World::new(&[("client-key", &self.key)]).names(&names);
        let tls = HttpTls {
            ca: path("ca.pem"),
            cert: path("client.pem").filter(|_| with_certificate),
            key: with_certificate.then(|| "client-key".to_owned()),
        };
        let origin = origin("https", "shop.example", self.server.address.port());
        world.capabilities.push(Capability::Http(HttpGrant { origin, methods: ["GET".to_owned()].into(), private: true, tls }));
        world
    }

    fn url(&self) -> String {
        format!("https://shop.example:{}/", self.server.address.port())
    }
}

#[tokio::test]
async fn a_grant_has_its_own_authority_and_its_own_certificate() {
    let guarded = guarded().await;
    let response = guarded.world(true).get(&guarded.url()).await.expect("it is let in");
    assert_eq!(body(response).await.expect("a body"), "guarded");
    let refused = match guarded.world(false).get(&guarded.url()).await {
        Ok(response) => body(response).await.expect_err("it asks for a certificate"),
        Err(error) => error,
    };
    assert!(matches!(refused.kind, GateErrorKind::Permanent | GateErrorKind::Transient), "{refused}");
    let mut other = guarded.world(true);
    let Capability::Http(grant) = &mut other.capabilities[0] else { panic!("it is one") };
    grant.tls.ca = None;
    let error = other.get(&guarded.url()).await.expect_err("nobody else knows the authority");
    assert!(error.to_string().contains("TLS with"), "{error}");
    grant_of(&mut other).tls.cert = Some("/nonexistent.pem".to_owned());
    assert_eq!(other.get(&guarded.url()).await.expect_err("no file").kind, GateErrorKind::Missing);
}

fn grant_of(world: &mut World) -> &mut HttpGrant {
    match &mut world.capabilities[0] {
        Capability::Http(grant) => grant,
        other => panic!("{other} is no HTTP"),
    }
}

/// A proxy that opens tunnels to one address, whatever name it is asked for.
async fn tunnels(to: std::net::SocketAddr, answer: &'static str) -> (std::net::SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let heads = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            log.lock().expect("no test panics with the lock").push(String::from_utf8_lossy(&head).into_owned());
            if stream.write_all(answer.as_bytes()).await.is_err() || !answer.contains(" 200 ") {
                continue;
            }
            let mut server = TcpStream::connect(to).await.expect("it listens");
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut server).await });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_proves_the_server_behind_it() {
    let guarded = guarded().await;
    let (proxy, heads) = tunnels(guarded.server.address, "HTTP/1.1 200 Connection established\r\n\r\n").await;
    let mut world = guarded.world(true);
    world.options.proxies = Proxies { https: Some(format!("http://ana:s%40crt@{proxy}")), ..Proxies::default() };
    world.options.resolver = Arc::new(support::Names::default());
    let response = world.get(&guarded.url()).await.expect("the proxy knows the name");
    assert_eq!(body(response).await.expect("a body"), "guarded");
    let head = heads.lock().expect("no test panics with the lock")[0].to_lowercase();
    assert!(head.starts_with(&format!("connect shop.example:{} http/1.1\r\n", guarded.server.address.port())), "{head}");
    assert!(head.contains("proxy-authorization: basic yw5honnay3j0\r\n"), "{head}");
    let (proxy, _) = tunnels(guarded.server.address, "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    world.options.proxies.https = Some(format!("http://ana:s3cret@{proxy}"));
    let error = world.get(&guarded.url()).await.expect_err("it wants another password");
    assert!(error.kind == GateErrorKind::Denied && !error.to_string().contains("s3cret"), "{error}");
    world.options.proxies.none_for = "shop.example".to_owned();
    assert!(world.get(&guarded.url()).await.is_err(), "without the proxy nobody knows the name");
}

#[tokio::test]
async fn plain_http_tells_a_proxy_the_whole_address_and_grants_hold_all_the_same() {
    let proxy = Server::start(|_| answer("200 OK", "", "by proxy")).await;
    let mut world = World::new(&[]).grant("http", "shop.example", 80, "GET", false);
    world.options.proxies = Proxies { http: Some(proxy.address.to_string()), ..Proxies::default() };
    world.options.resolver = Arc::new(support::Names::default());
    let response = world.get("http://shop.example/a?b=c").await.expect("the proxy answers");
    assert_eq!(body(response).await.expect("a body"), "by proxy");
    assert!(proxy.requests()[0].starts_with("GET http://shop.example/a?b=c HTTP/1.1\r\n"), "{}", proxy.requests()[0]);
    assert_eq!(world.get("http://other.example/").await.expect_err("not granted").kind, GateErrorKind::Denied);
    let world = World { capabilities: Vec::new(), ..world }.grant("http", "10.0.0.1", 80, "GET", false);
    assert_eq!(world.get("http://10.0.0.1/").await.expect_err("a private address").kind, GateErrorKind::Denied);
}

/// A server that keeps its connections open, and counts them.
async fn keeping() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, count) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    seen.push(byte);
                    if seen.ends_with(b"\r\n\r\n") {
                        seen.clear();
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn a_connection_is_used_again_by_the_same_step_alone() {
    let (address, count) = keeping().await;
    let world = World::new(&[]).grant("http", "127.0.0.1", address.port(), "GET HEAD", true);
    let gate = world.gate();
    for _ in 0..3 {
        let response = gate.send(Request::new("GET", format!("http://{address}/")), &world.access()).await.expect("an answer");
        assert_eq!(body(response).await.expect("a body"), "ok");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(gate.send(Request::new("GET", format!("http://{address}/")), &world.access()).await.expect("an answer"));
    let response = gate.send(Request::new("GET", format!("http://{address}/")), &world.access()).await.expect("an answer");
    assert_eq!(body(response).await.expect("a body"), "ok");
    assert_eq!(count.load(Ordering::SeqCst), 2, "one whose answer was not read is not used again");
    let other = World { mode: Mode::ReadOnly, ..World::new(&[]) }.grant("http", "127.0.0.1", address.port(), "GET", true);
    let response = gate.send(Request::new("GET", format!("http://{address}/")), &other.access()).await.expect("an answer");
    assert_eq!(body(response).await.expect("a body"), "ok");
    assert_eq!(count.load(Ordering::SeqCst), 3, "another step has its own");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_no_error() {
    let server = Server::start(|_| answer("200 OK", "", "once")).await;
    let world = World::new(&[]).open(&server);
    let gate = world.gate();
    for _ in 0..4 {
        let response = gate.send(Request::new("GET", server.url("/")), &world.access()).await.expect("an answer");
        assert_eq!(body(response).await.expect("a body"), "once");
    }
}

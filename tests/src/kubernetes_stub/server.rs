//! HTTP/1.1 over TLS, by hand and a thread a connection: what a test wants to break is bytes.

use super::answer::{Refusal, not_found, outdated, refuse};
use super::apply::Apply;
use super::faults::{self, Harm};
use super::kinds::{self, KINDS, Kind};
use super::world::Place;
use super::{Shared, watch};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// The longest request.
const LONGEST: usize = 8 << 20;

pub(crate) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

pub(crate) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// A request to objects.
pub(crate) struct Asked<'a> {
    method: &'a str,
    pub(crate) kind: &'static Kind,
    pub(crate) namespace: &'a str,
    name: Option<&'a str>,
    part: Option<&'a str>,
    query: Vec<(String, String)>,
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Server {
    pub(crate) fn start(shared: Arc<Shared>, folder: &Path) -> Self {
        let config = Arc::new(certify(folder));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared, config) = (stream, Arc::clone(&serving), Arc::clone(&config)) else { continue };
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_mins(1)));
                    // What breaks off is the client's to notice.
                    let _ = converse(&shared, stream, config);
                });
            }
        });
        Self { shared, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Wakes the thread that waits for connections, so that it sees that all is over.
    pub(crate) fn stop(&self) {
        debug_assert!(self.shared.over.load(Ordering::SeqCst));
        let _ = TcpStream::connect(self.address);
    }
}

/// Makes an authority, the server's certificate, and one for a client.
fn certify(folder: &Path) -> ServerConfig {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let client_key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(Vec::new()).unwrap();
    client.distinguished_name.push(DnType::CommonName, "ci");
    let client = client.signed_by(&client_key, &authority).unwrap();
    fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    fs::write(folder.join("client.crt"), client.pem()).unwrap();
    fs::write(folder.join("client.key"), client_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build().unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![server.der().clone()], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .unwrap()
}

fn converse(shared: &Shared, stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut left = Vec::new();
    while let Some(request) = read(&mut stream, &mut left)? {
        let certified = stream.conn.peer_certificates().is_some_and(|chain| !chain.is_empty());
        let closes = request.headers.iter().any(|(name, value)| name == "connection" && value.eq_ignore_ascii_case("close"));
        serve(shared, &request, certified, &mut stream)?;
        if closes {
            stream.conn.send_close_notify();
            return stream.flush();
        }
    }
    Ok(())
}

fn read(stream: &mut dyn Connection, left: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some((request, used)) = parse(left) {
            left.drain(..used);
            return Ok(Some(request));
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 || left.len() > LONGEST {
            return Ok(None);
        }
        left.extend_from_slice(&buffer[..count]);
    }
}

fn parse(bytes: &[u8]) -> Option<(Request, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..head]);
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length: usize = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let end = head + 4 + length;
    (bytes.len() >= end).then(|| (Request { method, target, headers, body: bytes[head + 4..end].to_vec() }, end))
}

fn serve(shared: &Shared, request: &Request, certified: bool, stream: &mut dyn Connection) -> io::Result<()> {
    let line = format!("{} {}", request.method, request.target);
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
    let harm = faults::take(&mut shared.faults.lock().unwrap_or_else(PoisonError::into_inner), &line);
    let broken = || Err(io::Error::other("broken off on purpose"));
    match harm {
        Some(Harm::Drop) => return broken(),
        Some(Harm::Slow(wait)) => std::thread::sleep(wait),
        Some(Harm::TooMany(seconds)) => {
            let refusal = refuse(
                429,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
                &Value::Null,
            );
            return write(stream, 429, &format!("retry-after: {seconds}\r\n"), "application/json", refusal.status.to_string().as_bytes());
        }
        Some(Harm::Echo) => {
            let given = request.headers.iter().find(|(name, _)| name == "authorization").map_or("nobody", |(_, value)| value.as_str());
            let refusal = refuse(403, "Forbidden", &format!("a proxy does not let {given} through"), &Value::Null);
            return write(stream, 403, "", "application/json", refusal.status.to_string().as_bytes());
        }
        Some(Harm::Unavailable) => return write(stream, 503, "", "text/plain", b"upstream is not there"),
        _ => {}
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    if harm == Some(Harm::Silent) && !query.contains("watch=true") {
        silence(shared);
        return broken();
    }
    let answer = believed(shared, request, certified).and_then(|()| {
        if let Some(document) = kinds::document(path).filter(|_| request.method == "GET") {
            return Ok((200, document));
        }
        let asked = place(path, query, &request.method)
            .ok_or_else(|| refuse(404, "NotFound", "the server could not find the requested resource", &Value::Null))?;
        if request.method == "GET" && asked.query("watch").is_some_and(|watch| watch == "true" || watch == "1") {
            shared.world().may("watch", asked.kind, "", asked.namespace)?;
            return Ok((0, Value::Null));
        }
        if let (Some(Harm::Taken), Some(name)) = (harm, asked.name) {
            let take = |object: &mut Value| object["metadata"]["labels"]["relrun/inventory"] = json!("another");
            shared.world().edit(asked.kind.resource, asked.namespace, name, "somebody", take);
        }
        answer(shared, &asked, request)
    });
    match (answer, place(path, query, &request.method)) {
        (Ok((0, _)), Some(asked)) => watch::serve(shared, &asked, harm, stream),
        (answer, _) => {
            let (code, body) = answer.unwrap_or_else(|Refusal { code, status }| (code, status));
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            match harm {
                Some(Harm::DropAfter) => broken(),
                Some(Harm::Half) => {
                    write!(stream, "HTTP/1.1 {code} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", text.len())?;
                    stream.write_all(&text.as_bytes()[..text.len() / 2])?;
                    stream.flush()?;
                    broken()
                }
                Some(Harm::Nonsense) => write(stream, 200, "", "text/html", b"<html>a proxy says hello</html>"),
                _ => write(stream, code, "", if body.is_string() { "text/plain" } else { "application/json" }, text.as_bytes()),
            }
        }
    }
}

/// Says nothing for a while that is longer than anybody waits.
pub(crate) fn silence(shared: &Shared) {
    let over = Instant::now() + Duration::from_mins(2);
    while Instant::now() < over && !shared.over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn write(stream: &mut dyn Connection, code: u16, headers: &str, content_type: &str, body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {code} Status\r\ncontent-type: {content_type}\r\n{headers}content-length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    stream.flush()
}

fn believed(shared: &Shared, request: &Request, certified: bool) -> Result<(), Refusal> {
    let given = request.headers.iter().find(|(name, _)| name == "authorization").and_then(|(_, value)| value.strip_prefix("Bearer "));
    let tokens = shared.tokens.lock().unwrap_or_else(PoisonError::into_inner);
    let known = given.map_or(certified, |given| tokens.iter().any(|token| token == given));
    if known { Ok(()) } else { Err(refuse(401, "Unauthorized", "Unauthorized", &Value::Null)) }
}

fn place<'a>(path: &'a str, query: &str, method: &'a str) -> Option<Asked<'a>> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, "v1", rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (resource, name, part) = match rest {
        [resource] => (resource, None, None),
        [resource, name] => (resource, Some(*name), None),
        [resource, name, part] => (resource, Some(*name), Some(*part)),
        _ => return None,
    };
    let kind = KINDS.iter().find(|kind| kind.group == group && kind.resource == *resource)?;
    let decoded = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(Asked { method, kind, namespace, name, part, query: pairs.map(|(name, value)| (decoded(name), decoded(value))).collect() })
}

impl Asked<'_> {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the label and field selectors take an object.
    pub(crate) fn selects(&self, object: &Value) -> bool {
        let pairs = |name: &str| -> Vec<(String, String)> {
            let text = self.query(name).unwrap_or_default();
            text.split(',')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.trim_start_matches('=').to_owned()))
                .collect()
        };
        let field = |path: &str| path.split('.').fold(object, |value, part| &value[part]);
        let at_place = self.namespace.is_empty() || object["metadata"]["namespace"] == self.namespace;
        at_place
            && pairs("labelSelector").iter().all(|(name, value)| object["metadata"]["labels"][name] == value.as_str())
            && pairs("fieldSelector").iter().all(|(path, value)| *field(path) == value.as_str())
    }
}

/// RFC 7396.
fn merge(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    for (name, field) in fields {
        if field.is_null() {
            value.as_object_mut().map(|object| object.remove(name));
        } else {
            merge(&mut value[name], field);
        }
    }
}

fn answer(shared: &Shared, asked: &Asked<'_>, request: &Request) -> Result<(u16, Value), Refusal> {
    let mut world = shared.world();
    let (kind, namespace) = (asked.kind, asked.namespace);
    let verb = match (asked.method, asked.name) {
        ("GET", Some(_)) => "get",
        ("GET", None) => "list",
        ("PATCH", _) => "patch",
        ("PUT", _) => "update",
        ("POST", _) => "create",
        ("DELETE", _) => "delete",
        _ => return Err(refuse(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", &Value::Null)),
    };
    world.may(verb, kind, asked.name.unwrap_or_default(), namespace)?;
    if let (Some("log"), Some(name)) = (asked.part, asked.name) {
        let pod = world.find("pods", namespace, name).ok_or_else(|| not_found(kind, name))?;
        return Ok((
            200,
            json!(format!(
                "{} started\nfatal: the database is not there\n",
                pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default()
            )),
        ));
    }
    let body = || {
        serde_json::from_slice::<Value>(&request.body)
            .map_err(|error| refuse(400, "BadRequest", &format!("the body is no JSON: {error}"), &Value::Null))
    };
    let dry_run = asked.query("dryRun") == Some("All");
    let manager = asked.query("fieldManager");
    let changed = match (verb, asked.name) {
        ("get", Some(name)) => {
            return world.find(kind.resource, namespace, name).map(|object| (200, object.clone())).ok_or_else(|| not_found(kind, name));
        }
        ("list", _) => {
            let items: Vec<Value> = world.list(kind.resource, namespace).filter(|object| asked.selects(object)).cloned().collect();
            let metadata = json!({ "resourceVersion": world.version().to_string() });
            return Ok((
                200,
                json!({ "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": items }),
            ));
        }
        ("delete", Some(name)) => {
            let found = world.find(kind.resource, namespace, name).cloned().ok_or_else(|| not_found(kind, name))?;
            let options = if request.body.is_empty() { Value::Null } else { body()? };
            for condition in ["uid", "resourceVersion"] {
                let asked = &options["preconditions"][condition];
                if !asked.is_null() && *asked != found["metadata"][condition] {
                    return Err(outdated(kind, name, condition));
                }
            }
            if !dry_run {
                world.remove(kind.resource, namespace, name);
            }
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "details": { "name": name, "uid": found["metadata"]["uid"] } });
            drop(world);
            shared.changed.notify_all();
            return Ok((200, status));
        }
        ("patch", Some(name)) => {
            let place = Place { kind, namespace, name, dry_run };
            let content = request.headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value.as_str());
            if content == "application/merge-patch+json" {
                let mut object = world.find(kind.resource, namespace, name).cloned().ok_or_else(|| not_found(kind, name))?;
                merge(&mut object, &body()?);
                return world.update(&place, object, manager.unwrap_or("unknown")).map(|(_, object)| (200, object));
            }
            if content != "application/apply-patch+yaml" {
                return Err(refuse(415, "UnsupportedMediaType", "the stub takes server-side apply and merge patches", &Value::Null));
            }
            let manager = manager.ok_or_else(|| {
                refuse(
                    422,
                    "Invalid",
                    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
                    &Value::Null,
                )
            })?;
            world.apply(&place, &body()?, &Apply { manager, force: asked.query("force") == Some("true") })
        }
        (_, name) => {
            let object = body()?;
            let named = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let name = name.unwrap_or(&named);
            if verb == "create" && world.find(kind.resource, namespace, name).is_some() {
                let message = format!("{} \"{name}\" already exists", kind.qualified());
                return Err(refuse(409, "AlreadyExists", &message, &Value::Null));
            }
            world.update(&Place { kind, namespace, name, dry_run }, object, manager.unwrap_or("unknown"))
        }
    };
    drop(world);
    shared.changed.notify_all();
    changed.map(|(new, object)| (if new { 201 } else { 200 }, object))
}

//! Loopback servers that answer what a test tells them to, and a resolver that knows what a test tells it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use relrun_gate::{Access, Gate, GateError, GateOptions, Lookup, Masker, Mode, Pool, Request, Resolve, Response, Secrets};
use relrun_manifest::{Capability, HttpGrant, HttpTls, Origin, SecretGrant, SecretTarget};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a server sends, and when.
pub(crate) type Script = Vec<(Duration, Vec<u8>)>;

pub(crate) fn now(text: impl Into<Vec<u8>>) -> Script {
    vec![(Duration::ZERO, text.into())]
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Script {
    now(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
}

pub(crate) fn redirect(status: u16, to: &str) -> Script {
    answer(&format!("{status} Moved"), &format!("location: {to}\r\n"), "")
}

/// A server on the loopback; its requests are kept.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answers: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        Self::serve(None, answers).await
    }

    pub(crate) async fn start_tls(acceptor: TlsAcceptor, answers: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        Self::serve(Some(acceptor), answers).await
    }

    async fn serve(acceptor: Option<TlsAcceptor>, answers: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answers) = (Arc::clone(&requests), Arc::new(answers));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answers, acceptor) = (Arc::clone(&log), Arc::clone(&answers), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => converse(stream, &log, &*answers).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                converse(stream, &log, &*answers).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics with the lock").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<String>>,
    answers: &(dyn Fn(&str) -> Script + Send + Sync),
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let script = answers(&request);
    log.lock().expect("no test panics with the lock").push(request);
    for (wait, bytes) in script {
        tokio::time::sleep(wait).await;
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let count = stream.read(&mut buffer).await.ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// A resolver that knows some names, and counts.
#[derive(Default)]
pub(crate) struct Names {
    known: Vec<(&'static str, Vec<Vec<IpAddr>>)>,
    pub(crate) asked: AtomicUsize,
}

impl Names {
    /// Knows a name; each look-up gives the next of the answers, the last one for ever.
    pub(crate) fn with(mut self, name: &'static str, answers: &[&[&str]]) -> Self {
        let answers = answers.iter().map(|answer| answer.iter().map(|text| text.parse().expect("an address")).collect()).collect();
        self.known.push((name, answers));
        self
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a> {
        let place = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.known.iter().find(|(name, _)| *name == host).map(|(_, answers)| answers[place.min(answers.len() - 1)].clone());
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

/// The grants and secrets of one test.
pub(crate) struct World {
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) secrets: Secrets,
    pub(crate) masker: Masker,
    pub(crate) mode: Mode,
    pub(crate) options: GateOptions,
    pub(crate) pool: Arc<Pool>,
}

impl World {
    pub(crate) fn new(secrets: &[(&str, &str)]) -> Self {
        let values: BTreeMap<String, String> = secrets.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let secrets = Secrets::new(values);
        let masker = Masker::new(&secrets).expect("these secrets can be masked");
        Self { capabilities: Vec::new(), secrets, masker, mode: Mode::Effect, options: GateOptions::default(), pool: Arc::default() }
    }

    pub(crate) fn grant(mut self, scheme: &str, host: &str, port: u16, methods: &str, private: bool) -> Self {
        let methods = methods.split(' ').map(str::to_owned).collect();
        self.capabilities.push(Capability::Http(HttpGrant {
            origin: origin(scheme, host, port),
            methods,
            private,
            tls: HttpTls::default(),
        }));
        self
    }

    /// Grants GET and POST to a server on the loopback.
    pub(crate) fn open(self, server: &Server) -> Self {
        self.grant("http", "127.0.0.1", server.address.port(), "GET HEAD POST PUT", true)
    }

    pub(crate) fn secret(mut self, name: &str, target: SecretTarget) -> Self {
        self.capabilities.push(Capability::Secret(SecretGrant { name: name.to_owned(), target }));
        self
    }

    pub(crate) fn names(mut self, names: &Arc<Names>) -> Self {
        self.options.resolver = Arc::clone(names) as Arc<dyn Resolve>;
        self
    }

    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            capabilities: &self.capabilities,
            secrets: &self.secrets,
            masker: &self.masker,
            mode: self.mode,
            root: Path::new("/"),
            pool: &self.pool,
            total: None,
        }
    }

    pub(crate) fn gate(&self) -> Gate {
        Gate::new(self.options.clone()).expect("the gate is set up")
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Response, GateError> {
        self.gate().send(request, &self.access()).await
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Response, GateError> {
        self.send(Request::new("GET", url)).await
    }
}

pub(crate) fn origin(scheme: &str, host: &str, port: u16) -> Origin {
    Origin { scheme: scheme.to_owned(), host: host.to_owned(), port }
}

/// Reads a body to its end.
pub(crate) async fn body(mut response: Response) -> Result<String, GateError> {
    let mut bytes = Vec::new();
    loop {
        let piece = response.read(1000).await?;
        assert!(piece.len() <= 1000);
        if piece.is_empty() {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        bytes.extend_from_slice(&piece);
    }
}

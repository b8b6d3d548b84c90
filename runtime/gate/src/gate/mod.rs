//! HTTP through one gate: checked, resolved once, pinned, capped. A step uses its own connections again; nothing is shared between steps but TLS
//! tickets.

mod body;
mod connect;
mod peer;
mod pool;
mod proxy;
mod redirect;
mod request;
mod resolve;
mod wire;

pub use body::{GateBody, Response};
pub use connect::Identity;
pub use peer::{Peer, PeerOptions, PeerRequest};
pub use pool::Pool;
pub use proxy::Proxies;
pub use request::{BasicAuth, Body, Request, SecretHeader};
pub use resolve::{Lookup, Resolve, SystemResolver};

use crate::{Access, GateError};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::Url;
use wire::Outgoing;

/// Any error of a body that is sent.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How the gate is set up.
#[derive(Clone)]
pub struct GateOptions {
    /// PEM files of authorities that are trusted beside the public ones.
    pub ca_files: Vec<PathBuf>,
    /// For the connection and its TLS handshake.
    pub connect_timeout: Duration,
    /// For one exchange, from the first look-up to the last byte of the body.
    pub total_timeout: Duration,
    /// Bytes of an answer's body.
    pub max_body: u64,
    /// Bytes of a request's headers, and of an answer's.
    pub max_headers: usize,
    /// The proxies of this machine.
    pub proxies: Proxies,
    /// Who turns names into addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Who answers in place of the network: for tests of plugins.
    pub stand_in: Option<Arc<dyn StandIn>>,
}

/// Answers in place of the network what the gate lets through: everything is checked already, and nothing is encrypted.
pub trait StandIn: Send + Sync {
    /// Returns the client's end of a connection to this origin, which speaks HTTP/1.1.
    fn connect(&self, origin: &relrun_manifest::Origin) -> tokio::io::DuplexStream;
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            connect_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(10),
            max_body: 4 << 30,
            max_headers: 64 << 10,
            proxies: Proxies::default(),
            resolver: Arc::new(SystemResolver),
            stand_in: None,
        }
    }
}

/// Bounds of one exchange, beside the gate's own; the shorter one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection and its TLS handshake.
    pub connect: Option<Duration>,
    /// From the request to the answer's head.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer's body.
    pub between_bytes: Option<Duration>,
    /// For the whole exchange.
    pub total: Option<Duration>,
}

/// The one way out. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    options: Arc<GateOptions>,
    tls: TlsConnector,
}

impl Gate {
    /// Reads the authorities' files.
    pub fn new(options: GateOptions) -> Result<Self, GateError> {
        let roots = connect::authorities(&options.ca_files)?;
        let tls = connect::tls(roots, None)?;
        Ok(Self { options: Arc::new(options), tls })
    }

    /// Sends a request and follows redirects, each of them checked as the first. A status of 400 or more is a response.
    #[tracing::instrument(name = "http", skip_all, fields(method = %request.method))]
    pub async fn send(&self, request: Request, access: &Access<'_>) -> Result<Response, GateError> {
        let timeouts = Timeouts { total: request.timeout, ..Timeouts::default() };
        let deadline = self.deadline(&timeouts, access.total);
        redirect::follow(self, request, access, timeouts, deadline).await
    }

    /// Sends a request of `wasi:http/outgoing-handler`: the same checks, but redirects and secrets are not its business.
    #[tracing::instrument(name = "wasi-http", skip_all, fields(method = %request.method()))]
    pub async fn send_http<B>(
        &self,
        request: http::Request<B>,
        timeouts: Timeouts,
        access: &Access<'_>,
    ) -> Result<http::Response<GateBody>, GateError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| GateError::invalid(format!("the address is not valid: {error}")))?;
        let mut headers = parts.headers;
        wire::drop_connection_headers(&mut headers);
        let body = http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(body, Into::into));
        let deadline = self.deadline(&timeouts, access.total);
        self.exchange(Outgoing { method: parts.method, url, headers, body }, timeouts, deadline, access).await.map(|(response, _)| response)
    }

    fn deadline(&self, timeouts: &Timeouts, most: Option<Duration>) -> Instant {
        let most = most.unwrap_or(self.options.total_timeout);
        let total = timeouts.total.map_or(most, |asked| asked.min(most));
        Instant::now() + total
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

//! Servers that the host's own configuration names, such as a cluster's API: no grant of a manifest says where they are or who is asking, so
//! whoever makes a [`Peer`] decides what goes to it. Addresses, TLS, times and sizes are held as for any other request, and redirects are not
//! followed: what was meant for this server reaches no other.

use super::body::Response;
use super::connect::{self, Identity, Route};
use super::pool::Pool;
use super::request::{Draft, Request};
use super::{Gate, Timeouts};
use crate::access::{Target, origin_of};
use crate::{GateError, GateOptions};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use relrun_manifest::HttpTls;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use url::Url;
use zeroize::Zeroizing;

/// How a server is reached.
#[derive(Debug, Default)]
pub struct PeerOptions {
    /// Its address, `https://10.0.0.1:6443`, with the path before every request's, if any.
    pub server: String,
    /// The authorities that its certificate is checked against, in PEM. Absent: those of the gate.
    pub authorities: Option<Vec<u8>>,
    /// Who the client is.
    pub identity: Option<Identity>,
    /// The name in its certificate, where it is not the address's.
    pub server_name: Option<String>,
}

/// A server that the host's own configuration names.
pub struct Peer {
    base: Url,
    target: Target,
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    /// Who asks there is always the same.
    pool: Arc<Pool>,
}

/// A request to a peer.
#[derive(Debug)]
pub struct PeerRequest {
    /// The method, the headers, the body and the time. What its address says is not used, and secrets of the manifest cannot be sent.
    pub request: Request,
    /// Path and query, from the first `/`.
    pub path: String,
    /// The whole value of `Authorization`.
    pub authorization: Option<Zeroizing<String>>,
}

impl Peer {
    /// Prepares what is needed to reach a server.
    pub fn new(options: &PeerOptions, gate: &GateOptions) -> Result<Self, GateError> {
        let wrong = |why: &str| GateError::invalid(format!("the server's address {:?} is not valid: {why}", options.server));
        let base = Url::parse(&options.server).map_err(|error| wrong(&error.to_string()))?;
        let (origin, host) = origin_of(&base).map_err(wrong)?;
        let roots = match &options.authorities {
            None => connect::authorities(&gate.ca_files)?,
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                connect::add_authorities(pem, "what the server's authority is", &mut roots)?;
                roots
            }
        };
        let server_name = options.server_name.clone().map(ServerName::try_from).transpose();
        Ok(Self {
            // Where it is was decided by whoever set up this machine: a private address is what a cluster usually has.
            target: Target { origin, host, private: true, tls: HttpTls::default() },
            pool: Arc::default(),
            tls: connect::tls(roots, options.identity.as_ref())?,
            server_name: server_name.map_err(|_| GateError::invalid("the server's name is no name for TLS"))?,
            base,
        })
    }

    fn url(&self, path: &str) -> Result<Url, GateError> {
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|error| GateError::invalid(format!("the path is not valid: {error}")))
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("origin", &self.target.origin).finish_non_exhaustive()
    }
}

impl Gate {
    /// Sends a request to a peer. A status of 300 or more is a response.
    #[tracing::instrument(name = "peer", skip_all, fields(method = %request.request.method))]
    pub async fn send_to(&self, peer: &Peer, request: PeerRequest) -> Result<Response, GateError> {
        let PeerRequest { request, path, authorization } = request;
        if !request.secret_headers.is_empty() || request.basic_auth.is_some() {
            return Err(GateError::invalid("a secret cannot be sent to a server whose credentials the host holds"));
        }
        let timeouts = Timeouts { total: request.timeout, ..Timeouts::default() };
        let deadline = self.deadline(&timeouts, None);
        let url = peer.url(&path)?;
        let mut shown = url.clone();
        shown.set_query(None);
        let mut outgoing = Draft::parse(Request { url: url.into(), ..request })?.plain()?;
        if let Some(authorization) = authorization {
            let value = HeaderValue::from_str(&authorization);
            let mut value =
                value.map_err(|_| GateError::invalid("the credentials of the server hold a line break or a control character"))?;
            value.set_sensitive(true);
            outgoing.headers.insert(AUTHORIZATION, value);
        }
        let route = Route { target: peer.target.clone(), tls: &peer.tls, server_name: peer.server_name.clone(), pool: &peer.pool };
        let (response, remote) = self.carry(outgoing, &route, shown.into(), timeouts, deadline).await?;
        Ok(Response::new(response, remote))
    }

    /// Returns how this gate was set up.
    pub fn options(&self) -> &GateOptions {
        &self.options
    }
}

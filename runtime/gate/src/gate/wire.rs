//! One exchange: check, resolve, connect, send, and the head of the answer.

use super::body::{GateBody, Watch};
use super::connect::Route;
use super::pool::{Goal, Link};
use super::proxy::Proxy;
use super::{BoxError, Gate, Timeouts, connect, resolve};
use crate::{Access, GateError};
use bytes::Bytes;
use futures::TryFutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

/// The address of what stands in for the network.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
/// The lowest buffer that hyper takes.
const MIN_HEADER_BUFFER: usize = 8 << 10;
/// How many headers an answer may have.
const MAX_HEADER_COUNT: usize = 256;

/// Headers that are the connection's own, never a guest's.
const OWN: [HeaderName; 8] = [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
const OWN_BY_NAME: [&str; 3] = ["keep-alive", "proxy-connection", "proxy-authorization"];

/// A request as it goes out.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: UnsyncBoxBody<Bytes, BoxError>,
}

/// Returns whether a header is the connection's own.
pub(super) fn is_own(name: &HeaderName) -> bool {
    OWN.contains(name) || OWN_BY_NAME.contains(&name.as_str())
}

/// Removes what a guest may not say. The length of the body stays: hyper holds the body to it.
pub(super) fn drop_connection_headers(headers: &mut HeaderMap) {
    let length = headers.get(CONTENT_LENGTH).cloned();
    let own: Vec<HeaderName> = headers.keys().filter(|name| is_own(name)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length);
    }
}

impl Gate {
    /// Does one exchange, and gives the answer's head with its body still to be pulled.
    pub(super) async fn exchange(
        &self,
        outgoing: Outgoing,
        timeouts: Timeouts,
        deadline: Instant,
        access: &Access<'_>,
    ) -> Result<(Response<GateBody>, SocketAddr), GateError> {
        let shown = access.show(&outgoing.url);
        let target = access.check(&outgoing.method, &outgoing.url)?;
        let own = if target.tls.is_usual() { None } else { Some(connect::own_tls(&target.tls, access, &self.options.ca_files)?) };
        let route = Route { target, tls: own.as_ref().unwrap_or(&self.tls), server_name: None, pool: access.pool };
        self.carry(outgoing, &route, shown, timeouts, deadline).await
    }

    /// Does one exchange that was checked.
    pub(super) async fn carry(
        &self,
        outgoing: Outgoing,
        route: &Route<'_>,
        shown: String,
        timeouts: Timeouts,
        deadline: Instant,
    ) -> Result<(Response<GateBody>, SocketAddr), GateError> {
        let proxy = self.options.proxies.of(&route.target)?;
        let request = self.build(outgoing, proxy.as_ref().filter(|_| route.target.origin.scheme == "http"))?;
        let connect = timeouts.connect.map_or(self.options.connect_timeout, |asked| asked.min(self.options.connect_timeout));
        let (opening, answering) = (format!("the connection to {}", route.target.origin), format!("the answer of {shown}"));
        let stand_in = self.options.stand_in.as_ref();
        let addresses = match stand_in {
            Some(_) => vec![NOWHERE],
            None => within(Some(connect), deadline, &opening, self.addresses(route, proxy.as_ref())).await?,
        };
        let watch = Watch { shown: shown.clone(), deadline, idle: timeouts.between_bytes, max: self.options.max_body };
        let goal = Goal { origin: route.target.origin.clone(), tls: route.target.tls.clone() };
        // Only what may be asked twice goes over a connection that the other side may be about to close.
        let is_bare = http_body::Body::is_end_stream(request.body());
        let again = (is_bare && matches!(*request.method(), Method::GET | Method::HEAD)).then(|| empty_copy(&request));
        if let Some(copy) = again
            && let Some(mut link) = route.pool.take(&goal, &addresses).await
        {
            let sent = within(timeouts.first_byte, deadline, &answering, async { Ok(link.sender.send_request(copy).await) }).await?;
            if let Ok(response) = sent {
                let address = link.address;
                return Ok((response.map(|body| GateBody::new(body, watch, (link, Arc::clone(route.pool)))), address));
            }
        }
        let (stream, address) = match stand_in {
            Some(stand_in) => (Box::new(stand_in.connect(&route.target.origin)) as Box<dyn connect::Transport>, NOWHERE),
            None => within(Some(connect), deadline, &opening, connect::connect(route, proxy.as_ref(), &addresses)).await?,
        };
        let sending = async {
            let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
                .max_buf_size(self.options.max_headers.max(MIN_HEADER_BUFFER))
                .max_headers(MAX_HEADER_COUNT)
                .handshake(TokioIo::new(stream))
                .await?;
            let task = AbortOnDropHandle::new(tokio::spawn(async move {
                // Its error comes out at the sender, or in the body.
                let _ = connection.await;
            }));
            Ok((sender.send_request(request).await?, Link { goal, address, sender, _task: task }))
        };
        let sending = sending.map_err(|error: hyper::Error| wire_error(&error, &shown));
        let (response, link) = within(timeouts.first_byte, deadline, &answering, sending).await?;
        Ok((response.map(|body| GateBody::new(body, watch, (link, Arc::clone(route.pool)))), address))
    }

    /// Looks up whom the connection is made to, and checks the addresses: the target's, or its proxy's.
    async fn addresses(&self, route: &Route<'_>, proxy: Option<&Proxy>) -> Result<Vec<SocketAddr>, GateError> {
        let Some(proxy) = proxy else { return resolve::addresses(&*self.options.resolver, &route.target).await };
        if !matches!(route.target.host, Host::Domain(_)) {
            resolve::addresses(&*self.options.resolver, &route.target).await?;
        }
        resolve::addresses(&*self.options.resolver, &proxy.target).await
    }

    fn build(&self, outgoing: Outgoing, proxy: Option<&Proxy>) -> Result<http::Request<UnsyncBoxBody<Bytes, BoxError>>, GateError> {
        let Outgoing { method, url, mut headers, body } = outgoing;
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size + url.as_str().len() > self.options.max_headers {
            return Err(GateError::invalid(format!("the request's headers are larger than {} bytes", self.options.max_headers)));
        }
        headers.insert(HOST, host_header(&url)?);
        if let Some(value) = proxy.and_then(Proxy::authorization) {
            headers.insert(PROXY_AUTHORIZATION, value.clone());
        }
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        // A proxy in plain HTTP is told the whole address.
        let from = if proxy.is_some() { url::Position::BeforeScheme } else { url::Position::BeforePath };
        let path = &url[from..url::Position::AfterQuery];
        *request.uri_mut() = path.parse().map_err(|_| GateError::invalid("the address's path is not valid"))?;
        Ok(request)
    }
}

/// Returns a request like it, without a body.
fn empty_copy(request: &http::Request<UnsyncBoxBody<Bytes, BoxError>>) -> http::Request<UnsyncBoxBody<Bytes, BoxError>> {
    let mut copy = http::Request::new(BodyExt::boxed_unsync(Empty::new().map_err(BoxError::from)));
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    request.headers().clone_into(copy.headers_mut());
    copy.headers_mut().remove(CONTENT_LENGTH);
    copy
}

fn host_header(url: &Url) -> Result<HeaderValue, GateError> {
    let host = url.host_str().unwrap_or_default();
    let text = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::from_str(&text).map_err(|_| GateError::invalid("the address's host is not valid"))
}

/// Runs something within a time of its own and before the exchange's deadline.
pub(super) async fn within<T>(
    own: Option<Duration>,
    deadline: Instant,
    what: &str,
    run: impl Future<Output = Result<T, GateError>>,
) -> Result<T, GateError> {
    let end = own.map_or(deadline, |own| deadline.min(Instant::now() + own));
    tokio::time::timeout_at(end, run).await.map_err(|_| GateError::timed_out(format!("{what} took too long")))?
}

/// Says what an error on the wire means for another try.
pub(super) fn wire_error(error: &hyper::Error, shown: &str) -> GateError {
    let mut message = format!("the exchange with {shown} failed: {error}");
    let cause = std::error::Error::source(error);
    if let Some(end) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()).filter(|end| end.kind() == io::ErrorKind::UnexpectedEof) {
        tracing::debug!(%end, "the other side is gone");
        message = format!("the connection to {shown} broke off");
    } else if let Some(cause) = cause {
        message = format!("{message}: {cause}");
    }
    if error.is_parse() || error.is_user() { GateError::permanent(message) } else { GateError::transient(message) }
}

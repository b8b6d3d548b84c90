//! One exchange: check, resolve, connect, send, and the head of the answer.

use super::body::{GateBody, Watch};
use super::connect::Route;
use super::{BoxError, Gate, Timeouts, connect, resolve};
use crate::{Access, GateError};
use bytes::Bytes;
use futures::TryFutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

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
        self.carry(outgoing, &Route { target, tls: &self.tls, server_name: None }, shown, timeouts, deadline).await
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
        let request = self.build(outgoing)?;
        let connect = timeouts.connect.map_or(self.options.connect_timeout, |asked| asked.min(self.options.connect_timeout));
        let (stream, address) = within(Some(connect), deadline, &format!("the connection to {}", route.target.origin), async {
            let addresses = resolve::addresses(&*self.options.resolver, &route.target).await?;
            connect::connect(route, &addresses).await
        })
        .await?;
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
            Ok((sender.send_request(request).await?, task))
        };
        let sending = sending.map_err(|error: hyper::Error| wire_error(&error, &shown));
        let (response, task) = within(timeouts.first_byte, deadline, &format!("the answer of {shown}"), sending).await?;
        let watch = Watch { shown, deadline, idle: timeouts.between_bytes, max: self.options.max_body };
        Ok((response.map(|body| GateBody::new(body, watch, task)), address))
    }

    fn build(&self, outgoing: Outgoing) -> Result<http::Request<UnsyncBoxBody<Bytes, BoxError>>, GateError> {
        let Outgoing { method, url, mut headers, body } = outgoing;
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size + url.as_str().len() > self.options.max_headers {
            return Err(GateError::invalid(format!("the request's headers are larger than {} bytes", self.options.max_headers)));
        }
        headers.insert(HOST, host_header(&url)?);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        *request.uri_mut() = path.parse().map_err(|_| GateError::invalid("the address's path is not valid"))?;
        Ok(request)
    }
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

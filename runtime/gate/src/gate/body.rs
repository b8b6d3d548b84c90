//! An answer whose body is pulled: capped in size and time, and cut off when it is dropped.

use super::pool::{Link, Pool};
use super::wire::wire_error;
use crate::GateError;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What a body is held to.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) shown: String,
    pub(super) deadline: Instant,
    pub(super) idle: Option<Duration>,
    pub(super) max: u64,
}

/// The body of an answer.
pub struct GateBody {
    incoming: Incoming,
    watch: Watch,
    timer: Pin<Box<Sleep>>,
    got: u64,
    ended: bool,
    /// The connection. It ends with the body, unless the body was read to its end.
    link: Option<(Link, Arc<Pool>)>,
}

impl GateBody {
    pub(super) fn new(incoming: Incoming, watch: Watch, link: (Link, Arc<Pool>)) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(watch.next()));
        Self { incoming, watch, timer, got: 0, ended: false, link: Some(link) }
    }

    /// Leaves the connection to the next request.
    fn release(&mut self) {
        if let Some((link, pool)) = self.link.take() {
            pool.give(link);
        }
    }

    fn accept(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, GateError> {
        self.got += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.got > self.watch.max {
            return Err(GateError::permanent(format!("the answer of {} is larger than {} bytes", self.watch.shown, self.watch.max)));
        }
        let next = self.watch.next();
        self.timer.as_mut().reset(next);
        Ok(frame)
    }
}

impl std::fmt::Debug for GateBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateBody").field("watch", &self.watch).field("got", &self.got).finish_non_exhaustive()
    }
}

impl Drop for GateBody {
    fn drop(&mut self) {
        // An answer without a body may never be read.
        if self.incoming.is_end_stream() {
            self.release();
        }
    }
}

impl Watch {
    /// Returns when the next piece must be there.
    fn next(&self) -> Instant {
        self.idle.map_or(self.deadline, |idle| self.deadline.min(Instant::now() + idle))
    }
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = GateError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GateError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let result = match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(None) => {
                this.release();
                None
            }
            Poll::Ready(Some(Ok(frame))) => Some(this.accept(frame)),
            Poll::Ready(Some(Err(error))) => Some(Err(wire_error(&error, &this.watch.shown))),
            Poll::Pending => {
                ready!(this.timer.as_mut().poll(context));
                Some(Err(GateError::timed_out(format!("the answer of {} took too long", this.watch.shown))))
            }
        };
        this.ended = !matches!(result, Some(Ok(_)));
        Poll::Ready(result)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An answer whose body is pulled.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    /// The address that it came from: for the ledger.
    remote: SocketAddr,
    body: GateBody,
    left: Bytes,
}

impl Response {
    pub(super) fn new(response: http::Response<GateBody>, remote: SocketAddr) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, remote, body, left: Bytes::new() }
    }

    /// Returns the status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers; bytes beyond ASCII are replaced.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect()
    }

    /// Returns a header where there is one of the name, in ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the address that the answer came from.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Returns the next bytes of the body, at most `max`; empty at the end alone. A `max` of 0 is taken as 1.
    pub async fn read(&mut self, max: usize) -> Result<Bytes, GateError> {
        while self.left.is_empty() {
            let Some(frame) = self.body.frame().await else { return Ok(Bytes::new()) };
            self.left = frame?.into_data().unwrap_or_default();
        }
        let length = max.clamp(1, self.left.len());
        Ok(self.left.split_to(length))
    }
}

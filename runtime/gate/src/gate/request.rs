//! A request, as a plugin describes it: checked for what headers may hold, secrets put in by the host at the last moment.

use super::wire::is_own;
use super::{BoxError, wire::Outgoing};
use crate::{Access, GateError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use relrun_manifest::Origin;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use url::Url;
use zeroize::Zeroizing;

/// A request.
#[derive(Debug)]
pub struct Request {
    /// In any case; sent in upper case.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Body,
    /// Headers of a prefix and a secret.
    pub secret_headers: Vec<SecretHeader>,
    /// Basic authentication with a secret as its password.
    pub basic_auth: Option<BasicAuth>,
    /// For the whole exchange, redirects included; the gate's own bound holds too.
    pub timeout: Option<Duration>,
}

impl Request {
    /// Begins a request without headers and body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Body::Empty,
            secret_headers: Vec::new(),
            basic_auth: None,
            timeout: None,
        }
    }
}

/// A header that ends in a secret: `Authorization: Bearer …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHeader {
    /// The header's name.
    pub name: String,
    /// What stands before the secret: `"Bearer "`.
    pub prefix: String,
    /// The secret's name.
    pub secret: String,
}

/// Basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user, without a colon.
    pub user: String,
    /// The secret that is the password.
    pub secret: String,
}

/// What is sent.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// An open file, from its beginning.
    File(File),
    /// A stream. It cannot be sent a second time, so a redirect that asks for it is an error.
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Bytes(_) => "Bytes",
            Self::File(_) => "File",
            Self::Stream(_) => "Stream",
        })
    }
}

/// A request whose parts are known to be well formed. The secrets are still names.
pub(super) struct Draft {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) secret_headers: Vec<SecretHeader>,
    pub(super) basic_auth: Option<BasicAuth>,
}

impl Draft {
    pub(super) fn parse(request: Request) -> Result<Self, GateError> {
        let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| GateError::invalid(format!("{:?} is no method", request.method)))?;
        let url = Url::parse(&request.url).map_err(|error| GateError::invalid(format!("the address is not valid: {error}")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value).map_err(|_| bad_value(name))?;
            headers.append(header_name(name)?, value);
        }
        let (body, secret_headers, basic_auth) = (request.body, request.secret_headers, request.basic_auth);
        Ok(Self { method, url, headers, body, secret_headers, basic_auth })
    }

    /// Makes what goes out now. The body is left for another hop where it can be sent twice.
    pub(super) fn outgoing(&mut self, origin: &Origin, access: &Access<'_>) -> Result<Outgoing, GateError> {
        let mut headers = self.headers.clone();
        for header in &self.secret_headers {
            let secret = access.secret_for(&header.secret, origin)?;
            let text = Zeroizing::new(format!("{}{secret}", header.prefix));
            headers.append(header_name(&header.name)?, sensitive(&text).ok_or_else(|| bad_secret(&header.secret))?);
        }
        if let Some(basic) = &self.basic_auth {
            headers.insert(AUTHORIZATION, basic_auth(basic, access.secret_for(&basic.secret, origin)?)?);
        }
        let (body, length) = self.take_body()?;
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(Outgoing { method: self.method.clone(), url: self.url.clone(), headers, body })
    }

    /// Makes what goes out where no secrets of the manifest are meant.
    pub(super) fn plain(mut self) -> Result<Outgoing, GateError> {
        let (body, length) = self.take_body()?;
        if let Some(length) = length {
            self.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(Outgoing { method: self.method, url: self.url, headers: self.headers, body })
    }

    fn take_body(&mut self) -> Result<(UnsyncBoxBody<Bytes, BoxError>, Option<u64>), GateError> {
        match &mut self.body {
            Body::Empty => Ok((Empty::new().map_err(BoxError::from).boxed_unsync(), None)),
            Body::Bytes(bytes) => Ok((Full::new(bytes.clone()).map_err(BoxError::from).boxed_unsync(), Some(bytes.len() as u64))),
            Body::File(file) => file_body(file).map_err(|error| GateError::permanent(format!("failed to read the body's file: {error}"))),
            Body::Stream(_) => {
                let Body::Stream(stream) = std::mem::replace(&mut self.body, spent()) else { return Err(GateError::permanent(SPENT)) };
                Ok((stream, None))
            }
        }
    }
}

const SPENT: &str = "a streamed body cannot be sent a second time, as the redirect asks";

/// Stands where a stream was.
fn spent() -> Body {
    let failed = futures::stream::once(async { Err::<Frame<Bytes>, _>(BoxError::from(SPENT)) });
    Body::Stream(BodyExt::boxed_unsync(StreamBody::new(failed)))
}

/// The length is taken now and kept to, so that a file which grows meanwhile cannot break the framing.
fn file_body(file: &mut File) -> std::io::Result<(UnsyncBoxBody<Bytes, BoxError>, Option<u64>)> {
    file.seek(SeekFrom::Start(0))?;
    let length = file.metadata()?.len();
    let reader = tokio::fs::File::from_std(file.try_clone()?).take(length);
    let stream = ReaderStream::with_capacity(reader, 64 << 10).map_ok(Frame::data).map_err(BoxError::from);
    Ok((BodyExt::boxed_unsync(StreamBody::new(stream)), Some(length)))
}

fn header_name(name: &str) -> Result<HeaderName, GateError> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| GateError::invalid(format!("{name:?} is no header's name")))?;
    if is_own(&parsed) {
        return Err(GateError::invalid(format!("the header \"{parsed}\" is the host's own")));
    }
    Ok(parsed)
}

fn bad_value(name: &str) -> GateError {
    GateError::invalid(format!("the value of the header {name:?} holds a line break or a control character"))
}

fn bad_secret(name: &str) -> GateError {
    GateError::invalid(format!("the secret \"{name}\" holds a line break or a control character, so it cannot stand in a header"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn basic_auth(basic: &BasicAuth, password: &str) -> Result<HeaderValue, GateError> {
    if basic.user.contains(':') || basic.user.chars().any(char::is_control) {
        return Err(GateError::invalid("a user's name may hold no colon and no control character"));
    }
    let pair = Zeroizing::new(format!("{}:{password}", basic.user));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    sensitive(&text).ok_or_else(|| bad_secret(&basic.secret))
}

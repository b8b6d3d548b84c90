//! HTTP through the host's gate: scheme, host, port and method are checked against the grants.

use crate::secrets::Secret;
use crate::{Error, Result, backend, guard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A request being made.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) secret_headers: Vec<(String, String, Secret)>,
    pub(crate) basic_auth: Option<(String, Secret)>,
    pub(crate) body: Body,
    pub(crate) timeout: Option<Duration>,
    /// The context and the namespace of a request to a cluster; its URL is a path there.
    pub(crate) cluster: Option<(String, String)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Bytes(Vec<u8>),
    File(String),
}

/// Starts a GET request. The URL is absolute, `http` or `https`.
pub fn get(url: &str) -> Request {
    request("GET", url)
}

/// Starts a POST request.
pub fn post(url: &str) -> Request {
    request("POST", url)
}

/// Starts a PUT request.
pub fn put(url: &str) -> Request {
    request("PUT", url)
}

/// Starts a DELETE request.
pub fn delete(url: &str) -> Request {
    request("DELETE", url)
}

/// Starts a request with any method.
pub fn request(method: &str, url: &str) -> Request {
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        secret_headers: Vec::new(),
        basic_auth: None,
        body: Body::Empty,
        timeout: None,
        cluster: None,
    }
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a header of the prefix and the secret, for the granted origin alone. The plugin never holds the bytes.
    pub fn secret_header(mut self, name: impl Into<String>, prefix: impl Into<String>, secret: &Secret) -> Self {
        self.secret_headers.push((name.into(), prefix.into(), secret.clone()));
        self
    }

    /// Adds the secret as a bearer token.
    pub fn bearer(self, secret: &Secret) -> Self {
        self.secret_header("authorization", "Bearer ", secret)
    }

    /// Adds basic authentication with the secret as its password.
    pub fn basic_auth(mut self, user: impl Into<String>, password: &Secret) -> Self {
        self.basic_auth = Some((user.into(), password.clone()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Bytes(data.into());
        self
    }

    /// Sets the body to JSON, with its content type.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(text))
    }

    /// Takes the body from a file under one of the step's directories.
    pub fn body_file(mut self, path: impl Into<String>) -> Self {
        self.body = Body::File(path.into());
        self
    }

    /// Bounds the whole exchange. The host has a bound of its own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Returns whether a cluster only tries it.
    fn is_tried(&self) -> bool {
        self.cluster.is_some() && self.url.split(['?', '&']).any(|pair| pair == "dryRun=All")
    }

    /// Sends it. A status of 400 or more is a response, not an error.
    pub fn send(self) -> Result<Response> {
        if !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !self.is_tried() {
            guard::mutation()?;
        }
        backend::http_send(&self).map(Response)
    }
}

/// An answer whose body is pulled.
#[derive(Debug)]
pub struct Response(backend::Response);

impl Response {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        backend::response_status(&self.0)
    }

    /// Returns the headers, names in lower case, in the order they came.
    pub fn headers(&self) -> Vec<(String, String)> {
        backend::response_headers(&self.0)
    }

    /// Returns the first header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the next bytes of the body, at most `max`; empty at the end.
    pub fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        backend::response_read(&self.0, max)
    }

    /// Reads the rest of the body, at most `limit` bytes; a longer one is an error.
    pub fn bytes(&mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = self.read(64 << 10)?;
            if piece.is_empty() {
                return Ok(all);
            }
            all.extend(piece);
            if all.len() > limit {
                return Err(Error::permanent(format!("the answer is longer than {limit} bytes")));
            }
        }
    }

    /// Reads the rest of the body, at most 16 MiB, as text.
    pub fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8(self.bytes(16 << 20)?)?)
    }

    /// Reads the rest of the body, at most 16 MiB, as JSON.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        Ok(serde_json::from_slice(&self.bytes(16 << 20)?)?)
    }

    /// Writes the rest of the body to a file under one of the step's directories; gives its length in bytes.
    pub fn save(&mut self, path: &str) -> Result<u64> {
        backend::response_save(&self.0, path)
    }
}

//! `http`: requests through the gate, which compares them with the grants. Nothing goes out by another way.

use super::kubernetes::ToCluster;
use super::{Secret, span};
use crate::attempt::Attempt;
use crate::bindings::http;
use crate::bindings::types::Error;
use crate::error::CallError;
use crate::files::{For, blocking, locate, told};
use crate::state::State;
use crate::veil::Veil;
use relrun_gate::{BasicAuth, Body, GateError, GateErrorKind, Request, Response, SecretHeader};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;
use wasmtime::component::Resource;

/// The most that one `read` gives.
const PIECE: u32 = 1 << 20;

/// A request being made. Absent once it was sent.
pub struct HttpRequest {
    request: Option<Request>,
    body_file: Option<String>,
    /// The cluster that it goes to, where it was started there.
    cluster: Option<ToCluster>,
}

impl HttpRequest {
    pub(super) fn to_cluster(method: String, to: ToCluster) -> Self {
        Self { request: Some(Request::new(method, String::new())), body_file: None, cluster: Some(to) }
    }
}

/// An answer whose body is pulled.
pub struct HttpResponse {
    response: Response,
    capability: String,
    /// Whether a cluster gave it.
    cluster: bool,
    /// Where the request carried a secret, which the server may say back.
    veil: Option<Veil>,
}

impl HttpResponse {
    /// Returns the next bytes of the body as the guest may have them, at most `max`; empty at the end.
    async fn next(&mut self, attempt: &Attempt, max: usize) -> Result<Vec<u8>, CallError> {
        loop {
            if let Some(ready) = self.veil.as_mut().and_then(|veil| veil.next(max)) {
                return Ok(ready);
            }
            let piece = self.response.read(max).await;
            let piece = piece.map_err(|error| attempt.exchange_error(&self.capability, self.cluster, error))?;
            match &mut self.veil {
                Some(veil) => veil.take(&piece),
                None => return Ok(piece.into()),
            }
        }
    }
}

impl Attempt {
    /// Says an error of an exchange to the plugin. A cluster that falls silent may speak again; that the step's own time is over is said by
    /// [`stop`](Self::stop) alone, so the two are not one to a plugin.
    fn exchange_error(&self, capability: &str, cluster: bool, mut error: GateError) -> CallError {
        if cluster && error.kind == GateErrorKind::TimedOut {
            error.kind = GateErrorKind::Transient;
        }
        self.gate_error(capability, error)
    }
}

impl State {
    /// Changes a request that was not sent yet; what comes after that is without effect, as `send` will say.
    fn change_request(&mut self, request: &Resource<HttpRequest>, change: impl FnOnce(&mut Request)) -> wasmtime::Result<()> {
        if let Some(request) = &mut self.table.get_mut(request)?.request {
            change(request);
        }
        Ok(())
    }

    /// Takes a request for sending, its body's file opened.
    fn take_request(&mut self, request: &Resource<HttpRequest>) -> Result<Request, CallError> {
        let made = self.table.get_mut(request)?;
        let path = made.body_file.take();
        let mut request = made.request.take().ok_or_else(|| CallError::invalid("the request was sent already"))?;
        if let Some(path) = path {
            let files = self.attempt.files("http")?;
            request.body = Body::File(locate(&self.attempt, files, &path, For::Reading)?.read(&path)?);
        }
        Ok(request)
    }
}

impl http::Host for State {}

impl http::HostRequest for State {
    async fn new(&mut self, method: String, url: String) -> wasmtime::Result<Resource<HttpRequest>> {
        Ok(self.table.push(HttpRequest { request: Some(Request::new(method, url)), body_file: None, cluster: None })?)
    }

    async fn header(&mut self, request: Resource<HttpRequest>, name: String, value: String) -> wasmtime::Result<()> {
        self.change_request(&request, |request| request.headers.push((name, value)))
    }

    async fn secret_header(
        &mut self,
        request: Resource<HttpRequest>,
        name: String,
        prefix: String,
        secret: Resource<Secret>,
    ) -> wasmtime::Result<()> {
        let secret = self.table.get(&secret)?.name.clone();
        self.change_request(&request, |request| request.secret_headers.push(SecretHeader { name, prefix, secret }))
    }

    async fn basic_auth(&mut self, request: Resource<HttpRequest>, user: String, password: Resource<Secret>) -> wasmtime::Result<()> {
        let secret = self.table.get(&password)?.name.clone();
        self.change_request(&request, |request| request.basic_auth = Some(BasicAuth { user, secret }))
    }

    async fn body(&mut self, request: Resource<HttpRequest>, data: Vec<u8>) -> wasmtime::Result<()> {
        self.change_request(&request, |request| request.body = Body::Bytes(data.into()))
    }

    async fn body_file(&mut self, request: Resource<HttpRequest>, path: String) -> wasmtime::Result<()> {
        self.table.get_mut(&request)?.body_file = Some(path);
        Ok(())
    }

    async fn timeout(&mut self, request: Resource<HttpRequest>, milliseconds: u64) -> wasmtime::Result<()> {
        self.change_request(&request, |request| request.timeout = Some(Duration::from_millis(milliseconds)))
    }

    async fn send(&mut self, request: Resource<HttpRequest>) -> Result<Resource<HttpResponse>, CallError> {
        let cluster = self.table.get_mut(&request)?.cluster.take();
        let request = self.take_request(&request)?;
        let capability = cluster.as_ref().map_or_else(|| format!("http \"{}\"", origin(&request.url)), |to| to.capability.clone());
        let attempt = &self.attempt;
        attempt.stop.check()?;
        attempt.effects_only(&capability)?;
        let gate = self.ways.gate().map_err(CallError::permanent)?;
        let is_secret = !request.secret_headers.is_empty() || request.basic_auth.is_some();
        let access = attempt.access();
        let of_cluster = cluster.is_some();
        let send = async {
            let sent = match cluster {
                None => gate.send(request, &access).await.map(|response| (response, is_secret.then(|| Arc::clone(&attempt.masker)))),
                Some(to) => match self.ways.clusters.get(&to.context) {
                    Ok(cluster) => cluster.send(gate, &to.path, request).await,
                    Err(error) => Err(error),
                },
            };
            sent.map_err(|error| attempt.exchange_error(&capability, of_cluster, error))
        };
        let (response, masker) = attempt.stop.race(send).instrument(span("http.send")).await?;
        attempt.using(&capability, Some(&response.remote().to_string()));
        let veil = masker.map(|masker| Veil::new(&masker));
        Ok(self.table.push(HttpResponse { response, capability, cluster: of_cluster, veil })?)
    }

    async fn drop(&mut self, request: Resource<HttpRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl http::HostResponse for State {
    async fn status(&mut self, response: Resource<HttpResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.response.status().as_u16())
    }

    async fn headers(&mut self, response: Resource<HttpResponse>) -> wasmtime::Result<Vec<(String, String)>> {
        let answer = self.table.get(&response)?;
        let headers = answer.response.headers().into_iter();
        let mask = |value: String| if answer.veil.is_some() { self.attempt.masker.mask(&value).into_owned() } else { value };
        Ok(headers.map(|(name, value)| (name, mask(value))).collect())
    }

    async fn read(&mut self, response: Resource<HttpResponse>, max: u32) -> Result<Vec<u8>, CallError> {
        let attempt = &self.attempt;
        let answer = self.table.get_mut(&response)?;
        // It is bounded by `PIECE`, which is no more than any pointer's size.
        let max = usize::try_from(max.clamp(1, PIECE)).unwrap_or(1);
        attempt.stop.race(answer.next(attempt, max)).instrument(span("http.read")).await
    }

    async fn save(&mut self, response: Resource<HttpResponse>, path: String) -> Result<u64, CallError> {
        let attempt = &self.attempt;
        let answer = self.table.get_mut(&response)?;
        let mut file = locate(attempt, attempt.files("http")?, &path, For::Writing)?.create(&path)?;
        let limit = attempt.limits.output;
        let save = async {
            let mut length = 0u64;
            loop {
                let piece = answer.next(attempt, PIECE as usize).await?;
                if piece.is_empty() {
                    return Ok(length);
                }
                length += piece.len() as u64;
                if length > limit {
                    return Err(CallError::Told(Error::Permanent(format!("the answer is larger than the step's limit of {limit} bytes"))));
                }
                let (back, shown) = (file, path.clone());
                file = blocking(move || {
                    let mut file = back;
                    file.write_all(&piece).map(|()| file).map_err(|error| told("write", &shown, &error))
                })
                .await?;
            }
        };
        attempt.stop.race(save).instrument(span("http.save")).await
    }

    async fn drop(&mut self, response: Resource<HttpResponse>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

/// Returns scheme, host and port of a URL for the ledger, without what else may stand in it.
pub(super) fn origin(url: &str) -> String {
    let parsed: Option<::http::Uri> = url.parse().ok();
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
    match parts {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}"),
        Some((scheme, host, None)) => format!("{scheme}://{host}"),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_holds_no_user_path_or_query() {
        assert_eq!(origin("https://user:pass@example.com:8443/a?token=1"), "https://example.com:8443");
        assert_eq!(origin("http://[::1]/"), "http://[::1]");
        assert_eq!(origin("no url"), "…");
    }
}

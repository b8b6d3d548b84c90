//! One request to a registry: its origin, its authorization, and what its answer means. [`super::retry`] repeats it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use super::auth::{self, Challenge, Pass};
use super::near::Near;
use super::options::{ClientOptions, Credential};
use super::retry::{Backoff, Failure, asked_wait, may_pass};
use super::setup::is_loopback;
use crate::{OciCode, RegistryError, Tries};

/// So much of an error's body is read, in bytes.
const LARGEST_ERROR: u64 = 64 << 10;
/// No token server's answer is larger, in bytes.
const LARGEST_TOKEN: u64 = 1 << 20;

/// Nothing that calls itself a registry takes less at once, in bytes.
const SMALLEST_CHUNK: u64 = 256 << 10;

/// A request.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
    /// What is being done, for errors: "push".
    pub(super) doing: &'static str,
    /// To what, for errors: the registry, repository and tag.
    pub(super) at: String,
    /// What a token must be good for.
    pub(super) scopes: Vec<String>,
}

impl Call {
    pub(super) fn unreachable(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Unreachable { doing: self.doing, at: self.at.clone(), reason: reason.into(), tries: Tries(1), help: None }
    }

    pub(super) fn nonsense(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Nonsense { doing: self.doing, at: self.at.clone(), reason: reason.into() }
    }
}

/// A registry, and what is known of it.
pub(super) struct Host {
    pub(super) http: reqwest::Client,
    pub(super) options: Arc<ClientOptions>,
    /// As a reference names it.
    pub(super) registry: String,
    pub(super) base: Url,
    pub(super) near: Near,
    pub(super) pass: Pass,
    pub(super) credential: OnceCell<Option<Credential>>,
    /// How much of a blob goes at once, in bytes: as the options say, or less where something on the way takes no more.
    pub(super) chunk: AtomicU64,
}

impl Host {
    /// Sends a request as often as its failures may pass. Any other answer is returned, whatever its status.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, RegistryError> {
        let mut backoff = self.backoff();
        loop {
            match self.once(call).await {
                Ok(response) => return Ok(response),
                Err(failure) => backoff.pause(failure).await?,
            }
        }
    }

    pub(super) fn chunk(&self) -> u64 {
        self.chunk.load(Ordering::Relaxed).max(1)
    }

    /// Sends smaller chunks from now on; returns whether there are any.
    pub(super) fn shrink_chunk(&self) -> bool {
        let now = self.chunk();
        let smaller = (now / 2).max(SMALLEST_CHUNK);
        self.chunk.fetch_min(smaller, Ordering::Relaxed);
        smaller < now
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.options.retry)
    }

    /// Sends a request once; with what the registry asks for, where it asks.
    pub(super) async fn once(&self, call: &Call) -> Result<Response, Failure> {
        // What lies elsewhere, as some registries' uploads do, gets no credential.
        let own = call.url.origin() == self.base.origin();
        let at_hand = if own { self.pass.at_hand(&call.scopes) } else { None };
        let mut response = self.transmit(call, at_hand).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && own
            && let Some(header) = self.authorize(call, response.headers()).await?
        {
            response = self.transmit(call, Some(header)).await?;
        }
        if !may_pass(response.status()) {
            return Ok(response);
        }
        let asked = asked_wait(response.headers());
        Err(Failure::again(self.refusal(call, response).await, asked))
    }

    async fn transmit(&self, call: &Call, authorization: Option<HeaderValue>) -> Result<Response, Failure> {
        let mut request = self.http.request(call.method.clone(), call.url.clone()).body(call.body.clone());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(header) = authorization {
            request = request.header(AUTHORIZATION, header);
        }
        let longest = self.options.timeouts.whole(call.body.len() as u64);
        match tokio::time::timeout(longest, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(broken(call, error)),
            Err(_) => Err(Failure::again(call.unreachable(format!("no answer within {} s", longest.as_secs_f32())), None)),
        }
    }

    /// Returns the header that answers a 401; none where there is nothing to answer with.
    async fn authorize(&self, call: &Call, headers: &HeaderMap) -> Result<Option<HeaderValue>, Failure> {
        match Challenge::read(headers) {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.who().await?.and_then(|credential| self.pass.keep_basic(credential))),
            Some(Challenge::Bearer { realm, service, scopes }) => self.token(call, &realm, service.as_deref(), scopes).await.map(Some),
        }
    }

    async fn who(&self) -> Result<Option<&Credential>, RegistryError> {
        let found = self.credential.get_or_try_init(|| auth::credential(&self.options, &self.registry)).await?;
        Ok(found.as_ref())
    }

    async fn token(&self, call: &Call, realm: &str, service: Option<&str>, mut scopes: Vec<String>) -> Result<HeaderValue, Failure> {
        let url = Url::parse(realm).ok().filter(|url| self.may_know_secrets(url));
        let url = url.ok_or_else(|| call.nonsense("it names a token server that is not safe to ask"))?;
        let missing: Vec<String> = call.scopes.iter().filter(|scope| !scopes.contains(scope)).cloned().collect();
        scopes.extend(missing);
        let credential = self.who().await?;
        let ask = token_call(call.at.clone(), url, service, &scopes, credential);
        let response = self.transmit(&ask, credential.and_then(auth::basic)).await?;
        if may_pass(response.status()) {
            let asked = asked_wait(response.headers());
            return Err(Failure::again(self.refusal(&ask, response).await, asked));
        }
        if !response.status().is_success() {
            return Err(Failure::Final(self.refusal(&ask, response).await));
        }
        let body = self.body(&ask, response, LARGEST_TOKEN).await?;
        self.pass.keep_token(&call.scopes, &body).map_err(|reason| Failure::Final(ask.nonsense(reason)))
    }

    /// Returns whether a credential may go there: over TLS, from the loopback to the loopback, or to a host that is spoken to in plain HTTP anyway.
    fn may_know_secrets(&self, url: &Url) -> bool {
        let plainly = is_loopback(url) && is_loopback(&self.base) || url.host() == self.base.host() && self.base.scheme() == "http";
        self.near.may_lead(&self.base, url) && (url.scheme() == "https" || url.scheme() == "http" && plainly)
    }

    /// Reads a whole small body.
    pub(super) async fn body(&self, call: &Call, mut response: Response, limit: u64) -> Result<Bytes, Failure> {
        let longest = self.options.timeouts.whole(limit.min(response.content_length().unwrap_or(limit)));
        let reading = async {
            let mut body = Vec::new();
            while let Some(piece) = self.next_piece(call, &mut response).await? {
                body.extend_from_slice(&piece);
                if body.len() as u64 > limit {
                    return Err(Failure::Final(RegistryError::TooLarge { at: format!("the answer of {}", call.at), limit }));
                }
            }
            Ok(Bytes::from(body))
        };
        tokio::time::timeout(longest, reading)
            .await
            .unwrap_or_else(|_| Err(Failure::again(call.unreachable("the answer comes too slowly"), None)))
    }

    /// Returns the next piece of a body; none at its end.
    pub(super) async fn next_piece(&self, call: &Call, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        let idle: Duration = self.options.timeouts.idle;
        match tokio::time::timeout(idle, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(broken(call, error)),
            Err(_) => Err(Failure::again(call.unreachable(format!("nothing more came for {} s", idle.as_secs_f32())), None)),
        }
    }

    /// Returns the error that an answer which is no success means.
    pub(super) async fn refusal(&self, call: &Call, response: Response) -> RegistryError {
        let status = response.status().as_u16();
        let body = self.body(call, response, LARGEST_ERROR).await.unwrap_or_default();
        let credential = self.credential.get().and_then(Option::as_ref);
        let mut codes = OciCode::read(&body);
        for code in &mut codes {
            code.message = auth::masked(&code.message, credential);
        }
        let (doing, at) = (call.doing, call.at.clone());
        match status {
            404 => RegistryError::NotFound { at, codes },
            401 | 403 => {
                let who = credential.map_or_else(|| "somebody who is not logged in".to_owned(), Credential::who);
                let help = match credential {
                    None => format!("type `docker login {}`, or name the docker config that has its credentials", self.registry),
                    Some(_) => format!("check the password and what this user may do there; `docker login {}` renews it", self.registry),
                };
                RegistryError::Denied { doing, at, who, status, codes, help }
            }
            _ => RegistryError::Refused { doing, at, status, codes, tries: Tries(1), help: advice(status) },
        }
    }
}

/// Returns the request for a token: as the token specification has it, or as OAuth 2 where there is an identity token.
fn token_call(at: String, mut url: Url, service: Option<&str>, scopes: &[String], credential: Option<&Credential>) -> Call {
    let mut call = Call {
        method: Method::GET,
        url: url.clone(),
        headers: Vec::new(),
        body: Bytes::new(),
        doing: "get a token for",
        at,
        scopes: Vec::new(),
    };
    let service = service.map(|service| ("service", service));
    if let Some(Credential::IdentityToken(token)) = credential {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(service).append_pair("scope", &scopes.join(" "));
        form.extend_pairs([("grant_type", "refresh_token"), ("client_id", "relrun"), ("refresh_token", token.as_str())]);
        call.method = Method::POST;
        call.headers.push((CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()));
        call.body = Bytes::from(form.finish());
    } else {
        url.query_pairs_mut().extend_pairs(service).extend_pairs(scopes.iter().map(|scope| ("scope", scope.as_str())));
        call.url = url;
    }
    call
}

fn advice(status: u16) -> Option<String> {
    match status {
        413 => Some("something between here and the registry takes no uploads of this size: send smaller chunks".to_owned()),
        429 => Some("the registry limits how often it may be asked: do it again later, or log in for a higher limit".to_owned()),
        500.. => Some("the registry itself is in trouble: do it again later".to_owned()),
        _ => None,
    }
}

/// Says what broke. TLS that fails stays failed; a connection that breaks may hold the next time.
fn broken(call: &Call, error: reqwest::Error) -> Failure {
    // The URL may hold a signature.
    let error = error.without_url();
    if let Some(tls) = tls_error(&error) {
        let mut found = call.unreachable(format!("TLS failed: {tls}"));
        if let (RegistryError::Unreachable { help, .. }, rustls::Error::InvalidCertificate(_)) = (&mut found, tls) {
            *help = Some("if the registry has an authority of its own, hand in its CA file".to_owned());
        }
        return Failure::Final(found);
    }
    let reason = innermost(&error);
    if error.is_redirect() { Failure::Final(call.nonsense(reason)) } else { Failure::again(call.unreachable(reason), None) }
}

/// Returns the TLS error at the bottom of another, if there is one.
pub(super) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error does not name what it wraps as its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    crate::error::tame(&last.to_string())
}

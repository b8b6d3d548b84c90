//! One file behind HTTPS, which is no registry's: no credential is ever sent for it.

use bytes::{Bytes, BytesMut};
use reqwest::{Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::Client;
use super::auth::Pass;
use super::retry::Failure;
use super::wire::{Call, Host};
use crate::RegistryError;

impl Client {
    /// Returns what a URL stands for, up to `limit` bytes. What it must be is for the caller to check.
    ///
    /// # Errors
    ///
    /// Where it is not HTTPS, not there, larger, or does not come.
    pub async fn download(&self, url: &Url, limit: u64) -> Result<Bytes, RegistryError> {
        if url.scheme() != "https" {
            return Err(RegistryError::Setup {
                reason: format!("`{}` would come without TLS", url.scheme()),
                help: Some("write an address that begins with `https://`".to_owned()),
            });
        }
        self.near.note(url).await;
        let host = Host {
            near: self.near.clone(),
            http: self.http.clone(),
            options: Arc::clone(&self.options),
            registry: url.host_str().unwrap_or_default().to_owned(),
            base: url.clone(),
            pass: Pass::default(),
            credential: OnceCell::new_with(Some(None)),
            chunk: AtomicU64::new(self.options.chunk),
        };
        // What stands behind a question mark may be a signature that gives access.
        let mut shown = url.clone();
        shown.set_query(None);
        let call = Call {
            method: Method::GET,
            url: url.clone(),
            headers: Vec::new(),
            body: Bytes::new(),
            doing: "download",
            at: shown.to_string(),
            scopes: Vec::new(),
        };
        let mut backoff = host.backoff();
        loop {
            match once(&host, &call, limit).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => backoff.pause(failure).await?,
            }
        }
    }
}

async fn once(host: &Host, call: &Call, limit: u64) -> Result<Bytes, Failure> {
    let mut response = host.once(call).await?;
    if response.status() != StatusCode::OK {
        return Err(Failure::Final(host.refusal(call, response).await));
    }
    let said = response.content_length();
    let too_large = || Failure::Final(RegistryError::TooLarge { at: call.at.clone(), limit });
    if said.is_some_and(|said| said > limit) {
        return Err(too_large());
    }
    let end = Instant::now() + host.options.timeouts.whole(said.unwrap_or(limit));
    let mut bytes = BytesMut::new();
    while let Some(piece) = host.next_piece(call, &mut response).await? {
        bytes.extend_from_slice(&piece);
        let count = bytes.len() as u64;
        if count > limit {
            return Err(too_large());
        }
        host.options.tell(&call.at, count, said);
        if Instant::now() > end {
            return Err(Failure::again(call.unreachable(format!("it comes too slowly: {count} bytes so far")), None));
        }
    }
    Ok(bytes.freeze())
}

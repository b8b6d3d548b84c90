//! A blob on its way up: mounted from another repository, sent at once, or in chunks, which go on after a failure where the registry says
//! that they stopped. A session that the registry has forgotten is begun anew. All of it is bounded: so many sessions, so many tries of a chunk.

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::retry::Failure;
use super::setup::is_loopback;
use super::wire::Call;
use super::{Remote, Right, text};
use crate::blob::Blob;
use crate::{Pushed, RegistryError, Repository};

/// No chunk is larger, in bytes.
const LARGEST_CHUNK: u64 = 256 << 20;

/// What a registry answered to the wish to upload.
enum Opened {
    Mounted,
    Session(Session),
}

/// An upload that a registry has begun.
struct Session {
    location: Url,
    /// How much the registry has, in bytes.
    offset: u64,
    /// How much goes at once, in bytes.
    chunk: u64,
}

/// Whether a registry knows an upload that was interrupted.
enum Known {
    Yes,
    Forgotten,
}

impl Remote {
    pub(super) async fn upload(&self, blob: &Blob, mount_from: Option<&str>) -> Result<Pushed, RegistryError> {
        let mut backoff = self.host.backoff();
        loop {
            match self.upload_once(blob, mount_from).await {
                Ok(pushed) => return Ok(pushed),
                Err(failure) => backoff.pause(failure).await?,
            }
            // The answer may be what was lost, and not the blob.
            if self.has_blob(blob.descriptor()).await? {
                return Ok(Pushed::Sent);
            }
        }
    }

    async fn upload_once(&self, blob: &Blob, mount_from: Option<&str>) -> Result<Pushed, Failure> {
        let mut session = match self.begin(blob, mount_from).await? {
            Opened::Mounted => return Ok(Pushed::Mounted),
            Opened::Session(session) => session,
        };
        let last = if blob.size() <= session.chunk {
            blob.piece(0, blob.size()).await?
        } else {
            self.send_chunks(blob, &mut session).await?;
            Bytes::new()
        };
        self.finish(blob, &session, last).await?;
        Ok(Pushed::Sent)
    }

    fn upload_call(&self, method: Method, url: Url, blob: &Blob) -> Result<Call, RegistryError> {
        let mut call = self.blob_call(method, blob.digest(), "push", Right::Push)?;
        call.url = url;
        Ok(call)
    }

    async fn begin(&self, blob: &Blob, mount_from: Option<&str>) -> Result<Opened, Failure> {
        let mut call = self.blob_call(Method::POST, blob.digest(), "push", Right::Push)?;
        call.url = self.call(Method::POST, "blobs/uploads/", "push", String::new(), Right::Push)?.url;
        call.headers.push((CONTENT_LENGTH, "0".to_owned()));
        let plain = call.url.clone();
        if let Some(from) = mount_from {
            call.url.query_pairs_mut().append_pair("mount", blob.digest().as_ref()).append_pair("from", from);
            call.scopes.push(format!("repository:{from}:pull"));
        }
        let mut response = self.host.once(&call).await?;
        if mount_from.is_some() && response.status().is_client_error() {
            // Who may not read there may still push here.
            call.url = plain;
            call.scopes.truncate(1);
            response = self.host.once(&call).await?;
        }
        match response.status() {
            StatusCode::CREATED if mount_from.is_some() => Ok(Opened::Mounted),
            StatusCode::ACCEPTED => {
                let least = text(response.headers(), "oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(1);
                let chunk = self.chunk(blob, least).map_err(|reason| call.nonsense(reason))?;
                Ok(Opened::Session(Session { location: self.location(&call, &response)?, offset: 0, chunk }))
            }
            _ => Err(Failure::Final(self.host.refusal(&call, response).await)),
        }
    }

    /// Returns how much goes at once. A chunk is in memory, so a registry cannot ask for any size.
    fn chunk(&self, blob: &Blob, least: u64) -> Result<u64, String> {
        let own = self.host.chunk();
        if blob.size() > own && least > LARGEST_CHUNK {
            return Err(format!("it takes chunks of {least} bytes and more, and no more than {LARGEST_CHUNK} go at once"));
        }
        Ok(own.max(least))
    }

    async fn send_chunks(&self, blob: &Blob, session: &mut Session) -> Result<(), Failure> {
        let mut backoff = self.host.backoff();
        // Where the last whole chunk ended: only a whole chunk is progress, or a byte a try would go on for ever.
        let mut mark = 0;
        while session.offset < blob.size() {
            let Err(failure) = self.send_chunk(blob, session).await else {
                if session.offset >= (mark + session.chunk).min(blob.size()) {
                    mark = session.offset;
                    backoff.reset();
                }
                continue;
            };
            backoff.pause(failure).await?;
            loop {
                match self.ask_offset(blob, session).await {
                    Ok(Known::Yes) => break,
                    Ok(Known::Forgotten) => return Err(forgotten(&self.blob_call(Method::GET, blob.digest(), "push", Right::Push)?)),
                    Err(failure) => backoff.pause(failure).await?,
                }
            }
        }
        Ok(())
    }

    async fn send_chunk(&self, blob: &Blob, session: &mut Session) -> Result<(), Failure> {
        let length = session.chunk.min(blob.size() - session.offset);
        let mut call = self.upload_call(Method::PATCH, session.location.clone(), blob)?;
        call.body = blob.piece(session.offset, length).await?;
        call.headers.push((CONTENT_TYPE, "application/octet-stream".to_owned()));
        call.headers.push((CONTENT_RANGE, format!("{}-{}", session.offset, session.offset + length - 1)));
        let response = self.host.once(&call).await?;
        match response.status() {
            StatusCode::ACCEPTED | StatusCode::CREATED | StatusCode::NO_CONTENT => {
                session.location = self.location(&call, &response)?;
                let end = session.offset + length;
                let kept = text(response.headers(), RANGE.as_str()).and_then(kept).unwrap_or(end);
                if kept > end || kept < session.offset {
                    return Err(Failure::Final(call.nonsense(format!("it says that it has {kept} bytes, and {end} were sent"))));
                }
                if kept == session.offset {
                    return Err(Failure::again(call.unreachable("it kept nothing of what was sent"), None));
                }
                session.offset = kept;
                Ok(())
            }
            // It is not where it was thought to be: it is asked where it is.
            StatusCode::RANGE_NOT_SATISFIABLE => Err(Failure::again(self.host.refusal(&call, response).await, None)),
            StatusCode::NOT_FOUND => Err(forgotten(&call)),
            StatusCode::PAYLOAD_TOO_LARGE if self.host.shrink_chunk() => {
                session.chunk = self.host.chunk();
                Err(Failure::again(self.host.refusal(&call, response).await, None))
            }
            _ => Err(Failure::Final(self.host.refusal(&call, response).await)),
        }
    }

    /// Asks how much the registry has of an upload that was interrupted.
    async fn ask_offset(&self, blob: &Blob, session: &mut Session) -> Result<Known, Failure> {
        let call = self.upload_call(Method::GET, session.location.clone(), blob)?;
        let response = self.host.once(&call).await?;
        if !response.status().is_success() {
            return Ok(Known::Forgotten);
        }
        let kept = text(response.headers(), RANGE.as_str()).and_then(kept).unwrap_or(0);
        if kept > blob.size() {
            return Err(Failure::Final(call.nonsense(format!("it says that it has {kept} bytes of {}", blob.size()))));
        }
        if response.headers().contains_key(LOCATION) {
            session.location = self.location(&call, &response)?;
        }
        session.offset = kept;
        Ok(Known::Yes)
    }

    async fn finish(&self, blob: &Blob, session: &Session, last: Bytes) -> Result<(), Failure> {
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", blob.digest().as_ref());
        let mut call = self.upload_call(Method::PUT, url, blob)?;
        call.headers.push((CONTENT_TYPE, "application/octet-stream".to_owned()));
        call.headers.push((CONTENT_LENGTH, last.len().to_string()));
        call.body = last;
        let response = self.host.once(&call).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::ACCEPTED | StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => Err(forgotten(&call)),
            StatusCode::PAYLOAD_TOO_LARGE if !call.body.is_empty() && self.host.shrink_chunk() => {
                Err(Failure::again(self.host.refusal(&call, response).await, None))
            }
            _ => Err(Failure::Final(self.host.refusal(&call, response).await)),
        }
    }

    /// Returns where an upload goes on. It never leaves TLS, and a registry out there sends nothing to this machine: one behind a proxy may not know
    /// that it is spoken to over TLS.
    fn location(&self, call: &Call, response: &Response) -> Result<Url, Failure> {
        let base = &self.host.base;
        let text = text(response.headers(), LOCATION.as_str()).ok_or_else(|| call.nonsense("it does not say where the upload goes on"))?;
        let mut url = response.url().join(text).map_err(|_| call.nonsense("it says that the upload goes on at what is no URL"))?;
        if url.scheme() == "http" && base.scheme() == "https" && url.host() == base.host() {
            let port = base.port();
            let set = url.set_scheme("https").and_then(|()| url.set_port(port));
            set.map_err(|()| call.nonsense("it says that the upload goes on at what is no URL"))?;
        }
        if !self.host.near.may_lead(base, &url) {
            return Err(Failure::Final(
                call.nonsense("it says that the upload goes on at an address of this machine or of a private network"),
            ));
        }
        let here = is_loopback(&url) && is_loopback(base);
        let safe = url.scheme() == "https" || (url.scheme() == "http" && (base.scheme() == "http" || here));
        if safe { Ok(url) } else { Err(Failure::Final(call.nonsense("it says that the upload goes on outside of TLS"))) }
    }
}

/// Returns how many bytes a `range` header says are there. `0-0` is what registries say of nothing at all.
fn kept(range: &str) -> Option<u64> {
    let (_, end) = range.trim_start_matches("bytes=").split_once('-')?;
    let end: u64 = end.parse().ok()?;
    Some(if end == 0 { 0 } else { end + 1 })
}

fn forgotten(call: &Call) -> Failure {
    Failure::again(call.unreachable("the registry has forgotten the upload"), None)
}

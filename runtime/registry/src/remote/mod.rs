//! Repositories in registries, over the OCI distribution protocol.
//!
//! Every answer is a stranger's: bounded in size and time, checked before it is used, and its words tamed before they are shown.

mod auth;
mod download;
mod file;
mod near;
mod options;
mod referrers;
mod retry;
mod setup;
mod upload;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oci_spec::image::{Descriptor, Digest};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LINK};
use reqwest::{Method, StatusCode};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

pub use options::{ClientOptions, Credential, Progress, ProxyOf, Retry, Timeouts};

use crate::blob::{Blob, Landing};
use crate::manifest::{ACCEPTED, LARGEST_MANIFEST};
use crate::{Layout, Manifest, Name, OciCode, Place, PushAs, Pushed, RegistryError, Repository, Tag};
use near::Near;
use retry::Failure;
use wire::{Call, Host};

/// No list of tags has more pages.
const MOST_PAGES: usize = 1000;
/// No page of a list of tags is larger, in bytes.
const LARGEST_PAGE: u64 = 8 << 20;

/// What opens repositories. Connections and tokens are shared by all that one client opened.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    options: Arc<ClientOptions>,
    near: Near,
    hosts: Arc<Mutex<Hosts>>,
}

/// Registries by their names. Each is reached once, even where many ask at the same time.
type Hosts = HashMap<String, Arc<OnceCell<Arc<Host>>>>;

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// Where a file of authorities or the proxy cannot be used.
    pub fn new(options: ClientOptions) -> Result<Self, RegistryError> {
        let near = Near::default();
        Ok(Self { http: setup::http_client(&options, &near)?, options: Arc::new(options), near, hosts: Arc::default() })
    }

    /// Opens a place. Of a registry on the loopback it is found out here whether it speaks TLS; nothing else is asked yet.
    pub async fn open(&self, place: &Place) -> Result<Arc<dyn Repository>, RegistryError> {
        match place {
            Place::Layout(path) => Ok(Arc::new(Layout::at(path))),
            Place::Remote { registry, repository } => {
                let host = self.host(registry).await?;
                Ok(Arc::new(Remote { host, place: place.clone(), name: repository.clone() }))
            }
        }
    }

    async fn host(&self, registry: &str) -> Result<Arc<Host>, RegistryError> {
        let cell = Arc::clone(self.hosts.lock().await.entry(registry.to_owned()).or_default());
        let made = || async { setup::reach(self.http.clone(), Arc::clone(&self.options), self.near.clone(), registry).await.map(Arc::new) };
        cell.get_or_try_init(made).await.cloned()
    }
}

/// A repository in a registry.
struct Remote {
    host: Arc<Host>,
    place: Place,
    name: String,
}

impl fmt::Debug for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Remote({})", self.place)
    }
}

/// What a request is allowed to do, as a token's scope says it.
#[derive(Clone, Copy)]
enum Right {
    Pull,
    Push,
    Delete,
}

impl Remote {
    fn call(&self, method: Method, path: &str, doing: &'static str, at: String, right: Right) -> Result<Call, RegistryError> {
        let path = format!("v2/{}/{path}", self.name);
        let url = self.host.base.join(&path).map_err(|error| RegistryError::Setup { reason: format!("{path}: {error}"), help: None })?;
        let right = match right {
            Right::Pull => "pull",
            Right::Push => "pull,push",
            Right::Delete => "pull,push,delete",
        };
        let scopes = vec![format!("repository:{}:{right}", self.name)];
        Ok(Call { method, url, headers: Vec::new(), body: Bytes::new(), doing, at, scopes })
    }

    fn blob_call(&self, method: Method, digest: &Digest, doing: &'static str, right: Right) -> Result<Call, RegistryError> {
        self.call(method, &format!("blobs/{digest}"), doing, format!("{}@{digest}", self.place), right)
    }

    fn manifest_call(&self, method: Method, name: &Name, doing: &'static str, right: Right) -> Result<Call, RegistryError> {
        let path = match name {
            Name::Tag(tag) => format!("manifests/{tag}"),
            Name::Digest(digest) => format!("manifests/{digest}"),
        };
        self.call(method, &path, doing, format!("{}{name}", self.place), right)
    }

    async fn resolve_once(&self, call: &Call, name: &Name) -> Result<Manifest, Failure> {
        let response = self.host.once(call).await?;
        if response.status() != StatusCode::OK {
            return Err(Failure::Final(self.host.refusal(call, response).await));
        }
        let headers = response.headers().clone();
        let body = self.host.body(call, response, LARGEST_MANIFEST).await?;
        let manifest = Manifest::read(body, text(&headers, CONTENT_TYPE.as_str())).map_err(|reason| call.nonsense(reason))?;
        let said = text(&headers, "docker-content-digest").and_then(|said| said.parse::<Digest>().ok());
        let manifest = match said {
            Some(said) => manifest.checked(&said, call.at.clone())?,
            None => manifest,
        };
        match name {
            Name::Digest(digest) => Ok(manifest.checked(digest, call.at.clone())?),
            Name::Tag(_) => Ok(manifest),
        }
    }

    async fn put_manifest(&self, manifest: &Manifest, name: &Name) -> Result<Digest, RegistryError> {
        let mut call = self.manifest_call(Method::PUT, name, "push", Right::Push)?;
        call.headers.push((CONTENT_TYPE, manifest.media_type().to_string()));
        call.body = manifest.bytes().clone();
        let response = self.host.send(&call).await?;
        if !response.status().is_success() {
            return Err(self.host.refusal(&call, response).await);
        }
        let said = text(response.headers(), "docker-content-digest").and_then(|said| said.parse::<Digest>().ok());
        if let Some(said) = said.filter(|said| said.algorithm() == manifest.digest().algorithm() && said != manifest.digest()) {
            return Err(call.nonsense(format!("it calls the manifest {said}, and it is {}", manifest.digest())));
        }
        let noted = response.headers().contains_key("oci-subject");
        if let Some(subject) = manifest.subject().filter(|_| !noted) {
            self.note_referrer(subject.digest(), manifest).await?;
        }
        Ok(manifest.digest().clone())
    }

    /// Pushes under a tag that never changes: looks before, and looks again after.
    async fn put_once(&self, manifest: &Manifest, tag: &Tag) -> Result<Digest, RegistryError> {
        let (own, name): (&dyn Repository, _) = (self, Name::Tag(tag.clone()));
        let compared = |there: Digest| {
            let same = there == *manifest.digest();
            if same { Ok(there) } else { Err(RegistryError::taken(&self.place, tag, &there, manifest.digest())) }
        };
        if let Some(there) = own.find(&name).await? {
            return compared(there);
        }
        let pushed = self.put_manifest(manifest, &name).await;
        match (own.find(&name).await?, pushed) {
            // One with immutable tags of its own refuses what comes second.
            (Some(there), _) => compared(there),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => {
                Err(RegistryError::NotFound { at: format!("{}{name}, which was just pushed,", self.place), codes: Vec::new() })
            }
        }
    }

    /// Returns one page of tags, and where the next one is.
    async fn tags_once(&self, call: &Call) -> Result<(Vec<Tag>, Option<Url>), Failure> {
        #[derive(serde::Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let response = self.host.once(call).await?;
        match response.status() {
            StatusCode::OK => {}
            // A repository comes to be with the first thing that is pushed.
            StatusCode::NOT_FOUND => return Ok((Vec::new(), None)),
            _ => return Err(Failure::Final(self.host.refusal(call, response).await)),
        }
        let next = text(response.headers(), LINK.as_str()).and_then(next_page).and_then(|next| response.url().join(next).ok());
        let body = self.host.body(call, response, LARGEST_PAGE).await?;
        let page: Page = serde_json::from_slice(&body).map_err(|_| call.nonsense("it is no list of tags"))?;
        let tags = page.tags.unwrap_or_default().iter().filter_map(|tag| tag.parse().ok()).collect();
        Ok((tags, next.filter(|next| next.origin() == self.host.base.origin())))
    }
}

#[async_trait]
impl Repository for Remote {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn resolve(&self, name: &Name) -> Result<Manifest, RegistryError> {
        let mut call = self.manifest_call(Method::GET, name, "read", Right::Pull)?;
        call.headers.push((ACCEPT, ACCEPTED.to_owned()));
        let mut backoff = self.host.backoff();
        loop {
            match self.resolve_once(&call, name).await {
                Ok(manifest) => return Ok(manifest),
                Err(failure) => backoff.pause(failure).await?,
            }
        }
    }

    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        // With the right to push: where this is asked, something is about to be pushed, and one token does for all of it.
        let call = self.blob_call(Method::HEAD, descriptor.digest(), "look for", Right::Push)?;
        let response = self.host.send(&call).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.host.refusal(&call, response).await),
        }
    }

    async fn fetch(&self, landing: &mut Landing) -> Result<(), RegistryError> {
        self.download(landing).await
    }

    async fn push_blob(&self, blob: &Blob, mount_from: Option<&str>) -> Result<Pushed, RegistryError> {
        if self.has_blob(blob.descriptor()).await? {
            return Ok(Pushed::Existed);
        }
        self.upload(blob, mount_from.filter(|from| *from != self.name)).await
    }

    async fn push_manifest(&self, manifest: &Manifest, push_as: &PushAs) -> Result<Digest, RegistryError> {
        match push_as {
            PushAs::Tagged(tag) => self.put_manifest(manifest, &Name::Tag(tag.clone())).await,
            PushAs::Immutable(tag) => self.put_once(manifest, tag).await,
            PushAs::ByDigest | PushAs::Part => self.put_manifest(manifest, &Name::Digest(manifest.digest().clone())).await,
        }
    }

    async fn list_tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let mut call = self.call(Method::GET, "tags/list?n=1000", "list the tags of", self.place.to_string(), Right::Pull)?;
        let mut found = Vec::new();
        let mut backoff = self.host.backoff();
        let mut pages = 0;
        while pages < MOST_PAGES {
            match self.tags_once(&call).await {
                Ok((tags, next)) => {
                    found.extend(tags);
                    let Some(next) = next else { break };
                    call.url = next;
                    pages += 1;
                    backoff.reset();
                }
                Err(failure) => backoff.pause(failure).await?,
            }
        }
        if pages == MOST_PAGES {
            return Err(call.nonsense(format!("the list has more than {MOST_PAGES} pages")));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        self.find_referrers(digest).await
    }

    async fn delete_tag(&self, tag: &Tag) -> Result<(), RegistryError> {
        let call = self.manifest_call(Method::DELETE, &Name::Tag(tag.clone()), "delete the tag of", Right::Delete)?;
        let response = self.host.send(&call).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        match self.host.refusal(&call, response).await {
            RegistryError::Refused { doing: _, at, status, codes, .. } if cannot(status, &codes) => Err(RegistryError::Unsupported {
                doing: "delete a tag and keep what it stands for",
                at,
                status,
                codes,
                help: "point the tag at something else, or delete it with the registry's own tools".to_owned(),
            }),
            other => Err(other),
        }
    }
}

/// Returns whether an answer to a deletion says that the registry does no such thing: old ones take digests alone.
fn cannot(status: u16, codes: &[OciCode]) -> bool {
    matches!(status, 405 | 501) || OciCode::any(codes, "UNSUPPORTED") || OciCode::any(codes, "DIGEST_INVALID")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the target of `<…>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.replace(' ', "").contains("rel=\"next\"").then_some(target)
}

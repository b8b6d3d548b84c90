//! From an origin to a component on this machine: out of the cache, or out of a registry or from behind HTTPS, every digest checked.

use std::path::PathBuf;
use std::sync::OnceLock;

use bytes::Bytes;
use relrun_ledger::Digest;
use relrun_registry::{Client, ClientOptions, Name, Reference, Repository, wasm};
use url::Url;

use crate::signature::{LARGEST_SIGNATURE, schemes};
use crate::{Locked, Origin, Pin, PluginCache, SupplyError};

/// No component is larger, in bytes.
pub const LARGEST_COMPONENT: u64 = 256 << 20;

/// How plugins are fetched. Handed in by the command line, which alone knows the environment.
#[derive(Clone, Debug)]
pub struct SupplyOptions {
    /// The folder of fetched components; absent where this user has none.
    pub cache: Option<PathBuf>,
    /// The folder of bundles that were added; absent where this user has none.
    pub bundles: Option<PathBuf>,
    /// How registries and servers are reached.
    pub registries: ClientOptions,
    /// Whether the network may not be used.
    pub offline: bool,
    /// Whether the lock must be as it is.
    pub locked: bool,
}

/// A component that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its blake3.
    pub component: Digest,
    /// Its file.
    pub path: PathBuf,
    /// The digest of its manifest in a registry.
    pub manifest: Option<String>,
}

/// What fetches. Connections are shared by all that it fetches.
#[derive(Debug)]
pub struct Fetcher {
    cache: PluginCache,
    options: SupplyOptions,
    client: OnceLock<Client>,
}

impl Fetcher {
    /// Makes a fetcher, which connects to nothing yet.
    ///
    /// # Errors
    /// Where there is nowhere to keep what is fetched.
    pub fn new(options: SupplyOptions) -> Result<Self, SupplyError> {
        let cache = options.cache.clone().ok_or_else(|| {
            SupplyError::wrong(
                "there is no folder to keep fetched plugins in",
                "set HOME or XDG_CACHE_HOME, and run the same command again",
            )
        })?;
        Ok(Self { cache: PluginCache::at(cache), options, client: OnceLock::new() })
    }

    /// Returns where fetched components lie.
    pub fn cache(&self) -> &PluginCache {
        &self.cache
    }

    /// Finds out what an origin stands for now, and brings it here.
    ///
    /// # Errors
    /// Where it is not there, is no component, is not what `pin` says, or the network may not be used.
    pub async fn resolve(&self, origin: &Origin, pin: Option<&Pin>) -> Result<Fetched, SupplyError> {
        if let Some(Pin::Blake3(digest)) = pin
            && let Origin::Https(_) = origin
            && let Some(path) = self.cache.find(*digest)?
        {
            return Ok(Fetched { component: *digest, path, manifest: None });
        }
        self.online(origin)?;
        match origin {
            Origin::Oci(reference) => self.pull(reference, &reference.name()?, pin).await,
            Origin::Https(url) => self.download(url, pin).await,
            Origin::File(_) | Origin::Bundle { .. } => Err(nothing_to_fetch(origin)),
        }
    }

    /// Brings what a lock says, wherever the origin's tag points now.
    ///
    /// # Errors
    /// As [`Self::resolve`]; and where the origin does not have that component any more.
    pub async fn locked(&self, origin: &Origin, locked: &Locked) -> Result<Fetched, SupplyError> {
        if let Some(path) = self.cache.find(locked.component)? {
            return Ok(Fetched { component: locked.component, path, manifest: locked.manifest.clone() });
        }
        self.online(origin)?;
        let pin = Pin::Blake3(locked.component);
        match (origin, &locked.manifest) {
            (Origin::Oci(reference), Some(manifest)) => {
                let exact: Reference = format!("{}@{manifest}", reference.place).parse()?;
                self.pull(reference, &exact.name()?, Some(&pin)).await
            }
            (Origin::Oci(reference), None) => self.pull(reference, &reference.name()?, Some(&pin)).await,
            (Origin::Https(url), _) => self.download(url, Some(&pin)).await,
            (Origin::File(_) | Origin::Bundle { .. }, _) => Err(nothing_to_fetch(origin)),
        }
    }

    /// Returns the signatures of a component: those that are kept, or where there are none those that its origin has.
    pub async fn signatures(&self, origin: &Origin, manifest: Option<&str>, component: Digest) -> Result<Vec<String>, SupplyError> {
        let kept = self.cache.signatures(component)?;
        if !kept.is_empty() || self.options.offline {
            return Ok(kept);
        }
        self.renew_signatures(origin, manifest, component).await?;
        self.cache.signatures(component)
    }

    /// Asks the origin for the signatures of a component, and keeps them.
    pub async fn renew_signatures(&self, origin: &Origin, manifest: Option<&str>, component: Digest) -> Result<(), SupplyError> {
        let found = match origin {
            Origin::Oci(reference) => {
                let repository = self.client()?.open(&reference.place).await?;
                let name = match manifest {
                    Some(manifest) => format!("{}@{manifest}", reference.place).parse::<Reference>()?.name()?,
                    None => reference.name()?,
                };
                attached(&*repository, &name).await?
            }
            Origin::Https(url) => self.beside(url).await?,
            Origin::File(_) | Origin::Bundle { .. } => Vec::new(),
        };
        found.iter().try_for_each(|signature| self.cache.keep_signature(component, signature))
    }

    /// Opens the client.
    pub fn client(&self) -> Result<&Client, SupplyError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = Client::new(self.options.registries.clone())?;
        Ok(self.client.get_or_init(|| made))
    }

    fn online(&self, origin: &Origin) -> Result<(), SupplyError> {
        // A layout directory is on this machine.
        let is_far = !matches!(origin, Origin::Oci(reference) if matches!(reference.place, relrun_registry::Place::Layout(_)));
        if self.options.offline && is_far { Err(SupplyError::Offline { what: origin.to_string() }) } else { Ok(()) }
    }

    async fn pull(&self, reference: &Reference, name: &Name, pin: Option<&Pin>) -> Result<Fetched, SupplyError> {
        let repository = self.client()?.open(&reference.place).await?;
        let pulled = wasm::pull(&*repository, name, LARGEST_COMPONENT).await?;
        if let Some(pin) = pin {
            pin.check(&format!("{}{name}", reference.place), &pulled.bytes)?;
        }
        let (component, path) = self.cache.keep(&pulled.bytes)?;
        let signatures = attached(&*repository, &Name::Digest(pulled.digest.clone())).await?;
        signatures.iter().try_for_each(|signature| self.cache.keep_signature(component, signature))?;
        Ok(Fetched { component, path, manifest: Some(pulled.digest.to_string()) })
    }

    async fn download(&self, url: &Url, pin: Option<&Pin>) -> Result<Fetched, SupplyError> {
        let Some(pin) = pin else {
            return Err(SupplyError::wrong(
                format!("{url} is fetched by its digest alone, and none is written"),
                "write `digest=\"sha256:…\"` or `digest=\"blake3:…\"` beside `from`",
            ));
        };
        let bytes = self.client()?.download(url, LARGEST_COMPONENT).await?;
        pin.check(url.as_str(), &bytes)?;
        let (component, path) = self.cache.keep(&bytes)?;
        for signature in self.beside(url).await? {
            self.cache.keep_signature(component, &signature)?;
        }
        Ok(Fetched { component, path, manifest: None })
    }

    /// Returns the signatures that lie beside a file behind HTTPS.
    async fn beside(&self, url: &Url) -> Result<Vec<String>, SupplyError> {
        let mut found = Vec::new();
        for scheme in schemes() {
            let mut beside = url.clone();
            beside.set_path(&format!("{}.{}", url.path(), scheme.extension()));
            match self.client()?.download(&beside, LARGEST_SIGNATURE).await {
                Ok(bytes) => found.extend(text(bytes)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}

fn nothing_to_fetch(origin: &Origin) -> SupplyError {
    SupplyError::wrong(format!("{origin} lies on this machine, and is not fetched"), "name it by its file or its bundle")
}

/// Returns the signatures that are attached to an artifact.
pub async fn attached_to(repository: &dyn Repository, digest: &relrun_registry::spec::Digest) -> Result<Vec<String>, SupplyError> {
    attached(repository, &Name::Digest(digest.clone())).await
}

pub(crate) async fn attached(repository: &dyn Repository, name: &Name) -> Result<Vec<String>, SupplyError> {
    let digest = match name {
        Name::Digest(digest) => digest.clone(),
        Name::Tag(_) => match repository.find(name).await? {
            Some(digest) => digest,
            None => return Ok(Vec::new()),
        },
    };
    let mut found = Vec::new();
    for descriptor in repository.referrers(&digest).await? {
        let manifest = repository.resolve(&Name::Digest(descriptor.digest().clone())).await?;
        let known = |kind: &str| schemes().iter().any(|scheme| scheme.media_type() == kind);
        let Some(image) = manifest.image().filter(|_| manifest.artifact_type().is_some_and(|kind| known(kind.as_ref()))) else { continue };
        for layer in image.layers().iter().filter(|layer| known(layer.media_type().as_ref())) {
            found.extend(text(repository.pull_bytes(layer, LARGEST_SIGNATURE).await?));
        }
    }
    Ok(found)
}

fn text(bytes: Bytes) -> Option<String> {
    String::from_utf8(bytes.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, KeyPair, push_component, push_signature};
    use jiff::Timestamp;
    use relrun_registry::Layout;

    fn options(folder: &std::path::Path, offline: bool) -> SupplyOptions {
        SupplyOptions { cache: Some(folder.join("cache")), bundles: None, registries: ClientOptions::default(), offline, locked: false }
    }

    fn component(name: &str) -> Bytes {
        Bytes::from(wat::parse_str(format!(r#"(component (import "relrun:plugin/{name}@0.1.0" (instance)))"#)).unwrap())
    }

    #[tokio::test]
    async fn what_is_locked_comes_though_its_tag_moved_and_its_signature_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("layout");
        let layout = Layout::at(&place);
        let (old, new) = (component("http"), component("process"));
        let tag = "1.2".parse().unwrap();
        let first = push_component(&layout, old.clone(), &Facts::default(), &tag, false, folder.path()).await.unwrap();
        let signature = KeyPair::new(None).unwrap().signing.sign(&old, "x", Timestamp::UNIX_EPOCH).unwrap();
        push_signature(&layout, &first, &signature, folder.path()).await.unwrap();
        let reference: Reference = format!("oci-layout:{}:1.2", place.display()).parse().unwrap();
        let origin = Origin::Oci(Box::new(reference));

        let fetcher = Fetcher::new(options(folder.path(), false)).unwrap();
        let fetched = fetcher.resolve(&origin, None).await.unwrap();
        assert_eq!((fetched.component, fetched.manifest.clone()), (Digest::of(&old), Some(first.digest().to_string())));
        let signatures = fetcher.signatures(&origin, fetched.manifest.as_deref(), fetched.component).await.unwrap();
        assert_eq!(signatures, [signature]);

        let error = push_component(&layout, new.clone(), &Facts::default(), &tag, false, folder.path()).await.unwrap_err();
        assert!(error.to_string().contains("exists with another content"), "{error}");
        push_component(&layout, new.clone(), &Facts::default(), &tag, true, folder.path()).await.unwrap();
        let locked = Locked {
            from: origin.to_string(),
            manifest: fetched.manifest,
            component: fetched.component,
            version: String::new(),
            world: String::new(),
            requests: std::collections::BTreeSet::new(),
        };
        let other = Fetcher::new(options(&folder.path().join("other"), false)).unwrap();
        assert_eq!(other.locked(&origin, &locked).await.unwrap().component, Digest::of(&old));
        assert_eq!(other.resolve(&origin, None).await.unwrap().component, Digest::of(&new));
        let pin = Pin::Blake3(Digest::of(&old));
        assert!(matches!(other.resolve(&origin, Some(&pin)).await, Err(SupplyError::Digest { .. })));
    }

    #[tokio::test]
    async fn nothing_is_asked_of_the_network_where_it_may_not_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(options(folder.path(), true)).unwrap();
        for text in ["oci://registry.example.com/plugins/audit:1.2", "https://example.com/a.wasm"] {
            let origin: Origin = text.parse().unwrap();
            let error = fetcher.resolve(&origin, Some(&Pin::Sha256([0; 32]))).await.unwrap_err().to_string();
            assert_eq!(error, format!("{text} is not on this machine, and the network may not be used"));
        }
        let (digest, path) = fetcher.cache().keep(b"kept").unwrap();
        let origin: Origin = "https://example.com/a.wasm".parse().unwrap();
        assert_eq!(fetcher.resolve(&origin, Some(&Pin::Blake3(digest))).await.unwrap().path, path);
        assert!(fetcher.signatures(&origin, None, digest).await.unwrap().is_empty());
    }
}

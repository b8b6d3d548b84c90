//! The HTTP client: which authorities, which proxy, which redirects; and how a registry is spoken to.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use url::{Host as UrlHost, Url};

use super::auth::Pass;
use super::near::Near;
use super::options::ClientOptions;
use super::wire::{Host, tls_error};
use crate::RegistryError;

/// No answer leads through more redirects.
const MOST_REDIRECTS: usize = 5;

pub(super) fn http_client(options: &ClientOptions, near: &Near) -> Result<reqwest::Client, RegistryError> {
    let near = near.clone();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(&options.ca_files)?)
        .connect_timeout(options.timeouts.connect)
        .pool_idle_timeout(options.timeouts.idle)
        .redirect(Policy::custom(move |attempt| follow(&near, attempt)))
        .user_agent(concat!("relrun/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        // Nothing is taken from the environment.
        .no_proxy();
    if let Some(proxy) = options.proxy.clone() {
        // What cannot be used was found when the registry was first named.
        builder = builder.proxy(reqwest::Proxy::custom(move |url| if is_loopback(url) { None } else { proxy(url).ok().flatten() }));
    }
    builder.build().map_err(|error| RegistryError::Setup { reason: error.to_string(), help: None })
}

/// Refuses a proxy that cannot be used, before anything would go out without it.
fn check_proxy(options: &ClientOptions, url: &Url) -> Result<(), RegistryError> {
    match options.proxy.as_ref().filter(|_| !is_loopback(url)).map(|proxy| proxy(url)) {
        Some(Err(reason)) => Err(RegistryError::Setup { reason, help: None }),
        _ => Ok(()),
    }
}

fn tls(ca_files: &[std::path::PathBuf]) -> Result<ClientConfig, RegistryError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    for file in ca_files {
        add_authorities(file, &mut roots)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| RegistryError::Setup { reason: error.to_string(), help: None })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_authorities(file: &Path, roots: &mut RootCertStore) -> Result<(), RegistryError> {
    let wrong = |reason: String| RegistryError::Setup {
        reason: format!("{}: {reason}", file.display()),
        help: Some("name a PEM file with the certificates of authorities".to_owned()),
    };
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| wrong(format!("it is not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("it holds a certificate of no use: {error}")))?;
    }
    if roots.len() == before { Err(wrong("it holds no certificate".to_owned())) } else { Ok(()) }
}

/// Follows redirects, as to where a registry keeps its blobs, but never out of TLS, nor from out there to this machine and its networks.
/// Authorization stays behind at another origin.
fn follow(near: &Near, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().first().is_some_and(|first| !near.may_lead(first, attempt.url())) {
        return attempt.error(Untrusted("it redirects to an address of this machine or of a private network"));
    }
    let from_tls = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if from_tls && attempt.url().scheme() != "https" {
        return attempt.error(Untrusted("it redirects from HTTPS to plain HTTP"));
    }
    if attempt.previous().len() > MOST_REDIRECTS { attempt.error(Untrusted("it redirects again and again")) } else { attempt.follow() }
}

#[derive(Debug)]
struct Untrusted(&'static str);

impl std::fmt::Display for Untrusted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}

impl Error for Untrusted {}

/// Returns whether a URL names the loopback in so many words.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(UrlHost::Domain(name)) => name == "localhost",
        Some(UrlHost::Ipv4(address)) => address.is_loopback(),
        Some(UrlHost::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Finds out how a registry is spoken to.
pub(super) async fn reach(http: reqwest::Client, options: Arc<ClientOptions>, near: Near, registry: &str) -> Result<Host, RegistryError> {
    let server = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let url = |scheme: &str| {
        Url::parse(&format!("{scheme}://{server}/")).map_err(|error| RegistryError::Setup {
            reason: format!("`{server}` is no host: {error}"),
            help: Some("a registry is a host name, perhaps with a port, such as `registry.example.com:5000`".to_owned()),
        })
    };
    let (plain, tls) = (url("http")?, url("https")?);
    let asked = options.plain_http.iter().any(|one| one == registry);
    check_proxy(&options, if asked { &plain } else { &tls })?;
    let base = if asked || (is_loopback(&plain) && !speaks_tls(&http, &tls, options.timeouts.answer).await) { plain } else { tls };
    near.note(&base).await;
    let chunk = AtomicU64::new(options.chunk);
    Ok(Host { chunk, http, options, near, registry: registry.to_owned(), base, pass: Pass::default(), credential: OnceCell::new() })
}

/// Returns whether a server answers to TLS. Only what plainly answers in something else is said not to: TLS that fails is not let go.
async fn speaks_tls(http: &reqwest::Client, url: &Url, longest: Duration) -> bool {
    match tokio::time::timeout(longest, http.head(url.clone()).send()).await {
        Ok(Ok(_)) | Err(_) => true,
        Ok(Err(error)) => !matches!(tls_error(&error), Some(rustls::Error::InvalidMessage(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::ProxyOf;

    #[test]
    fn only_the_loopback_is_the_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:5000/", true),
            ("http://127.9.9.9/", true),
            ("http://localhost:5000/", true),
            ("http://[::1]:5000/", true),
            ("http://127.0.0.1.example/", false),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_cannot_be_used_is_refused() {
        let bad: Arc<ProxyOf> = Arc::new(|_| Err("the proxy cannot be used".to_owned()));
        let options = Arc::new(ClientOptions { proxy: Some(bad), ..ClientOptions::default() });
        let http = http_client(&options, &Near::default()).unwrap();
        let refused = reach(http.clone(), Arc::clone(&options), Near::default(), "registry.invalid").await;
        assert!(refused.err().unwrap().to_string().contains("the proxy cannot be used"));
        assert!(reach(http, options, Near::default(), "127.0.0.1:9").await.is_ok(), "this one is reached without");
    }

    #[test]
    fn an_authority_that_is_none_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = ClientOptions { ca_files: vec![file.path().to_owned()], ..ClientOptions::default() };
        assert!(http_client(&options, &Near::default()).unwrap_err().to_string().ends_with("it holds no certificate"));
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(http_client(&options, &Near::default()).is_err());
    }
}

//! A connection to a checked address: TCP, then TLS against the name.

use super::pool::Pool;
use super::proxy::Proxy;
use crate::GateError;
use crate::access::{Access, Target};
use relrun_manifest::HttpTls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;
use zeroize::Zeroizing;

/// What a connection is made of.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Returns the public authorities and the given ones.
pub(super) fn authorities(ca_files: &[PathBuf]) -> Result<RootCertStore, GateError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    for file in ca_files {
        let shown = file.display();
        let bytes =
            std::fs::read(file).map_err(|error| GateError::missing(format!("failed to read the authorities in {shown}: {error}")))?;
        add_authorities(&bytes, &shown.to_string(), &mut roots)?;
    }
    Ok(roots)
}

/// A certificate and its key, both in PEM: who the client is.
pub struct Identity {
    /// The certificate, and those above it.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// Prepares TLS.
pub(super) fn tls(roots: RootCertStore, identity: Option<&Identity>) -> Result<TlsConnector, GateError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| GateError::permanent(format!("failed to set up TLS: {error}")))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = parsed(identity)?;
            let unfit = |error| GateError::invalid(format!("the client's certificate and its key do not fit: {error}"));
            builder.with_client_auth_cert(chain, key).map_err(unfit)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn parsed(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), GateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.certificate).collect();
    let chain = chain.map_err(|error| GateError::invalid(format!("the client's certificate is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(GateError::invalid("the client's certificate holds no certificate"));
    }
    // What is wrong with a key is not said: it could show some of it.
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| GateError::invalid("the client's key is not PEM"))?;
    Ok((chain, key))
}

/// Prepares the TLS of a grant that has its own: an authority that counts alone, or who the client is.
pub(super) fn own_tls(own: &HttpTls, access: &Access<'_>, ca_files: &[PathBuf]) -> Result<TlsConnector, GateError> {
    let read = |what: &str, path: &str| {
        std::fs::read(access.root.join(path)).map_err(|error| GateError::missing(format!("failed to read {what} in {path}: {error}")))
    };
    let roots = match &own.ca {
        None => authorities(ca_files)?,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_authorities(&read("the authorities", path)?, path, &mut roots)?;
            roots
        }
    };
    let identity = match (&own.cert, &own.key) {
        (Some(path), Some(key)) => Some(Identity {
            certificate: read("the client's certificate", path)?,
            key: Zeroizing::new(access.client_key(key)?.as_bytes().to_vec()),
        }),
        _ => None,
    };
    tls(roots, identity.as_ref())
}

/// Adds the certificates of a PEM text.
pub(super) fn add_authorities(bytes: &[u8], shown: &str, roots: &mut RootCertStore) -> Result<(), GateError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let certificate = certificate.map_err(|error| GateError::invalid(format!("{shown} is not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| GateError::invalid(format!("{shown} holds a certificate of no use: {error}")))?;
        count += 1;
    }
    if count == 0 {
        return Err(GateError::invalid(format!("{shown} holds no certificate")));
    }
    Ok(())
}

/// Where a connection goes, and how it proves whom it has reached.
pub(super) struct Route<'a> {
    pub(super) target: Target,
    pub(super) tls: &'a TlsConnector,
    /// The name in the server's certificate, where it is not the address's.
    pub(super) server_name: Option<ServerName<'static>>,
    /// The connections that may be used again.
    pub(super) pool: &'a Arc<Pool>,
}

/// Connects to the first of the addresses that answers: the target's, or its proxy's.
pub(super) async fn connect(
    route: &Route<'_>,
    proxy: Option<&Proxy>,
    addresses: &[SocketAddr],
) -> Result<(Box<dyn Transport>, SocketAddr), GateError> {
    let target = &route.target;
    let (stream, address) = dial(proxy.map_or(target, |proxy| &proxy.target), addresses).await?;
    let _ = stream.set_nodelay(true);
    if target.origin.scheme == "http" {
        return Ok((Box::new(stream), address));
    }
    let stream: Box<dyn Transport> = match proxy {
        Some(proxy) => Box::new(proxy.tunnel(stream, &target.origin).await?),
        None => Box::new(stream),
    };
    let name = route.server_name.clone().map_or_else(|| server_name(&target.host), Ok)?;
    let stream = route.tls.connect(name, stream).await.map_err(|error| tls_error(target, &error))?;
    Ok((Box::new(stream), address))
}

async fn dial(target: &Target, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), GateError> {
    let mut last = None;
    for &address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
    Err(GateError::transient(format!("failed to connect to {}: {why}", target.origin)))
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, GateError> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| GateError::invalid(format!("{name} is no name for TLS"))),
        Host::Ipv4(address) => Ok(ServerName::from(*address)),
        Host::Ipv6(address) => Ok(ServerName::from(*address)),
    }
}

/// A bad certificate or protocol stays bad; a connection that breaks may hold the next time.
fn tls_error(target: &Target, error: &io::Error) -> GateError {
    let message = format!("TLS with {} failed: {error}", target.origin);
    let protocol = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some();
    if protocol { GateError::permanent(message) } else { GateError::transient(message) }
}

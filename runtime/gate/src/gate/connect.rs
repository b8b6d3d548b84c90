//! A connection to a checked address: TCP, then TLS against the name.

use crate::GateError;
use crate::access::Target;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

/// What a connection is made of.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Prepares TLS: the public authorities and the given ones.
pub(super) fn tls(ca_files: &[PathBuf]) -> Result<TlsConnector, GateError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    for file in ca_files {
        add_authorities(file, &mut roots)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| GateError::permanent(format!("failed to set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add_authorities(file: &Path, roots: &mut RootCertStore) -> Result<(), GateError> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| GateError::missing(format!("failed to read the authorities in {shown}: {error}")))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| GateError::invalid(format!("{shown} is not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| GateError::invalid(format!("{shown} holds a certificate of no use: {error}")))?;
        count += 1;
    }
    if count == 0 {
        return Err(GateError::invalid(format!("{shown} holds no certificate")));
    }
    Ok(())
}

/// Connects to the first of the addresses that answers.
pub(super) async fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    tls: &TlsConnector,
) -> Result<(Box<dyn Transport>, SocketAddr), GateError> {
    let (stream, address) = dial(target, addresses).await?;
    let _ = stream.set_nodelay(true);
    if target.origin.scheme == "http" {
        return Ok((Box::new(stream), address));
    }
    let name = server_name(&target.host)?;
    let stream = tls.connect(name, stream).await.map_err(|error| tls_error(target, &error))?;
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

//! Names to addresses, once a request; every address is checked before the first connection.

use crate::access::Target;
use crate::{GateError, Reach, reach};
use futures::future::BoxFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use url::Host;

/// What a look-up gives.
pub type Lookup<'a> = BoxFuture<'a, io::Result<Vec<IpAddr>>>;

/// Turns a name into addresses.
pub trait Resolve: Send + Sync {
    /// Looks a name up.
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a>;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Returns the addresses to connect to, in order. One address that may not be reached refuses them all: an honest name does not mix them.
pub(super) async fn addresses(resolver: &dyn Resolve, target: &Target) -> Result<Vec<SocketAddr>, GateError> {
    let found = match &target.host {
        Host::Ipv4(address) => vec![IpAddr::V4(*address)],
        Host::Ipv6(address) => vec![IpAddr::V6(*address)],
        Host::Domain(name) => {
            resolver.resolve(name).await.map_err(|error| GateError::transient(format!("failed to look up {name}: {error}")))?
        }
    };
    if found.is_empty() {
        return Err(GateError::transient(format!("failed to look up {}: it has no address", target.origin.host)));
    }
    found.iter().try_for_each(|&address| permit(address, target))?;
    Ok(found.into_iter().map(|address| SocketAddr::new(address, target.origin.port)).collect())
}

fn permit(address: IpAddr, target: &Target) -> Result<(), GateError> {
    let origin = &target.origin;
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Private(_) if target.private => Ok(()),
        Reach::Private(kind) => Err(GateError::denied(format!("{origin} is at {address}, a {kind} address"))
            .with_help(format!("where that is meant, add `private=#true` to the grant `http \"{origin}\"`"))),
        Reach::Never(kind) => Err(GateError::denied(format!("{origin} is at {address}, a {kind} address, which no grant opens"))),
    }
}

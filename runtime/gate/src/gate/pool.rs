//! Connections that are used again: by one step, or for one user of a cluster, and by nobody else.

use super::BoxError;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1::SendRequest;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// How long a connection is kept that nobody uses: servers close theirs after a minute or so.
const KEPT: Duration = Duration::from_secs(20);
/// How many are kept.
const MOST: usize = 8;
/// How long a connection may take to be done with the answer before.
const SETTLES: Duration = Duration::from_millis(50);

/// Connections that nobody uses now. What shares one shares whatever a server binds to a connection.
#[derive(Default)]
pub struct Pool(Mutex<Vec<(Link, Instant)>>);

/// Whom a connection reaches, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) origin: relrun_manifest::Origin,
    /// What distinguishes the TLS of one grant from another's.
    pub(super) tls: relrun_manifest::HttpTls,
}

/// A connection.
pub(super) struct Link {
    pub(super) goal: Goal,
    pub(super) address: SocketAddr,
    pub(super) sender: SendRequest<UnsyncBoxBody<Bytes, BoxError>>,
    // Held for its drop: the connection ends with it.
    pub(super) _task: AbortOnDropHandle<()>,
}

impl Pool {
    /// Takes a connection to one of these addresses, which were checked for this request as for any other.
    pub(super) async fn take(&self, goal: &Goal, addresses: &[SocketAddr]) -> Option<Link> {
        let mut link = {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(link, since)| since.elapsed() < KEPT && !link.sender.is_closed());
            let at = idle.iter().position(|(link, _)| link.goal == *goal && addresses.contains(&link.address))?;
            idle.swap_remove(at).0
        };
        let ready = tokio::time::timeout(SETTLES, link.sender.ready()).await;
        matches!(ready, Ok(Ok(()))).then_some(link)
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn give(&self, link: Link) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST && !link.sender.is_closed() {
            idle.push((link, Instant::now()));
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

//! A cluster that can be asked: found by its context, reached through the gate, with credentials that are renewed when they end.

use crate::credential::{self, Held, Source, either};
use crate::kubeconfig::{ClusterEntry, Kubeconfig, UserEntry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relrun_gate::{Body, Gate, GateError, Masker, Peer, PeerOptions, PeerRequest, Request, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use url::{Host, Url};

/// The context that stands for the cluster in which relrun itself runs, where no kubeconfig has one of this name.
pub const IN_CLUSTER: &str = "in-cluster";

/// Where clusters are looked for.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The kubeconfig files, in the order of `KUBECONFIG`; one that is not there is passed over.
    pub files: Vec<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, in a pod.
    pub service: Option<(String, String)>,
    /// Where a pod finds its token and its authority.
    pub account: PathBuf,
}

/// The clusters of a process. Each is read when it is first asked for.
pub struct Clusters {
    sources: Sources,
    known: Mutex<HashMap<String, Arc<Cluster>>>,
}

/// One cluster, as one user.
pub struct Cluster {
    reached: Reached,
    source: Source,
    /// With it, one look at the credentials at a time.
    held: tokio::sync::Mutex<Option<(Arc<Held>, Arc<Peer>)>>,
}

/// How a cluster is reached.
pub(crate) struct Reached {
    entry: ClusterEntry,
    authorities: Option<Vec<u8>>,
    user: UserEntry,
}

/// What a step may say of its request. All others are the host's, above all those that say who asks.
const HEADERS: [&str; 4] = ["accept", "content-type", "if-match", "user-agent"];

impl Clusters {
    /// Knows where to look, and has looked at nothing.
    pub fn new(sources: Sources) -> Self {
        Self { sources, known: Mutex::default() }
    }

    /// Returns the cluster of a context.
    pub fn get(&self, context: &str) -> Result<Arc<Cluster>, GateError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = known.get(context) {
            return Ok(Arc::clone(cluster));
        }
        let cluster = Arc::new(self.sources.find(context)?);
        known.insert(context.to_owned(), Arc::clone(&cluster));
        Ok(cluster)
    }
}

impl Sources {
    fn find(&self, context: &str) -> Result<Cluster, GateError> {
        let kubeconfig = Kubeconfig::read(&self.files)?;
        match (kubeconfig.context(context)?, &self.service) {
            (Some((cluster, user)), _) => Cluster::new(cluster, user),
            (None, Some((host, port))) if context == IN_CLUSTER => self.own(host, port),
            (None, _) => Err(kubeconfig.no_context(context, &self.files)),
        }
    }

    /// The cluster around this pod, as its service account.
    fn own(&self, host: &str, port: &str) -> Result<Cluster, GateError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let entry = ClusterEntry {
            server: format!("https://{host}:{port}"),
            certificate_authority: Some(self.account.join("ca.crt")),
            ..ClusterEntry::default()
        };
        Cluster::new(entry, UserEntry { token_file: Some(self.account.join("token")), ..UserEntry::default() })
    }
}

impl Cluster {
    fn new(entry: ClusterEntry, user: UserEntry) -> Result<Self, GateError> {
        if entry.server.is_empty() {
            return Err(GateError::invalid("the kubeconfig's cluster names no `server`"));
        }
        if entry.insecure_skip_tls_verify == Some(true) {
            return Err(GateError::denied(
                "the kubeconfig's cluster says `insecure-skip-tls-verify`, and nothing goes to a server that proves nothing",
            )
            .with_help("put the cluster's authority into the kubeconfig: `certificate-authority-data`"));
        }
        if entry.proxy_url.is_some() {
            return Err(GateError::invalid("the kubeconfig's cluster has a `proxy-url`, which this relrun does not use"));
        }
        let authorities =
            either(entry.certificate_authority_data.as_deref(), entry.certificate_authority.as_deref(), "the cluster's authority")?;
        let source = Source::of(&user)?;
        if source.is_somebody() && is_overheard(&entry.server) {
            return Err(GateError::denied(format!(
                "the kubeconfig's cluster is reached by plain HTTP ({}), and its user's credentials would go out in the clear",
                entry.server
            ))
            .with_help("write `https://` and the cluster's authority into the kubeconfig"));
        }
        Ok(Self { reached: Reached { entry, authorities, user }, source, held: tokio::sync::Mutex::default() })
    }

    /// Sends a request that was checked at the [`Door`](crate::Door). Where the server does not believe the credentials, they are asked for
    /// once more. Of the request, its address does not count, and headers that say who asks are refused.
    /// With the answer comes what masks the credentials in it.
    pub async fn send(&self, gate: &Gate, path: &str, mut request: Request) -> Result<(Response, Option<Arc<Masker>>), GateError> {
        if let Some((name, _)) = request.headers.iter().find(|(name, _)| !HEADERS.contains(&name.to_ascii_lowercase().as_str())) {
            return Err(GateError::denied(format!("the header {name:?} of a request to a cluster is the host's own")));
        }
        let again = again(&request);
        let (held, peer) = self.credentials(gate, None).await?;
        request.url = String::new();
        let response = gate.send_to(&peer, to_peer(request, path, &held)).await?;
        match again {
            Some(request) if response.status().as_u16() == 401 && self.source.may_change() => {
                let (held, peer) = self.credentials(gate, Some(&held)).await?;
                Ok((gate.send_to(&peer, to_peer(request, path, &held)).await?, held.masker.clone()))
            }
            _ => Ok((response, held.masker.clone())),
        }
    }

    /// Returns credentials that hold, and are not those which were refused.
    async fn credentials(&self, gate: &Gate, refused: Option<&Arc<Held>>) -> Result<(Arc<Held>, Arc<Peer>), GateError> {
        let mut slot = self.held.lock().await;
        let fits = |held: &Arc<Held>| held.holds() && refused.is_none_or(|refused| !Arc::ptr_eq(refused, held));
        if let Some((held, peer)) = slot.as_ref().filter(|(held, _)| fits(held)) {
            return Ok((Arc::clone(held), Arc::clone(peer)));
        }
        let mut held = self.source.get(&self.reached).await?;
        let identity = match held.identity.take() {
            Some(identity) => Some(identity),
            None => credential::identity(&self.reached.user)?,
        };
        let options = PeerOptions {
            server: self.reached.entry.server.clone(),
            authorities: self.reached.authorities.clone(),
            identity,
            server_name: self.reached.entry.tls_server_name.clone(),
        };
        let pair = (Arc::new(held), Arc::new(Peer::new(&options, gate.options())?));
        *slot = Some((Arc::clone(&pair.0), Arc::clone(&pair.1)));
        Ok(pair)
    }
}

impl Reached {
    /// Returns what a program that gives credentials is told of the cluster.
    pub(crate) fn info(&self) -> Value {
        let mut info = json!({ "server": self.entry.server, "config": null });
        if let Some(name) = &self.entry.tls_server_name {
            info["tls-server-name"] = json!(name);
        }
        if let Some(pem) = &self.authorities {
            info["certificate-authority-data"] = json!(STANDARD.encode(pem));
        }
        info
    }
}

/// Returns whether others hear what goes to a server: in plain HTTP, and beyond this machine.
fn is_overheard(server: &str) -> bool {
    let Ok(url) = Url::parse(server) else { return false };
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() != "https" && !is_loopback
}

fn to_peer(request: Request, path: &str, held: &Held) -> PeerRequest {
    PeerRequest { request, path: path.to_owned(), authorization: held.authorization.clone() }
}

/// Returns the same request, where its body can be sent twice.
fn again(request: &Request) -> Option<Request> {
    let body = match &request.body {
        Body::Empty => Body::Empty,
        Body::Bytes(bytes) => Body::Bytes(bytes.clone()),
        Body::File(_) | Body::Stream(_) => return None,
    };
    Some(Request {
        headers: request.headers.clone(),
        body,
        timeout: request.timeout,
        ..Request::new(request.method.clone(), String::new())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(server: &str, user: UserEntry) -> Result<Cluster, GateError> {
        Cluster::new(ClusterEntry { server: server.to_owned(), ..ClusterEntry::default() }, user)
    }

    #[test]
    fn credentials_go_out_in_the_clear_to_nobody_else() {
        let somebody = || UserEntry { token: Some("t".to_owned()), ..UserEntry::default() };
        for server in ["http://10.0.0.1:8080", "http://cluster.example.com", "HTTP://localhost.example.com", "http://[fd00::1]:80"] {
            let refused = cluster(server, somebody()).err().unwrap_or_else(|| panic!("{server} is let through"));
            assert!(refused.message.contains("in the clear"), "{refused}");
            assert!(cluster(server, UserEntry::default()).is_ok(), "nobody asks there");
        }
        for server in ["https://10.0.0.1:6443", "http://127.0.0.1:8001", "http://[::1]:8001", "http://localhost:8001"] {
            assert!(cluster(server, somebody()).is_ok(), "{server}");
        }
        let by_program = UserEntry { exec: Some(crate::kubeconfig::ExecEntry::default()), ..UserEntry::default() };
        assert!(cluster("http://10.0.0.1", by_program).is_err());
    }
}

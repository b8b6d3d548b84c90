//! What of a cluster one namespace's grant opens: paths below the namespace, and the documents that say which kinds there are.

use std::fmt;

/// Whether a call may change the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// `apply`, `undo`, `destroy`, `recover`.
    Change,
    /// `plan`, `verify`: reads, and what the server itself only tries.
    Look,
}

/// Why a request does not go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parts of an object that are reached by a path of their own. What is not here is a way out of the namespace (`exec`, `proxy`, `portforward`) or
/// makes credentials (`token`).
const PARTS: [&str; 3] = ["log", "scale", "status"];
const VERBS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The door to one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Whether the call may change anything.
    pub passage: Passage,
}

impl Door<'_> {
    /// Lets a request through, or says why not.
    pub fn check(&self, method: &str, path_and_query: &str) -> Result<(), Refused> {
        let refuse = |why: String| Err(Refused(why));
        if !VERBS.contains(&method) {
            return refuse(format!("{method:?} is no method of a Kubernetes API"));
        }
        if !path_and_query.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')) {
            return refuse("a path holds a character that must stand in it encoded".to_owned());
        }
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let reads = matches!(method, "GET" | "HEAD");
        match self.place(path)? {
            _ if reads => Ok(()),
            Place::Kinds => refuse(format!("{method} {path}: what kinds there are can only be read")),
            Place::Objects => self.changes(method, path, query),
        }
    }

    fn changes(&self, method: &str, path: &str, query: &str) -> Result<(), Refused> {
        let said: Vec<&str> = query.split('&').filter(|pair| name_of(pair) == "dryRun").collect();
        // A body of DELETE counts more than its query, so no query can hold it to a try.
        let tries = said == ["dryRun=All"] && method != "DELETE";
        if self.passage == Passage::Change || tries {
            return Ok(());
        }
        Err(Refused(format!(
            "`plan` and `verify` change nothing: {method} {path} goes through as a server-side dry run alone (`dryRun=All`)"
        )))
    }

    fn place(&self, path: &str) -> Result<Place, Refused> {
        let outside = || Refused(format!("{path} lies outside the namespace \"{}\", and the grant opens nothing else", self.namespace));
        let Some(rest) = path.strip_prefix('/') else { return Err(outside()) };
        let parts: Vec<&str> = rest.split('/').collect();
        if !parts.iter().all(|part| is_plain(part)) {
            return Err(Refused(format!("{path} is no path of objects")));
        }
        let in_group = match parts.as_slice() {
            ["version" | "api" | "apis"] | ["api" | "apis", _] | ["apis", _, _] => return Ok(Place::Kinds),
            ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
            _ => return Err(outside()),
        };
        match in_group {
            // These are the namespace's own, not kinds in it.
            ["namespaces", _, part @ ("finalize" | "status")] => {
                Err(Refused(format!("{path}: `{part}` is the namespace's own, and no grant opens the namespace itself")))
            }
            ["namespaces", namespace, _kind] | ["namespaces", namespace, _kind, _] if *namespace == self.namespace => Ok(Place::Objects),
            ["namespaces", namespace, kind, _, part] if *namespace == self.namespace => {
                if PARTS.contains(part) {
                    return Ok(Place::Objects);
                }
                Err(Refused(format!("{path}: `{kind}/{part}` is not opened by any grant; what is: {}", PARTS.join(", "))))
            }
            _ => Err(outside()),
        }
    }
}

enum Place {
    /// The documents that say which kinds there are.
    Kinds,
    /// Objects of the namespace.
    Objects,
}

/// A segment without anything that another parser could read differently. The system's own names hold `:`.
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with("..")
        && part != "."
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte))
}

/// The name of a query's pair. An encoded name could be the one that is looked for, so it is taken for it.
fn name_of(pair: &str) -> &str {
    let name = pair.split('=').next().unwrap_or_default();
    if name.contains(['%', '+']) { "dryRun" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(passage: Passage, method: &str, path: &str) -> bool {
        Door { namespace: "shop", passage }.check(method, path).is_ok()
    }

    #[test]
    fn the_namespace_is_open() {
        let open = [
            ("GET", "/apis/apps/v1/namespaces/shop/deployments"),
            ("GET", "/apis/apps/v1/namespaces/shop/deployments?watch=true&resourceVersion=12"),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=relrun"),
            ("DELETE", "/api/v1/namespaces/shop/configmaps/settings"),
            ("GET", "/api/v1/namespaces/shop/pods/web-0/log?tailLines=5"),
            ("POST", "/api/v1/namespaces/shop/configmaps"),
            ("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/system:thing"),
            ("GET", "/apis/apps/v1"),
            ("GET", "/api/v1"),
            ("GET", "/version"),
        ];
        for (method, path) in open {
            assert!(passes(Passage::Change, method, path), "{method} {path}");
        }
    }

    #[test]
    fn everything_else_is_shut() {
        let shut = [
            ("GET", "/api/v1/namespaces"),
            ("GET", "/api/v1/namespaces/shop"),
            ("DELETE", "/api/v1/namespaces/shop"),
            ("PUT", "/api/v1/namespaces/shop/finalize"),
            ("PATCH", "/api/v1/namespaces/shop/status"),
            ("GET", "/api/v1/namespaces/shop/status"),
            ("GET", "/api/v1/namespaces/other/pods"),
            ("GET", "/api/v1/namespaces/shop/../other/pods"),
            ("GET", "/api/v1/namespaces/shop/pods/../../other/pods"),
            ("GET", "/api/v1/namespaces/shop%2f..%2fother/pods"),
            ("GET", "/api/v1/namespaces/shop/./pods"),
            ("GET", "/api/v1//namespaces/shop/pods"),
            ("GET", "/api/v1/namespaces/shop\\..\\other/pods"),
            ("GET", "/api/v1/nodes"),
            ("GET", "/apis/apps/v1/deployments"),
            ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin"),
            ("POST", "/api/v1/namespaces/shop/pods/web-0/exec?command=sh"),
            ("GET", "/api/v1/namespaces/shop/services/web/proxy"),
            ("GET", "/api/v1/namespaces/shop/services/web/proxy/admin"),
            ("POST", "/api/v1/namespaces/shop/serviceaccounts/default/token"),
            ("POST", "/apis/apps/v1"),
            ("GET", "/metrics"),
            ("GET", "/"),
            ("GET", "api/v1"),
            ("GET", "/api/v1/watch/namespaces/shop/pods"),
            ("GET", "/openapi/v2"),
            ("CONNECT", "/api/v1/namespaces/shop/pods"),
            ("get", "/api/v1/namespaces/shop/pods"),
            ("GET", "/api/v1/namespaces/shop/pods#x"),
            ("GET", "/api/v1/namespaces/shop/pods\r\nHost: evil"),
        ];
        for (method, path) in shut {
            assert!(!passes(Passage::Change, method, path), "{method} {path}");
        }
    }

    #[test]
    fn a_look_is_a_read_or_a_dry_run() {
        let web = "/apis/apps/v1/namespaces/shop/deployments/web";
        assert!(passes(Passage::Look, "GET", web));
        assert!(passes(Passage::Look, "PATCH", &format!("{web}?fieldManager=relrun&dryRun=All")));
        assert!(passes(Passage::Look, "POST", "/api/v1/namespaces/shop/configmaps?dryRun=All"));
        for (method, query) in [
            ("PATCH", ""),
            ("PATCH", "?dryRun="),
            ("PATCH", "?dryRun=all"),
            ("PATCH", "?dryRun=All&dryRun="),
            ("PATCH", "?dryRun=All&dry%52un="),
            ("PATCH", "?dryrun=All"),
            ("PATCH", "?x=dryRun=All"),
            ("DELETE", "?dryRun=All"),
            ("PUT", "?fieldManager=dryRun"),
        ] {
            assert!(!passes(Passage::Look, method, &format!("{web}{query}")), "{method} {query}");
        }
    }
}

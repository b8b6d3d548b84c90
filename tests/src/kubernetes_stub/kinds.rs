//! The kinds that the stub serves, and the documents that say so.

use serde_json::{Value, json};

/// One kind.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) short: &'static str,
    pub(crate) namespaced: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    kind: &'static str,
    short: &'static str,
    namespaced: bool,
) -> Kind {
    Kind { group, version, resource, kind, short, namespaced }
}

pub(crate) const KINDS: &[Kind] = &[
    kind("", "v1", "namespaces", "Namespace", "ns", false),
    kind("", "v1", "nodes", "Node", "no", false),
    kind("", "v1", "configmaps", "ConfigMap", "cm", true),
    kind("", "v1", "secrets", "Secret", "", true),
    kind("", "v1", "services", "Service", "svc", true),
    kind("", "v1", "serviceaccounts", "ServiceAccount", "sa", true),
    kind("", "v1", "pods", "Pod", "po", true),
    kind("", "v1", "events", "Event", "ev", true),
    kind("apps", "v1", "deployments", "Deployment", "deploy", true),
    kind("apps", "v1", "replicasets", "ReplicaSet", "rs", true),
    kind("apps", "v1", "statefulsets", "StatefulSet", "sts", true),
    kind("apps", "v1", "daemonsets", "DaemonSet", "ds", true),
    kind("batch", "v1", "jobs", "Job", "", true),
    kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "", false),
    kind("example.com", "v1", "widgets", "Widget", "", true),
];

const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// Returns a document of kinds, where the path names one.
pub(crate) fn document(path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["version"] => Some(json!({ "major": "1", "minor": "33", "gitVersion": "v1.33.0-stub", "platform": "linux/amd64" })),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })),
        ["apis"] => Some(groups()),
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis", group] => groups()["groups"].as_array()?.iter().find(|found| found["name"] == *group).cloned(),
        ["apis", group, version] => {
            KINDS.iter().any(|kind| kind.group == *group && kind.version == *version).then(|| resources(group, version))
        }
        _ => None,
    }
}

fn groups() -> Value {
    let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    names.dedup();
    let group = |name: &&str| {
        let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
        json!({ "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version })
    };
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": names.iter().map(group).collect::<Vec<_>>() })
}

fn resources(group: &str, version: &str) -> Value {
    let of = |kind: &Kind| {
        let short: Vec<&str> = Some(kind.short).filter(|short| !short.is_empty()).into_iter().collect();
        json!({ "name": kind.resource, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced, "kind": kind.kind,
                "verbs": VERBS, "shortNames": short })
    };
    let found: Vec<Value> = KINDS.iter().filter(|kind| kind.group == group && kind.version == version).map(of).collect();
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found })
}

/// Returns the kind of a resource.
pub(crate) fn of_resource(resource: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.resource == resource).unwrap()
}

impl Kind {
    /// Returns `apps/v1`, or `v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }
}

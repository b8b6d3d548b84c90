//! One namespace of a Kubernetes cluster. The host finds the cluster by its context, and holds the credentials.

use crate::http::{Request, request};
use crate::{Result, backend};

/// A namespace of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    context: String,
    name: String,
}

/// Returns a namespace of the cluster that a context of the user's kubeconfig names. It is reached only where a grant names both.
pub fn namespace(context: &str, name: &str) -> Namespace {
    Namespace { context: context.to_owned(), name: name.to_owned() }
}

impl Namespace {
    /// Returns the namespace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a request to the API server. The path begins with `/api` or `/apis`, and lies in the namespace or names a document of kinds.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let mut request = request(method, path);
        request.cluster = Some((self.context.clone(), self.name.clone()));
        request
    }
}

/// Returns this ledger's mark, to stand on an object from its first change on. The mark that was found there is compared with it: another
/// ledger's is denied until the user says `--adopt`. `object` names the object for the person who reads that.
pub fn mark(found: Option<&str>, object: &str) -> Result<String> {
    backend::object_mark(found, object)
}

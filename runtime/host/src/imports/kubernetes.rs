//! `kubernetes`: requests to one namespace of a cluster. What may be asked stands at the door ([`relrun_kubernetes::Door`]), and what leaves goes
//! through the gate with credentials that the guest never holds.

use super::span;
use crate::attempt::{Attempt, Mode};
use crate::bindings::kubernetes;
use crate::error::CallError;
use crate::imports::HttpRequest;
use crate::places;
use crate::state::State;
use relrun_kubernetes::{Door, Passage};
use relrun_manifest::Capability;
use wasmtime::component::Resource;

/// Where a request goes that was let through the door.
pub(super) struct ToCluster {
    pub(super) context: String,
    pub(super) path: String,
    pub(super) capability: String,
}

impl Attempt {
    /// Lets a request to a cluster through, or says why not.
    fn cluster(&self, context: String, namespace: String, method: &str, path: String) -> Result<ToCluster, CallError> {
        let asked = Capability::Kubernetes { context, namespace };
        let capability = asked.to_string();
        self.stop.check()?;
        self.effects_only(&capability)?;
        if !self.capabilities.iter().any(|granted| granted.covers(&asked)) {
            return Err(self.deny(&capability, format!("no grant covers it: add `{capability}` to the step's `grant` block")));
        }
        let Capability::Kubernetes { context, namespace } = asked else { return Err(self.deny(&capability, "it is no cluster")) };
        let passage = if self.mode == Mode::Full { Passage::Change } else { Passage::Look };
        let door = Door { namespace: &namespace, passage };
        door.check(method, &path).map_err(|refused| self.deny(&capability, refused.to_string()))?;
        Ok(ToCluster { context, path, capability })
    }
}

impl kubernetes::Host for State {
    async fn start(
        &mut self,
        context: String,
        namespace: String,
        method: String,
        path: String,
    ) -> Result<Resource<HttpRequest>, CallError> {
        let _span = span("kubernetes.start").entered();
        let to = self.attempt.cluster(context, namespace, &method, path)?;
        Ok(self.table.push(HttpRequest::to_cluster(method, to))?)
    }

    async fn mark(&mut self, found: Option<String>, object: String) -> Result<String, CallError> {
        let attempt = &self.attempt;
        attempt.stop.check()?;
        attempt.effects_only("kubernetes")?;
        // A look has no mark of its own to compare with.
        let found = found.filter(|_| attempt.mode == Mode::Full);
        places::mark(found.as_deref(), &object, &attempt.mark)
    }
}

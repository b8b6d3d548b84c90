//! Where each step of a release is, by its name and environment: made once, when it is first asked for, and derived from the release's start alone.

use crate::{StepDecl, StepId};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The steps by name. It is no part of what a release is: two releases are equal whether or not it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(OnceLock<HashMap<String, Vec<StepId>>>);

impl Names {
    /// Returns the step of this name that is bound to this environment, or to none.
    pub(crate) fn find(&self, steps: &[StepDecl], name: &str, environment: Option<&str>) -> Option<StepId> {
        let by_name = self.0.get_or_init(|| Self::of(steps));
        // A name stands once for each environment: a handful.
        by_name.get(name)?.iter().copied().find(|step| steps[step.index()].environment.as_deref() == environment)
    }

    fn of(steps: &[StepDecl]) -> HashMap<String, Vec<StepId>> {
        let mut by_name: HashMap<String, Vec<StepId>> = HashMap::with_capacity(steps.len());
        for (id, step) in (0..).map(StepId).zip(steps) {
            by_name.entry(step.name.clone()).or_default().push(id);
        }
        by_name
    }
}

impl PartialEq for Names {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

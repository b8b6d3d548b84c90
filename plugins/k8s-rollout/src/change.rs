//! Single changes, each tied to what was looked at last: an object that became another's meanwhile is not touched.

use crate::api::{Answer, Api, Applied, Target};
use crate::mark;
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Error, Result, log};

/// How often an object may change between the look at it and its change: its controller writes to it too.
const TRIES: u32 = 10;

/// Applies an object onto what stands there, where that may be changed.
pub(crate) fn apply(
    api: &Api,
    target: &Target,
    object: &Value,
    force: bool,
    check: impl Fn(Option<&Value>) -> Result<()>,
) -> Result<Answer> {
    let mut object = object.clone();
    for _ in 0..TRIES {
        let live = api.get(target)?;
        check(live.as_ref())?;
        match live.as_ref().map(|live| &live["metadata"]["resourceVersion"]) {
            Some(version) => object["metadata"]["resourceVersion"] = version.clone(),
            None => drop(object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("resourceVersion"))),
        }
        let answer = api.apply(target, &object, Applied::Done, force)?;
        if !answer.is_outdated() {
            return Ok(answer);
        }
    }
    Err(too_fast(target))
}

/// Removes an object that is this rollout's; one that is not any more stays. Returns whether it was removed.
pub(crate) fn remove(api: &Api, target: &Target) -> Result<bool> {
    let shown = target.shown();
    for _ in 0..TRIES {
        let Some(live) = api.get(target)? else { return Ok(false) };
        if !mark::is_ours(&live) {
            log::warn(&format!("{shown} is not this rollout's any more: it stays"));
            return Ok(false);
        }
        mark::check(Some(&live), &shown)?;
        if api.delete(target, &live)? {
            log::info(&format!("{shown} removed"));
            return Ok(true);
        }
    }
    Err(too_fast(target))
}

fn too_fast(target: &Target) -> Error {
    Error::transient(format!("{} changes faster than it can be looked at", target.shown()))
}

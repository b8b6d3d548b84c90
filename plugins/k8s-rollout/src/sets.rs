//! The way back of a `StatefulSet`: its controller waits for a pod that does not come up before it replaces it, even where the pod is of the revision
//! that is being taken back ("forced rollback" in the documentation of Kubernetes). Such pods are removed here, and nothing else ever is.

use crate::api::{Api, Target, sleep};
use crate::pods;
use crate::ready;
use relrun_sdk::serde_json::Value;
use relrun_sdk::{ErrorKind, Result, log};
use std::time::{Duration, Instant};

/// How long a controller may take to see a change.
const SEEN: Duration = Duration::from_secs(30);
/// How often a pod may change between the look at it and its removal.
const TRIES: u32 = 5;

/// Removes the pods of a set that are of another revision than it is to be, and not ready.
pub(crate) fn free(api: &Api, target: &Target) -> Result<()> {
    let began = Instant::now();
    let set = loop {
        let Some(set) = api.get(target)? else { return Ok(()) };
        if ready::is_observed(&set) {
            break set;
        }
        if began.elapsed() > SEEN {
            // Waiting for the set will say so.
            return Ok(());
        }
        sleep(Duration::from_millis(250))?;
    };
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return Ok(());
    }
    for _ in 0..TRIES {
        if remove(api, target, &set)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Removes what is stuck; returns false where something of it changed in between.
fn remove(api: &Api, target: &Target, set: &Value) -> Result<bool> {
    let mut all = true;
    let answer = api.list("v1", "pods", &pods::selector(set))?;
    for pod in answer.body["items"].as_array().into_iter().flatten().filter(|pod| is_stuck(pod, set)) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let place = Target { api_version: "v1".to_owned(), kind: "Pod".to_owned(), resource: "pods".to_owned(), name };
        match api.delete(&place, pod) {
            Ok(true) => log::info(&format!("{} removed: it is of the revision before, and does not come up", place.shown())),
            Ok(false) => all = false,
            Err(error) if error.kind() == ErrorKind::Denied => {
                log::warn(&format!("{} keeps {} from going back, and may not be removed: {error}", place.shown(), target.shown()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn is_stuck(pod: &Value, set: &Value) -> bool {
    let is_ready = ready::condition(&pod["status"], "Ready").is_some_and(|condition| condition["status"] == "True");
    pods::is_owned(pod, pods::uid(set))
        && !is_ready
        && pod["metadata"]["deletionTimestamp"].is_null()
        && pod["metadata"]["labels"]["controller-revision-hash"] != set["status"]["updateRevision"]
}

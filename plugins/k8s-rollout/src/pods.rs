//! The pods of a workload: what keeps them from coming up, found before any deadline is over.

use crate::api::Api;
use crate::ready::{self, condition};
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Result, log};
use std::collections::BTreeSet;

/// What no container comes out of by waiting.
const HOPELESS: [&str; 8] = [
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// What was found around a workload.
#[derive(Default)]
pub(crate) struct Around {
    /// The uids of all that belongs to it: events are about these.
    pub(crate) uids: BTreeSet<String>,
    /// What will not pass.
    pub(crate) hopeless: Option<String>,
    /// What its pods wait for.
    pub(crate) waiting: Option<String>,
}

pub(crate) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(crate) fn is_owned(object: &Value, by: &str) -> bool {
    object["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == by))
}

/// Looks at what belongs to a workload, the parts of this generation alone.
pub(crate) fn look(api: &Api, workload: &Value) -> Result<Around> {
    let mut around = Around::default();
    around.uids.insert(uid(workload).to_owned());
    let kind = workload["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Job") {
        return Ok(around);
    }
    if !ready::is_observed(workload) {
        // What is there now is of the generation before.
        return Ok(around);
    }
    let selector = selector(workload);
    let owner = if kind == "Deployment" { newest_set(api, workload, &selector, &mut around)? } else { Some(uid(workload).to_owned()) };
    let Some(owner) = owner else { return Ok(around) };
    around.uids.insert(owner.clone());
    let revision = workload["status"]["updateRevision"].as_str().filter(|_| kind == "StatefulSet");
    let answer = api.list("v1", "pods", &selector)?;
    // Where pods may not be read, the workload's own words have to do.
    for pod in answer.body["items"].as_array().into_iter().flatten().filter(|pod| is_owned(pod, &owner)) {
        around.uids.insert(uid(pod).to_owned());
        let is_of_before = revision.is_some_and(|revision| pod["metadata"]["labels"]["controller-revision-hash"] != revision);
        if !is_of_before && pod["metadata"]["deletionTimestamp"].is_null() {
            containers(api, pod, &mut around);
        }
    }
    Ok(around)
}

pub(crate) fn selector(workload: &Value) -> String {
    let labels = workload["spec"]["selector"]["matchLabels"].as_object();
    let pairs = labels.into_iter().flatten().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Returns the replica set of the newest revision.
fn newest_set(api: &Api, deployment: &Value, selector: &str, around: &mut Around) -> Result<Option<String>> {
    let answer = api.list("apps/v1", "replicasets", selector)?;
    let revision = |set: &Value| {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().and_then(|text| text.parse::<u64>().ok())
    };
    let sets = answer.body["items"].as_array().into_iter().flatten().filter(|set| is_owned(set, uid(deployment)));
    let newest = sets.max_by_key(|set| revision(set).unwrap_or(0));
    if let Some(failure) = newest.and_then(|set| condition(&set["status"], "ReplicaFailure")).filter(|failure| failure["status"] == "True")
    {
        around.hopeless = failure["message"].as_str().map(ToOwned::to_owned);
    }
    Ok(newest.map(|set| uid(set).to_owned()))
}

fn containers(api: &Api, pod: &Value, around: &mut Around) {
    let status = &pod["status"];
    let lists = [&status["initContainerStatuses"], &status["containerStatuses"]];
    for container in lists.iter().filter_map(|list| list.as_array()).flatten() {
        let waiting = &container["state"]["waiting"];
        let Some(reason) = waiting["reason"].as_str() else { continue };
        let message = waiting["message"].as_str().unwrap_or_default();
        let container_name = container["name"].as_str().unwrap_or_default();
        let text =
            format!("container {container_name} of pod {}: {reason}{}{message}", name(pod), if message.is_empty() { "" } else { ": " });
        if !HOPELESS.contains(&reason) {
            around.waiting.get_or_insert(text);
            continue;
        }
        if around.hopeless.is_none() {
            around.hopeless = Some(with_exit(text, container));
            if reason == "CrashLoopBackOff" {
                show_log(api, name(pod), container_name);
            }
        }
    }
    if let Some(scheduled) = condition(status, "PodScheduled").filter(|condition| condition["status"] == "False") {
        let message = scheduled["message"].as_str().unwrap_or("no node takes it");
        around.waiting.get_or_insert(format!("pod {} is not scheduled: {message}", name(pod)));
    }
}

fn with_exit(text: String, container: &Value) -> String {
    match container["lastState"]["terminated"]["exitCode"].as_i64() {
        Some(code) => format!("{text} (it ended with exit code {code})"),
        None => text,
    }
}

fn show_log(api: &Api, pod: &str, container: &str) {
    for line in api.last_lines(pod, container).unwrap_or_default().lines() {
        log::info(&format!("{pod} {container}: {line}"));
    }
}

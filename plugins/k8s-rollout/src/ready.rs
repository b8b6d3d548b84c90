//! Whether an object has become what it is to be: by what its controller says of the generation that was applied.

use relrun_sdk::serde_json::Value;

/// How far an object has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It is what it is to be.
    Ready(String),
    /// Not yet, and why.
    Waiting(String),
    /// It will not be.
    Failed(String),
    /// It says that it does not go on; just after a change, that may be about the change before.
    Stuck(String),
}

use Readiness::{Failed, Ready, Stuck, Waiting};

/// Says how far an object has come.
pub(crate) fn of(object: &Value) -> Readiness {
    let kind = object["kind"].as_str().unwrap_or_default();
    let status = &object["status"];
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Waiting("it is being removed".to_owned());
    }
    if !is_observed(object) {
        return Waiting("its controller has not seen the change yet".to_owned());
    }
    match kind {
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "Job" => job(status),
        "Pod" => pod(object),
        _ => by_conditions(status),
    }
}

/// Returns whether what an object's status says is about what was applied.
pub(crate) fn is_observed(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_u64().unwrap_or(0);
    // These write down what they have seen; another kind may have nobody who does.
    let always = matches!(object["kind"].as_str(), Some("Deployment" | "StatefulSet" | "DaemonSet"));
    object["status"]["observedGeneration"].as_u64().map_or(!always, |observed| observed >= generation)
}

fn count(value: &Value, default: u64) -> u64 {
    value.as_u64().unwrap_or(default)
}

/// Returns a condition of a type.
pub(crate) fn condition<'v>(status: &'v Value, of: &str) -> Option<&'v Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == of)
}

fn why(condition: &Value) -> String {
    let text = |name: &str| condition[name].as_str().unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", "") => "no reason is given".to_owned(),
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn deployment(object: &Value) -> Readiness {
    let (spec, status) = (&object["spec"], &object["status"]);
    if spec["paused"] == true {
        return Failed("it is paused, and a paused rollout goes nowhere: `kubectl rollout resume`".to_owned());
    }
    // `ReplicaFailure` is not looked at here: it may be an older replica set's (`pods` asks the newest).
    if let Some(stuck) = condition(status, "Progressing").filter(|condition| condition["status"] == "False") {
        return Stuck(why(stuck));
    }
    let wanted = count(&spec["replicas"], 1);
    let (updated, all, available) =
        (count(&status["updatedReplicas"], 0), count(&status["replicas"], 0), count(&status["availableReplicas"], 0));
    if updated < wanted {
        Waiting(format!("{updated} of {wanted} are updated"))
    } else if all > updated {
        Waiting(format!("{} of before are still there", all - updated))
    } else if available < wanted {
        Waiting(format!("{available} of {wanted} are available"))
    } else {
        Ready(format!("{available} of {wanted} are available"))
    }
}

fn stateful_set(object: &Value) -> Readiness {
    let (spec, status) = (&object["spec"], &object["status"]);
    let wanted = count(&spec["replicas"], 1);
    let (ready, updated) = (count(&status["readyReplicas"], 0), count(&status["updatedReplicas"], 0));
    let strategy = &spec["updateStrategy"];
    let partition = count(&strategy["rollingUpdate"]["partition"], 0);
    if strategy["type"] != "OnDelete" {
        let to_update = wanted.saturating_sub(partition);
        if updated < to_update {
            return Waiting(format!("{updated} of {to_update} are updated"));
        }
        if partition == 0 && status["currentRevision"] != status["updateRevision"] {
            return Waiting("the last of them is being updated".to_owned());
        }
    }
    let text = format!("{ready} of {wanted} are ready");
    if ready < wanted { Waiting(text) } else { Ready(text) }
}

fn daemon_set(object: &Value) -> Readiness {
    let (spec, status) = (&object["spec"], &object["status"]);
    let wanted = count(&status["desiredNumberScheduled"], 0);
    let (updated, available) = (count(&status["updatedNumberScheduled"], 0), count(&status["numberAvailable"], 0));
    if spec["updateStrategy"]["type"] != "OnDelete" && updated < wanted {
        return Waiting(format!("{updated} of {wanted} are updated"));
    }
    let text = format!("{available} of {wanted} are available");
    if available < wanted { Waiting(text) } else { Ready(text) }
}

fn job(status: &Value) -> Readiness {
    let is = |name: &str| condition(status, name).filter(|condition| condition["status"] == "True");
    if let Some(failed) = is("Failed") {
        return Failed(why(failed));
    }
    match is("Complete") {
        Some(_) => Ready("it is complete".to_owned()),
        None => Waiting(format!("{} of its pods run", count(&status["active"], 0))),
    }
}

fn pod(object: &Value) -> Readiness {
    let status = &object["status"];
    let is_ready = condition(status, "Ready").is_some_and(|condition| condition["status"] == "True");
    match status["phase"].as_str().unwrap_or_default() {
        "Succeeded" => Ready("it is complete".to_owned()),
        "Failed" => Failed(why(status)),
        "Running" if is_ready => Ready("it is ready".to_owned()),
        phase => Waiting(format!("it is {}", if phase.is_empty() { "not there yet" } else { phase })),
    }
}

/// Kinds that others make, by the conditions that are usual: `Ready`, `Available`, and those of the project "kstatus".
fn by_conditions(status: &Value) -> Readiness {
    let is = |name: &str, value: &str| condition(status, name).filter(|condition| condition["status"] == value);
    if let Some(stalled) = is("Stalled", "True") {
        return Failed(why(stalled));
    }
    if let Some(busy) = is("Reconciling", "True") {
        return Waiting(why(busy));
    }
    for name in ["Ready", "Available"] {
        match condition(status, name) {
            Some(condition) if condition["status"] == "True" => return Ready(format!("{name} is true")),
            Some(condition) => return Waiting(format!("{name} is not true: {}", why(condition))),
            None => {}
        }
    }
    Ready("it stands".to_owned())
}

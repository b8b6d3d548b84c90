//! What the controllers of a cluster do, one look at a time: replica sets, pods, and the statuses that say how far a rollout has come.

use super::kinds::{Kind, of_resource};
use super::world::{World, now};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// For how many looks a deployment's conditions are still those of the change before.
const LINGER: u64 = 20;

/// Fills in what a server fills in, as far as anything here reads it.
pub(crate) fn default(kind: &Kind, object: &mut Value) {
    let set = |value: &mut Value, default: Value| {
        if value.is_null() {
            *value = default;
        }
    };
    match kind.kind {
        "Deployment" => {
            set(&mut object["spec"]["replicas"], json!(1));
            set(&mut object["spec"]["progressDeadlineSeconds"], json!(600));
        }
        "StatefulSet" => {
            set(&mut object["spec"]["replicas"], json!(1));
            set(&mut object["spec"]["updateStrategy"], json!({ "type": "RollingUpdate" }));
        }
        "DaemonSet" => set(&mut object["spec"]["updateStrategy"], json!({ "type": "RollingUpdate" })),
        "Service" => {
            for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
                set(&mut port["protocol"], json!("TCP"));
            }
        }
        _ => {}
    }
}

/// Looks at everything once.
pub(crate) fn tick(world: &mut World) {
    collect_garbage(world);
    for (resource, look) in [
        ("deployments", deployment as fn(&mut World, &Value)),
        ("statefulsets", stateful_set),
        ("daemonsets", daemon_set),
        ("jobs", job),
        ("widgets", widget),
    ] {
        let all: Vec<Value> = world.list(resource, "").cloned().collect();
        for object in &all {
            look(world, object);
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value["metadata"][name].as_str().unwrap_or_default()
}

/// What is owned by something that is gone goes too.
fn collect_garbage(world: &mut World) {
    let uids: std::collections::HashSet<String> = world.objects.values().map(|object| text(object, "uid").to_owned()).collect();
    let lost: Vec<_> = world
        .objects
        .iter()
        .filter(|(_, object)| object["metadata"]["ownerReferences"][0]["uid"].as_str().is_some_and(|owner| !uids.contains(owner)))
        .map(|(key, _)| key.clone())
        .collect();
    for (resource, namespace, name) in lost {
        world.remove(&resource, &namespace, &name);
    }
}

fn hash_of(template: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    format!("{:010x}", hasher.finish() & 0xff_ffff_ffff)
}

fn owner(object: &Value) -> Value {
    json!([{ "apiVersion": object["apiVersion"], "kind": object["kind"], "name": text(object, "name"), "uid": text(object, "uid"), "controller": true }])
}

fn owned<'w>(world: &'w World, resource: &'w str, by: &'w Value) -> impl Iterator<Item = &'w Value> {
    let uid = by["metadata"]["uid"].clone();
    world.list(resource, text(by, "namespace")).filter(move |object| object["metadata"]["ownerReferences"][0]["uid"] == uid)
}

/// Returns how many looks a thing has seen.
fn age(world: &mut World, of: &str) -> u64 {
    let age = world.ages.entry(of.to_owned()).or_default();
    *age += 1;
    *age
}

fn event(world: &mut World, about: &Value, kind: &str, reason: &str, message: &str) {
    let (namespace, uid) = (text(about, "namespace").to_owned(), text(about, "uid").to_owned());
    let name = format!("{}.{:x}", text(about, "name"), {
        let mut hasher = DefaultHasher::new();
        (&uid, reason, message).hash(&mut hasher);
        hasher.finish()
    });
    if world.find("events", &namespace, &name).is_some() {
        return;
    }
    let involved = json!({ "kind": about["kind"], "name": text(about, "name"), "namespace": namespace, "uid": uid, "apiVersion": about["apiVersion"] });
    let object = json!({ "apiVersion": "v1", "kind": "Event", "metadata": {}, "involvedObject": involved, "type": kind, "reason": reason, "message": message,
                         "count": 1, "firstTimestamp": now(), "lastTimestamp": now() });
    world.put("events", &namespace, &name, object);
}

/// Sees to it that an owner has so many pods, and returns how many of them are ready, and what kept one from being made.
fn pods(world: &mut World, by: &Value, names: &[String], template: &Value) -> (usize, Option<String>) {
    let namespace = text(by, "namespace").to_owned();
    let surplus: Vec<String> =
        owned(world, "pods", by).map(|pod| text(pod, "name").to_owned()).filter(|name| !names.contains(name)).collect();
    for name in surplus {
        world.remove("pods", &namespace, &name);
    }
    let mut refused = None;
    for name in names {
        if world.find("pods", &namespace, name).is_some() {
            continue;
        }
        let count = world.list("pods", &namespace).count();
        if world.quotas.get("pods").is_some_and(|most| count >= *most) {
            let message = format!(
                "pods \"{name}\" is forbidden: exceeded quota: objects, requested: pods=1, used: pods={count}, limited: pods={count}"
            );
            event(world, by, "Warning", "FailedCreate", &format!("Error creating: {message}"));
            refused = Some(message);
            continue;
        }
        let labels = template["metadata"]["labels"].clone();
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "labels": labels, "ownerReferences": owner(by) }, "spec": template["spec"],
                          "status": { "phase": "Pending" } });
        world.put("pods", &namespace, name, pod);
        event(world, by, "Normal", "SuccessfulCreate", &format!("Created pod: {name}"));
    }
    let mine: Vec<Value> = owned(world, "pods", by).cloned().collect();
    (mine.iter().filter(|pod| run(world, pod)).count(), refused)
}

/// Lets a pod live one look longer, and returns whether it is ready.
fn run(world: &mut World, pod: &Value) -> bool {
    let age = age(world, text(pod, "uid"));
    let container = &pod["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap_or_default();
    let is_late = age >= world.ticks_to_ready;
    let waiting = |reason: &str, message: &str| (false, json!({ "waiting": { "reason": reason, "message": message } }));
    let (ready, state) = if image.contains("missing") {
        let message = format!("failed to pull and unpack image \"{image}\": not found");
        if age < 20 {
            waiting("ErrImagePull", &message)
        } else {
            waiting("ImagePullBackOff", &format!("Back-off pulling image \"{image}\""))
        }
    } else if image.contains("crash") && is_late {
        waiting("CrashLoopBackOff", &format!("back-off 10s restarting failed container={}", container["name"].as_str().unwrap_or_default()))
    } else if is_late {
        (!image.contains("never"), json!({ "running": { "startedAt": pod["metadata"]["creationTimestamp"] } }))
    } else {
        waiting("ContainerCreating", "")
    };
    let crashed = image.contains("crash") && is_late;
    let mut status =
        json!({ "name": container["name"], "image": image, "ready": ready, "restartCount": i32::from(crashed), "state": state });
    if crashed {
        status["lastState"] = json!({ "terminated": { "exitCode": 1, "reason": "Error" } });
        event(world, pod, "Warning", "BackOff", "Back-off restarting failed container");
    }
    if state["waiting"]["reason"] == "ErrImagePull" {
        event(world, pod, "Warning", "Failed", &format!("Failed to pull image \"{image}\": not found"));
    }
    let phase = if state["waiting"].is_null() { "Running" } else { "Pending" };
    let ready_text = if ready { "True" } else { "False" };
    let status = json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready_text }], "containerStatuses": [status] });
    world.put_status("pods", text(pod, "namespace"), text(pod, "name"), status);
    ready
}

fn deployment(world: &mut World, object: &Value) {
    let (namespace, name) = (text(object, "namespace").to_owned(), text(object, "name").to_owned());
    let generation = object["metadata"]["generation"].as_u64().unwrap_or(1);
    // It takes a controller a while to see a change: until then the status is about the last one.
    if age(world, &format!("{}/{generation}", text(object, "uid"))) < 3 {
        return;
    }
    let template = &object["spec"]["template"];
    let hash = hash_of(template);
    let set_name = format!("{name}-{hash}");
    let revisions = owned(world, "replicasets", object)
        .map(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap_or("0").parse().unwrap_or(0u64));
    let newest = revisions.max().unwrap_or(0);
    let mine = owned(world, "replicasets", object).find(|set| text(set, "name") == set_name).cloned();
    let revision = match &mine {
        Some(set) if set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == newest.to_string().as_str() => newest,
        _ => newest + 1,
    };
    let replicas = usize::try_from(object["spec"]["replicas"].as_u64().unwrap_or(1)).unwrap();
    let mut labeled = template.clone();
    labeled["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let set = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": { "labels": labeled["metadata"]["labels"], "ownerReferences": owner(object),
                      "annotations": { "deployment.kubernetes.io/revision": revision.to_string() } },
        "spec": { "replicas": replicas, "selector": object["spec"]["selector"], "template": labeled } });
    let set = world.put("replicasets", &namespace, &set_name, set);
    if mine.is_none() {
        event(world, object, "Normal", "ScalingReplicaSet", &format!("Scaled up replica set {set_name} to {replicas}"));
    }
    let names: Vec<String> = (0..replicas).map(|at| format!("{set_name}-{at}")).collect();
    let (ready, refused) = pods(world, &set, &names, &labeled);
    let updated = owned(world, "pods", &set).count();
    let others: Vec<Value> = owned(world, "replicasets", object).filter(|set| text(set, "name") != set_name).cloned().collect();
    let mut old_ready = 0;
    for other in &others {
        let keep =
            if ready >= replicas { Vec::new() } else { owned(world, "pods", other).map(|pod| text(pod, "name").to_owned()).collect() };
        old_ready += pods(world, other, &keep, &other["spec"]["template"].clone()).0;
    }
    let total = updated + others.iter().map(|other| owned(world, "pods", other).count()).sum::<usize>();
    let done = ready >= replicas && total == updated;
    let deadline = object["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600);
    let waited = world.ages.get(&format!("{}/{generation}", text(object, "uid"))).copied().unwrap_or_default() * 15 / 1_000;
    let progressing = match (done, waited >= deadline) {
        (true, _) => {
            json!({ "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": format!("ReplicaSet \"{set_name}\" has successfully progressed.") })
        }
        (false, false) => {
            json!({ "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": format!("ReplicaSet \"{set_name}\" is progressing.") })
        }
        (false, true) => {
            json!({ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": format!("ReplicaSet \"{set_name}\" has timed out progressing.") })
        }
    };
    let is_available = ready + old_ready >= replicas;
    // The first that it writes after a change still says what it said of the one before.
    let age = world.ages.get(&format!("{}/{generation}", text(object, "uid"))).copied().unwrap_or_default();
    let of_before = object["status"]["conditions"].as_array().filter(|_| generation > 1 && age < LINGER).cloned();
    let mut conditions = vec![
        json!({ "type": "Available", "status": if is_available { "True" } else { "False" }, "reason": "MinimumReplicasAvailable" }),
        progressing,
    ];
    if let Some(message) = refused {
        conditions.push(json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message }));
    }
    let conditions = of_before.unwrap_or(conditions);
    let status = json!({ "observedGeneration": generation, "replicas": total, "updatedReplicas": updated, "readyReplicas": ready + old_ready,
                         "availableReplicas": ready + old_ready, "unavailableReplicas": replicas.saturating_sub(ready), "conditions": conditions });
    world.put_status("deployments", &namespace, &name, status);
}

fn stateful_set(world: &mut World, object: &Value) {
    let (namespace, name) = (text(object, "namespace").to_owned(), text(object, "name").to_owned());
    let replicas = usize::try_from(object["spec"]["replicas"].as_u64().unwrap_or(1)).unwrap();
    let mut template = object["spec"]["template"].clone();
    let revision = format!("{name}-{}", hash_of(&template));
    template["metadata"]["labels"]["controller-revision-hash"] = json!(revision);
    let names: Vec<String> = (0..replicas).map(|at| format!("{name}-{at}")).collect();
    // One at a time and none while another is not ready, as the real one does: a pod of another revision goes, and comes back as this one.
    let is_ready = |pod: &Value| pod["status"]["conditions"][0]["status"] == "True";
    let all_ready = owned(world, "pods", object).all(is_ready);
    let outdated: Option<String> = owned(world, "pods", object)
        .filter(|_| all_ready)
        .find(|pod| pod["metadata"]["labels"]["controller-revision-hash"] != revision.as_str())
        .map(|pod| text(pod, "name").to_owned());
    if let Some(pod) = outdated {
        world.remove("pods", &namespace, &pod);
    }
    let (ready, _) = pods(world, object, &names, &template);
    let updated =
        owned(world, "pods", object).filter(|pod| pod["metadata"]["labels"]["controller-revision-hash"] == revision.as_str()).count();
    let done = ready >= replicas && updated >= replicas;
    let current = if done { json!(revision) } else { object["status"].get("currentRevision").cloned().unwrap_or_else(|| json!(revision)) };
    let status = json!({ "observedGeneration": object["metadata"]["generation"], "replicas": updated, "readyReplicas": ready, "updatedReplicas": updated,
                         "availableReplicas": ready, "currentRevision": current, "updateRevision": revision });
    world.put_status("statefulsets", &namespace, &name, status);
}

fn daemon_set(world: &mut World, object: &Value) {
    const NODES: usize = 2;
    let (namespace, name) = (text(object, "namespace").to_owned(), text(object, "name").to_owned());
    let template = object["spec"]["template"].clone();
    let hash = hash_of(&template);
    let names: Vec<String> = (0..NODES).map(|at| format!("{name}-{hash}-{at}")).collect();
    let (ready, _) = pods(world, object, &names, &template);
    let updated = owned(world, "pods", object).count();
    let status = json!({ "observedGeneration": object["metadata"]["generation"], "desiredNumberScheduled": NODES, "currentNumberScheduled": updated,
                         "updatedNumberScheduled": updated, "numberReady": ready, "numberAvailable": ready });
    world.put_status("daemonsets", &namespace, &name, status);
}

fn job(world: &mut World, object: &Value) {
    let (namespace, name) = (text(object, "namespace").to_owned(), text(object, "name").to_owned());
    let is_over = object["status"]["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty());
    if is_over {
        return;
    }
    let template = object["spec"]["template"].clone();
    let (ready, _) = pods(world, object, &[format!("{name}-run")], &template);
    let fails = template["spec"]["containers"][0]["image"].as_str().is_some_and(|image| image.contains("fail"));
    let condition = match (ready, fails) {
        (0, _) => None,
        (_, false) => Some(json!({ "type": "Complete", "status": "True", "reason": "CompletionsReached" })),
        (_, true) => Some(
            json!({ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit" }),
        ),
    };
    let status = match condition {
        None => json!({ "active": 1 }),
        Some(condition) => json!({ "conditions": [condition], "succeeded": i32::from(!fails), "failed": i32::from(fails) }),
    };
    world.put_status("jobs", &namespace, &name, status);
}

/// A kind that an operator of somebody's own cares for: it has conditions, and says which generation they are about.
fn widget(world: &mut World, object: &Value) {
    let (namespace, name) = (text(object, "namespace").to_owned(), text(object, "name").to_owned());
    let generation = object["metadata"]["generation"].as_u64().unwrap_or(1);
    let ready = age(world, &format!("{}/{generation}", text(object, "uid"))) >= 5 && object["spec"]["ready"] != "never";
    let condition =
        json!({ "type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "Reconciled", "message": "it is being made" });
    world.put_status(
        of_resource("widgets").resource,
        &namespace,
        &name,
        json!({ "observedGeneration": generation, "conditions": [condition] }),
    );
}

//! What the server holds: objects, their history, and the rules by which they are made and changed.

use super::answer::{Refusal, forbidden, invalid, not_found, over_quota, refuse};
use super::apply::{self, Apply};
use super::kinds::{Kind, of_resource};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// How many events a watch may go back.
const HISTORY: usize = 2_000;

/// Resource, namespace and name. Groups are told apart by their resources here.
pub(crate) type Key = (String, String, String);

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) what: &'static str,
    pub(crate) resource: String,
    pub(crate) object: Value,
}

pub(crate) struct World {
    version: u64,
    uid: u64,
    pub(crate) objects: BTreeMap<Key, Value>,
    pub(crate) history: Vec<Change>,
    pub(crate) quotas: HashMap<&'static str, usize>,
    pub(crate) forbidden: Vec<(&'static str, &'static str)>,
    pub(crate) ticks_to_ready: u64,
    /// How many looks of the controllers an object has seen since it changed.
    pub(crate) ages: HashMap<String, u64>,
}

/// Where a write goes.
pub(crate) struct Place<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) dry_run: bool,
}

pub(crate) fn now() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's `civil_from_days`, for days since 1970.
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            version: 100,
            uid: 0,
            objects: BTreeMap::new(),
            history: Vec::new(),
            quotas: HashMap::new(),
            forbidden: Vec::new(),
            ticks_to_ready: 2,
            ages: HashMap::new(),
        };
        for namespace in [super::NAMESPACE, "staging", "other"] {
            let object =
                json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace }, "status": { "phase": "Active" } });
            world.put("namespaces", "", namespace, object);
        }
        world
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(resource.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    pub(crate) fn names(&self, resource: &str, namespace: &str) -> Vec<String> {
        self.list(resource, namespace).map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn list<'w>(&'w self, resource: &'w str, namespace: &'w str) -> impl Iterator<Item = &'w Value> {
        let fits = move |key: &&Key| key.0 == resource && (key.1 == namespace || namespace.is_empty());
        self.objects.iter().filter(move |(key, _)| fits(key)).map(|(_, object)| object)
    }

    /// Puts an object in its place, and tells who watches. An object that does not differ stays as it is.
    pub(crate) fn put(&mut self, resource: &str, namespace: &str, name: &str, mut object: Value) -> Value {
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let before = self.objects.get(&key);
        if before.is_some_and(|before| same(before, &object)) {
            return before.unwrap().clone();
        }
        let same_spec = before.is_some_and(|before| before["spec"] == object["spec"]);
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(name);
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        if let Some(before) = before {
            metadata["uid"] = before["metadata"]["uid"].clone();
            metadata["creationTimestamp"] = before["metadata"]["creationTimestamp"].clone();
            let generation = before["metadata"]["generation"].as_u64().unwrap_or(1);
            metadata["generation"] = json!(if same_spec { generation } else { generation + 1 });
        } else {
            self.uid += 1;
            metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012}", self.uid));
            metadata["creationTimestamp"] = json!(now());
            metadata["generation"] = json!(1);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let what = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.tell(what, resource, object.clone());
        self.objects.insert(key, object.clone());
        object
    }

    pub(crate) fn remove(&mut self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let mut object = self.objects.remove(&(resource.to_owned(), namespace.to_owned(), name.to_owned()))?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.tell("DELETED", resource, object.clone());
        Some(object)
    }

    fn tell(&mut self, what: &'static str, resource: &str, object: Value) {
        self.history.push(Change { version: self.version, what, resource: resource.to_owned(), object });
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
    }

    /// Returns whether a watch can go on from a version.
    pub(crate) fn remembers(&self, version: u64) -> bool {
        self.history.first().is_none_or(|first| version + 1 >= first.version) || version >= self.version
    }

    pub(crate) fn edit(&mut self, resource: &str, namespace: &str, name: &str, manager: &str, change: impl FnOnce(&mut Value)) {
        let before = self.find(resource, namespace, name).cloned().unwrap();
        let mut object = before.clone();
        change(&mut object);
        apply::updated(Some(&before), &mut object, manager, of_resource(resource));
        self.put(resource, namespace, name, object);
    }

    /// Returns what a controller's write of a status leaves: no generation, no managed fields of interest.
    pub(crate) fn put_status(&mut self, resource: &str, namespace: &str, name: &str, status: Value) {
        let Some(mut object) = self.find(resource, namespace, name).cloned() else { return };
        object["status"] = status;
        self.put(resource, namespace, name, object);
    }

    pub(crate) fn may(&self, verb: &str, kind: &Kind, name: &str, namespace: &str) -> Result<(), Refusal> {
        match self.forbidden.iter().find(|(known, resource)| *known == verb && *resource == kind.resource) {
            Some(_) => Err(forbidden(verb, kind, name, namespace)),
            None => Ok(()),
        }
    }

    /// Applies a configuration.
    pub(crate) fn apply(&mut self, place: &Place<'_>, config: &Value, how: &Apply<'_>) -> Result<(bool, Value), Refusal> {
        named(place, config)?;
        let live = self.find(place.kind.resource, place.namespace, place.name).cloned();
        let given = &config["metadata"]["resourceVersion"];
        if !given.is_null() && live.as_ref().is_none_or(|live| live["metadata"]["resourceVersion"] != *given) {
            return Err(modified(place));
        }
        let mut object = apply::apply(live.as_ref(), config, how, place.kind)?;
        object["apiVersion"] = json!(place.kind.api_version());
        object["kind"] = json!(place.kind.kind);
        self.write(place, live.as_ref(), object)
    }

    /// Makes or replaces an object.
    pub(crate) fn update(&mut self, place: &Place<'_>, mut object: Value, manager: &str) -> Result<(bool, Value), Refusal> {
        named(place, &object)?;
        let live = self.find(place.kind.resource, place.namespace, place.name).cloned();
        let given = object["metadata"]["resourceVersion"].clone();
        if !given.is_null() && live.as_ref().is_some_and(|live| live["metadata"]["resourceVersion"] != given) {
            return Err(modified(place));
        }
        if let Some(live) = &live {
            object["status"] = live["status"].clone();
        }
        apply::updated(live.as_ref(), &mut object, manager, place.kind);
        self.write(place, live.as_ref(), object)
    }

    fn write(&mut self, place: &Place<'_>, live: Option<&Value>, mut object: Value) -> Result<(bool, Value), Refusal> {
        let Place { kind, namespace, name, dry_run } = *place;
        if kind.namespaced && self.find("namespaces", "", namespace).is_none() {
            return Err(not_found(of_resource("namespaces"), namespace));
        }
        super::controllers::default(kind, &mut object);
        admit(kind, name, &object)?;
        validate(kind, name, live, &object)?;
        let count = self.list(kind.resource, namespace).count();
        if live.is_none() && self.quotas.get(kind.resource).is_some_and(|most| count >= *most) {
            return Err(over_quota(kind, name, count));
        }
        if dry_run {
            object["metadata"]["name"] = json!(name);
            object["metadata"]["namespace"] = json!(namespace);
            return Ok((live.is_none(), object));
        }
        Ok((live.is_none(), self.put(kind.resource, namespace, name, object)))
    }
}

fn same(before: &Value, after: &Value) -> bool {
    let bare = |object: &Value| {
        let mut bare = object.clone();
        for name in ["resourceVersion", "generation"] {
            bare["metadata"].as_object_mut().unwrap().remove(name);
        }
        for entry in bare["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
            entry["time"] = Value::Null;
        }
        bare
    };
    bare(before) == bare(after)
}

fn named(place: &Place<'_>, object: &Value) -> Result<(), Refusal> {
    let metadata = &object["metadata"];
    let wrong = |message: &str| Err(refuse(400, "BadRequest", message, &Value::Null));
    if metadata["name"].as_str().is_some_and(|name| name != place.name) {
        return wrong("the name of the object does not match the name on the URL");
    }
    if metadata["namespace"].as_str().is_some_and(|namespace| namespace != place.namespace) {
        return wrong("the namespace of the provided object does not match the namespace sent on the request");
    }
    Ok(())
}

fn modified(place: &Place<'_>) -> Refusal {
    let message = format!(
        "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
        place.kind.qualified(),
        place.name
    );
    refuse(409, "Conflict", &message, &json!({ "name": place.name, "group": place.kind.group, "kind": place.kind.resource }))
}

fn images(object: &Value) -> impl Iterator<Item = &str> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    containers.into_iter().flatten().filter_map(|container| container["image"].as_str())
}

/// What a webhook says, as one would in front of a registry that is not allowed.
fn admit(kind: &Kind, name: &str, object: &Value) -> Result<(), Refusal> {
    match images(object).find(|image| image.starts_with("denied.example/")) {
        None => Ok(()),
        Some(image) => {
            let message =
                format!("admission webhook \"images.example.com\" denied the request: {image} of {} {name} is not allowed", kind.kind);
            Err(refuse(400, "BadRequest", &message, &Value::Null))
        }
    }
}

fn validate(kind: &Kind, name: &str, live: Option<&Value>, object: &Value) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.' || byte == b':';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(invalid(
            kind,
            name,
            &[(
                "FieldValueInvalid",
                "Invalid value: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters",
                "metadata.name",
            )],
        ));
    }
    let spec = &object["spec"];
    if matches!(kind.kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        let selector = &spec["selector"]["matchLabels"];
        if !selector.is_object() {
            return Err(invalid(kind, name, &[("FieldValueRequired", "Required value", "spec.selector")]));
        }
        let labels = &spec["template"]["metadata"]["labels"];
        if !selector.as_object().unwrap().iter().all(|(name, value)| labels[name] == *value) {
            return Err(invalid(
                kind,
                name,
                &[("FieldValueInvalid", "Invalid value: `selector` does not match template `labels`", "spec.template.metadata.labels")],
            ));
        }
        if live.is_some_and(|live| live["spec"]["selector"] != spec["selector"]) {
            return Err(invalid(kind, name, &[("FieldValueInvalid", "Invalid value: field is immutable", "spec.selector")]));
        }
        if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
            return Err(invalid(
                kind,
                name,
                &[("FieldValueInvalid", "Invalid value: must be greater than or equal to 0", "spec.replicas")],
            ));
        }
    }
    if matches!(kind.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Job") && images(object).next().is_none() {
        return Err(invalid(kind, name, &[("FieldValueRequired", "Required value", "spec.template.spec.containers[0].image")]));
    }
    if kind.kind == "Job" && live.is_some_and(|live| live["spec"]["template"] != spec["template"]) {
        return Err(invalid(kind, name, &[("FieldValueInvalid", "Invalid value: field is immutable", "spec.template")]));
    }
    Ok(())
}

//! The API server, as this plugin asks it: what may pass is tried again in here, and what a refusal means is said in here.

use relrun_sdk::kubernetes::{self, Namespace};
use relrun_sdk::serde_json::{self, Value, json};
use relrun_sdk::{Error, ErrorKind, Result, http, log, receipt};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a request is tried.
const TRIES: u32 = 6;
/// No server may ask for a longer pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a read may take: the server's own answer comes at once or not at all.
const READ: Duration = Duration::from_secs(15);
/// How long a change may take, or a try of one: admission webhooks have 30 seconds each.
const CHANGE: Duration = Duration::from_mins(1);
/// How much longer than it was asked to a watch may stay open.
const SILENCE: Duration = Duration::from_secs(8);
/// How long this sleeps without asking whether it is to stop.
const NAP: Duration = Duration::from_millis(250);

/// Where an object is.
#[receipt]
#[derive(Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// `apps/v1`.
    pub(crate) api_version: String,
    /// `Deployment`.
    pub(crate) kind: String,
    /// `deployments`.
    pub(crate) resource: String,
    /// Its name.
    pub(crate) name: String,
}

impl Target {
    /// Returns `Deployment/web`.
    pub(crate) fn shown(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    fn collection(&self, namespace: &str) -> String {
        format!("{}/namespaces/{namespace}/{}", group_path(&self.api_version), self.resource)
    }

    fn path(&self, namespace: &str) -> String {
        format!("{}/{}", self.collection(namespace), self.name)
    }
}

fn group_path(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

/// An answer that was read whole.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// Returns whether the server refused because the object is no longer what was looked at.
    pub(crate) fn is_outdated(&self) -> bool {
        self.code == 409 && causes(self).next().is_none()
    }
}

fn causes(answer: &Answer) -> impl Iterator<Item = &Value> {
    answer.body["details"]["causes"].as_array().into_iter().flatten()
}

/// One namespace's API server.
pub(crate) struct Api {
    namespace: Namespace,
    manager: String,
    kinds: RefCell<BTreeMap<String, Value>>,
}

/// How something is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The server only tries it.
    Tried,
    /// It is done.
    Done,
}

impl Api {
    pub(crate) fn new(context: &str, namespace: &str, manager: &str) -> Self {
        Self { namespace: kubernetes::namespace(context, namespace), manager: manager.to_owned(), kinds: RefCell::default() }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// Finds where objects of a manifest's kind are.
    pub(crate) fn target(&self, object: &Value) -> Result<Target> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind, name) = (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]));
        let document = self.kinds_of(&api_version)?;
        let mut all = document["resources"].as_array().into_iter().flatten();
        let found = all.find(|resource| resource["kind"] == *kind && resource["name"].as_str().is_some_and(|name| !name.contains('/')));
        let Some(found) = found else {
            return Err(Error::missing(format!("{kind}/{name}: the cluster knows no {kind} of {api_version}")));
        };
        if found["namespaced"] != true {
            let message = format!(
                "{kind}/{name} belongs to no namespace, and a step reaches one namespace alone: it is for whoever keeps the cluster"
            );
            return Err(Error::invalid(message));
        }
        Ok(Target { api_version, kind, resource: text(&found["name"]), name })
    }

    fn kinds_of(&self, api_version: &str) -> Result<Value> {
        if let Some(known) = self.kinds.borrow().get(api_version) {
            return Ok(known.clone());
        }
        let answer = self.call("GET", &group_path(api_version), None)?;
        let document = match answer.code {
            200 => answer.body,
            404 => Value::Null,
            _ => return Err(refused("the kinds of the cluster", &answer)),
        };
        self.kinds.borrow_mut().insert(api_version.to_owned(), document.clone());
        Ok(document)
    }

    /// Returns an object, where it is there.
    pub(crate) fn get(&self, target: &Target) -> Result<Option<Value>> {
        let answer = self.call("GET", &target.path(self.namespace()), None)?;
        match answer.code {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refused(&target.shown(), &answer)),
        }
    }

    /// Returns the objects of a collection (`pods`, `apps/v1` and so on) that a label selector takes.
    pub(crate) fn list(&self, api_version: &str, resource: &str, selector: &str) -> Result<Answer> {
        let query = if selector.is_empty() { String::new() } else { format!("?labelSelector={}", encoded(selector)) };
        self.call("GET", &format!("{}/namespaces/{}/{resource}{query}", group_path(api_version), self.namespace()), None)
    }

    /// Returns the last lines that a container wrote.
    pub(crate) fn last_lines(&self, pod: &str, container: &str) -> Option<String> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/log?container={}&tailLines=10", self.namespace(), encoded(container));
        let mut response = self.namespace.request("GET", &path).timeout(READ).send().ok()?;
        if response.status() == 200 { response.text().ok() } else { None }
    }

    /// Applies an object, or has the server try it.
    pub(crate) fn apply(&self, target: &Target, object: &Value, how: Applied, force: bool) -> Result<Answer> {
        let dry = if how == Applied::Tried { "&dryRun=All" } else { "" };
        let query = format!("fieldManager={}&force={force}&fieldValidation=Strict{dry}", encoded(&self.manager));
        self.call("PATCH", &format!("{}?{query}", target.path(self.namespace())), Some(object))
    }

    /// Removes an object as it was seen; one that is not there is no error. Returns false where it has changed since.
    pub(crate) fn delete(&self, target: &Target, seen: &Value) -> Result<bool> {
        let conditions = json!({ "uid": seen["metadata"]["uid"], "resourceVersion": seen["metadata"]["resourceVersion"] });
        let options =
            json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": conditions });
        let answer = self.call("DELETE", &target.path(self.namespace()), Some(&options))?;
        match answer.code {
            200 | 202 | 404 => Ok(true),
            409 => Ok(false),
            _ => Err(refused(&target.shown(), &answer)),
        }
    }

    /// Starts to watch one object from a version on, for so many seconds.
    pub(crate) fn watch(&self, target: &Target, version: &str, seconds: u64) -> Result<http::Response> {
        let query = format!(
            "watch=true&allowWatchBookmarks=true&fieldSelector={}&resourceVersion={version}&timeoutSeconds={seconds}",
            encoded(&format!("metadata.name={}", target.name))
        );
        self.namespace
            .request("GET", &format!("{}?{query}", target.collection(self.namespace())))
            .header("accept", "application/json")
            .timeout(Duration::from_secs(seconds) + SILENCE)
            .send()
    }

    /// Sends a request that may be sent again, and reads its answer. What may pass is tried again.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut pause = NAP;
        for tries in 1.. {
            let (why, wait) = match self.once(method, path, body) {
                Ok((answer, asked)) if answer.code == 429 || answer.code >= 500 => {
                    if tries >= TRIES {
                        return Ok(answer);
                    }
                    (format!("it answered {}", answer.code), asked)
                }
                Ok((answer, _)) => return Ok(answer),
                Err(error) if error.kind() != ErrorKind::Transient || tries >= TRIES => return Err(error),
                Err(error) => (error.message().to_owned(), None),
            };
            log::warn(&format!("the cluster is asked again: {why}"));
            sleep(wait.unwrap_or(pause))?;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        Err(Error::transient("the cluster does not answer"))
    }

    fn once(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(Answer, Option<Duration>)> {
        let limit = if method == "GET" { READ } else { CHANGE };
        let mut request = self.namespace.request(method, path).header("accept", "application/json").timeout(limit);
        if let Some(body) = body {
            let content = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
            request = request.header("content-type", content).body(serde_json::to_vec(body)?);
        }
        let mut response = request.send()?;
        let code = response.status();
        let wait = response.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let bytes = response.bytes(32 << 20)?;
        match serde_json::from_slice(&bytes) {
            Ok(body) => Ok((Answer { code, body }, wait)),
            Err(_) if code >= 400 => Ok((Answer { code, body: Value::Null }, wait)),
            // Something between here and there answered in the server's place.
            Err(_) => Err(Error::transient("the answer is no JSON: is there a proxy in front of the cluster?")),
        }
    }
}

/// Sleeps, and ends early where the release is being cancelled.
pub(crate) fn sleep(wait: Duration) -> Result<()> {
    let mut left = wait.min(LONGEST_PAUSE);
    while !left.is_zero() {
        // A call that asks for nothing: its answer says whether to stop.
        kubernetes::mark(None, "nothing")?;
        let nap = left.min(NAP);
        std::thread::sleep(nap);
        left -= nap;
    }
    Ok(())
}

/// Encodes a query's value.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Says what a refusal means, and what to type.
pub(crate) fn refused(what: &str, answer: &Answer) -> Error {
    let message = answer.body["message"].as_str().unwrap_or("it gave no reason").trim();
    let causes: Vec<&Value> = causes(answer).collect();
    match answer.code {
        409 if causes.iter().any(|cause| cause["reason"] == "FieldManagerConflict") => Error::denied(conflict(what, &causes)),
        409 => Error::transient(format!("{what}: {message}")),
        401 => Error::denied(format!("{what}: the cluster does not believe the credentials of this context: {message}")),
        403 if message.contains("exceeded quota") => Error::permanent(format!("{what}: over the namespace's quota: {message}")),
        403 => Error::denied(format!("{what}: {message}")),
        404 => Error::missing(format!("{what}: {message}")),
        422 if message.contains("immutable") => Error::invalid(format!(
            "{what}: {message}; what cannot be changed is made anew under another name, such as `migrate-${{release.number}}`"
        )),
        400 | 422 => Error::invalid(format!("{what}: {message}")),
        429 | 500.. => Error::transient(format!("{what}: the cluster answers {}: {message}", answer.code)),
        code => Error::permanent(format!("{what}: the cluster answers {code}: {message}")),
    }
}

fn conflict(what: &str, causes: &[&Value]) -> String {
    let owner = |cause: &Value| cause["message"].as_str().and_then(|text| text.split('"').nth(1)).unwrap_or("somebody").to_owned();
    let lines: Vec<String> =
        causes.iter().map(|cause| format!("{} belongs to \"{}\"", cause["field"].as_str().unwrap_or("a field"), owner(cause))).collect();
    format!(
        "{what}: {}; leave the field out of the manifest, or write `conflicts \"take\"` into the config to take it over",
        lines.join(", ")
    )
}

//! A stub of a Kubernetes API server, on the loopback with TLS: no cluster can be had where these tests run.
//!
//! It keeps to the real API's words where relrun reads them: server-side apply with managed fields and conflicts, resource versions, watches with
//! bookmarks and 410, the statuses that the controllers of workloads write, pods that wait with a reason,
//! events, and refusals by RBAC, quota, admission and validation. `kubectl` is a test of it. What it does not have (schemas, defaulting beyond the
//! few fields that are read) it does not pretend to have. What runs in a container follows from words in its image's name: `crash`,
//! `missing`, `never` (it is never ready) and `fail` (a job's).

mod answer;
mod apply;
mod controllers;
mod faults;
mod fields;
mod kinds;
mod server;
mod watch;
mod world;

pub use faults::{Fault, Harm};

use crate::kubernetes_stub::server::Server;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use world::World;

/// The namespace that is there.
pub const NAMESPACE: &str = "shop";
/// What its user says to be let in.
pub const TOKEN: &str = "a-token-that-no-guest-may-see";
/// How often the controllers look.
const TICK: Duration = Duration::from_millis(15);
/// Nothing that a test waits for takes longer.
const LONGEST: Duration = Duration::from_secs(20);

/// What all connections of a stub share.
pub(crate) struct Shared {
    pub(crate) world: Mutex<World>,
    pub(crate) changed: Condvar,
    pub(crate) faults: Mutex<Vec<Fault>>,
    pub(crate) requests: Mutex<Vec<String>>,
    pub(crate) tokens: Mutex<Vec<String>>,
    pub(crate) over: AtomicBool,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stub that runs, and is gone when it is dropped.
pub struct KubernetesStub {
    shared: Arc<Shared>,
    server: Server,
    folder: TempDir,
    controllers: Option<JoinHandle<()>>,
}

impl Default for KubernetesStub {
    fn default() -> Self {
        Self::start()
    }
}

impl KubernetesStub {
    /// Starts a stub with an empty namespace.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new()),
            changed: Condvar::new(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            tokens: Mutex::new(vec![TOKEN.to_owned()]),
            over: AtomicBool::new(false),
        });
        let folder = tempfile::Builder::new().prefix("relrun-kubernetes-").tempdir().unwrap();
        let server = Server::start(Arc::clone(&shared), folder.path());
        let controlled = Arc::clone(&shared);
        let controllers = std::thread::spawn(move || {
            while !controlled.over.load(Ordering::SeqCst) {
                controllers::tick(&mut controlled.world());
                controlled.changed.notify_all();
                std::thread::sleep(TICK);
            }
        });
        let stub = Self { shared, server, folder, controllers: Some(controllers) };
        fs::write(stub.kubeconfig(), stub.kubeconfig_with(&format!("token: {TOKEN}"))).unwrap();
        stub
    }

    /// Returns the kubeconfig of its user; its context is `stub`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Returns a kubeconfig whose user is described by these lines of YAML.
    pub fn kubeconfig_with(&self, user: &str) -> String {
        let user = format!("    {}\n", user.trim_end().replace('\n', "\n    "));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: stub\nclusters:\n- name: stub\n  cluster:\n    server: https://{}\n    \
             certificate-authority: {}\nusers:\n- name: ci\n  user:\n{user}contexts:\n- name: stub\n  context:\n    cluster: stub\n    user: ci\n    \
             namespace: {NAMESPACE}\n",
            self.server.address(),
            self.path("ca.crt").display()
        )
    }

    /// Returns a file of its folder: `ca.crt`, and of a user in TLS `client.crt` and `client.key`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns an object of the namespace, by its resource (`deployments`) and name.
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        self.shared.world().find(resource, NAMESPACE, name).cloned()
    }

    /// Returns the names of the objects of a resource.
    pub fn names(&self, resource: &str) -> Vec<String> {
        self.shared.world().names(resource, NAMESPACE)
    }

    /// Changes an object as somebody else would, under a field manager's name.
    pub fn edit(&self, resource: &str, name: &str, manager: &str, change: impl FnOnce(&mut Value)) {
        self.shared.world().edit(resource, NAMESPACE, name, manager, change);
        self.shared.changed.notify_all();
    }

    /// Makes an object as somebody else would.
    pub fn put(&self, resource: &str, name: &str, object: &Value) {
        self.shared.world().put(resource, NAMESPACE, name, object.clone());
        self.shared.changed.notify_all();
    }

    /// Removes an object as somebody else would.
    pub fn remove(&self, resource: &str, name: &str) {
        self.shared.world().remove(resource, NAMESPACE, name);
        self.shared.changed.notify_all();
    }

    /// Lets no more objects of a resource be made than so many.
    pub fn quota(&self, resource: &'static str, most: usize) {
        self.shared.world().quotas.insert(resource, most);
    }

    /// Forbids a verb (`patch`) on a resource.
    pub fn forbid(&self, verb: &'static str, resource: &'static str) {
        self.shared.world().forbidden.push((verb, resource));
    }

    /// Takes a token that it believes from now on, in place of all others.
    pub fn believe(&self, token: &str) {
        *self.shared.tokens.lock().unwrap_or_else(PoisonError::into_inner) = vec![token.to_owned()];
    }

    /// Lets something go wrong.
    pub fn harm(&self, fault: Fault) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Returns whether all that was to go wrong has.
    pub fn is_harmless(&self) -> bool {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Makes pods take so many looks of the controllers until they are ready.
    pub fn slow_pods(&self, ticks: u64) {
        self.shared.world().ticks_to_ready = ticks;
    }

    /// Returns the requests that came, `PATCH /apis/…`, and forgets them.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something is so.
    ///
    /// # Panics
    ///
    /// Where it does not become so.
    pub fn wait_for(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !so(self) {
            assert!(started.elapsed() < LONGEST, "it does not become so: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for KubernetesStub {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        self.server.stop();
        if let Some(controllers) = self.controllers.take() {
            let _ = controllers.join();
        }
    }
}

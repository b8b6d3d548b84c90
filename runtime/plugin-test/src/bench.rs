//! The bench: one component, the world around it, and the calls into it.

use crate::record::{Record, Recorder};
use relrun_confine::Launcher;
use relrun_gate::{GateOptions, Secrets};
use relrun_host::{
    CallLimits, Canceller, Change, CompileLimits, Compiler, ComponentBytes, ComponentSource, Context, Description, Health, Host, HostError,
    HostOptions, Invocation, Needs, Operation, Recovery, Reply, StepDirs, TargetMark,
};
use relrun_ledger::{Digest, Failure, Outcome, StepKind};
use relrun_manifest::{Capability, HostAddress, HostDecl, Policy, Span, Spanned, effective};
use relrun_store::{BlobStore, CaptureMode, LocalBlobStore, StoreError, capture};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// Why a call did not come to an answer.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plugin asks for what the bench does not grant; the lines to add.
    #[error("not granted: {}", .0.join(", "))]
    NotGranted(Vec<String>),
    /// A line of [`Bench::grant`] is no capability.
    #[error("{0:?} is no capability")]
    NoCapability(String),
    /// The host cannot run the component, or its answer makes no sense.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The plugin answered with an error, or was stopped.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The machine failed.
    #[error("failed to use the bench's folder: {0}")]
    Machine(#[from] io::Error),
    /// The store of trees failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a call left.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran<T> {
    /// What the plugin answered.
    pub reply: T,
    /// What it did, in order.
    pub records: Vec<Record>,
}

impl<T> Ran<T> {
    /// Returns the checkpoints, oldest first.
    pub fn checkpoints(&self) -> Vec<&Value> {
        self.records.iter().filter_map(|record| if let Record::Checkpoint(state) = record { Some(state) } else { None }).collect()
    }

    /// Returns the capabilities that were used.
    pub fn used(&self) -> Vec<&str> {
        self.records.iter().filter_map(|record| if let Record::Used(used) = record { Some(used.as_str()) } else { None }).collect()
    }
}

/// A component, and the world around it.
pub struct Bench {
    runtime: tokio::runtime::Runtime,
    host: Host,
    component: ComponentSource,
    folder: tempfile::TempDir,
    blobs: Arc<dyn BlobStore>,
    trees: Vec<Digest>,
    grants: Vec<Capability>,
    hosts: Vec<HostDecl>,
    secrets: BTreeMap<String, String>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    context: Context,
}

impl Bench {
    fn host_with(launcher: Option<Launcher>) -> Host {
        let options = HostOptions {
            compile_cache: None,
            compiler: Compiler::InProcess,
            compile_limits: CompileLimits::default(),
            launcher,
            commands: None,
            gate: GateOptions::default(),
            ssh: relrun_host::SshOptions::default(),
            clusters: relrun_host::ClusterSources::default(),
            registries: relrun_host::RegistryOptions::default(),
        };
        Host::new(options)
    }

    /// Puts a component of these bytes on a bench.
    pub fn new(component: &[u8]) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        for name in ["in", "out", "tmp", "hosts"] {
            fs::create_dir(folder.path().join(name))?;
        }
        let blobs = Arc::new(LocalBlobStore::open(&folder.path().join("store"))?);
        Ok(Self {
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
            host: Self::host_with(None),
            component: ComponentSource { digest: Digest::of(component), bytes: ComponentBytes::Memory(component.into()) },
            folder,
            blobs,
            trees: Vec::new(),
            grants: Vec::new(),
            hosts: Vec::new(),
            secrets: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            context: Context {
                package: "acme/shop".to_owned(),
                version: "1.0.0".to_owned(),
                release: "r1".to_owned(),
                step: "step".to_owned(),
                attempt: 1,
                idempotency_key: "0".repeat(64),
                environment: Some("test".to_owned()),
                deployment: Some("shop".to_owned()),
                started_at: 1_700_000_000,
                ..Context::default()
            },
        })
    }

    /// Puts a built component on a bench.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, BenchError> {
        Self::new(&fs::read(path)?)
    }

    /// Lets the plugin run the commands that it is granted, held by this `relrun`: a program has to start itself to hold one, and a test is
    /// none.
    pub fn commands(mut self, relrun: impl Into<PathBuf>) -> Self {
        self.host = Self::host_with(Some(Launcher::new(relrun.into(), ["__confined"])));
        self
    }

    /// Grants a capability, as a manifest writes it.
    pub fn grant(mut self, line: &str) -> Result<Self, BenchError> {
        self.grants.push(Capability::parse(line).map_err(|_| BenchError::NoCapability(line.to_owned()))?);
        Ok(self)
    }

    /// Adds a host with nothing on it.
    pub fn host(mut self, name: &str) -> Self {
        let plain = |text: &str| Spanned::new(text.to_owned(), Span::default());
        let address = HostAddress::Local(self.on_host(name, "/").display().to_string());
        self.hosts.push(HostDecl {
            name: plain(name),
            address: Spanned::new(address, Span::default()),
            labels: BTreeMap::new(),
            settings: BTreeMap::new(),
        });
        self
    }

    /// Adds a secret.
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Stages files as `/in/NAME`.
    pub fn reads(mut self, name: &str, files: &[(&str, &str)]) -> Result<Self, BenchError> {
        write_all(&self.folder.path().join("in").join(name), files)?;
        self.inputs.push(name.to_owned());
        Ok(self)
    }

    /// Makes `/out/NAME`.
    pub fn writes(mut self, name: &str) -> Result<Self, BenchError> {
        fs::create_dir(self.folder.path().join("out").join(name))?;
        self.outputs.push(name.to_owned());
        Ok(self)
    }

    /// Sets the release's id.
    pub fn release(mut self, id: &str) -> Self {
        id.clone_into(&mut self.context.release);
        self
    }

    /// Keeps a tree of files, as an earlier step would have left it, and returns its digest.
    pub fn tree(&mut self, files: &[(&str, &str)]) -> Result<String, BenchError> {
        let made = tempfile::tempdir_in(self.folder.path())?;
        write_all(made.path(), files)?;
        let (digest, _) = capture(&*self.blobs, made.path(), CaptureMode::Copy)?;
        self.trees.push(digest);
        Ok(digest.to_string())
    }

    /// Returns a file that was written below `/out`, or that a command left under that name where it worked.
    pub fn output(&self, path: &str) -> Result<Vec<u8>, BenchError> {
        let written = self.folder.path().join("out").join(path);
        let worked = self.folder.path().join("work").join(path);
        Ok(fs::read(if written.exists() { written } else { worked })?)
    }

    /// Returns where a path of a host lies on this machine.
    pub fn on_host(&self, host: &str, path: &str) -> PathBuf {
        self.folder.path().join("hosts").join(host).join(path.trim_start_matches('/'))
    }

    /// Asks the plugin what it is.
    pub fn describe(&self) -> Result<Description, BenchError> {
        Ok(self.runtime.block_on(self.host.describe(&self.component))?)
    }

    /// Asks the plugin what a config needs.
    pub fn resolve(&self, config: &Value) -> Result<Needs, BenchError> {
        Ok(self.runtime.block_on(self.host.resolve(&self.component, config))?)
    }

    /// Calls `plan`.
    pub fn plan(&self, config: &Value) -> Result<Ran<Vec<Change>>, BenchError> {
        self.run(config, Operation::Plan, |reply| if let Reply::Changes(changes) = reply { Some(changes) } else { None })
    }

    /// Calls `apply`.
    pub fn apply(&self, config: &Value) -> Result<Ran<Outcome>, BenchError> {
        self.run(config, Operation::Apply, outcome)
    }

    /// Calls `recover` with the last checkpoint.
    pub fn recover(&self, config: &Value, checkpoint: Option<Value>) -> Result<Ran<Recovery>, BenchError> {
        self.run(config, Operation::Recover(checkpoint), |reply| if let Reply::Recovery(found) = reply { Some(found) } else { None })
    }

    /// Calls `verify`.
    pub fn verify(&self, config: &Value, receipt: Value) -> Result<Ran<Health>, BenchError> {
        self.run(config, Operation::Verify(receipt), |reply| if let Reply::Health(found) = reply { Some(found) } else { None })
    }

    /// Calls `undo`.
    pub fn undo(&self, config: &Value, receipt: Value) -> Result<Ran<Outcome>, BenchError> {
        self.run(config, Operation::Undo(receipt), outcome)
    }

    /// Calls `destroy`.
    pub fn destroy(&self, config: &Value, receipt: Value) -> Result<Ran<Outcome>, BenchError> {
        self.run(config, Operation::Destroy(receipt), outcome)
    }

    fn run<T>(&self, config: &Value, operation: Operation, read: impl Fn(Reply) -> Option<T>) -> Result<Ran<T>, BenchError> {
        let needs = self.resolve(config)?;
        let requests: Vec<Capability> = needs.requests.into_iter().map(|request| request.capability).collect();
        let capabilities = effective(&requests, &self.grants, &Policy::default())
            .map_err(|missing| BenchError::NotGranted(missing.iter().map(|missing| missing.request.to_string()).collect()))?;
        let recorder = Arc::new(Recorder::default());
        // Held to the end of the call: a token whose canceller is gone is never cancelled.
        let (_canceller, cancel) = Canceller::new();
        let invocation = Invocation {
            component: self.component.clone(),
            operation,
            config: config.clone(),
            kind: needs.kind,
            capabilities,
            context: if needs.kind == StepKind::Pure { Context { attempt: 1, ..Context::default() } } else { self.context.clone() },
            dirs: StepDirs {
                root: self.folder.path().to_path_buf(),
                inputs: self.inputs.clone(),
                outputs: self.outputs.clone(),
                work_tree: self.folder.path().to_path_buf(),
            },
            limits: CallLimits::default(),
            hosts: self.hosts.clone(),
            mark: TargetMark { ledger: "bench".to_owned(), release: self.context.release.clone(), fence: 1, adopt: false },
            secrets: Arc::new(Secrets::new(self.secrets.clone())),
            env: BTreeMap::new(),
            blobs: Arc::clone(&self.blobs),
            trees: self.trees.clone(),
            sink: recorder.clone(),
            cancel,
        };
        let reply = self.runtime.block_on(self.host.call(invocation)).map_err(BenchError::Failed)?;
        let reply = read(reply).expect("the host answers an operation with its own kind of reply");
        Ok(Ran { reply, records: recorder.take() })
    }
}

fn outcome(reply: Reply) -> Option<Outcome> {
    if let Reply::Outcome(outcome) = reply { Some(outcome) } else { None }
}

fn write_all(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (path, text) in files {
        let place = folder.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(place, text)?;
    }
    Ok(())
}

//! A guest, a host, and a step to run in it.

use relrun_host::{
    CancelToken, Canceller, CompileLimits, Compiler, ComponentBytes, ComponentSource, Context, Host, HostOptions, Invocation, Level,
    LineSource, Operation, Reply, StepDirs, StepSink, TargetMark,
};
use relrun_ledger::{Digest, Failure, FailureKind, StepKind};
use relrun_manifest::{Capability, HostAddress, HostDecl, Span, Spanned};
use relrun_store::{BlobStore, LocalBlobStore};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

/// The guest for the world 0.1 and for 0.2, built once. They lie in the target folder, so that cargo builds them anew only when they changed.
static GUESTS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checkout = here.ancestors().nth(2).expect("the crate lies in runtime/host");
    let machine = relrun_guest_build::Machine::new(std::env::vars_os()).expect("a machine");
    let toolchain = relrun_guest_build::ensure(&machine, &mut std::io::sink()).expect("a toolchain for guests");
    let build = relrun_guest_build::GuestBuild {
        workspace: &here.join("tests/guest"),
        packages: &["relrun-test-guest", "relrun-test-guest-next"],
        target_dir: &target().join("host-test-guest"),
        checkout,
    };
    let mut said = Vec::new();
    let built = relrun_guest_build::build(&machine, &toolchain, build, &mut said);
    let built = built.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said)));
    [0, 1].map(|at| std::fs::read(&built[at]).expect("the component"))
});

/// The folder of this build: `target/debug`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("this test's own file");
    test.ancestors().nth(2).expect("it lies in target/PROFILE/deps").to_owned()
}

/// The program with the hidden subcommands; cargo builds examples before it runs tests.
pub(crate) fn helper() -> PathBuf {
    target().join("examples/compile")
}

/// One host for all tests of a process, so that the guest is compiled once.
pub(crate) static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(options(None)));

pub(crate) fn options(compile_cache: Option<PathBuf>) -> HostOptions {
    HostOptions {
        compile_cache,
        compiler: Compiler::Child { program: helper(), args: vec!["compile".into()] },
        compile_limits: CompileLimits::default(),
        launcher: Some(relrun_confine::Launcher::new(helper(), ["confined"])),
        commands: None,
        gate: relrun_gate::GateOptions::default(),
        ssh: relrun_host::SshOptions::default(),
        clusters: relrun_host::ClusterSources::default(),
        registries: relrun_host::RegistryOptions::default(),
    }
}

pub(crate) fn source() -> ComponentSource {
    bytes(&GUESTS[0])
}

/// The same guest for the world 0.2.
pub(crate) fn next() -> ComponentSource {
    bytes(&GUESTS[1])
}

pub(crate) fn bytes(bytes: &[u8]) -> ComponentSource {
    ComponentSource { digest: Digest::of(bytes), bytes: ComponentBytes::Memory(Arc::from(bytes)) }
}

/// A step's folders, its words, and what it may do.
pub(crate) struct Step {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) heard: Arc<Heard>,
    pub(crate) canceller: Canceller,
    pub(crate) invocation: Invocation,
    pub(crate) blobs: Arc<LocalBlobStore>,
}

/// What a step said.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) lines: Mutex<Vec<(Level, LineSource, String)>>,
    pub(crate) progress: Mutex<Vec<(String, u64, Option<u64>)>>,
    pub(crate) capabilities: Mutex<Vec<(String, bool, Option<String>)>>,
    pub(crate) checkpoints: Mutex<Vec<Value>>,
}

#[async_trait::async_trait]
impl StepSink for Heard {
    fn line(&self, level: Level, source: LineSource, text: &str) {
        self.lines.lock().unwrap().push((level, source, text.to_owned()));
    }

    fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.progress.lock().unwrap().push((what.to_owned(), done, total));
    }

    fn capability(&self, capability: &str, denied: bool, detail: Option<&str>) {
        self.capabilities.lock().unwrap().push((capability.to_owned(), denied, detail.map(str::to_owned)));
    }

    async fn checkpoint(&self, state: Value) -> Result<(), Failure> {
        self.checkpoints.lock().unwrap().push(state);
        Ok(())
    }
}

impl Heard {
    /// Every line, one below the other.
    pub(crate) fn text(&self) -> String {
        self.lines.lock().unwrap().iter().flat_map(|(_, _, text)| [text.as_str(), "\n"]).collect()
    }

    /// How much each line matters.
    pub(crate) fn levels(&self) -> Vec<Level> {
        self.lines.lock().unwrap().iter().map(|(level, ..)| *level).collect()
    }

    /// The capabilities that were refused.
    pub(crate) fn denied(&self) -> Vec<String> {
        self.capabilities.lock().unwrap().iter().filter(|(_, denied, _)| *denied).map(|(name, _, _)| name.clone()).collect()
    }

    /// The capabilities that were used.
    pub(crate) fn used(&self) -> Vec<String> {
        self.capabilities.lock().unwrap().iter().filter(|(_, denied, _)| !*denied).map(|(name, _, _)| name.clone()).collect()
    }
}

pub(crate) fn step(config: Value) -> Step {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["step/in/work", "step/out/dist", "step/tmp", "step/work", "tree", "hosts/web1"] {
        std::fs::create_dir_all(dir.path().join(name)).expect("made");
    }
    std::fs::write(dir.path().join("step/in/work/hello.txt"), "hello").expect("written");
    std::fs::write(dir.path().join("outside.txt"), "outside").expect("written");
    let blobs = Arc::new(LocalBlobStore::open(&dir.path().join("store")).expect("a store"));
    let heard = Arc::new(Heard::default());
    let (canceller, cancel): (Canceller, CancelToken) = Canceller::new();
    let invocation = Invocation {
        component: source(),
        operation: Operation::Apply,
        config,
        kind: StepKind::Effect,
        capabilities: Vec::new(),
        context: context(),
        dirs: StepDirs {
            root: dir.path().join("step"),
            inputs: vec!["work".into()],
            outputs: vec!["dist".into()],
            work_tree: dir.path().join("tree"),
        },
        limits: relrun_host::CallLimits::default(),
        hosts: vec![host("web1", HostAddress::Local(dir.path().join("hosts/web1").display().to_string()))],
        mark: TargetMark { ledger: "ours".into(), release: "r7".into(), fence: 5, adopt: false },
        secrets: Arc::new(relrun_gate::Secrets::new(BTreeMap::from([("token".to_owned(), "s3cr3t-t0ken-value".to_owned())]))),
        env: BTreeMap::new(),
        blobs: Arc::clone(&blobs) as Arc<dyn BlobStore>,
        trees: Vec::new(),
        sink: Arc::clone(&heard) as Arc<dyn StepSink>,
        cancel,
    };
    Step { dir, heard, canceller, invocation, blobs }
}

pub(crate) fn host(name: &str, address: HostAddress) -> HostDecl {
    let nowhere = Span::default();
    HostDecl {
        name: Spanned { value: name.to_owned(), span: nowhere },
        address: Spanned { value: address, span: nowhere },
        labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
        settings: BTreeMap::from([("root".to_owned(), "/srv/a".to_owned())]),
    }
}

fn context() -> Context {
    Context {
        package: "acme/shop".into(),
        version: "1.4.2".into(),
        release: "r7".into(),
        step: "web".into(),
        attempt: 2,
        idempotency_key: "ab".repeat(32),
        environment: Some("staging".into()),
        deployment: Some("shop".into()),
        labels: BTreeMap::from([("tier".to_owned(), "test".to_owned())]),
        settings: BTreeMap::from([("who".to_owned(), "Stage".to_owned())]),
        previous: Some(serde_json::json!({ "release": "r6" })),
        unfinished: Some(serde_json::json!({ "begun": 1 })),
        started_at: 1_700_000_000,
    }
}

impl Step {
    /// Grants a capability, as a manifest writes it.
    pub(crate) fn may(mut self, line: &str) -> Self {
        self.invocation.capabilities.push(Capability::parse(line).expect("a capability"));
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Invocation)) -> Self {
        change(&mut self.invocation);
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Runs it; gives what is left to look at, and how it ended.
    pub(crate) async fn run(self) -> (Ran, Result<Reply, Failure>) {
        self.run_by(&HOST).await
    }

    /// Runs it by another host than the tests share.
    pub(crate) async fn run_by(self, host: &Host) -> (Ran, Result<Reply, Failure>) {
        let reply = host.call(self.invocation).await;
        (Ran { dir: self.dir, heard: self.heard, blobs: self.blobs }, reply)
    }

    /// Runs it to an outcome; gives its outputs.
    pub(crate) async fn outputs(self) -> (Ran, Value) {
        match self.run().await {
            (ran, Ok(Reply::Outcome(outcome))) => (ran, Value::Object(outcome.outputs)),
            (ran, other) => panic!("{other:?}\n{}", ran.heard.text()),
        }
    }

    /// Runs it to a failure.
    pub(crate) async fn fails(self) -> (Ran, FailureKind, String) {
        match self.run().await {
            (ran, Err(failure)) => (ran, failure.kind, failure.message),
            (ran, other) => panic!("{other:?}\n{}", ran.heard.text()),
        }
    }
}

/// What a step left.
pub(crate) struct Ran {
    /// Held for its drop, and looked into.
    pub(crate) dir: tempfile::TempDir,
    pub(crate) heard: Arc<Heard>,
    pub(crate) blobs: Arc<LocalBlobStore>,
}

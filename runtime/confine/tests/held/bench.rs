//! A step's directory and one command in it.

use libtest_mimic::Trial;
use relrun_confine::{Child, ConfineError, Exit, Launcher, Limits, Mode, Spec, View, resolve};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A command that can be changed before it runs.
pub(crate) struct Step {
    pub(crate) dir: TempDir,
    pub(crate) spec: Spec,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Step {
    /// A confined shell script.
    pub(crate) fn sh(script: &str) -> Self {
        Self::of(resolve("sh", &[]).unwrap().path, &["-c", script])
    }

    /// This very program, confined, trying something.
    pub(crate) fn attempt(args: &[&str]) -> Self {
        Self::of(std::env::current_exe().unwrap(), &[&["__try"], args].concat())
    }

    fn of(program: PathBuf, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["in", "out", "tmp", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let mode = Mode::Confined { view: View::new(dir.path()), dir: PathBuf::new() };
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { spec: Spec { program, args, env: Vec::new(), stdin: Vec::new(), mode, network: false, limits: Limits::default() }, dir }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn view(self, change: impl FnOnce(&mut View)) -> Self {
        self.with(|spec| match &mut spec.mode {
            Mode::Confined { view, .. } | Mode::InPlace { view, .. } => change(view),
            Mode::Unconfined { .. } => panic!("there is no view"),
        })
    }

    pub(crate) fn unconfined(self) -> Self {
        let dir = self.dir.path().to_owned();
        self.with(|spec| spec.mode = Mode::Unconfined { dir })
    }

    pub(crate) async fn spawn(&self) -> Result<Child, ConfineError> {
        launcher().spawn(&self.spec).await
    }

    pub(crate) fn run(&self) -> Ran {
        self.try_run().unwrap()
    }

    pub(crate) fn try_run(&self) -> Result<Ran, ConfineError> {
        block_on(async {
            let mut child = self.spawn().await?;
            let (stdout, stderr) = tokio::join!(all_of(child.stdout.take().unwrap()), all_of(child.stderr.take().unwrap()));
            Ok(Ran { exit: child.wait().await?, stdout, stderr })
        })
    }
}

pub(crate) fn launcher() -> Launcher {
    Launcher::new(std::env::current_exe().unwrap(), ["__confined"])
}

/// A test fails by panicking.
pub(crate) fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// No test waits for ever.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(1), future).await.unwrap() })
}

pub(crate) async fn all_of(mut from: impl AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    from.read_to_end(&mut text).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// A `sleep` that no other test has.
pub(crate) fn marker() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("1000.{}{:03}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Whether any process of the machine has the marker among its arguments.
pub(crate) fn is_alive(marker: &str) -> bool {
    let has = |entry: std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|text| String::from_utf8_lossy(&text).contains(marker))
    };
    std::fs::read_dir("/proc").unwrap().flatten().any(has)
}

/// Waits, with a bound, until something holds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub(crate) fn make_public(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

//! A temporary project, and relrun run in it with nothing of the caller's environment but its compile cache.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// What stands for the project's folder in files that are copied into it, and in what is shown of it.
pub(crate) const ROOT: &str = "[ROOT]";
/// No command of a test takes longer; whatever does hangs.
const LONGEST: Duration = Duration::from_mins(1);

/// A project of a test's own, gone when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    variables: BTreeMap<String, OsString>,
}

/// What a command that ended left.
#[derive(Debug)]
pub struct Ran {
    /// What it wrote to stdout and stderr, as a terminal shows it.
    pub output: String,
    /// Its exit code; 128 and the signal's number where one ended it.
    pub code: i32,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: PathBuf,
}

impl Sandbox {
    /// Makes an empty project.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("relrun-test-").tempdir().unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        let cache = env::var_os("XDG_CACHE_HOME").or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache").into_os_string()));
        let mut variables = BTreeMap::new();
        variables.insert("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into());
        variables.insert("HOME".to_owned(), folder.path().join("home").into_os_string());
        variables.insert("NO_COLOR".to_owned(), "1".into());
        variables.extend(cache.map(|cache| ("XDG_CACHE_HOME".to_owned(), cache)));
        Self { folder, variables }
    }

    /// Makes a project with what lies in `template`.
    pub fn of(template: &Path) -> Self {
        let sandbox = Self::new();
        sandbox.copy(template, &sandbox.root());
        sandbox
    }

    fn copy(&self, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&target).unwrap();
                self.copy(&entry.path(), &target);
            } else if let Ok(text) = fs::read_to_string(entry.path()) {
                fs::write(target, text.replace(ROOT, &self.root().display().to_string())).unwrap();
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    /// Returns the project's folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project").canonicalize().unwrap()
    }

    /// Returns a path in the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file and the folders that it lies in.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace(ROOT, &self.root().display().to_string())).unwrap();
    }

    /// Returns what a file holds; nothing where there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Sets a variable for what is run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Takes a variable away from what is run from now on.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Runs relrun to its end.
    pub fn relrun(&self, words: &[&str]) -> Ran {
        self.start(words).wait()
    }

    /// Runs a shell script as the root of a user and mount namespace of its own, in which it may mount what it likes. `relrun` is on its path.
    pub fn script(&self, script: &str) -> Ran {
        let folder = program();
        let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", folder.parent().unwrap().display());
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", script]);
        self.spawn(command, &[("PATH", &path)]).wait()
    }

    /// Starts relrun.
    pub fn start(&self, words: &[&str]) -> Running {
        let mut command = Command::new(program());
        command.args(words);
        self.spawn(command, &[])
    }

    fn spawn(&self, mut command: Command, variables: &[(&str, &str)]) -> Running {
        let file = tempfile::Builder::new().prefix("output-").tempfile_in(self.folder.path()).unwrap();
        let (file, output) = file.keep().unwrap();
        let child = command
            .current_dir(self.root())
            .env_clear()
            .envs(&self.variables)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Running { child, output }
    }

    /// Waits until a file of the project is there.
    pub fn wait_for(&self, name: &str) {
        let started = Instant::now();
        while !self.path(name).exists() {
            assert!(started.elapsed() < LONGEST, "{name} does not appear");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Running {
    /// Sends it a signal. It runs or waits to be waited for, so that the number is its own.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits until it has said something.
    pub fn wait_for(&self, text: &str) {
        let started = Instant::now();
        while !fs::read_to_string(&self.output).unwrap().contains(text) {
            assert!(started.elapsed() < LONGEST, "it does not say \"{text}\", but:\n{}", fs::read_to_string(&self.output).unwrap());
            sleep(Duration::from_millis(5));
        }
    }

    /// Returns whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > LONGEST {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("it hangs after it said:\n{}", fs::read_to_string(&self.output).unwrap());
            }
            sleep(Duration::from_millis(2));
        };
        let output = String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned();
        Ran { output, code: status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap() }
    }
}

/// Returns the relrun that cargo left beside this test.
///
/// # Panics
///
/// Where it was not built.
pub fn program() -> PathBuf {
    let own = env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("relrun");
    assert!(program.is_file(), "there is no {}: type `cargo build -p relrun` first", program.display());
    program
}

//! What is to be run, and how it is held: the words between the host and the supervisor.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The program's file, as [`crate::resolve`] found it.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<String>,
    /// The whole environment, but for the defaults that [`crate::FIXED_PATH`] names: nothing is inherited. A name here wins over a default.
    pub env: Vec<(String, String)>,
    /// The standard input, whole.
    pub stdin: Vec<u8>,
    /// How it is held.
    pub mode: Mode,
    /// Whether it may reach the network. Means nothing to [`Mode::Unconfined`].
    pub network: bool,
    /// What it may use.
    pub limits: Limits,
}

/// How a command is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// In a private root: staged inputs, private outputs.
    Confined {
        /// What it sees.
        view: View,
        /// Where it starts, relative to `/work`.
        dir: PathBuf,
    },
    /// In a private root that shows the project's own directory too, read and write, at its own path.
    InPlace {
        /// What it sees besides.
        view: View,
        /// The project's directory, absolute.
        tree: PathBuf,
        /// Where it starts, relative to `tree`.
        dir: PathBuf,
    },
    /// Not held at all, but for its process tree and its environment.
    Unconfined {
        /// Where it starts, absolute.
        dir: PathBuf,
    },
}

/// What a confined command sees, besides the system's own programs and libraries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The step's private directory: its `in` is `/in` (read-only), its `out`, `tmp` and `work` are `/out`, `/tmp` and `/work`.
    pub root: PathBuf,
    /// Granted files and directories, absolute, shown read-only at their own paths (a symlink on the way is shown at both its ends).
    pub read: Vec<PathBuf>,
    /// Granted directories, absolute, shown read and write at their own paths.
    pub write: Vec<PathBuf>,
    /// What is shown empty although a directory round it is shown: the project's `.relrun`. What does not exist is passed over.
    pub hide: Vec<PathBuf>,
}

impl View {
    /// Returns the view that shows nothing but the step's private directory.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned(), read: Vec::new(), write: Vec::new(), hide: Vec::new() }
    }
}

/// What the command may use. Wall time and output are the caller's to cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU seconds of each process.
    pub cpu_seconds: Option<u64>,
    /// Bytes of address space of each process. A few hundred MiB at least: the supervisor holds itself to it too.
    pub address_space: Option<u64>,
    /// Bytes of the largest file that it may write.
    pub file_size: Option<u64>,
    /// Processes and threads at once: of this command where it is confined, of this user where it is not. Root is held to it only where it is confined, and only
    /// since Linux 6.14; then to no fewer than 300.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: Option<u64>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Returns the exit code, as a shell counts it: 128 and the signal's number where one ended it.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Returns whether it ended by itself with 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

//! Components to machine code: from the cache where it can be believed, else by a child process that has limits.

mod artifact;
mod cache;
mod child;
mod sweep;

pub use child::compile_main;
pub use sweep::SweptCode;

pub(crate) use artifact::take_in;
pub(crate) use cache::Cache;
pub(crate) use child::{CompileFailed, compile};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Who compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// This process: for tests and tools that trust what they compile.
    InProcess,
    /// A child: a program that calls [`compile_main`] with its standard input and output when it is given these arguments.
    Child {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
    },
}

/// What compiling one component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space, in bytes.
    pub memory: u64,
    /// CPU time, over all threads.
    pub cpu: Duration,
    /// Wall time.
    pub timeout: Duration,
    /// The artifact's bytes.
    pub artifact: u64,
}

impl Default for CompileLimits {
    /// Enough for a Python component of 18 MB, which takes 5 s and 1 GB.
    fn default() -> Self {
        Self { memory: 4 << 30, cpu: Duration::from_mins(2), timeout: Duration::from_mins(3), artifact: 512 << 20 }
    }
}

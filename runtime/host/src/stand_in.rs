//! What is run in place of a command: for tests of plugins, which must answer the same on every machine.
//!
//! It stands behind the gates: grants, variables and secrets are checked before it is asked.

use crate::error::CallError;
use crate::imports::Command;
use relrun_confine::{Limits, Mode, Spec};
use std::path::{Path, PathBuf};

/// A command that a plugin may run, and asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The program.
    pub program: &'a str,
    /// Its arguments.
    pub args: &'a [String],
    /// Where it is to start, as the plugin says.
    pub dir: Option<&'a str>,
    /// Its variables.
    pub env: &'a [(String, String)],
    /// What it reads.
    pub stdin: &'a [u8],
    /// The host that it is to run on.
    pub host: Option<&'a str>,
    /// What it would see as `/work`.
    pub work: &'a Path,
}

/// What is run in its place, unconfined.
#[derive(Clone, Debug)]
pub struct StoodIn {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Says what is run in place of commands.
pub trait CommandStandIn: Send + Sync {
    /// Returns what is run, or why nothing is.
    fn stand_in(&self, asked: &Asked<'_>) -> Result<StoodIn, String>;
}

/// Makes the spec of what stands in.
pub(crate) fn spec(
    stand_in: &dyn CommandStandIn,
    command: &Command,
    env: &[(String, String)],
    stdin: &[u8],
    work: &Path,
) -> Result<Spec, CallError> {
    let (program, args, dir, host) = command.told();
    let stood = stand_in.stand_in(&Asked { program, args, dir, env, stdin, host, work }).map_err(CallError::permanent)?;
    Ok(Spec {
        program: stood.program,
        args: stood.args,
        env: Vec::new(),
        stdin: Vec::new(),
        mode: Mode::Unconfined { dir: work.to_owned() },
        network: false,
        limits: Limits::default(),
    })
}

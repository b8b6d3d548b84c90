//! The tools that relrun is measured beside, from their own packages, in a folder of the build cache.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checkout::{Checkout, run, say};

/// Where the tools are.
pub(crate) struct Peers {
    pub(crate) ninja: PathBuf,
    pub(crate) just: PathBuf,
    pub(crate) task: PathBuf,
    pub(crate) b3sum: PathBuf,
}

/// Installs what is not there yet. `make`, `cp` and `true` are the system's.
pub(crate) fn install(checkout: &Checkout) -> Result<Peers, Box<dyn Error>> {
    let folder = checkout.target.join("bench-peers");
    let bin = folder.join("bin");
    let peers = Peers { ninja: bin.join("ninja"), just: bin.join("just"), task: bin.join("task"), b3sum: bin.join("b3sum") };
    if [&peers.ninja, &peers.just, &peers.task].iter().any(|tool| !tool.exists()) {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&folder);
        run(venv).map_err(|error| format!("{error}; this needs python3 with its venv module (Debian: apt install python3-venv)"))?;
        let mut pip = Command::new(bin.join("pip"));
        pip.args(["install", "--quiet", "ninja", "rust-just", "go-task-bin"]);
        run(pip)?;
    }
    if !peers.b3sum.exists() {
        let mut cargo = checkout.cargo(&checkout.root, &["install", "--quiet", "--locked", "b3sum", "--root"]);
        cargo.arg(&folder);
        run(cargo)?;
    }
    for tool in [&peers.ninja, &peers.just, &peers.task, &peers.b3sum, &PathBuf::from("make")] {
        say(&format!("    {}", version(tool)?));
    }
    Ok(peers)
}

/// Returns the first line of what a tool says of its version, with its name.
pub(crate) fn version(tool: &Path) -> Result<String, Box<dyn Error>> {
    let name = tool.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = Command::new(tool).arg("--version").output().map_err(|error| format!("{name}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or_default().trim();
    Ok(if line.to_lowercase().contains(&name) { line.to_owned() } else { format!("{name} {line}") })
}

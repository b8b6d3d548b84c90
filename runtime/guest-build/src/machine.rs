//! What this crate knows of the machine: the variables that its caller hands over, and where the active Rust lives.

use std::collections::BTreeMap;
use std::env::{join_paths, split_paths};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::run::capture;
use crate::way::{Debian, Rustup, Target};

/// The machine as the caller's environment describes it.
#[derive(Debug, Clone)]
pub struct Machine {
    vars: BTreeMap<OsString, OsString>,
    sysroot: PathBuf,
}

impl Machine {
    /// Returns the machine that `vars` (usually `std::env::vars_os()`) describe. Asks `rustc` for its sysroot only where cargo's own
    /// variables do not tell it.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Error> {
        let vars = vars.into_iter().collect();
        let sysroot = match told_sysroot(&vars) {
            Some(sysroot) => sysroot,
            None => asked_sysroot(&vars)?,
        };
        Ok(Self { vars, sysroot })
    }

    /// Returns where made toolchains are kept, unless neither `RELRUN_CACHE_DIR`, `XDG_CACHE_HOME` nor `HOME` is set.
    pub(crate) fn toolchains(&self) -> Option<PathBuf> {
        let cache = match (self.var("RELRUN_CACHE_DIR"), self.var("XDG_CACHE_HOME")) {
            (Some(own), _) => PathBuf::from(own),
            (None, Some(shared)) => Path::new(shared).join("relrun"),
            (None, None) => Path::new(self.var("HOME")?).join(".cache/relrun"),
        };
        Some(cache.join("guest-toolchain"))
    }

    /// Returns the active Rust's sysroot.
    pub(crate) fn sysroot(&self) -> &Path {
        &self.sysroot
    }

    /// Returns the active Rust's own compiler.
    pub(crate) fn rustc(&self) -> PathBuf {
        self.sysroot.join("bin/rustc")
    }

    /// Returns the folder in which cargo keeps the sources of crates.
    pub(crate) fn crates(&self) -> Option<PathBuf> {
        let home = self.var("CARGO_HOME").map(PathBuf::from).or_else(|| Some(Path::new(self.var("HOME")?).join(".cargo")))?;
        Some(home.join("registry/src"))
    }

    /// Returns whether the active Rust has the target.
    pub(crate) fn target(&self) -> Target {
        let lib = self.sysroot.join("lib/rustlib").join(crate::TARGET).join("lib");
        if lib.is_dir() { Target::Installed } else { Target::Missing }
    }

    /// Returns what rustup may do here.
    pub(crate) fn rustup(&self) -> Rustup {
        if self.find("rustup").is_none() {
            Rustup::Absent
        } else if self.var("RUSTUP_AUTO_INSTALL") == Some(OsStr::new("0")) {
            Rustup::Forbidden
        } else {
            Rustup::Free
        }
    }

    /// Returns what the Debian way lacks here.
    pub(crate) fn debian(&self) -> Debian {
        let bin = self.linkers();
        let linker = ["rust-lld", "wasm-component-ld"].into_iter().find(|name| !bin.as_ref().is_some_and(|bin| bin.join(name).is_file()));
        if let Some(linker) = linker {
            return Debian::NoLinker(linker);
        }
        let program = ["apt-get", "apt-cache", "dpkg", "dpkg-query"].into_iter().find(|program| self.find(program).is_none());
        program.map_or(Debian::Open, Debian::NoProgram)
    }

    /// Returns the folder of the active Rust in which its linkers lie.
    pub(crate) fn linkers(&self) -> Option<PathBuf> {
        let targets = self.sysroot.join("lib/rustlib").read_dir().ok()?;
        targets.flatten().map(|target| target.path().join("bin")).find(|bin| bin.join("rust-lld").is_file())
    }

    /// Returns a PATH that begins with `first`.
    pub(crate) fn path_with(&self, first: &[PathBuf]) -> Result<OsString, Error> {
        let rest = self.var("PATH").unwrap_or_default();
        join_paths(first.iter().cloned().chain(split_paths(rest)))
            .map_err(|error| Error::NoRust { reason: format!("its folder cannot stand in a PATH: {error}") })
    }

    /// Returns the active Rust's cargo, with an environment that no outer cargo has shaped.
    pub(crate) fn cargo(&self) -> Command {
        let own = self.sysroot.join("bin/cargo");
        let program = if own.is_file() { own.into_os_string() } else { self.var("CARGO").unwrap_or(OsStr::new("cargo")).to_owned() };
        let mut command = self.command(&program);
        // Empty, not absent: both then also win over what a user's cargo configuration says.
        command.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
        command
    }

    /// Returns a command with an environment that no outer cargo has shaped, and whose output is not translated.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.vars.iter().filter(|(name, _)| kept(name))).env("LC_ALL", "C.UTF-8");
        command
    }

    /// Returns the toolchain that rustup would change, if it is named.
    pub(crate) fn rustup_toolchain(&self) -> Option<&OsStr> {
        self.var("RUSTUP_TOOLCHAIN")
    }

    fn var(&self, name: &str) -> Option<&OsStr> {
        var(&self.vars, name)
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        split_paths(self.var("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
    }
}

fn var<'v>(vars: &'v BTreeMap<OsString, OsString>, name: &str) -> Option<&'v OsStr> {
    vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
}

/// Cargo tells build scripts, and what `cargo run` starts, by which path it was run itself: beside its own rustc.
fn told_sysroot(vars: &BTreeMap<OsString, OsString>) -> Option<PathBuf> {
    ["RUSTC", "CARGO"].into_iter().find_map(|name| {
        let sysroot = Path::new(var(vars, name)?).parent()?.parent()?;
        (sysroot.is_absolute() && sysroot.join("lib/rustlib").is_dir()).then(|| sysroot.to_owned())
    })
}

fn asked_sysroot(vars: &BTreeMap<OsString, OsString>) -> Result<PathBuf, Error> {
    let mut command = Command::new(var(vars, "RUSTC").unwrap_or(OsStr::new("rustc")));
    command.env_clear().envs(vars).args(["--print", "sysroot"]);
    let answer = capture(command).map_err(|error| Error::NoRust { reason: error.to_string() })?;
    Ok(PathBuf::from(answer.trim_end()))
}

/// Whether a variable means the same to a guest's build as to the build that started it. Cargo hands build scripts a hundred that do
/// not, and flags for the host's target break a guest.
fn kept(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    if let Some(rest) = name.strip_prefix("CARGO_") {
        let users = ["HOME", "NET_", "HTTP_", "REGISTRY_", "REGISTRIES_", "SOURCE_", "TERM_", "INSTALL_"];
        return users.iter().any(|prefix| rest.starts_with(prefix)) || (rest.starts_with("TARGET_") && rest.ends_with("_LINKER"));
    }
    let exact =
        ["CARGO", "TARGET", "HOST", "OUT_DIR", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS", "LD_LIBRARY_PATH", "MAKEFLAGS", "MFLAGS"];
    let families = ["RUSTFLAGS", "RUSTC", "RUSTDOC", "CLIPPY_", "DEP_"];
    !exact.contains(&name) && !families.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests;

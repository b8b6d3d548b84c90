//! Builds guests with a toolchain.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::run::stream;
use crate::{Error, Machine, Toolchain};

/// What to build.
#[derive(Debug, Clone, Copy)]
pub struct GuestBuild<'b> {
    /// The folder of the guests' workspace.
    pub workspace: &'b Path,
    /// The packages, each with a `cdylib`.
    pub packages: &'b [&'b str],
    /// Where cargo keeps what it makes; only for guests, for another compiler's results lie in other target folders.
    pub target_dir: &'b Path,
    /// The checkout. Its path is kept out of the components, so that they are the same in every folder.
    pub checkout: &'b Path,
}

/// Builds the packages and returns their components, in the order of `packages`.
pub fn build(machine: &Machine, toolchain: &Toolchain, guests: GuestBuild<'_>, progress: &mut dyn Write) -> Result<Vec<PathBuf>, Error> {
    let mut command = toolchain.cargo(machine)?;
    command.current_dir(guests.workspace).args(["build", "--release", "--target", crate::TARGET, "--target-dir"]).arg(guests.target_dir);
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(machine, guests.checkout));
    if guests.workspace.join("Cargo.lock").is_file() {
        command.arg("--locked");
    }
    for package in guests.packages {
        command.args(["--package", package]);
    }
    stream(command, progress)?;
    guests.packages.iter().map(|package| component(guests.target_dir, package)).collect()
}

/// The flags of guests, and no others: set even where there are none, so that those of a user's configuration, meant for the host, do not
/// reach a guest.
fn flags(machine: &Machine, checkout: &Path) -> OsString {
    let crates = machine.crates();
    let prefixes = [Some((checkout, "relrun")), crates.as_deref().map(|crates| (crates, "crates"))];
    let mut flags = OsString::new();
    for (path, name) in prefixes.into_iter().flatten() {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    flags
}

fn component(target_dir: &Path, package: &str) -> Result<PathBuf, Error> {
    let path = target_dir.join(crate::TARGET).join("release").join(format!("{}.wasm", package.replace('-', "_")));
    if path.is_file() { Ok(path) } else { Err(Error::NoComponent { package: package.to_owned(), path }) }
}

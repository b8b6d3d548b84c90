//! Makes the guest toolchain and builds the guests, with all of its progress on the terminal.

use std::env;
use std::error::Error;
use std::io::stderr;
use std::path::{Path, PathBuf};

use relrun_guest_build::{GuestBuild, Machine, build, ensure};

use crate::Outcome;
use crate::checkout::{Checkout, announce};

/// Makes the toolchain if there is none, and builds every guest of the checkout.
pub(crate) fn build_all(checkout: &Checkout) -> Outcome {
    for component in components(checkout, &checkout.root.join("plugins"))? {
        println!("{}", component.display());
    }
    Ok(())
}

/// Builds every package of the guests' workspace in `workspace`.
fn components(checkout: &Checkout, workspace: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let machine = Machine::new(env::vars_os())?;
    announce("the toolchain for guests");
    let toolchain = ensure(&machine, &mut stderr())?;
    eprintln!("    {}: {}", toolchain.way(), toolchain.rustc().display());
    announce(&format!("the guests in {}", workspace.display()));
    let packages = packages(workspace)?;
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let target_dir = checkout.guests_target();
    let guests = GuestBuild { workspace, packages: &packages, target_dir: &target_dir, checkout: &checkout.root };
    Ok(build(&machine, &toolchain, guests, &mut stderr())?)
}

/// Every folder of the plugins' workspace with a manifest is a plugin.
fn packages(workspace: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut packages = Vec::new();
    for entry in workspace.read_dir()? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            packages.push(format!("relrun-plugin-{}", entry.file_name().display()));
        }
    }
    packages.sort();
    Ok(packages)
}

//! Makes the guest toolchain and builds the guests, with all of its progress on the terminal.

use std::error::Error;
use std::io::stderr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use relrun_guest_build::{GuestBuild, Machine, Toolchain, build, ensure};

use crate::Outcome;
use crate::checkout::{Checkout, announce, say};

/// An example's own plugins: a package of the guests' workspace in `workspace`, and where its manifest looks for the component. That
/// path lies in a `target` folder, which git ignores.
const EXAMPLES: &[Example] =
    &[Example { workspace: "examples/site/plugin", package: "site-render", component: "examples/site/target/render.wasm" }];

struct Example {
    workspace: &'static str,
    package: &'static str,
    component: &'static str,
}

/// Makes the toolchain if there is none, and builds every guest of the checkout.
pub(crate) fn build_all(checkout: &Checkout) -> Outcome {
    announce("the toolchain for guests");
    let machine = Machine::new(env::vars_os())?;
    let toolchain = ensure(&machine, &mut stderr())?;
    say(&format!("    {}: {}", toolchain.way(), toolchain.rustc().display()));

    announce("the bundled plugins");
    let plugins = checkout.root.join("plugins");
    let packages = bundled(&plugins)?;
    for component in components(checkout, &machine, &toolchain, &plugins, &packages)? {
        say(&format!("    {}", component.display()));
    }

    for example in EXAMPLES {
        announce(&format!("the plugin of {}", example.workspace));
        let workspace = checkout.root.join(example.workspace);
        let to = checkout.root.join(example.component);
        for from in components(checkout, &machine, &toolchain, &workspace, &[example.package.to_owned()])? {
            lay(&from, &to)?;
            say(&format!("    {}", to.display()));
        }
    }
    Ok(())
}

/// Returns the folders of the checkout that hold guests' workspaces of their own.
pub(crate) fn workspaces(checkout: &Checkout) -> Vec<PathBuf> {
    let known = ["sdk/rust", "plugins"].into_iter().chain(EXAMPLES.iter().map(|example| example.workspace));
    known.map(|folder| checkout.root.join(folder)).collect()
}

fn components(
    checkout: &Checkout,
    machine: &Machine,
    toolchain: &Toolchain,
    workspace: &Path,
    packages: &[String],
) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let target_dir = checkout.guests_target();
    let guests = GuestBuild { workspace, packages: &packages, target_dir: &target_dir, checkout: &checkout.root };
    Ok(build(machine, toolchain, guests, &mut stderr())?)
}

/// Returns the packages of the bundled plugins: every folder of their workspace with a manifest is one.
fn bundled(workspace: &Path) -> Result<Vec<String>, Box<dyn Error>> {
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

/// Puts a component where a manifest looks for it, unless it lies there already: its modification time stays, and so does what was
/// remembered of it.
fn lay(from: &Path, to: &Path) -> Outcome {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(to, bytes)?;
    Ok(())
}

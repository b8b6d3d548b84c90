//! Builds the plugins in `plugins/` and writes the table that `src/lib.rs` includes.
//!
//! Cargo shows a build script's output only when it fails: where a toolchain has to be made first, this is silent for two minutes, and
//! `cargo xtask guests` does the same visibly.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use relrun_guest_build::{GuestBuild, Machine, build, ensure};

#[expect(clippy::print_stderr, reason = "it is how a build script says why it failed")]
fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let checkout = here.ancestors().nth(2).ok_or("this crate lies in runtime/bundled of a checkout")?;
    for watched in ["plugins", "sdk/rust", "wit"] {
        println!("cargo::rerun-if-changed={}", checkout.join(watched).display());
    }
    for variable in ["RELRUN_CACHE_DIR", "RUSTUP_AUTO_INSTALL"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    match embed(checkout, &out) {
        Ok(()) => Ok(()),
        Err(error) => {
            eprintln!(
                "failed to build the bundled plugins: {error}\n\ntype `cargo xtask guests` to do this step alone and see its progress"
            );
            std::process::exit(1);
        }
    }
}

fn embed(checkout: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let workspace = checkout.join("plugins");
    let names = names(&workspace)?;
    let packages: Vec<String> = names.iter().map(|name| format!("relrun-plugin-{name}")).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let mut components = Vec::new();
    if !packages.is_empty() {
        let machine = Machine::new(env::vars_os())?;
        let toolchain = ensure(&machine, &mut io::stderr())?;
        let guests = GuestBuild { workspace: &workspace, packages: &packages, target_dir: &target_dir(out), checkout };
        components = build(&machine, &toolchain, guests, &mut io::stderr())?;
    }
    let mut table = String::from("&[\n");
    for (name, component) in names.iter().zip(components) {
        let bytes = fs::read(&component)?;
        let file = out.join(format!("{name}.wasm"));
        fs::write(&file, &bytes)?;
        let (file, digest) = (file.to_str().ok_or("the target folder's path is no UTF-8")?, blake3::hash(&bytes));
        writeln!(
            table,
            "    Bundled {{ name: {name:?}, bytes: include_bytes!({file:?}), digest: blake3::Hash::from_bytes({:?}) }},",
            digest.as_bytes()
        )?;
    }
    table.push_str("]\n");
    fs::write(out.join("table.rs"), table)?;
    Ok(())
}

/// Every folder of the guests' workspace with a manifest is a plugin.
fn names(workspace: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().into_string().map_err(|name| format!("{} is no plugin's name", name.display()))?);
        }
    }
    names.sort();
    Ok(names)
}

/// `target/guests`, shared by all profiles: the components are the same in each.
fn target_dir(out: &Path) -> PathBuf {
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.unwrap_or(out).join("guests")
}

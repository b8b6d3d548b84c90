//! Measures relrun beside its peers: the same work, on the same machine, in one run, turn by turn.
//!
//! It must never time a test, and never report a figure of something else than its row says. The results replace the part between two marks of
//! `docs/benchmarks.md`; what is to be said about them is written there by hand.

mod cases;
mod clock;
mod page;
mod peers;

use std::fs;
use std::path::Path;
use std::process::Command;

use relrun_guest_build::{GuestBuild, Machine, build, ensure};

use crate::checkout::{Checkout, announce, run, say};
use crate::{Outcome, servers};

/// Builds what is measured, measures it, and writes the table.
pub(crate) fn run_all(checkout: &Checkout) -> Outcome {
    announce("relrun, as it is shipped");
    run(checkout.cargo(&checkout.root, &["build", "--locked", "--release", "--package", "relrun"]))?;
    announce("the tools to measure beside");
    let peers = peers::install(checkout)?;
    announce("a plugin that does nothing");
    let plugin = plugin(checkout)?;

    let folder = checkout.target.join("bench");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let tools = cases::Tools { relrun: checkout.target.join("release/relrun"), peers, plugin, folder: folder.clone() };
    let mut results = Vec::new();
    for case in cases::all() {
        announce(case.name);
        let contestants = (case.prepare)(&tools)?;
        results.push(clock::measure(&case, &contestants)?);
        say(&page::row(results.last().expect("one was pushed")));
    }
    announce("a warm instance and a call");
    let call = instance_and_call(checkout)?;
    say(&call);
    announce("10 hosts behind SSH");
    servers::ensure_all(servers::FLEET)?;
    let rows = fleet(checkout, &tools.relrun)?;
    say(&rows);

    let file = checkout.root.join("docs/benchmarks.md");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, page::replace(&text, &page::results(&results, &[call, rows], &tools)?)?)?;
    fs::remove_dir_all(&folder)?;
    say(&format!("\nwritten to {}", file.display()));
    Ok(())
}

/// Builds the guest that the host's tests use; here it is told to do as good as nothing.
fn plugin(checkout: &Checkout) -> Result<std::path::PathBuf, Box<dyn std::error::Error>> {
    let machine = Machine::new(std::env::vars_os())?;
    let toolchain = ensure(&machine, &mut std::io::stderr())?;
    let workspace = checkout.root.join("runtime/host/tests/guest");
    let target_dir = checkout.guests_target();
    let guest = GuestBuild { workspace: &workspace, packages: &["relrun-test-guest"], target_dir: &target_dir, checkout: &checkout.root };
    build(&machine, &toolchain, guest, &mut std::io::stderr())?.pop().ok_or_else(|| "the guest was not built".into())
}

/// Deploys to ten hosts on the loopback, which takes root, `sshd`, rsync and capistrano.
fn fleet(checkout: &Checkout, relrun: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let mut command = checkout.cargo(&checkout.root, &["bench", "--locked", "--package", "relrun-tests", "--bench", "fleet"]);
    rows(command.env("RELRUN_BENCH", relrun))
}

/// Runs the host's own measurement, which needs the host inside the process.
fn instance_and_call(checkout: &Checkout) -> Result<String, Box<dyn std::error::Error>> {
    rows(&mut checkout.cargo(&checkout.root, &["bench", "--locked", "--package", "relrun-host", "--bench", "call"]))
}

/// Runs a measurement of cargo's, and returns the rows that it printed.
fn rows(command: &mut Command) -> Result<String, Box<dyn std::error::Error>> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("`cargo bench` failed ({})", output.status).into());
    }
    let said = String::from_utf8(output.stdout)?;
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with('|')).collect();
    if rows.is_empty() { Err(format!("it said no row: {said}").into()) } else { Ok(rows.join("\n")) }
}

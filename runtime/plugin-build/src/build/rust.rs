//! Rust: cargo, with a toolchain for wasm32-wasip2 that `guest-build` finds or makes.

use super::{BuildError, Job, Surroundings, Toolchain, Watch};
use relrun_guest_build::{GuestBuild, Machine, build, ensure};
use std::fs;
use std::io::{self, Write};

pub(super) struct Rust;

impl Toolchain for Rust {
    fn pins(&self) -> String {
        relrun_guest_build::TARGET.to_owned()
    }

    fn build(&self, job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Vec<u8>, BuildError> {
        let mut lines = Lines { watch, line: Vec::new() };
        let machine = Machine::new(around.vars()).map_err(|error| match error {
            relrun_guest_build::Error::NoRust { reason } => BuildError::Missing {
                tool: "Rust".to_owned(),
                why: reason,
                help: "install it from https://rustup.rs; Rust 1.95 or newer is needed".to_owned(),
            },
            other => BuildError::Rust(other),
        })?;
        let toolchain = ensure(&machine, &mut lines).map_err(BuildError::Rust)?;
        lines.watch.doing("building with cargo");
        let guests = GuestBuild {
            workspace: &job.folder,
            packages: &[&job.project.name],
            target_dir: &job.build.join("target"),
            checkout: &job.folder,
        };
        let components = build(&machine, &toolchain, guests, &mut lines).map_err(|error| match error {
            relrun_guest_build::Error::Command { reason, log, .. } => {
                BuildError::Tool { doing: "cargo build".to_owned(), reason, log, help: None }
            }
            other => BuildError::Rust(other),
        })?;
        let path = components.first().ok_or_else(|| BuildError::NoComponent("cargo made none".to_owned()))?;
        fs::read(path).map_err(|source| BuildError::io("read", path, source))
    }
}

/// Cuts what is written into lines.
struct Lines<'w> {
    watch: &'w mut dyn Watch,
    line: Vec<u8>,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&self.line);
                match line.trim() {
                    // A wait that could last minutes is nothing to be silent about.
                    waits if waits.starts_with("Blocking waiting") => self.watch.doing("waiting for another cargo"),
                    making if making.starts_with("making a toolchain") => self.watch.doing(making),
                    other => self.watch.line(other),
                }
                self.line.clear();
            } else {
                self.line.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

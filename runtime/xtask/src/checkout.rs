//! Where things lie, and how programs are run in them.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;

/// The checkout that this program runs for, and cargo's folder for it.
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Checkout {
    /// Returns the checkout that cargo runs this program from. It is asked for now and not when compiling: checkouts that share a target
    /// folder share this program.
    pub(crate) fn find() -> Result<Self, Box<dyn Error>> {
        let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("type `cargo xtask`: this program needs cargo to run it")?);
        let root = here.ancestors().nth(2).ok_or("this program lies in runtime/xtask of a checkout")?;
        let own = env::current_exe()?;
        let target = own.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
        let target = target.map_or_else(|| root.join("target"), Path::to_owned);
        Ok(Self { root: root.to_owned(), target })
    }

    /// Returns the folder of what cargo makes of guests: the same that the build script of `relrun-bundled` uses, so that whatever is
    /// built here is not built again there.
    pub(crate) fn guests_target(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Returns the relrun that `cargo build` leaves.
    pub(crate) fn relrun(&self) -> PathBuf {
        self.target.join("debug").join(format!("relrun{}", env::consts::EXE_SUFFIX))
    }

    /// Returns the cargo that runs this program, working in `folder`.
    pub(crate) fn cargo(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words).current_dir(folder).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// Writes a line to the terminal.
#[expect(clippy::print_stderr, reason = "the one place of this program that prints")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// Says what comes now.
pub(crate) fn announce(what: &str) {
    say(&format!("\n==> {what}"));
}

/// Runs `command` on this terminal, without a stdin.
pub(crate) fn run(mut command: Command) -> Outcome {
    let started = Instant::now();
    let shown = shown(&command);
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("failed to run `{shown}`: {error}"))?;
    if status.success() {
        say(&format!("    done in {:.1} s", started.elapsed().as_secs_f32()));
        return Ok(());
    }
    Err(format!("`{shown}` failed ({status})").into())
}

/// Returns `command` as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

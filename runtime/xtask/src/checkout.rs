//! Where things lie, and how programs are run in them.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;

/// The checkout that this program was built from, and cargo's folder for it.
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Checkout {
    /// Returns the checkout that this program was built from.
    pub(crate) fn find() -> Result<Self, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("this program lies in runtime/xtask of a checkout")?;
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

    /// Returns the cargo that runs this program, working in `folder` of the checkout.
    pub(crate) fn cargo(&self, folder: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words).current_dir(self.root.join(folder)).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// Says what comes now.
pub(crate) fn announce(what: &str) {
    eprintln!("\n==> {what}");
}

/// Runs `command` on this terminal, without a stdin.
pub(crate) fn run(mut command: Command) -> Outcome {
    let started = Instant::now();
    let shown = format!("{} {}", command.get_program().display(), words(&command));
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("failed to run `{shown}`: {error}"))?;
    if status.success() {
        eprintln!("    done in {:.1} s", started.elapsed().as_secs_f32());
        return Ok(());
    }
    Err(format!("`{shown}` failed ({status})").into())
}

/// Returns the arguments of `command` as one would type them.
pub(crate) fn words(command: &Command) -> String {
    command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

//! Every folder of `scenarios/` is a test, and every example that says in a `run.txt` what is typed there.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use relrun_tests::scenario;

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = [here.join("scenarios"), here.join("../examples")].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut folders: Vec<_> = scripts.map(|entry| entry.unwrap().path()).filter(|path| path.join("run.txt").is_file()).collect();
    folders.sort();
    let trial = |folder: std::path::PathBuf| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || scenario::check(&folder).map_err(Into::into))
    };
    libtest_mimic::run(&Arguments::from_args(), folders.into_iter().map(trial).collect()).exit_code()
}

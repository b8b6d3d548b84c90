//! Real commands under real walls. The test program is the supervisor too (`__confined`), a host that can be killed (`__host`), and a program that tries what a
//! shell cannot (`__try`). Run as root, the suite runs a second time as an ordinary user.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and what a test program tries it reports by printing"
)]

mod bench;
mod ends;
mod runs;
mod walls;

use libtest_mimic::{Arguments, Trial};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("__confined") => relrun_confine::confined_main(),
        Some("__host") => ends::be_host(&args[1..]),
        Some("__try") => walls::attempt(&args[1..]),
        _ => {
            let mut trials: Vec<Trial> = [walls::trials(), runs::trials(), ends::trials()].into_iter().flatten().collect();
            if bench::is_root() {
                trials.push(bench::trial("again_as_an_ordinary_user", again_as_an_ordinary_user));
            }
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

/// Who has no capabilities needs other ways into the namespaces.
fn again_as_an_ordinary_user() {
    let place = tempfile::tempdir().unwrap();
    bench::make_public(place.path());
    let copy = place.path().join("held");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let home = place.path().join("tmp");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .env("TMPDIR", &home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("test result: ok"), "{said}");
}

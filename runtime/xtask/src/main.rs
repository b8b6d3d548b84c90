//! The project's own set-up and checks: `cargo xtask`.
//!
//! All set-up happens here, visibly, because cargo hides what build scripts do. It must never do anything that a user of relrun needs:
//! that is the binary's own work.

mod bench;
mod checkout;
mod guests;
mod servers;
mod site;
mod tests;

use std::error::Error;
use std::process::ExitCode;

use crate::checkout::Checkout;

type Outcome = Result<(), Box<dyn Error>>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  site     set up everything, build relrun, and run the main job: examples/site
  test     set up everything, and run every test
  servers  install the servers that tests run against, where they are missing
  bench    build relrun as it is shipped, measure it beside its peers, and write docs/benchmarks.md
  guests   make the guest toolchain if there is none, and build the guests
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command: fn(&Checkout) -> Outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["site"] => site::run,
        ["test"] => tests::run,
        ["bench"] => bench::run_all,
        ["guests"] => guests::build_all,
        ["servers"] => |_| servers::ensure(),
        _ => {
            checkout::say(USAGE.trim_end());
            return ExitCode::from(2);
        }
    };
    match Checkout::find().and_then(|checkout| command(&checkout)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            checkout::say(&format!("\nxtask: {error}"));
            ExitCode::FAILURE
        }
    }
}

//! The project's own set-up and checks: `cargo xtask`.
//!
//! All set-up happens here, visibly, because cargo hides what build scripts do. It must never do anything that a user of relrun needs:
//! that is the binary's own work.

mod checkout;
mod guests;

use std::process::ExitCode;

use crate::checkout::Checkout;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  guests   make the guest toolchain if there is none, and build the guests
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["guests"] => Checkout::find().and_then(|checkout| guests::build_all(&checkout)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

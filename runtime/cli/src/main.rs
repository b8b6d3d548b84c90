//! `relrun`: the command line.
//!
//! The only room that touches the terminal, the environment and the exit code. It turns words into requests, opens the workspace, hands both to
//! the engine, and shows what comes back.

mod args;
mod command;
#[cfg(feature = "failpoints")]
mod failpoints;
mod open;
mod page;
mod show;

use args::{Cli, Command};
use clap::Parser;
use relrun_engine::Exit;
use std::process::ExitCode;

/// The hidden word with which relrun starts itself to hold a command.
const CONFINED: &str = "__confined";
/// The hidden word with which relrun starts itself to compile a component.
const COMPILE: &str = "__compile";

fn main() -> ExitCode {
    // Before anything else: these children must not pay for, or be confused by, what a person's command needs.
    match std::env::args().nth(1).as_deref() {
        Some(CONFINED) => return relrun_confine::confined_main(),
        Some(COMPILE) => return ExitCode::from(relrun_host::compile_main(std::io::stdin().lock(), std::io::stdout().lock())),
        _ => {}
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    open::trace(cli.verbose);
    #[cfg(feature = "failpoints")]
    failpoints::arm();
    let exit = match run(&cli) {
        Ok(exit) => exit,
        Err(error) => {
            show::error(&cli, &error);
            error.exit()
        }
    };
    ExitCode::from(exit.code())
}

/// Help and version are answers, everything else clap says is an input error: exit 2.
fn usage(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Input.code());
    // Where even this cannot be printed, nobody reads it.
    let _ = error.print();
    ExitCode::from(code)
}

fn run(cli: &Cli) -> Result<Exit, relrun_engine::EngineError> {
    match &cli.command {
        Command::Completions { shell } => command::completions(*shell),
        Command::Doctor => command::doctor(cli),
        _ => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|source| relrun_engine::EngineError::io("start the workers", source))?;
            let exit = runtime.block_on(command::dispatch(cli));
            // A step that does not listen to its cancellation must not hold the command.
            runtime.shutdown_timeout(std::time::Duration::from_millis(200));
            exit
        }
    }
}

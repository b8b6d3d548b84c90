//! What `relrun`'s hidden subcommands do, for the host's own tests: `compile` compiles its standard input, `confined` holds a command.

fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("compile") => relrun_host::compile_main(std::io::stdin().lock(), std::io::stdout().lock()).into(),
        _ => relrun_confine::confined_main(),
    }
}

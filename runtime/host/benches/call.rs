//! What a warm instance and a call cost: the guest is asked what it needs, in a store of its own each time, beside a process that does nothing.
//!
//! Prints one row of the table in `docs/benchmarks.md`; `cargo xtask bench` puts it there.

#![allow(clippy::print_stdout, reason = "its row is its result")]

use relrun_host::{CompileLimits, Compiler, ComponentBytes, ComponentSource, Host, HostOptions};
use relrun_ledger::Digest;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const COMPILE: &str = "compile";
const ROUNDS: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some(COMPILE) {
        std::process::exit(relrun_host::compile_main(std::io::stdin().lock(), std::io::stdout().lock()).into());
    }
    let bytes = guest()?;
    let source = ComponentSource { digest: Digest::of(&bytes), bytes: ComponentBytes::Memory(Arc::from(bytes)) };
    let host = Host::new(HostOptions {
        compile_cache: None,
        compiler: Compiler::Child { program: std::env::current_exe()?, args: vec![COMPILE.into()] },
        compile_limits: CompileLimits::default(),
        launcher: None,
        commands: None,
        gate: relrun_gate::GateOptions::default(),
        ssh: relrun_host::SshOptions::default(),
        clusters: relrun_host::ClusterSources::default(),
        registries: relrun_host::RegistryOptions::default(),
    });
    let config = serde_json::json!({ "kind": "pure" });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut calls, mut processes) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        host.resolve(&source, &config).await?;
        for round in 0..ROUNDS {
            let began = Instant::now();
            host.resolve(&source, &config).await?;
            calls.push(began.elapsed());
            // In turn, so that whatever else the machine does falls on both; fewer, because they take longer.
            if round % 10 == 0 {
                let began = Instant::now();
                Command::new("true").status()?;
                processes.push(began.elapsed());
            }
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    let ((call, quickest), (process, _)) = (median(calls), median(processes));
    println!(
        "| a warm instance and a call | under 50 µs | {:.0} µs ({:.0} µs) | a process (`true`) {:.0} µs ({:.2}×) | {ROUNDS} |",
        microseconds(call),
        microseconds(quickest),
        microseconds(process),
        process.as_secs_f64() / call.as_secs_f64()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[0])
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Builds the guest of the tests; it lies in the target folder.
fn guest() -> Result<Vec<u8>, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checkout = here.ancestors().nth(2).ok_or("the crate lies in runtime/host")?;
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).ok_or("this program lies in target/release/deps")?;
    let machine = relrun_guest_build::Machine::new(std::env::vars_os())?;
    let toolchain = relrun_guest_build::ensure(&machine, &mut std::io::stderr())?;
    let build = relrun_guest_build::GuestBuild {
        workspace: &here.join("tests/guest"),
        packages: &["relrun-test-guest"],
        target_dir: &target.join("guests"),
        checkout,
    };
    let built = relrun_guest_build::build(&machine, &toolchain, build, &mut std::io::stderr())?;
    Ok(std::fs::read(built.first().ok_or("the guest was not built")?)?)
}

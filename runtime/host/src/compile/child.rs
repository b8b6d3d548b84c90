//! Compiling in another process: a component made to break a compiler takes a child down, not the release.
//!
//! The child reads one line of limits and then the component, sets the limits on itself before it looks at a byte of it, and writes one byte
//! (1: the artifact follows; 0: a reason follows) and the rest. It gets no environment and no other file.

use super::artifact::Trusted;
use super::{CompileLimits, Compiler};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

const DONE: u8 = 1;
const FAILED: u8 = 0;

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileFailed {
    /// The component is at fault.
    #[error("{0}")]
    Component(String),
    /// The machine is.
    #[error("{0}")]
    Machine(String),
}

/// What the child is told of its limits.
#[derive(Serialize, Deserialize)]
struct Told {
    memory: u64,
    cpu: u64,
}

/// Compiles what standard input holds, as the child of a host. For the program that [`Compiler::Child`] names. Returns its exit code.
pub fn compile_main(input: impl Read, mut output: impl Write) -> u8 {
    let (kind, bytes) = match compile_input(input) {
        Ok(artifact) => (DONE, artifact),
        Err(reason) => (FAILED, reason.into_bytes()),
    };
    let written = output.write_all(&[kind]).and_then(|()| output.write_all(&bytes)).and_then(|()| output.flush());
    u8::from(written.is_err())
}

fn compile_input(input: impl Read) -> Result<Vec<u8>, String> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| format!("failed to read the limits: {error}"))?;
    let told: Told = serde_json::from_str(&line).map_err(|error| format!("failed to read the limits: {error}"))?;
    limit(&told).map_err(|error| format!("failed to set the limits: {error}"))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(|error| format!("failed to read the component: {error}"))?;
    let engine = Engine::new(&crate::engine::config()).map_err(|error| format!("{error:#}"))?;
    engine.precompile_component(&component).map_err(|error| format!("{error:#}"))
}

fn limit(told: &Told) -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_AS, told.memory, told.memory)?;
    setrlimit(Resource::RLIMIT_CPU, told.cpu, told.cpu)
}

/// Compiles a component.
pub(crate) async fn compile(
    engine: &Engine,
    compiler: &Compiler,
    limits: CompileLimits,
    component: Vec<u8>,
) -> Result<Trusted, CompileFailed> {
    match compiler {
        Compiler::InProcess => {
            let engine = engine.clone();
            let work = tokio::task::spawn_blocking(move || engine.precompile_component(&component));
            let artifact = work.await.map_err(|error| CompileFailed::Machine(error.to_string()))?;
            artifact.map(Trusted::compiled).map_err(|error| CompileFailed::Component(format!("{error:#}")))
        }
        Compiler::Child { program, args } => {
            let mut command = tokio::process::Command::new(program);
            command.args(args).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            let child = command.spawn().map_err(|error| CompileFailed::Machine(format!("{}: {error}", program.display())))?;
            let Ok(result) = tokio::time::timeout(limits.timeout, converse(child, limits, component)).await else {
                return Err(CompileFailed::Component(format!("compiling it took longer than {} s", limits.timeout.as_secs())));
            };
            result
        }
    }
}

async fn converse(mut child: tokio::process::Child, limits: CompileLimits, component: Vec<u8>) -> Result<Trusted, CompileFailed> {
    let machine = |error: std::io::Error| CompileFailed::Machine(error.to_string());
    let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
    let ((mut stdin, stdout), stderr) = pipes.ok_or_else(|| CompileFailed::Machine("the compiler has no pipes".into()))?;
    let told = Told { memory: limits.memory, cpu: limits.cpu.as_secs().max(1) };
    let mut told = serde_json::to_vec(&told).map_err(|error| CompileFailed::Machine(error.to_string()))?;
    told.push(b'\n');
    let send = async {
        // A child that died reads no more; how it ended says why.
        let sent = async {
            stdin.write_all(&told).await?;
            stdin.write_all(&component).await
        };
        let _ = sent.await;
        drop(stdin);
    };
    let (mut answer, mut said) = (Vec::new(), Vec::new());
    let (mut answers, mut says) = (stdout.take(limits.artifact.saturating_add(2)), stderr.take(64 << 10));
    let ((), read, heard) = tokio::join!(send, answers.read_to_end(&mut answer), says.read_to_end(&mut said));
    read.map_err(machine)?;
    heard.map_err(machine)?;
    if answer.len() as u64 > limits.artifact {
        return Err(CompileFailed::Component(format!("its machine code is larger than {} bytes", limits.artifact)));
    }
    let status = child.wait().await.map_err(machine)?;
    understand(answer, &said, status)
}

fn understand(mut answer: Vec<u8>, said: &[u8], status: std::process::ExitStatus) -> Result<Trusted, CompileFailed> {
    match answer.first() {
        Some(&DONE) if status.success() => {
            answer.remove(0);
            Ok(Trusted::compiled(answer))
        }
        Some(&FAILED) if status.success() => Err(CompileFailed::Component(String::from_utf8_lossy(&answer[1..]).into_owned())),
        _ => {
            let said = String::from_utf8_lossy(said);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(CompileFailed::Component(format!("compiling it ended with {status} (over the limit of time or memory?): {last}")))
        }
    }
}

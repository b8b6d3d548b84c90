//! The WASI side of a sandbox: its files, its clocks, its randomness, its standard streams. What is not put in here is not there.

use crate::attempt::{Attempt, Files, Mode};
use crate::words::{Stream, Words};
use relrun_ledger::StepKind;
use relrun_manifest::Capability;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

/// The moment at which a pure step always lives: 2020-01-01T00:00:00Z. Archives and certificates reject 1970 too often.
const PURE_NOW: Duration = Duration::from_hours(438_288);

/// Why a sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to open {path} for the step: {reason}")]
pub(crate) struct SetUp {
    path: String,
    reason: String,
}

/// Builds the sandbox of an attempt. `seed` makes a pure step's randomness.
pub(crate) fn build(attempt: &Attempt, seed: &[u8; 32]) -> Result<WasiCtx, SetUp> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(Says { words: Arc::clone(&attempt.words), stream: Stream::PluginOut });
    wasi.stderr(Says { words: Arc::clone(&attempt.words), stream: Stream::PluginErr });
    if attempt.kind == StepKind::Pure || attempt.mode == Mode::Closed {
        settle(&mut wasi, seed);
    }
    if let Some(files) = &attempt.files {
        for name in &files.dirs.inputs {
            mount(&mut wasi, &files.dirs.root.join("in").join(name), &format!("/in/{name}"), FsPerms::ReadOnly)?;
        }
        for name in &files.dirs.outputs {
            mount(&mut wasi, &files.dirs.root.join("out").join(name), &format!("/out/{name}"), FsPerms::ReadWrite)?;
        }
        mount(&mut wasi, &files.dirs.root.join("tmp"), "/tmp", FsPerms::ReadWrite)?;
        for capability in &attempt.capabilities {
            match capability {
                Capability::Read(path) if files.dirs.work_tree.join(path).is_file() => {}
                Capability::Read(path) => mount(&mut wasi, &files.dirs.work_tree.join(path), path, FsPerms::ReadOnly)?,
                Capability::Write(path) => mount(&mut wasi, &files.dirs.work_tree.join(path), path, write_perms(attempt.mode))?,
                _ => {}
            }
        }
        mount_files(&mut wasi, attempt, files)?;
        for (name, value) in &files.env {
            wasi.env(name, value);
        }
    }
    Ok(wasi.build())
}

/// `plan` and `verify` may look, not write.
fn write_perms(mode: Mode) -> FsPerms {
    if mode == Mode::Full { FsPerms::ReadWrite } else { FsPerms::ReadOnly }
}

fn mount(wasi: &mut WasiCtxBuilder, host: &Path, guest: &str, perms: FsPerms) -> Result<(), SetUp> {
    wasi.preopened_dir(host, guest, perms)
        .map(drop)
        .map_err(|error| SetUp { path: host.display().to_string(), reason: error.root_cause().to_string() })
}

/// Shows granted files. WASI shows directories alone, so a private one with copies of the granted files stands for each directory that they
/// are in. What a granted directory shows already is left to it.
fn mount_files(wasi: &mut WasiCtxBuilder, attempt: &Attempt, files: &Files) -> Result<(), SetUp> {
    let mut by_parent: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for capability in &attempt.capabilities {
        let Capability::Read(path) = capability else { continue };
        let file = files.dirs.work_tree.join(path);
        let shown = attempt.capabilities.iter().any(|other| other != capability && other.covers(capability));
        if file.is_file() && !shown {
            let parent = path.rsplit_once('/').map_or(".", |(parent, _)| if parent.is_empty() { "/" } else { parent });
            by_parent.entry(parent.to_owned()).or_default().push(file);
        }
    }
    for (number, (parent, granted)) in by_parent.into_iter().enumerate() {
        let dir = files.dirs.root.join("granted").join(number.to_string());
        let failed = |error: std::io::Error| SetUp { path: parent.clone(), reason: error.to_string() };
        std::fs::create_dir_all(&dir).map_err(failed)?;
        for file in granted {
            let copy = dir.join(file.file_name().unwrap_or_default());
            reflink_copy::reflink_or_copy(&file, copy).map_err(failed)?;
        }
        mount(wasi, &dir, &parent, FsPerms::ReadOnly)?;
    }
    Ok(())
}

/// Makes clocks and randomness the same in every run.
fn settle(wasi: &mut WasiCtxBuilder, seed: &[u8; 32]) {
    wasi.wall_clock(Fixed).monotonic_clock(Counting::default());
    wasi.secure_random(Seeded::new(seed, "secure")).insecure_random(Seeded::new(seed, "insecure"));
    let mut number = [0; 16];
    Seeded::new(seed, "insecure-seed").0.fill(&mut number);
    wasi.insecure_random_seed(u128::from_le_bytes(number));
}

/// A wall clock that stands.
struct Fixed;

impl HostWallClock for Fixed {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        PURE_NOW
    }
}

/// A monotonic clock that moves one microsecond with each look at it: who waits for it does not wait for ever.
#[derive(Default)]
struct Counting(AtomicU64);

impl HostMonotonicClock for Counting {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }
}

/// Randomness that is the same for the same component and config.
struct Seeded(blake3::OutputReader);

impl Seeded {
    fn new(seed: &[u8; 32], purpose: &str) -> Self {
        Self(blake3::Hasher::new_keyed(seed).update(purpose.as_bytes()).finalize_xof())
    }
}

impl rand_core::TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// A standard stream whose bytes become lines of log.
#[derive(Clone)]
struct Says {
    words: Arc<Words>,
    stream: Stream,
}

impl IsTerminal for Says {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Says {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Says {
    async fn ready(&mut self) {}
}

impl OutputStream for Says {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.words.chunk(self.stream, &bytes).map_err(|error| StreamError::Trap(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

//! `rounds`: work on several hosts at once. Each deed goes the way of the single call, checks and all; this is only who goes when.

use super::hosts::{AT_ONCE, Deed};
use super::process::{Command, start};
use super::span;
use crate::attempt::Attempt;
use crate::bindings::rounds;
use crate::bindings::types::Error;
use crate::error::CallError;
use crate::state::{State, Ways};
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::Instrument;
use wasmtime::component::Resource;

/// The most hosts that are worked on at once.
const MOST: usize = 64;

/// What is to be done on some hosts.
#[derive(Default)]
pub struct Round {
    parallel: usize,
    parts: Vec<Part>,
}

/// One host's part.
struct Part {
    host: String,
    deeds: Vec<Work>,
}

enum Work {
    Deed(Deed),
    Run(Command),
}

/// What came of each part.
type Came = Vec<(String, Result<(), Error>)>;

impl State {
    fn queue(&mut self, round: &Resource<Round>, host: String, work: Work) -> wasmtime::Result<()> {
        let parts = &mut self.table.get_mut(round)?.parts;
        match parts.iter_mut().find(|part| part.host == host) {
            Some(part) => part.deeds.push(work),
            None => parts.push(Part { host, deeds: vec![work] }),
        }
        Ok(())
    }
}

/// Does one host's part. Once the step was told to stop, no part begins anything more.
async fn part(attempt: &Attempt, ways: &Ways, part: Part, stopped: &AtomicBool) -> Result<(String, Result<(), Error>), CallError> {
    for work in part.deeds {
        if stopped.load(Ordering::Relaxed) {
            return Ok((part.host, Err(Error::Cancelled)));
        }
        let done = match work {
            Work::Deed(deed) => attempt.change(&part.host, deed).await,
            Work::Run(command) => run_there(attempt, ways, &part.host, command).await,
        };
        match done {
            Ok(()) => {}
            Err(CallError::Told(error)) => {
                // What cleans up after a stop may fail for reasons of its own, and then the others go on.
                let stop = matches!(error, Error::Cancelled | Error::TimedOut(_)) && attempt.stop.is_announced();
                stopped.fetch_or(stop, Ordering::Relaxed);
                return Ok((part.host, Err(error)));
            }
            Err(ended) => return Err(ended),
        }
    }
    Ok((part.host, Ok(())))
}

async fn run_there(attempt: &Attempt, ways: &Ways, host: &str, mut command: Command) -> Result<(), CallError> {
    command.host = Some(host.to_owned());
    let line = std::iter::once(&command.program).chain(&command.args).cloned().collect::<Vec<_>>().join(" ");
    let mut child = start(attempt, ways, command).await?;
    match child.finish(&attempt.words, &attempt.stop).await? {
        0 => Ok(()),
        code => Err(CallError::permanent(format!("`{line}` ended with exit code {code}"))),
    }
}

impl rounds::Host for State {}

impl rounds::HostRound for State {
    async fn new(&mut self, parallel: u32) -> wasmtime::Result<Resource<Round>> {
        let parallel = if parallel == 0 { AT_ONCE } else { usize::try_from(parallel).unwrap_or(MOST).min(MOST) };
        Ok(self.table.push(Round { parallel, parts: Vec::new() })?)
    }

    async fn claim(&mut self, round: Resource<Round>, host: String, dir: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::Claim(dir)))
    }

    async fn disclaim(&mut self, round: Resource<Round>, host: String, dir: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::Disclaim(dir)))
    }

    async fn make_dir(&mut self, round: Resource<Round>, host: String, path: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::MakeDir(path)))
    }

    async fn upload(&mut self, round: Resource<Round>, host: String, digest: String, path: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::Upload { digest, path }))
    }

    async fn symlink(&mut self, round: Resource<Round>, host: String, target: String, path: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::Symlink { target, path }))
    }

    async fn rename(&mut self, round: Resource<Round>, host: String, old: String, new: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::Rename { old, new }))
    }

    async fn write_file(&mut self, round: Resource<Round>, host: String, path: String, data: Vec<u8>) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::WriteFile { path, data }))
    }

    async fn remove(&mut self, round: Resource<Round>, host: String, path: String) -> wasmtime::Result<()> {
        self.queue(&round, host, Work::Deed(Deed::Remove(path)))
    }

    async fn run(&mut self, round: Resource<Round>, host: String, command: Resource<Command>) -> wasmtime::Result<()> {
        let command = self.table.get(&command)?.clone();
        self.queue(&round, host, Work::Run(command))
    }

    async fn perform(&mut self, round: Resource<Round>) -> Result<Came, CallError> {
        self.attempt.stop.check()?;
        let found = self.table.get_mut(&round)?;
        let (parallel, parts) = (found.parallel, std::mem::take(&mut found.parts));
        let stopped = AtomicBool::new(false);
        let (attempt, ways) = (Arc::clone(&self.attempt), Arc::clone(&self.ways));
        let work = stream::iter(parts).map(|part| self::part(&attempt, &ways, part, &stopped)).buffered(parallel).try_collect();
        work.instrument(span("rounds.perform")).await
    }

    async fn drop(&mut self, round: Resource<Round>) -> wasmtime::Result<()> {
        self.table.delete(round)?;
        Ok(())
    }
}

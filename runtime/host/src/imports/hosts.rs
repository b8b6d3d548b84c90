//! `hosts`: files on the environment's hosts, those alone that the step's grants name.

use super::span;
use crate::attempt::Attempt;
use crate::bindings::hosts;
use crate::error::CallError;
use crate::places::{self, Entry, Existing, Kind, Place};
use crate::state::State;
use crate::{Level, LineSource};
use relrun_ledger::StepKind;
use relrun_manifest::{Capability, HostDecl};
use std::sync::Arc;
use tracing::Instrument;

/// Whether a call changes the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Look,
    Change,
}

impl Attempt {
    /// Finds a host that the step may use.
    pub(super) fn host(&self, call: &str, name: &str, does: Does) -> Result<&HostDecl, CallError> {
        let asked = Capability::Host(name.to_owned());
        let capability = asked.to_string();
        self.stop.check()?;
        self.effects_only(&capability)?;
        if !self.capabilities.iter().any(|granted| granted.covers(&asked)) {
            return Err(
                self.deny(&capability, format!("no grant covers the host \"{name}\": add `{capability}` to the step's `grant` block"))
            );
        }
        if does == Does::Change {
            self.changes(&capability, call)?;
        }
        let host = self.hosts.iter().find(|host| host.name.value == name);
        let host = host.ok_or_else(|| CallError::missing(format!("the environment has no host \"{name}\"")))?;
        self.using(&capability, None);
        Ok(host)
    }

    /// Runs a call on a host, until it ends or the step is told to stop.
    async fn on<T, F: Future<Output = Result<T, CallError>> + Send>(
        &self,
        call: &'static str,
        host: &str,
        does: Does,
        work: impl FnOnce(Arc<dyn Place>) -> F + Send,
    ) -> Result<T, CallError> {
        let host = self.host(call, host, does)?;
        let work_tree = &self.files("hosts")?.dirs.work_tree;
        let place = self.stop.race(places::of(host, work_tree, &self.ssh)).instrument(span(call)).await?;
        #[cfg(feature = "failpoints")]
        if does == Does::Change {
            fail::fail_point!("target.change");
        }
        let answer = self.stop.race(work(place)).instrument(span(call)).await;
        #[cfg(feature = "failpoints")]
        if does == Does::Change {
            fail::fail_point!("target.changed");
        }
        answer
    }
}

impl hosts::Host for State {
    async fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        if self.attempt.kind == StepKind::Pure {
            return Ok(Vec::new());
        }
        let granted = |host: &&HostDecl| {
            let asked = Capability::Host(host.name.value.clone());
            self.attempt.capabilities.iter().any(|granted| granted.covers(&asked))
        };
        Ok(self.attempt.hosts.iter().filter(granted).map(|host| host.name.value.clone()).collect())
    }

    async fn labels_of(&mut self, host: String) -> wasmtime::Result<Vec<(String, String)>> {
        match self.attempt.host("labels-of", &host, Does::Look) {
            Ok(found) => Ok(found.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
            Err(_) => Ok(Vec::new()),
        }
    }

    async fn upload(&mut self, host: String, digest: String, path: String) -> Result<(), CallError> {
        let attempt = &self.attempt;
        let files = attempt.files("hosts")?;
        let digest = files.tree(&digest)?;
        let blobs = Arc::clone(&files.blobs);
        let upload = |place: Arc<dyn Place>| async move { place.upload(blobs, digest, path).await };
        if let Some(sent) = attempt.on("hosts.upload", &host, Does::Change, upload).await? {
            attempt.sink.line(Level::Info, LineSource::Plugin, &attempt.words.mask(&format!("{host}: {sent}")));
        }
        Ok(())
    }

    async fn read_dir(&mut self, host: String, path: String) -> Result<Vec<hosts::Entry>, CallError> {
        let found = self.attempt.on("hosts.read-dir", &host, Does::Look, |place| async move { place.read_dir(path).await }).await?;
        Ok(found.into_iter().map(hosts::Entry::from).collect())
    }

    async fn stat(&mut self, host: String, path: String) -> Result<Option<hosts::Entry>, CallError> {
        let found = self.attempt.on("hosts.stat", &host, Does::Look, |place| async move { place.stat(path).await }).await?;
        Ok(found.map(hosts::Entry::from))
    }

    async fn make_dir(&mut self, host: String, path: String) -> Result<(), CallError> {
        self.attempt.on("hosts.make-dir", &host, Does::Change, |place| async move { place.make_dir(path).await }).await
    }

    async fn symlink(&mut self, host: String, target: String, path: String) -> Result<(), CallError> {
        self.attempt.on("hosts.symlink", &host, Does::Change, |place| async move { place.symlink(target, path).await }).await
    }

    async fn rename(&mut self, host: String, old: String, new: String) -> Result<(), CallError> {
        self.attempt.on("hosts.rename", &host, Does::Change, |place| async move { place.rename(old, new).await }).await
    }

    async fn read_file(&mut self, host: String, path: String) -> Result<Vec<u8>, CallError> {
        self.attempt.on("hosts.read-file", &host, Does::Look, |place| async move { place.read_file(path).await }).await
    }

    async fn write_file(&mut self, host: String, path: String, data: Vec<u8>) -> Result<(), CallError> {
        let write = |place: Arc<dyn Place>| async move { place.write_file(path, data, Existing::Replaced).await };
        self.attempt.on("hosts.write-file", &host, Does::Change, write).await
    }

    async fn remove(&mut self, host: String, path: String) -> Result<(), CallError> {
        self.attempt.on("hosts.remove", &host, Does::Change, |place| async move { place.remove(path).await }).await
    }

    async fn claim(&mut self, host: String, dir: String) -> Result<(), CallError> {
        let (name, mark) = (host.clone(), self.attempt.mark.clone());
        let claim = |place: Arc<dyn Place>| async move { places::claim(&*place, &name, &dir, &mark).await };
        self.attempt.on("hosts.claim", &host, Does::Change, claim).await
    }

    async fn disclaim(&mut self, host: String, dir: String) -> Result<(), CallError> {
        let (name, mark) = (host.clone(), self.attempt.mark.clone());
        let disclaim = |place: Arc<dyn Place>| async move { places::disclaim(&*place, &name, &dir, &mark).await };
        self.attempt.on("hosts.disclaim", &host, Does::Change, disclaim).await
    }
}

impl From<Entry> for hosts::Entry {
    fn from(entry: Entry) -> Self {
        let (file_type, target) = match entry.kind {
            Kind::File => (hosts::FileType::File, None),
            Kind::Dir => (hosts::FileType::Dir, None),
            Kind::Link(target) => (hosts::FileType::Link, Some(target)),
            Kind::Other => (hosts::FileType::Other, None),
        };
        Self { name: entry.name, file_type, target }
    }
}

//! `hosts`: files on the environment's hosts, those alone that the step's grants name.

use super::span;
use crate::attempt::Attempt;
use crate::bindings::hosts;
use crate::error::CallError;
use crate::places::{self, Entry, Existing, Kind, Place};
use crate::state::State;
use crate::{Level, LineSource};
use futures::StreamExt;
use relrun_ledger::StepKind;
use relrun_manifest::{Capability, HostAddress, HostDecl};
use std::sync::Arc;
use tracing::Instrument;

/// How many hosts are connected to at once, and worked on where a round does not say: as many unknown callers as an `sshd` lets in is ten.
pub(super) const AT_ONCE: usize = 8;

/// Whether a call changes the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Look,
    Change,
}

impl Attempt {
    /// Finds a host that the step may use.
    pub(super) fn host(&self, call: &str, name: &str, does: Does) -> Result<&HostDecl, CallError> {
        self.stop.check()?;
        self.declared(call, name, does)
    }

    /// The same for a call that cannot fail: a stop, which is told once, would be told to nobody.
    fn declared(&self, call: &str, name: &str, does: Does) -> Result<&HostDecl, CallError> {
        let asked = Capability::Host(name.to_owned());
        let capability = asked.to_string();
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

/// One change of a host's files.
pub(super) enum Deed {
    Claim(String),
    Disclaim(String),
    MakeDir(String),
    Upload { digest: String, path: String },
    Symlink { target: String, path: String },
    Rename { old: String, new: String },
    WriteFile { path: String, data: Vec<u8> },
    Remove(String),
}

impl Deed {
    fn call(&self) -> &'static str {
        match self {
            Self::Claim(_) => "hosts.claim",
            Self::Disclaim(_) => "hosts.disclaim",
            Self::MakeDir(_) => "hosts.make-dir",
            Self::Upload { .. } => "hosts.upload",
            Self::Symlink { .. } => "hosts.symlink",
            Self::Rename { .. } => "hosts.rename",
            Self::WriteFile { .. } => "hosts.write-file",
            Self::Remove(_) => "hosts.remove",
        }
    }
}

impl Attempt {
    /// Changes a host's files.
    pub(super) async fn change(&self, host: &str, deed: Deed) -> Result<(), CallError> {
        if let Deed::Upload { digest, path } = deed {
            return self.upload(host, &digest, path).await;
        }
        let (call, name) = (deed.call(), host.to_owned());
        let work = |place: Arc<dyn Place>| async move {
            match deed {
                Deed::Claim(dir) => places::claim(&*place, &name, &dir, &self.mark).await,
                Deed::Disclaim(dir) => places::disclaim(&*place, &name, &dir, &self.mark).await,
                Deed::MakeDir(path) => place.make_dir(path).await,
                Deed::Symlink { target, path } => place.symlink(target, path).await,
                Deed::Rename { old, new } => place.rename(old, new).await,
                Deed::WriteFile { path, data } => place.write_file(path, data, Existing::Replaced).await,
                Deed::Remove(path) => place.remove(path).await,
                Deed::Upload { .. } => Ok(()),
            }
        };
        self.on(call, host, Does::Change, work).await
    }

    async fn upload(&self, host: &str, digest: &str, path: String) -> Result<(), CallError> {
        let files = self.files("hosts")?;
        let digest = files.tree(digest)?;
        let blobs = Arc::clone(&files.blobs);
        let upload = |place: Arc<dyn Place>| async move { place.upload(blobs, digest, path).await };
        if let Some(sent) = self.on("hosts.upload", host, Does::Change, upload).await? {
            self.sink.line(Level::Info, LineSource::Plugin, &self.words.mask(&format!("{host}: {sent}")));
        }
        Ok(())
    }

    /// Begins to connect to all hosts that the step may use, so that it does not wait for one after the other. What fails fails again, and is said,
    /// when the step comes to it.
    fn connect_ahead(&self) {
        let mut addresses = Vec::new();
        for host in self.hosts.iter().filter(|host| self.may_use(host)) {
            if let HostAddress::Ssh(address) = &host.address.value {
                addresses.push(address.clone());
            }
        }
        if addresses.len() < 2 {
            return;
        }
        let ssh = Arc::clone(&self.ssh);
        tokio::spawn(async move {
            let connected = futures::stream::iter(addresses).map(|address| {
                let ssh = &ssh;
                async move { places::link(ssh, &address).await.is_ok() }
            });
            let made = connected.buffer_unordered(AT_ONCE).filter(|made| std::future::ready(*made)).count().await;
            tracing::debug!(made, "connected ahead");
        });
    }

    fn may_use(&self, host: &HostDecl) -> bool {
        let asked = Capability::Host(host.name.value.clone());
        self.capabilities.iter().any(|granted| granted.covers(&asked))
    }
}

impl hosts::Host for State {
    async fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        if self.attempt.kind == StepKind::Pure {
            return Ok(Vec::new());
        }
        self.attempt.connect_ahead();
        Ok(self.attempt.hosts.iter().filter(|host| self.attempt.may_use(host)).map(|host| host.name.value.clone()).collect())
    }

    async fn labels_of(&mut self, host: String) -> wasmtime::Result<Vec<(String, String)>> {
        match self.attempt.declared("labels-of", &host, Does::Look) {
            Ok(found) => Ok(found.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
            Err(_) => Ok(Vec::new()),
        }
    }

    async fn setting_of(&mut self, host: String, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.attempt.declared("setting-of", &host, Does::Look).ok().and_then(|found| found.settings.get(&name).cloned()))
    }

    async fn upload(&mut self, host: String, digest: String, path: String) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::Upload { digest, path }).await
    }

    async fn fetch(&mut self, host: String, path: String, without: Vec<String>) -> Result<String, CallError> {
        let attempt = &self.attempt;
        let files = attempt.files("hosts")?;
        let blobs = Arc::clone(&files.blobs);
        let fetch = |place: Arc<dyn Place>| async move { place.fetch(blobs, path, without).await };
        let digest = attempt.on("hosts.fetch", &host, Does::Look, fetch).await?;
        files.remember(digest);
        Ok(digest.to_string())
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
        self.attempt.change(&host, Deed::MakeDir(path)).await
    }

    async fn symlink(&mut self, host: String, target: String, path: String) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::Symlink { target, path }).await
    }

    async fn rename(&mut self, host: String, old: String, new: String) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::Rename { old, new }).await
    }

    async fn read_file(&mut self, host: String, path: String) -> Result<Vec<u8>, CallError> {
        self.attempt.on("hosts.read-file", &host, Does::Look, |place| async move { place.read_file(path).await }).await
    }

    async fn write_file(&mut self, host: String, path: String, data: Vec<u8>) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::WriteFile { path, data }).await
    }

    async fn remove(&mut self, host: String, path: String) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::Remove(path)).await
    }

    async fn claim(&mut self, host: String, dir: String) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::Claim(dir)).await
    }

    async fn disclaim(&mut self, host: String, dir: String) -> Result<(), CallError> {
        self.attempt.change(&host, Deed::Disclaim(dir)).await
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

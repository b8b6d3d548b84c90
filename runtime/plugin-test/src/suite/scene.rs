//! What stands round the plugin in one case: its folders, hosts, trees, servers and commands.

use super::SuiteError;
use super::commands::{Programs, Ran};
use super::fill::Values;
use super::http::{Sent, Servers};
use relrun_gate::{GateOptions, Secrets};
use relrun_host::{ClusterSources, Context, Host, HostOptions};
use relrun_ledger::Digest;
use relrun_manifest::case::{Case, CaseContext, Content};
use relrun_manifest::{Capability, HostAddress, HostDecl, Span, Spanned};
use relrun_store::{BlobStore, CaptureMode, LocalBlobStore, capture};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The scene of one case.
pub(super) struct Scene {
    folder: tempfile::TempDir,
    pub(super) host: Host,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) trees: Vec<Digest>,
    pub(super) hosts: Vec<HostDecl>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) context: Context,
    values: Values,
    servers: Servers,
    programs: Programs,
    /// What the call that is under way, or the last one, sent and ran.
    sent: std::sync::Mutex<(Vec<Sent>, Vec<Ran>)>,
}

impl Scene {
    /// Lays everything out.
    pub(super) fn set(case: &Case, beside: &Path, options: &HostOptions) -> Result<Self, SuiteError> {
        let failed = |error: &io::Error| SuiteError::machine("lay out a case", error);
        let folder = tempfile::Builder::new().prefix("relrun-case-").tempdir().map_err(|error| failed(&error))?;
        for name in ["in", "out", "tmp", "hosts", "trees"] {
            fs::create_dir(folder.path().join(name)).map_err(|error| failed(&error))?;
        }
        for (name, content) in &case.reads {
            let place = folder.path().join("in").join(name);
            fs::create_dir_all(&place).and_then(|()| lay(&place, content, beside)).map_err(|error| failed(&error))?;
        }
        for name in &case.writes {
            fs::create_dir_all(folder.path().join("out").join(name)).map_err(|error| failed(&error))?;
        }
        let blobs =
            Arc::new(LocalBlobStore::open(&folder.path().join("store")).map_err(|error| SuiteError::machine("open a store", &error))?);
        let (mut trees, mut values) = (Vec::new(), Values::default());
        for (at, (reference, content)) in case.artifacts.iter().enumerate() {
            let place = folder.path().join("trees").join(at.to_string());
            fs::create_dir_all(&place).and_then(|()| lay(&place, content, beside)).map_err(|error| failed(&error))?;
            let (digest, _) = capture(&*blobs, &place, CaptureMode::Copy).map_err(|error| SuiteError::machine("keep a tree", &error))?;
            trees.push(digest);
            values.add(reference, Value::String(digest.to_string()));
        }
        for (reference, value) in &case.values {
            values.add(reference, value.clone());
        }
        let mut hosts = Vec::new();
        for host in &case.hosts {
            let place = folder.path().join("hosts").join(&host.name);
            fs::create_dir_all(&place).and_then(|()| lay(&place, &host.content, beside)).map_err(|error| failed(&error))?;
            hosts.push(HostDecl {
                name: Spanned::new(host.name.clone(), Span::default()),
                address: Spanned::new(HostAddress::Local(place.display().to_string()), Span::default()),
                labels: host.labels.clone(),
                settings: host.settings.clone(),
            });
        }
        let servers = Servers::new(case.http.clone());
        let programs = Programs::new(case.commands.clone(), &folder.path().join("said"), beside);
        let clusters = clusters(folder.path()).map_err(|error| failed(&error))?;
        let options = HostOptions {
            gate: GateOptions { stand_in: Some(servers.handle()), ..GateOptions::default() },
            commands: Some(programs.handle()),
            clusters,
            ssh: relrun_host::SshOptions::default(),
            registries: relrun_host::RegistryOptions::default(),
            ..options.clone()
        };
        Ok(Self {
            host: Host::new(options),
            blobs,
            trees,
            hosts,
            secrets: Arc::new(Secrets::new(case.secrets.iter().cloned().collect())),
            context: context(&case.context),
            values,
            servers,
            programs,
            sent: std::sync::Mutex::default(),
            folder,
        })
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Returns what a path below `/out` is; or where a command worked, as the manifest's `writes` would take it.
    pub(super) fn output(&self, path: &str) -> Option<PathBuf> {
        let path = inside(path)?;
        ["out", "work"].into_iter().map(|top| self.root().join(top).join(&path)).find(|path| path.symlink_metadata().is_ok())
    }

    /// Returns where a path of a host lies.
    pub(super) fn on_host(&self, host: &str, path: &str) -> Option<PathBuf> {
        Some(self.root().join("hosts").join(inside(host)?).join(inside(path.trim_start_matches('/'))?))
    }

    /// Ends a call: what it sent and ran is no longer the current one's.
    pub(super) fn next_call(&self) {
        *self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = (Vec::new(), Vec::new());
    }

    /// Returns what the current call sent and ran.
    pub(super) fn reached(&self) -> (Vec<Sent>, Vec<Ran>) {
        let mut kept = self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.0.extend(self.servers.take());
        kept.1.extend(self.programs.take());
        kept.clone()
    }

    /// Returns what nobody answered, each with what to add.
    pub(super) fn unanswered(&self) -> Vec<(String, String)> {
        let requests = self.servers.unanswered().into_iter().map(|request| {
            let (method, url) = request.split_once(' ').unwrap_or((request.as_str(), ""));
            (
                format!("no answer is recorded for {request}"),
                format!("add to the case: http {method:?} {url:?} {{ status 200; body \"…\" }}"),
            )
        });
        let commands = self.programs.unanswered().into_iter().map(|command| {
            let words: Vec<String> = command.split(' ').map(|word| format!("{word:?}")).collect();
            (
                format!("no answer is recorded for the command `{command}`"),
                format!("add to the case: command {} {{ stdout \"…\" }}", words.join(" ")),
            )
        });
        requests.chain(commands).collect()
    }
}

/// Writes files and links into a directory.
pub(super) fn lay(folder: &Path, content: &[Content], beside: &Path) -> io::Result<()> {
    let place = |path: &str| {
        let place =
            folder.join(inside(path.trim_start_matches('/')).ok_or_else(|| io::Error::other(format!("{path} leaves its directory")))?);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok::<_, io::Error>(place)
    };
    for one in content {
        match one {
            Content::File(path, text) => fs::write(place(path)?, text)?,
            Content::Link(path, target) => std::os::unix::fs::symlink(target, place(path)?)?,
            Content::Copy(from) => copy(&beside.join(&from.value), folder)?,
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    for entry in fs::read_dir(from).map_err(named)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Returns a path that stays where it is joined to.
fn inside(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)).then(|| path.to_owned())
}

/// Every context of a cluster is `https://CONTEXT.kubernetes.test`, as far as a name can be a host's.
fn clusters(folder: &Path) -> io::Result<ClusterSources> {
    let path = folder.join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\nclusters: [{name: test, cluster: {server: \"https://cluster.kubernetes.test\"}}]\n\
                users: [{name: test, user: {token: test}}]\ncontexts: [{name: test, context: {cluster: test, user: test}}]\n";
    fs::write(&path, text)?;
    Ok(ClusterSources { files: vec![path], ..ClusterSources::default() })
}

fn context(told: &CaseContext) -> Context {
    let or = |told: &Option<String>, usual: &str| told.clone().unwrap_or_else(|| usual.to_owned());
    Context {
        package: or(&told.package, "acme/shop"),
        version: or(&told.version, "1.0.0"),
        release: or(&told.release, "r1"),
        step: or(&told.step, "step"),
        attempt: told.attempt.unwrap_or(1),
        idempotency_key: "0".repeat(64),
        environment: told.environment.clone().unwrap_or_else(|| Some("test".to_owned())),
        deployment: told.deployment.clone().unwrap_or_else(|| Some("shop".to_owned())),
        labels: told.labels.clone(),
        settings: told.settings.clone(),
        previous: told.previous.clone(),
        unfinished: told.unfinished.clone(),
        started_at: told.started_at.unwrap_or(1_700_000_000),
    }
}

/// What the manifest grants: what the case says, or whatever the plugin asks for.
pub(super) fn grants(case: &Case, requests: &[Capability]) -> Vec<Capability> {
    case.grants.clone().unwrap_or_else(|| requests.to_vec())
}

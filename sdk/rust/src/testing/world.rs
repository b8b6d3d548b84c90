//! What the fake holds: the state behind the host calls of one thread.

use super::files::{Files, Node};
use crate::command::{Command, Output};
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::default());
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) hosts: Vec<(String, Files)>,
    /// Host, key, value.
    pub(crate) labels: Vec<(String, String, String)>,
    pub(crate) host_settings: BTreeMap<(String, String), String>,
    pub(crate) trees: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    pub(crate) marks: BTreeMap<(String, String), String>,
    pub(crate) secrets: BTreeMap<String, String>,
    /// What stands in repositories, by repository and by tag or digest.
    pub(crate) tags: BTreeMap<(String, String), String>,
    pub(crate) answers: VecDeque<Answer>,
    pub(crate) exits: Vec<(Vec<String>, Output)>,
    pub(crate) checkpoints: Vec<serde_json::Value>,
    pub(crate) lines: Vec<String>,
    pub(crate) calls: Vec<String>,
    pub(crate) context: Context,
    pub(crate) faults: Vec<Fault>,
    pub(crate) crash_after: Option<usize>,
    pub(crate) mutations: usize,
}

/// A call that fails.
pub(crate) struct Fault {
    /// How its record begins.
    pub(crate) call: String,
    /// How many such calls go well before it.
    pub(crate) skip: usize,
    pub(crate) error: Error,
}

/// One scripted answer to an HTTP request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What `context` answers.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) release: String,
    pub(crate) step: String,
    pub(crate) environment: Option<String>,
    pub(crate) deployment: Option<String>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) previous: Option<String>,
    pub(crate) unfinished: Option<String>,
    pub(crate) started_at: u64,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            package: "acme/shop".to_owned(),
            version: "1.0.0".to_owned(),
            release: "r1".to_owned(),
            step: "step".to_owned(),
            environment: Some("test".to_owned()),
            deployment: Some("shop".to_owned()),
            settings: BTreeMap::new(),
            previous: None,
            unfinished: None,
            started_at: 1_700_000_000,
        }
    }
}

/// Runs `f` with this thread's world.
pub(crate) fn with<T>(f: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(f)
}

/// Puts a new world in the place of this thread's.
pub(crate) fn reset() {
    WORLD.with_borrow_mut(|world| *world = World::default());
}

impl World {
    /// Notes a call, and fails it where the test says so.
    pub(crate) fn call(&mut self, call: String) -> Result<()> {
        let looked = self.look(&call);
        self.calls.push(call);
        looked
    }

    /// Fails a call that is not noted, because it changes nothing, where the test says so.
    pub(crate) fn look(&mut self, call: &str) -> Result<()> {
        // Each fault that waits for a later call has one call less to wait for.
        let mut due = None;
        for (index, fault) in self.faults.iter_mut().enumerate().filter(|(_, fault)| call.starts_with(&fault.call)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if due.is_none() {
                due = Some(index);
            }
        }
        due.map_or(Ok(()), |index| Err(self.faults.remove(index).error))
    }

    /// Notes a call that changes something. After a crash nothing changes any more.
    pub(crate) fn change(&mut self, call: String) -> Result<()> {
        if self.crash_after.is_some_and(|limit| self.mutations >= limit) {
            return Err(Error::cancelled().context("crashed"));
        }
        self.mutations += 1;
        self.call(call)
    }

    pub(crate) fn files(&mut self, host: &str) -> Result<&mut Files> {
        let found = self.hosts.iter_mut().find(|(name, _)| name == host);
        found.map(|(_, files)| files).ok_or_else(|| Error::missing(format!("there is no host {host:?}")))
    }

    pub(crate) fn upload(&mut self, host: &str, digest: &str, path: &str) -> Result<()> {
        let tree = self.trees.get(digest).cloned().ok_or_else(|| Error::missing(format!("there is no tree {digest}")))?;
        let files = self.files(host)?;
        if files.node(path)?.is_some() {
            return Err(Error::permanent(format!("{path}: something is there")));
        }
        files.make_dir(path)?;
        for (name, data) in tree {
            let target = format!("{path}/{name}");
            if let Some((parent, _)) = target.rsplit_once('/') {
                files.make_dir(parent)?;
            }
            files.put(&target, Node::File(data))?;
        }
        Ok(())
    }

    /// Returns the digest of a tree that has just these files, or one that no tree has.
    pub(crate) fn fetch(&mut self, host: &str, path: &str, without: &[String]) -> Result<String> {
        let mut found = self.files(host)?.files_of(path)?;
        found.retain(|(name, _)| !without.iter().any(|left_out| name == left_out || name.starts_with(&format!("{left_out}/"))));
        let same = |tree: &[(String, Vec<u8>)]| {
            let mut tree = tree.to_vec();
            tree.sort();
            tree == found
        };
        let known = self.trees.iter().find(|(_, tree)| same(tree)).map(|(digest, _)| digest.clone());
        Ok(known.unwrap_or_else(|| format!("{:064x}", found.iter().map(|(_, data)| data.len()).sum::<usize>())))
    }

    pub(crate) fn claim(&mut self, host: &str, dir: &str) -> Result<()> {
        let release = self.context.release.clone();
        match self.marks.get(&(host.to_owned(), dir.to_owned())) {
            Some(mark) if mark.starts_with("stranger") => Err(Error::denied(format!("{dir} on {host} belongs to {mark}"))),
            _ => {
                self.marks.insert((host.to_owned(), dir.to_owned()), release);
                Ok(())
            }
        }
    }

    pub(crate) fn exit_of(&self, command: &Command) -> Output {
        let argv: Vec<&str> = std::iter::once(command.program.as_str()).chain(command.args.iter().map(String::as_str)).collect();
        let scripted = self.exits.iter().rev().find(|(known, _)| known.iter().map(String::as_str).eq(argv.iter().copied()));
        scripted.map_or_else(|| Output { code: 0, stdout: Vec::new(), stderr: Vec::new() }, |(_, output)| output.clone())
    }
}

/// Returns a command as the record of calls shows it; of a secret only its name.
pub(crate) fn shown(command: &Command) -> String {
    let place = command.on_host.as_ref().map_or_else(String::new, |host| format!("{host}: "));
    let secrets = command.secret_env.iter().map(|(name, secret)| format!("{name}=<{}>", secret.name()));
    let words = std::iter::once(format!("run {place}{}", command.program)).chain(command.args.iter().cloned()).chain(secrets);
    words.collect::<Vec<_>>().join(" ")
}

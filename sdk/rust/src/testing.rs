//! A host in memory, for testing a plugin's logic with `cargo test`, without a component.
//!
//! It keeps to the plugin world's words, not to the host's gates: whether a component asks for what it uses shows when the built one runs in
//! a release, as `docs/plugins.md` tells.

use crate::command::Output;
use crate::operations::{self, Answer, Description, Found};
use crate::{Change, Error, Health, Needs, Plugin, Result};
use serde_json::Value;

pub(crate) mod files;
pub(crate) mod world;

pub use crate::operations::{Answer as OutcomeJson, Description as DescriptionJson, Found as RecoveryJson};

/// The host of the current thread. A new one forgets all that the one before it held.
#[derive(Debug)]
pub struct Fake(());

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl Fake {
    /// Puts an empty host in place for this thread.
    pub fn new() -> Self {
        world::reset();
        Self(())
    }

    /// Adds a host of the environment, with nothing on it.
    pub fn host(self, name: &str) -> Self {
        world::with(|world| world.hosts.push((name.to_owned(), files::Files::default())));
        self
    }

    /// Takes a host away: the environment declares it no more.
    pub fn without_host(self, name: &str) -> Self {
        world::with(|world| world.hosts.retain(|(host, _)| host != name));
        self
    }

    /// Gives a host a label.
    pub fn label(self, host: &str, key: &str, value: &str) -> Self {
        world::with(|world| world.labels.push((host.to_owned(), key.to_owned(), value.to_owned())));
        self
    }

    /// Sets something for a host.
    pub fn host_setting(self, host: &str, name: &str, value: &str) -> Self {
        world::with(|world| world.host_settings.insert((host.to_owned(), name.to_owned()), value.to_owned()));
        self
    }

    /// Adds a tree of files.
    pub fn tree(self, digest: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        world::with(|world| world.trees.insert(digest.to_owned(), files));
        self
    }

    /// Adds a secret.
    pub fn secret(self, name: &str, value: &str) -> Self {
        world::with(|world| world.secrets.insert(name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the answer to the next HTTP request that has none yet. A request without one is refused, as by a closed port.
    pub fn answer(self, status: u16, body: &str) -> Self {
        let answer = world::Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        world::with(|world| world.answers.push_back(answer));
        self
    }

    /// Says how a command ends, from now on; one that nothing is said of ends with 0.
    pub fn exit(self, argv: &[&str], code: i32) -> Self {
        self.output(argv, code, "")
    }

    /// Says how a command ends and what it writes, from now on.
    pub fn output(self, argv: &[&str], code: i32, stdout: &str) -> Self {
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        let output = Output { code, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() };
        world::with(|world| world.exits.push((argv, output)));
        self
    }

    /// Fails the next call whose record begins with these words, once; so `stat HOST PATH` does, of which there is no record.
    pub fn fail(self, call: &str, error: Error) -> Self {
        self.fail_after(0, call, error)
    }

    /// Fails the call whose record begins with these words, once, after so many of them went well.
    pub fn fail_after(self, skip: usize, call: &str, error: Error) -> Self {
        world::with(|world| world.faults.push(world::Fault { call: call.to_owned(), skip, error }));
        self
    }

    /// Lets that many changes through from now on, then none, nor any checkpoint: the world as a crash leaves it.
    pub fn crash_after(self, changes: usize) -> Self {
        world::with(|world| {
            world.mutations = 0;
            world.crash_after = Some(changes);
        });
        self
    }

    /// Starts again after a crash.
    pub fn restart(self) -> Self {
        world::with(|world| world.crash_after = None);
        self
    }

    /// Sets the release's id.
    pub fn release(self, id: &str) -> Self {
        world::with(|world| id.clone_into(&mut world.context.release));
        self
    }

    /// Sets the step's name.
    pub fn step(self, name: &str) -> Self {
        world::with(|world| name.clone_into(&mut world.context.step));
        self
    }

    /// Sets what this deployment's last `apply` left.
    pub fn previous(self, receipt: &Value) -> Self {
        world::with(|world| world.context.previous = Some(receipt.to_string()));
        self
    }

    /// Sets the last checkpoint of an earlier attempt, which did not end well.
    pub fn unfinished(self, receipt: &Value) -> Self {
        world::with(|world| world.context.unfinished = Some(receipt.to_string()));
        self
    }

    /// Writes a file on a host, and makes its directories.
    pub fn write(self, host: &str, path: &str, text: &str) -> Result<Self> {
        world::with(|world| {
            let files = world.files(host)?;
            if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
                files.make_dir(parent)?;
            }
            files.put(path, files::Node::File(text.as_bytes().to_vec()))
        })?;
        Ok(self)
    }

    /// Makes a link on a host, and its directories.
    pub fn symlink(self, host: &str, target: &str, path: &str) -> Result<Self> {
        world::with(|world| {
            let files = world.files(host)?;
            if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
                files.make_dir(parent)?;
            }
            files.symlink(target, path)
        })?;
        Ok(self)
    }

    /// Puts another ledger's mark into a directory.
    pub fn stranger(self, host: &str, dir: &str) -> Self {
        world::with(|world| world.marks.insert((host.to_owned(), dir.to_owned()), "stranger".to_owned()));
        self
    }

    /// Returns a file's text on a host; links are followed.
    pub fn read(&self, host: &str, path: &str) -> Result<String> {
        let data = world::with(|world| world.files(host)?.read(path))?;
        Ok(String::from_utf8(data)?)
    }

    /// Returns where a link on a host points.
    pub fn link(&self, host: &str, path: &str) -> Option<String> {
        crate::hosts::named(host).stat(path).ok()??.target
    }

    /// Returns the names in a directory on a host.
    pub fn list(&self, host: &str, path: &str) -> Result<Vec<String>> {
        Ok(world::with(|world| world.files(host)?.list(path))?.into_iter().map(|entry| entry.name).collect())
    }

    /// Returns whether a directory on a host carries a mark.
    pub fn is_claimed(&self, host: &str, dir: &str) -> bool {
        world::with(|world| world.marks.contains_key(&(host.to_owned(), dir.to_owned())))
    }

    /// Points a tag of a repository at a digest, as somebody else may.
    pub fn point(self, repository: &str, tag: &str, digest: &str) -> Self {
        world::with(|world| world.tags.insert((repository.to_owned(), tag.to_owned()), digest.to_owned()));
        self
    }

    /// Returns the digest that a tag of a repository stands for.
    pub fn image_tag(&self, repository: &str, tag: &str) -> Option<String> {
        world::with(|world| world.tags.get(&(repository.to_owned(), tag.to_owned())).cloned())
    }

    /// Returns the calls that were recorded, and forgets them.
    pub fn calls(&self) -> Vec<String> {
        world::with(|world| std::mem::take(&mut world.calls))
    }

    /// Returns how many changes there were since the last [`Self::crash_after`].
    pub fn changes(&self) -> usize {
        world::with(|world| world.mutations)
    }

    /// Returns the checkpoints, oldest first, and forgets them.
    pub fn checkpoints(&self) -> Vec<Value> {
        world::with(|world| std::mem::take(&mut world.checkpoints))
    }

    /// Returns the lines of the log.
    pub fn lines(&self) -> Vec<String> {
        world::with(|world| world.lines.clone())
    }

    /// Calls `describe`.
    pub fn describe<P: Plugin>(&self) -> Description {
        operations::describe::<P>()
    }

    /// Calls `resolve`.
    pub fn resolve<P: Plugin>(&self, config: &Value) -> Result<Needs> {
        operations::resolve::<P>(&config.to_string())
    }

    /// Calls `plan`.
    pub fn plan<P: Plugin>(&self, config: &Value) -> Result<Vec<Change>> {
        operations::plan::<P>(&config.to_string())
    }

    /// Calls `apply`.
    pub fn apply<P: Plugin>(&self, config: &Value) -> Result<Answer> {
        operations::apply::<P>(&config.to_string())
    }

    /// Calls `recover`.
    pub fn recover<P: Plugin>(&self, config: &Value, checkpoint: Option<&Value>) -> Result<Found> {
        operations::recover::<P>(&config.to_string(), checkpoint.map(Value::to_string).as_deref())
    }

    /// Calls `verify`.
    pub fn verify<P: Plugin>(&self, config: &Value, receipt: &Value) -> Result<Health> {
        operations::verify::<P>(&config.to_string(), &receipt.to_string())
    }

    /// Calls `adoption.find`.
    pub fn find<P: Plugin>(&self, config: &Value) -> Result<Answer> {
        operations::find::<P>(&config.to_string())
    }

    /// Calls `undo`.
    pub fn undo<P: Plugin>(&self, config: &Value, receipt: &Value) -> Result<Answer> {
        operations::undo::<P>(&config.to_string(), &receipt.to_string())
    }

    /// Calls `destroy`.
    pub fn destroy<P: Plugin>(&self, config: &Value, receipt: &Value) -> Result<Answer> {
        operations::destroy::<P>(&config.to_string(), &receipt.to_string())
    }
}

//! Work on several hosts at once: what is queued for a host is done in order, and the hosts' parts are done side by side.

use crate::command::Command;
use crate::hosts::Host;
use crate::{Error, Result, backend, guard};

/// What is to be done on some hosts. A host's part ends with the first thing that fails; those of the others go on.
#[derive(Debug, Default)]
pub struct Round {
    parallel: u32,
    queue: Vec<(String, Deed)>,
}

/// One thing to be done on a host.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Claim(String),
    Disclaim(String),
    MakeDir(String),
    Upload { digest: String, path: String },
    Symlink { target: String, path: String },
    Rename { old: String, new: String },
    WriteFile { path: String, data: Vec<u8> },
    Remove(String),
    Run(Command),
}

/// What came of each host's part, in the order in which the hosts were first named.
pub type Came = Vec<(Host, Result<()>)>;

/// Starts an empty round. At most that many hosts are worked on at once; 0 leaves it to relrun.
pub fn round(parallel: u32) -> Round {
    Round { parallel, queue: Vec::new() }
}

impl Round {
    fn add(&mut self, host: &Host, deed: Deed) -> &mut Self {
        self.queue.push((host.name().to_owned(), deed));
        self
    }

    /// See [`Host::claim`].
    pub fn claim(&mut self, host: &Host, dir: &str) -> &mut Self {
        self.add(host, Deed::Claim(dir.to_owned()))
    }

    /// See [`Host::disclaim`].
    pub fn disclaim(&mut self, host: &Host, dir: &str) -> &mut Self {
        self.add(host, Deed::Disclaim(dir.to_owned()))
    }

    /// See [`Host::make_dir`].
    pub fn make_dir(&mut self, host: &Host, path: &str) -> &mut Self {
        self.add(host, Deed::MakeDir(path.to_owned()))
    }

    /// See [`Host::upload`].
    pub fn upload(&mut self, host: &Host, digest: &str, path: &str) -> &mut Self {
        self.add(host, Deed::Upload { digest: digest.to_owned(), path: path.to_owned() })
    }

    /// See [`Host::symlink`].
    pub fn symlink(&mut self, host: &Host, target: &str, path: &str) -> &mut Self {
        self.add(host, Deed::Symlink { target: target.to_owned(), path: path.to_owned() })
    }

    /// See [`Host::rename`].
    pub fn rename(&mut self, host: &Host, old: &str, new: &str) -> &mut Self {
        self.add(host, Deed::Rename { old: old.to_owned(), new: new.to_owned() })
    }

    /// See [`Host::write_file`].
    pub fn write_file(&mut self, host: &Host, path: &str, data: &[u8]) -> &mut Self {
        self.add(host, Deed::WriteFile { path: path.to_owned(), data: data.to_vec() })
    }

    /// See [`Host::remove`].
    pub fn remove(&mut self, host: &Host, path: &str) -> &mut Self {
        self.add(host, Deed::Remove(path.to_owned()))
    }

    /// Runs the command on the host; another exit code than 0 is an error.
    pub fn run(&mut self, host: &Host, command: Command) -> &mut Self {
        self.add(host, Deed::Run(command))
    }

    /// Does all of it.
    pub fn perform(self) -> Result<Came> {
        if self.queue.is_empty() {
            return Ok(Vec::new());
        }
        if self.queue.iter().any(|(_, deed)| !matches!(deed, Deed::Run(command) if command.is_readonly())) {
            guard::mutation()?;
        }
        let came = backend::rounds::perform(self.parallel, self.queue)?;
        Ok(came.into_iter().map(|(host, result)| (crate::hosts::named(host), result)).collect())
    }

    /// Does all of it; an error where any host's part failed, as [`all`] says.
    pub fn perform_all(self) -> Result<()> {
        all(self.perform()?)
    }
}

/// Turns what came of hosts' parts into one error where any failed: of the first one's kind, and it names every host that failed, and why.
pub fn all(came: Came) -> Result<()> {
    let failed = came.into_iter().filter_map(|(host, result)| Some(result.err()?.context(host.name())));
    let failed: Vec<Error> = failed.collect();
    let told: Vec<&str> = failed.iter().map(Error::message).collect();
    let told = told.join("; ");
    failed.into_iter().next().map_or(Ok(()), |first| Err(first.saying(told)))
}

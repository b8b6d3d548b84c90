//! Files on the environment's hosts. Paths are absolute on the host; what no `host` grant covers is denied.

use crate::{Result, backend, guard};
use std::collections::BTreeMap;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// A link, which is not followed.
    Link,
    /// Something else.
    Other,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub file_type: FileType,
    /// Where a link points, as written in it.
    pub target: Option<String>,
}

/// One of the environment's hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(String);

/// Returns the hosts of the environment that the grants name, in the manifest's order.
pub fn all() -> Vec<Host> {
    backend::hosts::names().into_iter().map(Host).collect()
}

/// Returns the hosts that have the labels of a selector: `role=web,zone=a`; an empty one and `*` select all of them.
pub fn selected(selector: &str) -> Vec<Host> {
    all().into_iter().filter(|host| host.is_selected(selector)).collect()
}

/// Names a host, which may be one of a receipt's; whether it is there shows at the first call.
pub fn named(name: impl Into<String>) -> Host {
    Host(name.into())
}

impl Host {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns its labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        backend::hosts::labels_of(&self.0).into_iter().collect()
    }

    /// Returns what the environment sets for it under this name.
    pub fn setting(&self, name: &str) -> Option<String> {
        backend::hosts::setting_of(&self.0, name)
    }

    /// Returns whether it has the labels of a selector, as phases select environments: `key=value,key=value`.
    pub fn is_selected(&self, selector: &str) -> bool {
        let mut wanted = selector.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*").peekable();
        if wanted.peek().is_none() {
            return true;
        }
        let labels = self.labels();
        wanted.all(|part| part.split_once('=').is_some_and(|(key, value)| labels.get(key).is_some_and(|has| has == value)))
    }

    /// Lays a tree into a new directory; what the host already has is not sent again. A half-made one is removed on failure.
    pub fn upload(&self, digest: &str, path: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::upload(&self.0, digest, path)
    }

    /// Records a directory as a tree, and changes nothing there; gives its digest. What lies at the paths of `without`, relative to it, is left out.
    pub fn fetch(&self, path: &str, without: &[String]) -> Result<String> {
        backend::hosts::fetch(&self.0, path, without)
    }

    /// Lists a directory, sorted by name.
    pub fn read_dir(&self, path: &str) -> Result<Vec<Entry>> {
        backend::hosts::read_dir(&self.0, path)
    }

    /// Returns what is at the path. A link is not followed.
    pub fn stat(&self, path: &str) -> Result<Option<Entry>> {
        backend::hosts::stat(&self.0, path)
    }

    /// Makes a directory and its parents; one that is there is no error.
    pub fn make_dir(&self, path: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::make_dir(&self.0, path)
    }

    /// Makes a link at `path`; fails where something is there.
    pub fn symlink(&self, target: &str, path: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::symlink(&self.0, target, path)
    }

    /// Replaces what is at `new` in one step, or fails.
    pub fn rename(&self, old: &str, new: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::rename(&self.0, old, new)
    }

    /// Returns a file's bytes, at most 16 MiB.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        backend::hosts::read_file(&self.0, path)
    }

    /// Writes a file in one step: a temporary name beside it, then a rename.
    pub fn write_file(&self, path: &str, data: &[u8]) -> Result<()> {
        guard::mutation()?;
        backend::hosts::write_file(&self.0, path, data)
    }

    /// Removes a file, a link, or a directory with all that is in it; what is not there is no error.
    pub fn remove(&self, path: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::remove(&self.0, path)
    }

    /// Puts this ledger's mark into a directory, before the first change to it. Another ledger's mark, or a newer fence, is denied until
    /// the user says `--adopt`.
    pub fn claim(&self, dir: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::claim(&self.0, dir)
    }

    /// Takes the mark away, last thing of a `destroy`.
    pub fn disclaim(&self, dir: &str) -> Result<()> {
        guard::mutation()?;
        backend::hosts::disclaim(&self.0, dir)
    }
}

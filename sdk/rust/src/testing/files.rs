//! A host's file system in memory, with the rules of `hosts` in the plugin world.

use crate::hosts::{Entry, FileType};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// How many links one path may lead through.
const MAX_LINKS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    File(Vec<u8>),
    Link(String),
}

/// One host's files, by absolute path without a final slash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(BTreeMap<String, Node>);

impl Files {
    /// Returns the path with every link but the last part's followed.
    fn real(&self, path: &str) -> Result<String> {
        let (parent, name) = split(path)?;
        Ok(join(&self.followed(&parent, MAX_LINKS)?, &name))
    }

    /// Returns the path with every link followed.
    fn followed(&self, path: &str, left: usize) -> Result<String> {
        if path.is_empty() {
            return Ok(String::new());
        }
        let (parent, name) = split(path)?;
        let parent = self.followed(&parent, left)?;
        let here = join(&parent, &name);
        match self.0.get(&here) {
            Some(Node::Link(_)) if left == 0 => Err(Error::permanent(format!("{path}: too many links"))),
            Some(Node::Link(target)) if target.starts_with('/') => self.followed(&normal(target), left - 1),
            Some(Node::Link(target)) => self.followed(&normal(&format!("{parent}/{target}")), left - 1),
            _ => Ok(here),
        }
    }

    pub(crate) fn node(&self, path: &str) -> Result<Option<&Node>> {
        let path = normal(path);
        if path.is_empty() {
            return Ok(Some(&Node::Dir));
        }
        Ok(self.0.get(&self.real(&path)?))
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Option<Entry>> {
        let name = path.rsplit('/').next().unwrap_or_default();
        Ok(self.node(path)?.map(|node| entry(name, node)))
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        match self.0.get(&self.followed(&normal(path), MAX_LINKS)?) {
            Some(Node::File(data)) => Ok(data.clone()),
            Some(_) => Err(Error::permanent(format!("{path} is no file"))),
            None => Err(missing(path)),
        }
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let dir = self.followed(&normal(path), MAX_LINKS)?;
        if !dir.is_empty() && self.0.get(&dir) != Some(&Node::Dir) {
            return Err(missing(path));
        }
        let prefix = format!("{dir}/");
        let children = self.0.iter().filter_map(|(path, node)| {
            let name = path.strip_prefix(&prefix)?;
            (!name.contains('/')).then(|| entry(name, node))
        });
        Ok(children.collect())
    }

    /// Returns the files below a directory, by their paths in it, sorted.
    pub(crate) fn files_of(&self, path: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let dir = self.followed(&normal(path), MAX_LINKS)?;
        let prefix = format!("{dir}/");
        let file = |(path, node): (&String, &Node)| match node {
            Node::File(data) => Some((path.strip_prefix(&prefix)?.to_owned(), data.clone())),
            Node::Dir | Node::Link(_) => None,
        };
        Ok(self.0.iter().filter_map(file).collect())
    }

    pub(crate) fn make_dir(&mut self, path: &str) -> Result<()> {
        let path = self.real(&normal(path))?;
        let mut made = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            made = join(&made, name);
            match self.0.get(&made) {
                None => drop(self.0.insert(made.clone(), Node::Dir)),
                Some(Node::Dir) => {}
                Some(_) => return Err(Error::permanent(format!("{made} is no directory"))),
            }
        }
        Ok(())
    }

    /// Puts a node where nothing of another kind is; its directory must be there.
    pub(crate) fn put(&mut self, path: &str, node: Node) -> Result<()> {
        let path = self.vacant_or_file(path)?;
        self.0.insert(path, node);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &str, path: &str) -> Result<()> {
        if self.node(path)?.is_some() {
            return Err(Error::permanent(format!("{path}: something is there")));
        }
        self.put(path, Node::Link(target.to_owned()))
    }

    pub(crate) fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        let from = self.real(&normal(old))?;
        let node = self.0.get(&from).cloned().ok_or_else(|| missing(old))?;
        let to = self.vacant_or_file(new)?;
        self.0.remove(&from);
        for (path, node) in self.below(&from) {
            self.0.insert(path.replacen(&from, &to, 1), node);
            self.0.remove(&path);
        }
        self.0.insert(to, node);
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &str) -> Result<()> {
        let path = self.real(&normal(path))?;
        self.0.remove(&path);
        for (path, _) in self.below(&path) {
            self.0.remove(&path);
        }
        Ok(())
    }

    fn below(&self, dir: &str) -> Vec<(String, Node)> {
        let prefix = format!("{dir}/");
        self.0.iter().filter(|(path, _)| path.starts_with(&prefix)).map(|(path, node)| (path.clone(), node.clone())).collect()
    }

    fn vacant_or_file(&self, path: &str) -> Result<String> {
        let path = self.real(&normal(path))?;
        let (parent, _) = split(&path)?;
        if !parent.is_empty() && self.0.get(&parent) != Some(&Node::Dir) {
            return Err(missing(&parent));
        }
        if self.0.get(&path) == Some(&Node::Dir) {
            return Err(Error::permanent(format!("{path} is a directory")));
        }
        Ok(path)
    }
}

fn entry(name: &str, node: &Node) -> Entry {
    let (file_type, target) = match node {
        Node::Dir => (FileType::Dir, None),
        Node::File(_) => (FileType::File, None),
        Node::Link(target) => (FileType::Link, Some(target.clone())),
    };
    Entry { name: name.to_owned(), file_type, target }
}

fn missing(path: &str) -> Error {
    Error::missing(format!("{path} is not there"))
}

fn join(parent: &str, name: &str) -> String {
    format!("{parent}/{name}")
}

fn split(path: &str) -> Result<(String, String)> {
    let (parent, name) = path.rsplit_once('/').ok_or_else(|| Error::invalid(format!("{path:?} is not absolute")))?;
    Ok((parent.to_owned(), name.to_owned()))
}

/// Returns the path without `.`, `..`, doubled and final slashes.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.iter().flat_map(|part| ["/", part]).collect()
}

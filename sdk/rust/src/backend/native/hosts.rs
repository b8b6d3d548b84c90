//! `hosts`, as the fake answers it.

use crate::Result;
use crate::hosts::Entry;
use crate::testing::files::Node;
use crate::testing::world;

pub(crate) fn names() -> Vec<String> {
    world::with(|world| world.hosts.iter().map(|(name, _)| name.clone()).collect())
}

pub(crate) fn labels_of(host: &str) -> Vec<(String, String)> {
    world::with(|world| world.labels.iter().filter(|(of, _, _)| of == host).map(|(_, key, value)| (key.clone(), value.clone())).collect())
}

pub(crate) fn setting_of(host: &str, name: &str) -> Option<String> {
    world::with(|world| world.host_settings.get(&(host.to_owned(), name.to_owned())).cloned())
}

pub(crate) fn upload(host: &str, digest: &str, path: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("upload {host} {path}"))?;
        world.upload(host, digest, path)
    })
}

pub(crate) fn fetch(host: &str, path: &str, without: &[String]) -> Result<String> {
    world::with(|world| world.fetch(host, path, without))
}

pub(crate) fn read_dir(host: &str, path: &str) -> Result<Vec<Entry>> {
    world::with(|world| world.files(host)?.list(path))
}

pub(crate) fn stat(host: &str, path: &str) -> Result<Option<Entry>> {
    world::with(|world| {
        world.look(&format!("stat {host} {path}"))?;
        world.files(host)?.stat(path)
    })
}

pub(crate) fn make_dir(host: &str, path: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("make-dir {host} {path}"))?;
        world.files(host)?.make_dir(path)
    })
}

pub(crate) fn symlink(host: &str, target: &str, path: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("symlink {host} {path} -> {target}"))?;
        world.files(host)?.symlink(target, path)
    })
}

pub(crate) fn rename(host: &str, old: &str, new: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("rename {host} {new}"))?;
        world.files(host)?.rename(old, new)
    })
}

pub(crate) fn read_file(host: &str, path: &str) -> Result<Vec<u8>> {
    world::with(|world| world.files(host)?.read(path))
}

pub(crate) fn write_file(host: &str, path: &str, data: &[u8]) -> Result<()> {
    world::with(|world| {
        world.change(format!("write-file {host} {path}"))?;
        world.files(host)?.put(path, Node::File(data.to_vec()))
    })
}

pub(crate) fn remove(host: &str, path: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("remove {host} {path}"))?;
        world.files(host)?.remove(path)
    })
}

pub(crate) fn claim(host: &str, dir: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("claim {host} {dir}"))?;
        world.claim(host, dir)
    })
}

pub(crate) fn disclaim(host: &str, dir: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("disclaim {host} {dir}"))?;
        world.marks.remove(&(host.to_owned(), dir.to_owned()));
        Ok(())
    })
}

//! The imports of `hosts`.

use crate::Result;
use crate::bindings::relrun::plugin::hosts as wit;
use crate::hosts::{Entry, FileType};

pub(crate) use wit::{labels_of, names, setting_of};

pub(crate) fn upload(host: &str, digest: &str, path: &str) -> Result<()> {
    Ok(wit::upload(host, digest, path)?)
}

pub(crate) fn fetch(host: &str, path: &str, without: &[String]) -> Result<String> {
    Ok(wit::fetch(host, path, without)?)
}

pub(crate) fn read_dir(host: &str, path: &str) -> Result<Vec<Entry>> {
    Ok(wit::read_dir(host, path)?.into_iter().map(entry).collect())
}

pub(crate) fn stat(host: &str, path: &str) -> Result<Option<Entry>> {
    Ok(wit::stat(host, path)?.map(entry))
}

pub(crate) fn make_dir(host: &str, path: &str) -> Result<()> {
    Ok(wit::make_dir(host, path)?)
}

pub(crate) fn symlink(host: &str, target: &str, path: &str) -> Result<()> {
    Ok(wit::symlink(host, target, path)?)
}

pub(crate) fn rename(host: &str, old: &str, new: &str) -> Result<()> {
    Ok(wit::rename(host, old, new)?)
}

pub(crate) fn read_file(host: &str, path: &str) -> Result<Vec<u8>> {
    Ok(wit::read_file(host, path)?)
}

pub(crate) fn write_file(host: &str, path: &str, data: &[u8]) -> Result<()> {
    Ok(wit::write_file(host, path, data)?)
}

pub(crate) fn remove(host: &str, path: &str) -> Result<()> {
    Ok(wit::remove(host, path)?)
}

pub(crate) fn claim(host: &str, dir: &str) -> Result<()> {
    Ok(wit::claim(host, dir)?)
}

pub(crate) fn disclaim(host: &str, dir: &str) -> Result<()> {
    Ok(wit::disclaim(host, dir)?)
}

fn entry(entry: wit::Entry) -> Entry {
    let file_type = match entry.file_type {
        wit::FileType::File => FileType::File,
        wit::FileType::Dir => FileType::Dir,
        wit::FileType::Link => FileType::Link,
        wit::FileType::Other => FileType::Other,
    };
    Entry { name: entry.name, file_type, target: entry.target }
}

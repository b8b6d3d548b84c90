//! The files of a folder, by their paths with `/`. It must never follow a link.

use relrun_sdk::{Error, Result};
use std::fs;
use std::path::Path;

/// Returns the paths of all files below a folder, sorted, relative to it.
pub(crate) fn all(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(below) = waiting.pop() {
        let place = folder.join(&below);
        for entry in fs::read_dir(&place).map_err(|error| Error::from(error).context(format!("list {}", place.display())))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| Error::invalid(format!("{} is not UTF-8", name.display())))?;
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Returns a file's text.
pub(crate) fn text(folder: &Path, path: &str) -> Result<String> {
    fs::read_to_string(folder.join(path)).map_err(|error| Error::from(error).context(format!("read {path}")))
}

/// Writes a file and makes its folders.
pub(crate) fn write(folder: &Path, path: &str, data: &[u8]) -> Result<()> {
    let place = folder.join(path);
    let written = place.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&place, data));
    written.map_err(|error| Error::from(error).context(format!("write {path}")))
}

/// Returns where a relative link leads from a file, without its `#…`; `None` where it leaves the folder.
pub(crate) fn target(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns whether a link leads out of the site: it names a scheme or a server.
pub(crate) fn is_external(link: &str) -> bool {
    let scheme = link.split_once(':').map(|(scheme, _)| scheme);
    link.starts_with("//")
        || scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)))
}

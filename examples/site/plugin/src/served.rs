//! What the hosts serve, read back through the link that a server would follow, and compared byte for byte with the site that was
//! rendered. It must never change anything on a host.

use crate::files;
use relrun_sdk::hosts::Host;
use relrun_sdk::{Error, Result, log};
use std::path::Path;

/// Compares every file of the site with what lies behind `current` on every host; returns how many files there are.
pub(crate) fn compare(site: &Path, root: &str, hosts: &[Host]) -> Result<usize> {
    if hosts.is_empty() {
        return Err(Error::missing("the environment has no host that is granted"));
    }
    let paths = files::all(site)?;
    let current = format!("{}/current", root.trim_end_matches('/'));
    for host in hosts {
        for path in &paths {
            let expected = std::fs::read(site.join(path))?;
            let served = host.read_file(&format!("{current}/{path}")).map_err(|error| error.context(format!("{}: {path}", host.name())))?;
            if served != expected {
                let message = format!("{}: {path} is not what was rendered ({} bytes, not {})", host.name(), served.len(), expected.len());
                return Err(Error::permanent(message));
            }
        }
        log::info(&format!("{}: {current} serves all {} files as they were rendered", host.name(), paths.len()));
    }
    Ok(paths.len())
}

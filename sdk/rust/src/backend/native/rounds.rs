//! `rounds`, as the fake answers it: one host after the other, so that a test knows what comes when.

use super::{command_run, hosts};
use crate::rounds::Deed;
use crate::{Error, Result};

#[expect(clippy::unnecessary_wraps, reason = "the component's import can fail")]
pub(crate) fn perform(_parallel: u32, queue: Vec<(String, Deed)>) -> Result<Vec<(String, Result<()>)>> {
    let mut parts: Vec<(String, Vec<Deed>)> = Vec::new();
    for (host, deed) in queue {
        match parts.iter_mut().find(|(known, _)| *known == host) {
            Some((_, deeds)) => deeds.push(deed),
            None => parts.push((host, vec![deed])),
        }
    }
    let did = parts.into_iter().map(|(host, deeds)| {
        let result = deeds.into_iter().try_for_each(|deed| one(&host, deed));
        (host, result)
    });
    Ok(did.collect())
}

fn one(host: &str, deed: Deed) -> Result<()> {
    match deed {
        Deed::Claim(dir) => hosts::claim(host, &dir),
        Deed::Disclaim(dir) => hosts::disclaim(host, &dir),
        Deed::MakeDir(path) => hosts::make_dir(host, &path),
        Deed::Upload { digest, path } => hosts::upload(host, &digest, &path),
        Deed::Symlink { target, path } => hosts::symlink(host, &target, &path),
        Deed::Rename { old, new } => hosts::rename(host, &old, &new),
        Deed::WriteFile { path, data } => hosts::write_file(host, &path, &data),
        Deed::Remove(path) => hosts::remove(host, &path),
        Deed::Run(command) => {
            let line = std::iter::once(&command.program).chain(&command.args).cloned().collect::<Vec<_>>().join(" ");
            match command_run(&command.on_host(host))? {
                0 => Ok(()),
                code => Err(Error::permanent(format!("`{line}` ended with exit code {code}"))),
            }
        }
    }
}

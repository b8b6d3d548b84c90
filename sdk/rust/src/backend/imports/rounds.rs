//! The imports of `rounds`.

use super::made;
use crate::Result;
use crate::bindings::relrun::plugin::rounds as wit;
use crate::rounds::Deed;

pub(crate) fn perform(parallel: u32, queue: Vec<(String, Deed)>) -> Result<Vec<(String, Result<()>)>> {
    let round = wit::Round::new(parallel);
    for (host, deed) in &queue {
        match deed {
            Deed::Claim(dir) => round.claim(host, dir),
            Deed::Disclaim(dir) => round.disclaim(host, dir),
            Deed::MakeDir(path) => round.make_dir(host, path),
            Deed::Upload { digest, path } => round.upload(host, digest, path),
            Deed::Symlink { target, path } => round.symlink(host, target, path),
            Deed::Rename { old, new } => round.rename(host, old, new),
            Deed::WriteFile { path, data } => round.write_file(host, path, data),
            Deed::Remove(path) => round.remove(host, path),
            Deed::Run(command) => round.run(host, &made(command)),
        }
    }
    Ok(round.perform()?.into_iter().map(|(host, result)| (host, result.map_err(Into::into))).collect())
}

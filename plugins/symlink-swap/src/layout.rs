//! Where things lie on a host, and how they are named. Pure.

use crate::Placed;
use relrun_sdk::context;
use std::time::{Duration, UNIX_EPOCH};

/// The file in each release directory that says what it is. It is written last: a directory without one is not whole.
pub(crate) const RECORD: &str = "RELEASE.json";

/// How much of a digest stands in a directory's name.
const DIGITS: usize = 12;

/// The paths of one root.
pub(crate) struct Layout {
    root: String,
}

impl Layout {
    pub(crate) fn new(root: &str) -> Self {
        Self { root: root.trim_end_matches('/').to_owned() }
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn current(&self) -> String {
        format!("{}/current", self.root)
    }

    /// The new link, before it takes the place of `current`.
    pub(crate) fn next(&self) -> String {
        format!("{}/current.relrun-next", self.root)
    }

    pub(crate) fn releases(&self) -> String {
        format!("{}/releases", self.root)
    }

    pub(crate) fn release(&self, directory: &str) -> String {
        format!("{}/releases/{directory}", self.root)
    }

    pub(crate) fn below(&self, directory: &str, name: &str) -> String {
        format!("{}/releases/{directory}/{name}", self.root)
    }

    pub(crate) fn record(&self, directory: &str) -> String {
        self.below(directory, RECORD)
    }

    pub(crate) fn shared(&self, name: &str) -> String {
        format!("{}/shared/{name}", self.root)
    }

    pub(crate) fn shared_root(&self) -> String {
        format!("{}/shared", self.root)
    }

    pub(crate) fn revisions(&self) -> String {
        format!("{}/revisions.log", self.root)
    }

    /// Returns whether a target of `current` is a release directory: others write it whole.
    pub(crate) fn names(&self, target: Option<&str>, directory: &str) -> bool {
        target.is_some_and(|target| plain(&self.resolved(target)) == plain(&self.release(directory)))
    }

    /// Returns whether a target of `current` is another directory of the same release: an earlier attempt may have made one.
    pub(crate) fn names_sibling(&self, target: &str, placed: &Placed) -> bool {
        let is_sibling = |last: &str| number_of(last).is_some() && number_of(last) == number_of(&placed.directory);
        placed.is_made() && plain(target).last().is_some_and(|last| is_sibling(last) && self.names(Some(target), last))
    }

    /// Returns the path that a link's target names, seen from the root.
    pub(crate) fn resolved(&self, target: &str) -> String {
        if target.starts_with('/') { target.to_owned() } else { format!("{}/{target}", self.root) }
    }
}

/// Returns a path as its parts, without what leads nowhere: others write `./releases/r1` and `releases//r1/`.
fn plain(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect()
}

/// Returns what `current` points to for a release directory: relative, so that the root may be moved or mounted elsewhere.
pub(crate) fn target_of(directory: &str) -> String {
    format!("releases/{directory}")
}

/// Returns the name of this release's directory.
pub(crate) fn directory_name(digest: &str) -> String {
    format!("{}-{}", context::release(), short(digest))
}

/// Returns how the names of all directories with this tree end.
pub(crate) fn suffix(digest: &str) -> String {
    format!("-{}", short(digest))
}

fn short(digest: &str) -> &str {
    digest.get(..DIGITS).unwrap_or(digest)
}

/// Returns the release's number in a directory's name, where it is one of ours.
pub(crate) fn number_of(directory: &str) -> Option<u64> {
    let (release, rest) = directory.split_once('-')?;
    let digest = rest.split('-').next()?;
    let ours = digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then(|| release.strip_prefix('r')?.parse().ok())?
}

/// Returns whether a directory is this release's own making, by its name: one that was there before has another release's number, or none.
pub(crate) fn is_made_now(directory: &str) -> bool {
    number_of(directory).is_some() && directory.split_once('-').is_some_and(|(release, _)| release == context::release())
}

/// Returns what a link at `name` in a release directory points to: the same name below `shared`, relative.
pub(crate) fn shared_target(name: &str) -> String {
    let depth = name.split('/').count() + 1;
    format!("{}shared/{name}", "../".repeat(depth))
}

/// Returns when the release began, as RFC 3339.
pub(crate) fn began() -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(context::started_at())).to_string()
}

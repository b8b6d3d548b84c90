//! What a manifest configures, and what of it can be wrong before any host is asked.

use crate::layout::RECORD;
use relrun_sdk::command::{Confine, Held};
use relrun_sdk::{Error, Result, config};
use std::collections::BTreeMap;

/// What a manifest configures.
#[config]
pub struct Config {
    /// The tree to serve: an artifact, such as `source "${step.site.dist}"`.
    pub(crate) source: String,
    /// The directory on each host, such as `root "/srv/www/shop"`; a host that sets a `root` of its own has it there.
    pub(crate) root: String,
    /// Which of the granted hosts, by their labels, such as `hosts "role=web"`; all where it is not said.
    #[serde(default)]
    pub(crate) hosts: String,
    /// On how many hosts at once the release is laid and switched.
    #[serde(default)]
    #[schemars(range(max = 64))]
    pub(crate) parallel: u32,
    /// How many hosts are switched first and must be well before any other.
    #[serde(default)]
    pub(crate) canary: usize,
    /// How many of the other hosts are switched together before they are asked whether they are well: `batch "25%"`, or a number; all where it is not said.
    #[serde(default)]
    pub(crate) batch: Option<String>,
    /// A command and its arguments that ends with 0 on a host that is well; asked after each batch.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub(crate) health: Vec<Vec<String>>,
    /// How long a host may take to be well, such as `health-within "30s"`: it is asked again until then. Once where it is not said.
    #[serde(default)]
    pub(crate) health_within: Option<String>,
    /// The wait between two questions, such as `health-every "500ms"`; 2 seconds where it is not said.
    #[serde(default)]
    pub(crate) health_every: Option<String>,
    /// How many releases stay on each host.
    #[serde(default = "keep")]
    #[schemars(range(min = 1))]
    pub(crate) keep: usize,
    /// Directories that all releases share; each is a link to the same name below `shared`.
    #[serde(default)]
    pub(crate) linked_dir: Vec<String>,
    /// Files that all releases share; each must stand below `shared` before the first release.
    #[serde(default)]
    pub(crate) linked_file: Vec<String>,
    /// Files written into the release before the switch, such as `file "greeting.txt" "Hello!"`.
    #[serde(default)]
    pub(crate) file: BTreeMap<String, String>,
    /// Paths that must be in the release on every host before any host is switched.
    #[serde(default)]
    pub(crate) expect: Vec<String>,
    /// A command and its arguments, run on each host after the switch, and again after the release was undone.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub(crate) after: Vec<Vec<String>>,
    /// What is written into the release's `RELEASE.json` beside the release, version, package, time and digest.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    /// How the commands of `after` are held.
    #[serde(default)]
    pub(crate) confine: Confine,
    /// Whether `destroy` removes what the releases shared, too.
    #[serde(default)]
    pub(crate) destroy_shared: bool,
}

fn keep() -> usize {
    5
}

impl Config {
    /// Returns how the commands of `after` are held.
    pub(crate) fn held(&self) -> Held {
        Held { confine: self.confine, on_hosts: true, ..Held::default() }
    }

    /// Returns whether the source's digest is known yet.
    pub(crate) fn is_known(&self) -> bool {
        !self.source.contains("${")
    }

    /// Refuses what no host could do right.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_known() && !is_digest(&self.source) {
            return Err(Error::invalid(format!("source {:?} is no artifact: write `source \"${{step.NAME.ARTIFACT}}\"`", self.source)));
        }
        check_root(&self.root)?;
        crate::batch::check(self.batch.as_deref())?;
        crate::health::Patience::of(self)?;
        check_selector(&self.hosts)?;
        if self.keep == 0 {
            return Err(Error::invalid("keep 0 would leave nothing to serve; the least is 1"));
        }
        let names = self.linked_dir.iter().chain(&self.linked_file).chain(self.file.keys()).chain(&self.expect);
        for name in names {
            check_name(name)?;
        }
        self.check_apart()
    }

    /// Refuses what would be written through a link of the release, into what all releases share: what is there already would be replaced.
    fn check_apart(&self) -> Result<()> {
        let linked = || self.linked_dir.iter().chain(&self.linked_file);
        let made: Vec<&String> = linked().chain(self.file.keys()).collect();
        if made.iter().any(|name| is_within(name, RECORD)) {
            return Err(Error::invalid(format!("{RECORD} is written by symlink-swap itself; use `metadata` to add to it")));
        }
        for (at, link) in linked().enumerate() {
            if let Some((_, other)) = made.iter().enumerate().find(|(other, name)| *other != at && is_within(name, link)) {
                return Err(Error::invalid(format!(
                    "{other:?} lies in {link:?}, which all releases share: only one of them can be linked or written"
                )));
            }
        }
        Ok(())
    }
}

/// Returns whether a name is another one, or lies below it.
fn is_within(name: &str, other: &str) -> bool {
    name.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Refuses what could select no host.
fn check_selector(selector: &str) -> Result<()> {
    let parts = || selector.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*");
    if selector.contains("${") || parts().all(|part| part.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty()))
    {
        return Ok(());
    }
    Err(Error::invalid(format!("hosts {selector:?} selects by no label: write it like `hosts \"role=web\"`")))
}

pub(crate) fn check_root(root: &str) -> Result<()> {
    let mut parts = root.split('/').skip(1).peekable();
    let whole = root.starts_with('/') && parts.peek().is_some_and(|part| !part.is_empty());
    if root.contains("${") || (whole && parts.all(is_plain)) {
        return Ok(());
    }
    Err(Error::invalid(format!("root {root:?} is no absolute path of a directory, such as \"/srv/www/shop\"")))
}

/// A name below the release directory.
fn check_name(name: &str) -> Result<()> {
    if name.contains("${") || name.split('/').all(is_plain) {
        return Ok(());
    }
    Err(Error::invalid(format!("{name:?} is no path below the release, such as \"config/app.json\"")))
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".."
}

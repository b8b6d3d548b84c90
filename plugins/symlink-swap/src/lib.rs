//! `symlink-swap`: lays a release directory onto each host and switches a link to it.
//!
//! On each host, below the root: `releases/ID-DIGEST`, `shared`, and the link `current`. Everything is laid and checked on all hosts before
//! the first link is switched; a link is switched in one step. It knows the `hosts` interface alone, never how a host is reached, and it
//! must never touch a release directory that `current` names or that undo would go back to.

mod adopt;
mod back;
mod batch;
mod config;
mod health;
mod lay;
mod layout;
mod look;
mod prune;
mod switch;
#[cfg(test)]
mod tests;

pub use config::Config;

use layout::Layout;
use relrun_sdk::Standing;
use relrun_sdk::{About, Came, Change, Health, Needs, Outcome, Plugin, Recovery, Result, checkpoint, hosts, need, outputs, receipt};

/// What the steps behind it may refer to.
#[outputs]
pub struct Outputs {
    /// The link that is served, `ROOT/current`.
    current: String,
    /// The release directory's name on each host, in the environment's order.
    directories: Vec<String>,
    /// On how many hosts the tree was laid; the others had it.
    uploaded: usize,
}

/// What undo needs.
#[receipt]
pub struct Receipt {
    /// The root on every host.
    root: String,
    /// What was done on each.
    hosts: Vec<Placed>,
    /// The directories that stood before relrun came, and the tree that each one is. Handed on from receipt to receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    adopted: Vec<Adopted>,
}

/// A release directory of somebody else's making.
#[receipt]
struct Adopted {
    /// The host's name.
    host: String,
    /// The directory, below `releases`.
    directory: String,
    /// The tree that it is.
    digest: String,
}

/// What was done on one host.
#[receipt]
struct Placed {
    /// Its name.
    host: String,
    /// The release directory, below `releases`.
    directory: String,
    /// Whether it was laid; otherwise it was there already, whole.
    laid: bool,
    /// Where `current` pointed before.
    #[serde(default)]
    previous: Option<String>,
    /// Its own root, where it has one.
    #[serde(default)]
    root: Option<String>,
}

impl Placed {
    /// Returns whether this release made the directory, in this attempt or an earlier one; one that was there before stays there.
    fn is_made(&self) -> bool {
        self.laid || layout::is_made_now(&self.directory)
    }
}

impl Receipt {
    /// Returns whether a host's directory is of somebody else's making: it has no record.
    fn is_adopted(&self, placed: &Placed) -> bool {
        self.adopted.iter().any(|adopted| adopted.host == placed.host && adopted.directory == placed.directory)
    }

    /// Returns where things lie on a host.
    fn layout(&self, placed: &Placed) -> Layout {
        Layout::new(placed.root.as_deref().unwrap_or(&self.root))
    }
}

struct SymlinkSwap;

impl Plugin for SymlinkSwap {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Receipt;

    fn about() -> About {
        About {
            name: "symlink-swap",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Lays a release directory onto each host and switches a link to it",
        }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        config.check()?;
        let hosts = need::host("*").because("the release is laid onto the environment's hosts");
        let mut needs = Needs::effect().idempotent(true).with(hosts);
        for argv in &config.after {
            needs = needs.with(config.held().need(argv)?.because("the config runs it on each host after the switch"));
        }
        for argv in &config.health {
            needs = needs.with(config.held().need(argv)?.because("it tells whether a host is well after the switch"));
        }
        Ok(needs)
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        look::plan(config)
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Receipt>> {
        config.check()?;
        let receipt = lay::survey(&config)?;
        checkpoint(&receipt)?;
        lay::all(&config, &receipt)?;
        for placed in &receipt.hosts {
            lay::check(&config, &receipt.layout(placed), placed)?;
        }
        checkpoint(&receipt)?;
        switch::all(&config, &receipt)?;
        prune::note(&config, &receipt, &receipt.hosts.iter().collect::<Vec<_>>(), "deployed");
        prune::prune(&config, &receipt);
        Ok(outcome(receipt))
    }

    fn recover(config: Config, came: Came<Receipt>) -> Result<Recovery<Outputs, Receipt>> {
        look::recover(&config, came)
    }

    fn verify(config: Config, receipt: Receipt) -> Result<Health> {
        look::verify(&config, &receipt)
    }

    fn find(config: Config) -> Result<Standing<Receipt>> {
        adopt::find(&config)
    }

    fn undo(config: Config, receipt: Receipt) -> Result<String> {
        back::undo(&config, &receipt)
    }

    fn destroy(config: Config, receipt: Receipt) -> Result<String> {
        back::destroy(&config, &receipt)
    }
}

fn outcome(receipt: Receipt) -> Outcome<Outputs, Receipt> {
    let layout = Layout::new(&receipt.root);
    let uploaded = receipt.hosts.iter().filter(|placed| placed.laid).count();
    let outputs =
        Outputs { current: layout.current(), directories: receipt.hosts.iter().map(|placed| placed.directory.clone()).collect(), uploaded };
    let names: Vec<&str> = receipt.hosts.iter().map(|placed| placed.host.as_str()).collect();
    let first = receipt.hosts.first().map_or("", |placed| placed.directory.as_str());
    Outcome::new(format!("{} serves {first} on {}", layout.current(), names.join(", ")), outputs).receipt(receipt)
}

/// Returns the host of a receipt.
fn host_of(placed: &Placed) -> hosts::Host {
    hosts::named(&placed.host)
}

relrun_sdk::export!(SymlinkSwap);

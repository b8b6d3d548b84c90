//! Where a manifest's plugins come from: the file, the registry, the bundle, or what the lock says of them.
//!
//! Everything here happens before a component is compiled. What the lock says counts, wherever a tag points now; what policy asks of an origin is
//! asked of the very bytes that would run, each time.

mod locate;
mod lock;
mod trust;

pub(crate) use locate::{Located, locate};
pub(crate) use lock::{Guard, asks, key_of, locked_of, read_lock, write_lock};
pub(crate) use trust::{bytes_of, keep_signature, kept_signatures, lets_run, revoked, taken_back, trusted_keys, verify_bundle, vouched};

use crate::EngineError;
use relrun_supply::{Fetcher, Shelf, SupplyError, SupplyOptions};
use std::sync::OnceLock;

/// What fetches plugins and keeps bundles, opened when it is first needed.
#[derive(Debug)]
pub struct Supply {
    /// As the command line handed it in.
    pub options: SupplyOptions,
    /// Whether the lock file may be written by the way: not by a command that only looks.
    pub writes_lock: bool,
    fetcher: OnceLock<Fetcher>,
}

impl Supply {
    /// Takes the options; nothing is opened yet.
    pub fn new(options: SupplyOptions, writes_lock: bool) -> Self {
        Self { options, writes_lock, fetcher: OnceLock::new() }
    }

    /// Returns what fetches.
    ///
    /// # Errors
    /// Where there is nowhere to keep what is fetched.
    pub fn fetcher(&self) -> Result<&Fetcher, SupplyError> {
        if let Some(fetcher) = self.fetcher.get() {
            return Ok(fetcher);
        }
        let made = Fetcher::new(self.options.clone())?;
        Ok(self.fetcher.get_or_init(|| made))
    }

    /// Returns the bundles that were added to this machine.
    ///
    /// # Errors
    /// Where there is nowhere to keep them.
    pub fn shelf(&self) -> Result<Shelf, SupplyError> {
        let root = self.options.bundles.clone();
        root.map(Shelf::at).ok_or_else(|| {
            SupplyError::wrong("there is no folder to keep bundles in", "set HOME or XDG_DATA_HOME, and run the same command again")
        })
    }
}

impl From<SupplyError> for EngineError {
    fn from(error: SupplyError) -> Self {
        match error {
            SupplyError::Io { doing, source } => Self::Io { doing, source },
            SupplyError::Registry(error) => error.into(),
            error => Self::Supply(Box::new(error)),
        }
    }
}

//! An attempt that is made again. What stands there is partly this release's own doing then, so what stood before is what the earlier attempt
//! wrote down, and what only that one made or removed is not forgotten.

use crate::api::{Api, Target};
use crate::config::Config;
use crate::{Before, Entry, Pruned, Receipt, mark};
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Result, context};
use std::collections::BTreeSet;

/// What an earlier attempt left, where there was one that did not end well and was not undone.
pub(crate) struct Again(Option<Receipt>);

impl Again {
    pub(crate) fn read(config: &Config) -> Result<Self> {
        Ok(Self(context::unfinished::<Receipt>()?.filter(|earlier| earlier.is_at(config))))
    }

    fn entries(&self) -> &[Entry] {
        self.0.as_ref().map_or(&[], |earlier| &earlier.entries)
    }

    fn pruned(&self) -> &[Pruned] {
        self.0.as_ref().map_or(&[], |earlier| &earlier.pruned)
    }

    /// Returns what it was about to change.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.entries().iter().map(|entry| &entry.target)
    }

    /// Returns what stood in an object's place before the first attempt; nothing where the object as it stands is not that attempt's.
    pub(crate) fn before(&self, target: &Target, live: Option<&Value>) -> Option<Before> {
        let earlier = self.0.as_ref()?;
        let is_release = |live: &Value| mark::of(live).and_then(mark::release).as_ref() == Some(&earlier.release);
        if live.is_some_and(|live| !is_release(live) || !mark::is_ours(live)) {
            return None;
        }
        let entry = self.entries().iter().find(|entry| entry.target == *target).map(|entry| entry.before.clone());
        entry.or_else(|| self.pruned().iter().find(|pruned| pruned.target == *target).map(before))
    }

    /// Returns what only it was about to change, as it wrote that down.
    pub(crate) fn left(&self, wanted: &BTreeSet<&Target>) -> Vec<Entry> {
        self.entries().iter().filter(|entry| !wanted.contains(&entry.target)).cloned().collect()
    }

    /// Returns what is to be removed, and what it has removed already.
    pub(crate) fn with_removed(&self, wanted: &BTreeSet<&Target>, mut pruned: Vec<Pruned>) -> Vec<Pruned> {
        pruned.retain(|one| self.targets().all(|target| *target != one.target));
        for earlier in self.pruned() {
            if !wanted.contains(&earlier.target) && pruned.iter().all(|one| one.target != earlier.target) {
                pruned.push(earlier.clone());
            }
        }
        pruned
    }
}

/// Takes what is gone by now out of a receipt's entries, of which the first are those of this attempt: what stood there before this release was removed
/// by it, and what it only made for a while was never there.
pub(crate) fn settle(api: &Api, receipt: &mut Receipt, own: usize) -> Result<()> {
    for entry in receipt.entries.split_off(own) {
        if api.get(&entry.target)?.is_some() {
            receipt.entries.push(entry);
            continue;
        }
        match entry.before {
            Before::Nothing => {}
            Before::Object(before) => receipt.pruned.push(Pruned { target: entry.target, before: Some(before) }),
            Before::Hidden => receipt.pruned.push(Pruned { target: entry.target, before: None }),
        }
    }
    Ok(())
}

fn before(pruned: &Pruned) -> Before {
    pruned.before.clone().map_or(Before::Hidden, Before::Object)
}

//! What a bundle says of itself and of each plugin in it.

use std::collections::{BTreeMap, BTreeSet};

use relrun_ledger::Digest;
use relrun_registry::wasm::Interface;
use serde::{Deserialize, Serialize};

use crate::SupplyError;
use crate::source::is_name;

/// What an index of this form says of itself; another is not read.
const FORMAT: &str = "relrun-bundle-1";
/// No index is larger, in bytes.
pub(crate) const LARGEST_INDEX: u64 = 16 << 20;
/// No bundle has more plugins.
const MOST_PLUGINS: usize = 1000;

/// The index of a bundle, which its signature covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleIndex {
    /// The form of the index.
    pub format: String,
    /// The bundle's name.
    pub name: String,
    /// Its number: a later index of the bundle has a higher one.
    pub serial: u64,
    /// One line for people.
    pub summary: String,
    /// What is new in it.
    pub changelog: String,
    /// The plugins, by their names.
    pub plugins: BTreeMap<String, BundleEntry>,
}

/// One plugin of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleEntry {
    /// The blake3 of the component.
    pub component: Digest,
    /// The SHA-256 of the component: its layer.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
    /// Where it was taken from.
    pub from: String,
    /// Its version.
    pub version: String,
    /// The world it was built for.
    pub world: String,
    /// Which of the host's capabilities it can ask for at all: those whose interfaces it imports.
    pub capabilities: BTreeSet<String>,
    /// One line for people.
    pub summary: String,
    /// What it is for and how it is used.
    pub docs: String,
    /// What is new in it.
    pub changelog: String,
}

impl BundleIndex {
    /// Makes an index.
    ///
    /// # Errors
    /// Where a name cannot name a bundle or a plugin.
    pub fn new(name: &str, serial: u64) -> Result<Self, SupplyError> {
        let index = Self {
            format: FORMAT.to_owned(),
            name: name.to_owned(),
            serial,
            summary: String::new(),
            changelog: String::new(),
            plugins: BTreeMap::new(),
        };
        index.checked("the bundle")
    }

    /// Reads an index that came from `at`.
    ///
    /// # Errors
    /// Where it is of another form, or says what cannot be.
    pub fn parse(at: &str, bytes: &[u8]) -> Result<Self, SupplyError> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| malformed(at, &error.to_string()))?;
        read.checked(at)
    }

    fn checked(self, at: &str) -> Result<Self, SupplyError> {
        if self.format != FORMAT {
            return Err(malformed(at, "it is of a form that this relrun does not know"));
        }
        if let Some(name) = std::iter::once(&self.name).chain(self.plugins.keys()).find(|name| !is_name(name)) {
            return Err(malformed(at, &format!("`{}` cannot name a bundle or a plugin", name.escape_debug())));
        }
        if self.plugins.len() > MOST_PLUGINS {
            return Err(malformed(at, &format!("it has more than {MOST_PLUGINS} plugins")));
        }
        Ok(self)
    }

    /// Returns the plugin of a component; none where the bundle does not vouch for it.
    pub fn of_component(&self, component: Digest) -> Option<(&str, &BundleEntry)> {
        self.plugins.iter().find(|(_, entry)| entry.component == component).map(|(name, entry)| (name.as_str(), entry))
    }
}

impl BundleEntry {
    /// Says of a component what can be read in it without running it.
    ///
    /// # Errors
    /// Where it is no step plugin. The text is only why.
    pub fn of(from: &str, bytes: &[u8], sha256: &str) -> Result<Self, String> {
        let interface = Interface::of(bytes)?;
        let step = interface.exports.iter().find_map(|export| export.strip_prefix("relrun:plugin/step@"));
        let world = step.ok_or("it exports no relrun:plugin/step")?.to_owned();
        Ok(Self {
            component: Digest::of(bytes),
            sha256: sha256.to_owned(),
            size: bytes.len() as u64,
            from: from.to_owned(),
            version: String::new(),
            world,
            capabilities: capabilities(&interface),
            summary: String::new(),
            docs: String::new(),
            changelog: String::new(),
        })
    }
}

/// Returns the interfaces of the host that a component imports, but for those that reach nothing.
fn capabilities(interface: &Interface) -> BTreeSet<String> {
    const HARMLESS: [&str; 4] = ["log", "context", "checkpoint", "types"];
    let named = interface.imports.iter().filter_map(|import| {
        let path = import.split('@').next().unwrap_or(import);
        if path == "wasi:http/outgoing-handler" {
            return Some("http");
        }
        path.strip_prefix("relrun:plugin/").filter(|name| !HARMLESS.contains(name))
    });
    named.map(str::to_owned).collect()
}

fn malformed(at: &str, why: &str) -> SupplyError {
    SupplyError::wrong(format!("{at} is no bundle: {why}"), "make it with `relrun bundle build`, and take it from whoever publishes it")
}

/// What differs between two indexes of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BundleDiff {
    /// Plugins that are new.
    pub added: Vec<String>,
    /// Plugins that are gone.
    pub removed: Vec<String>,
    /// Plugins that are other than they were, with what is other, one line each.
    pub changed: BTreeMap<String, Vec<String>>,
}

/// Returns what differs between two indexes.
pub fn difference(old: &BundleIndex, new: &BundleIndex) -> BundleDiff {
    let mut found = BundleDiff {
        added: new.plugins.keys().filter(|name| !old.plugins.contains_key(*name)).cloned().collect(),
        removed: old.plugins.keys().filter(|name| !new.plugins.contains_key(*name)).cloned().collect(),
        changed: BTreeMap::new(),
    };
    for (name, entry) in &new.plugins {
        let lines = old.plugins.get(name).map(|was| changes(was, entry)).unwrap_or_default();
        if !lines.is_empty() {
            found.changed.insert(name.clone(), lines);
        }
    }
    found
}

fn changes(old: &BundleEntry, new: &BundleEntry) -> Vec<String> {
    let short = |digest: &Digest| digest.short();
    let facts = [
        ("version", old.version.clone(), new.version.clone()),
        ("component", short(&old.component), short(&new.component)),
        ("world", old.world.clone(), new.world.clone()),
        ("from", old.from.clone(), new.from.clone()),
    ];
    let mut lines: Vec<String> =
        facts.into_iter().filter(|(_, old, new)| old != new).map(|(what, old, new)| format!("{what} {old} to {new}")).collect();
    lines.extend(new.capabilities.difference(&old.capabilities).map(|more| format!("+ {more}")));
    lines.extend(old.capabilities.difference(&new.capabilities).map(|less| format!("- {less}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMPONENT: &str = r#"(component
        (import "relrun:plugin/log@0.1.0" (instance))
        (import "relrun:plugin/http@0.1.0" (instance))
        (import "wasi:cli/stdout@0.2.0" (instance))
        (export "relrun:plugin/step@0.1.0" (instance 0)))"#;

    #[test]
    fn an_entry_says_what_the_component_says() {
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let entry = BundleEntry::of("file:a.wasm", &bytes, "sha256:1").unwrap();
        assert_eq!((entry.world.as_str(), entry.size), ("0.1.0", bytes.len() as u64));
        assert_eq!(entry.capabilities, ["http".to_owned()].into());
        assert!(BundleEntry::of("x", b"no", "y").is_err());
    }

    #[test]
    fn differences_are_named() {
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let entry = BundleEntry::of("file:a.wasm", &bytes, "sha256:1").unwrap();
        let mut old = BundleIndex::new("platform", 1).unwrap();
        old.plugins.insert("a".to_owned(), BundleEntry { capabilities: BTreeSet::new(), ..entry.clone() });
        old.plugins.insert("gone".to_owned(), entry.clone());
        let mut new = BundleIndex::new("platform", 2).unwrap();
        new.plugins.insert("a".to_owned(), BundleEntry { version: "2".to_owned(), ..entry.clone() });
        new.plugins.insert("more".to_owned(), entry);
        let found = difference(&old, &new);
        assert_eq!((found.added, found.removed), (vec!["more".to_owned()], vec!["gone".to_owned()]));
        assert_eq!(found.changed["a"], ["version  to 2", "+ http"]);
        assert_eq!(difference(&old, &old), BundleDiff::default());
    }

    #[test]
    fn names_cannot_leave_their_folder() {
        for name in ["", "..", "a/b", "A", "-x"] {
            assert!(BundleIndex::new(name, 1).is_err(), "{name}");
        }
        let mut index = BundleIndex::new("platform", 1).unwrap();
        index.plugins.insert("../a".to_owned(), BundleEntry::of("x", &wat::parse_str(COMPONENT).unwrap(), "y").unwrap());
        let bytes = serde_json::to_vec(&index).unwrap();
        assert!(BundleIndex::parse("here", &bytes).unwrap_err().to_string().starts_with("here is no bundle"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = BundleIndex::parse("here", &bytes);
        }
    }
}

//! `relrun.lock`: which component each plugin of a manifest is, as a text that is committed and reviewed.
//!
//! It wins over whatever a tag or an address stands for now. Its lines are sorted, and the same content is the same text.

use std::collections::{BTreeMap, BTreeSet};

use kdl::KdlNode;
use relrun_ledger::Digest;

use crate::nodes::{Reader, child, quoted};
use crate::{Pin, SupplyError};

/// The manifest that entries without `in` are of.
const USUAL: &str = "release.kdl";
const HEAD: &str =
    "// Which components run as this project's plugins. relrun writes this file: commit it, and change it with `relrun plugin update`.\n";
const HELP: &str = "take the file back from version control; or delete it, and type `relrun plugin prefetch` to resolve every plugin anew";

/// A plugin of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginKey {
    /// The manifest's file name.
    pub manifest: String,
    /// The plugin's name in it.
    pub name: String,
}

/// What a plugin is locked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Where it comes from, as policies name it: `oci://…`, `https://…`, `file:…`, `bundle:…`.
    pub from: String,
    /// The digest of its manifest in a registry.
    pub manifest: Option<String>,
    /// The blake3 of the component.
    pub component: Digest,
    /// Its own version.
    pub version: String,
    /// The world it was built for.
    pub world: String,
    /// What it asks for with the configs of this manifest, one line each.
    pub requests: BTreeSet<String>,
}

/// A lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockText {
    /// By manifest and name.
    pub plugins: BTreeMap<PluginKey, Locked>,
}

/// What differs between what is locked and what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is no entry.
    Missing,
    /// The reference is another.
    From(String, String),
    /// The component is another.
    Component(Digest, Digest),
    /// What it says of itself or what it was fetched by is another, with one name for what.
    Fact(&'static str, String, String),
    /// It asks for something more.
    More(String),
    /// It asks for something no longer.
    Less(String),
}

impl std::fmt::Display for Change {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => out.write_str("it is not in the lock"),
            Self::From(old, new) => write!(out, "from {old} to {new}"),
            Self::Component(old, new) => write!(out, "component {} to {}", old.short(), new.short()),
            Self::Fact(what, old, new) => write!(out, "{what} {old} to {new}"),
            Self::More(line) => write!(out, "+ {line}"),
            Self::Less(line) => write!(out, "- {line}"),
        }
    }
}

impl Locked {
    /// Returns everything that differs in `new`.
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.from != new.from {
            changes.push(Change::From(self.from.clone(), new.from.clone()));
        }
        if self.component != new.component {
            changes.push(Change::Component(self.component, new.component));
        }
        let none = || "none".to_owned();
        let facts = [
            ("manifest", self.manifest.clone().unwrap_or_else(none), new.manifest.clone().unwrap_or_else(none)),
            ("version", self.version.clone(), new.version.clone()),
            ("world", self.world.clone(), new.world.clone()),
        ];
        changes.extend(facts.into_iter().filter(|(_, old, new)| old != new).map(|(what, old, new)| Change::Fact(what, old, new)));
        changes.extend(more_of(&self.requests, &new.requests).map(Change::More));
        changes.extend(more_of(&new.requests, &self.requests).map(Change::Less));
        changes
    }
}

/// Returns the lines of `new` that `old` does not have.
pub fn more_of<'s>(old: &'s BTreeSet<String>, new: &'s BTreeSet<String>) -> impl Iterator<Item = String> + 's {
    new.difference(old).cloned()
}

impl PluginKey {
    /// Returns the key of a plugin in a manifest's file.
    pub fn new(manifest: &str, name: &str) -> Self {
        Self { manifest: manifest.to_owned(), name: name.to_owned() }
    }
}

impl LockText {
    /// Reads a lock file.
    ///
    /// # Errors
    /// Where a line cannot be read: a lock that is not understood pins nothing, and so nothing runs by it.
    pub fn parse(file: &str, text: &str) -> Result<Self, SupplyError> {
        let reader = Reader::new(file, text, HELP);
        let document = reader.document()?;
        reader.only_of(document.nodes(), &["plugin"], &["plugin"])?;
        let mut plugins = BTreeMap::new();
        for node in document.nodes() {
            let (key, locked) = entry(&reader, node)?;
            if plugins.insert(key.clone(), locked).is_some() {
                return Err(reader.wrong(node, format!("plugin \"{}\" stands here twice", key.name)));
            }
        }
        Ok(Self { plugins })
    }

    /// Returns what a plugin is locked to. One of another manifest beside this one counts too, where it comes from the same place: a manifest that
    /// was renamed must not move its plugins.
    pub fn find(&self, key: &PluginKey, from: &str) -> Option<&Locked> {
        let own = self.plugins.get(key).filter(|locked| locked.from == from);
        own.or_else(|| self.plugins.values().find(|locked| locked.from == from))
    }
}

impl std::fmt::Display for LockText {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(HEAD)?;
        for (key, locked) in &self.plugins {
            write!(out, "plugin {}", quoted(&key.name))?;
            if key.manifest != USUAL {
                write!(out, " in={}", quoted(&key.manifest))?;
            }
            writeln!(out, " from={} {{", quoted(&locked.from))?;
            if let Some(manifest) = &locked.manifest {
                writeln!(out, "    manifest {}", quoted(manifest))?;
            }
            writeln!(out, "    component \"blake3:{}\"", locked.component)?;
            writeln!(out, "    version {}", quoted(&locked.version))?;
            writeln!(out, "    world {}", quoted(&locked.world))?;
            for line in &locked.requests {
                writeln!(out, "    requests {}", quoted(line))?;
            }
            writeln!(out, "}}")?;
        }
        Ok(())
    }
}

fn entry(reader: &Reader<'_>, node: &KdlNode) -> Result<(PluginKey, Locked), SupplyError> {
    reader.only(node, &["manifest", "component", "version", "world", "requests"], &["in", "from"], &["requests"])?;
    let name = reader.text(node)?;
    let must = |what: &str| {
        let found = child(node, what).ok_or_else(|| reader.wrong(node, format!("plugin \"{name}\" has no `{what}`")))?;
        reader.text(found)
    };
    let from = reader.prop(node, "from")?.ok_or_else(|| reader.wrong(node, format!("plugin \"{name}\" has no `from`")))?;
    let Ok(Pin::Blake3(component)) = must("component")?.parse() else {
        return Err(reader.wrong(node, format!("the component of plugin \"{name}\" is no `blake3:…`")));
    };
    let mut requests = BTreeSet::new();
    for line in node.children().into_iter().flat_map(kdl::KdlDocument::nodes).filter(|line| line.name().value() == "requests") {
        requests.insert(reader.text(line)?);
    }
    let manifest = child(node, "manifest").map(|node| reader.text(node)).transpose()?;
    let locked = Locked { from, manifest, component, version: must("version")?, world: must("world")?, requests };
    let file = reader.prop(node, "in")?.unwrap_or_else(|| USUAL.to_owned());
    Ok((PluginKey { manifest: file, name }, locked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn locked() -> Locked {
        Locked {
            from: "oci://r.example/plugins/audit:1.2".to_owned(),
            manifest: Some("sha256:12".to_owned()),
            component: Digest::of(b"x"),
            version: "1.2.0".to_owned(),
            world: "0.1.0".to_owned(),
            requests: [r#"run "make" "*""#.to_owned(), r#"http "https://a.example""#.to_owned()].into(),
        }
    }

    #[test]
    fn the_text_is_stable_and_read_again() {
        let mut lock = LockText::default();
        lock.plugins.insert(PluginKey::new("release.kdl", "audit"), locked());
        lock.plugins.insert(PluginKey::new("other.kdl", "audit"), Locked { manifest: None, ..locked() });
        let text = lock.to_string();
        assert_eq!(LockText::parse("relrun.lock", &text).unwrap(), lock);
        assert_eq!(
            text.lines().skip(8).collect::<Vec<_>>(),
            [
                r#"plugin "audit" from="oci://r.example/plugins/audit:1.2" {"#,
                r#"    manifest "sha256:12""#,
                r#"    component "blake3:32c5bf8d2be0f0c3d7e3f3ae11bb4dd3c5a23a0dbfaa0f9d1a4b0e2b0c7a0e0c""#,
            ]
            .map(|line| if line.contains("blake3") { format!("    component \"blake3:{}\"", Digest::of(b"x")) } else { line.to_owned() })
            .into_iter()
            .chain(
                [
                    r#"    version "1.2.0""#,
                    r#"    world "0.1.0""#,
                    r#"    requests "http \"https://a.example\"""#,
                    r#"    requests "run \"make\" \"*\"""#,
                    "}"
                ]
                .map(str::to_owned)
            )
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_difference_is_named() {
        let new = Locked {
            component: Digest::of(b"y"),
            version: "1.3.0".to_owned(),
            requests: [r#"run "make" "*""#.to_owned(), r#"env "HOME""#.to_owned()].into(),
            ..locked()
        };
        let words: Vec<String> = locked().changes(&new).iter().map(ToString::to_string).collect();
        let component = format!("component {} to {}", Digest::of(b"x").short(), Digest::of(b"y").short());
        assert_eq!(words, [component.as_str(), "version 1.2.0 to 1.3.0", r#"+ env "HOME""#, r#"- http "https://a.example""#]);
        assert!(locked().changes(&locked()).is_empty());
    }

    #[test]
    fn a_renamed_manifest_keeps_its_plugins_and_another_reference_does_not() {
        let mut lock = LockText::default();
        lock.plugins.insert(PluginKey::new("old.kdl", "audit"), locked());
        assert_eq!(lock.find(&PluginKey::new("release.kdl", "audit"), &locked().from), Some(&locked()));
        assert_eq!(lock.find(&PluginKey::new("old.kdl", "audit"), "oci://r.example/plugins/audit:1.3"), None);
    }

    #[test]
    fn what_is_not_understood_names_its_line() {
        let good =
            format!("plugin \"a\" from=\"x\" {{\n component \"blake3:{}\"\n version \"1\"\n world \"0.1.0\"\n}}\n", Digest::of(b"x"));
        LockText::parse("relrun.lock", &good).unwrap();
        for (text, why) in [
            (format!("{good}{good}"), "relrun.lock:6: plugin \"a\" stands here twice"),
            (good.replace("version", "wersion"), "relrun.lock:3: `wersion` is not known here"),
            (good.replace(" from=\"x\"", ""), "relrun.lock:1: plugin \"a\" has no `from`"),
            (good.replace("blake3:", "md5:"), "relrun.lock:1: the component of plugin \"a\" is no `blake3:…`"),
            (good.replace(" world \"0.1.0\"\n", ""), "relrun.lock:1: plugin \"a\" has no `world`"),
            ("<<<<<<< HEAD\n".to_owned() + &good, "relrun.lock:"),
        ] {
            let error = LockText::parse("relrun.lock", &text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_holds_is_read_again(name in "\\PC{1,20}", from in "\\PC{0,20}", line in "\\PC{0,30}", version in ".{0,10}") {
            let requests = [line].into();
            let mut lock = LockText::default();
            lock.plugins.insert(PluginKey::new("release.kdl", &name), Locked { from, version, requests, ..locked() });
            prop_assert_eq!(LockText::parse("relrun.lock", &lock.to_string()).unwrap(), lock);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            let _ = LockText::parse("relrun.lock", &text);
        }
    }
}

//! `bundle.kdl`: what is to go into a bundle.

use kdl::KdlNode;

use crate::SupplyError;
use crate::nodes::{Reader, child};
use crate::source::is_name;

const HELP: &str = "write `bundle \"platform\" serial=7 { summary \"…\"; plugin \"audit\" from=\"oci://…\" { docs \"docs/audit.md\" } }`";

/// A bundle that is to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlePlan {
    /// Its name.
    pub name: String,
    /// Its number.
    pub serial: u64,
    /// One line for people.
    pub summary: String,
    /// What is new: a file, relative to this one.
    pub changelog: Option<String>,
    /// The plugins, in the order of the file.
    pub plugins: Vec<BundleMember>,
}

/// A plugin that is to go into a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleMember {
    /// How the bundle names it.
    pub name: String,
    /// Where it is taken from.
    pub from: String,
    /// What its component must be.
    pub digest: Option<String>,
    /// What it is for: a file.
    pub docs: Option<String>,
    /// What is new: a file.
    pub changelog: Option<String>,
}

impl BundlePlan {
    /// Reads a `bundle.kdl`.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, SupplyError> {
        let reader = Reader::new(file, text, HELP);
        let document = reader.document()?;
        reader.only_of(document.nodes(), &["bundle"], &[])?;
        let node = document.nodes().first().ok_or_else(|| SupplyError::wrong(format!("{file} names no bundle"), HELP))?;
        reader.only(node, &["summary", "changelog", "plugin"], &["serial"], &["plugin"])?;
        let name = named(&reader, node)?;
        let children = node.children().map(kdl::KdlDocument::nodes).unwrap_or_default();
        let mut plugins: Vec<BundleMember> = Vec::new();
        for node in children.iter().filter(|node| node.name().value() == "plugin") {
            let member = member(&reader, node)?;
            if plugins.iter().any(|known| known.name == member.name) {
                return Err(reader.wrong(node, format!("plugin \"{}\" stands here twice", member.name)));
            }
            plugins.push(member);
        }
        if plugins.is_empty() {
            return Err(reader.wrong(node, "there is no plugin in it"));
        }
        Ok(Self {
            name,
            serial: reader.count(node, "serial")?,
            summary: text_of(&reader, node, "summary")?.unwrap_or_default(),
            changelog: text_of(&reader, node, "changelog")?,
            plugins,
        })
    }
}

fn member(reader: &Reader<'_>, node: &KdlNode) -> Result<BundleMember, SupplyError> {
    reader.only(node, &["docs", "changelog"], &["from", "digest"], &[])?;
    let from = reader.prop(node, "from")?.ok_or_else(|| reader.wrong(node, "a plugin of a bundle needs `from=`"))?;
    Ok(BundleMember {
        name: named(reader, node)?,
        from,
        digest: reader.prop(node, "digest")?,
        docs: text_of(reader, node, "docs")?,
        changelog: text_of(reader, node, "changelog")?,
    })
}

fn named(reader: &Reader<'_>, node: &KdlNode) -> Result<String, SupplyError> {
    let name = reader.text(node)?;
    if is_name(&name) {
        return Ok(name);
    }
    Err(reader.wrong(node, format!("`{name}` is no name: it is made of small letters, digits, `-` and `_`")))
}

fn text_of(reader: &Reader<'_>, node: &KdlNode, name: &str) -> Result<Option<String>, SupplyError> {
    child(node, name).map(|node| reader.text(node)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "bundle \"platform\" serial=7 {\n    summary \"Vetted\"\n    plugin \"audit\" from=\"oci://r.example/audit:1\" {\n        docs \"audit.md\"\n    }\n    plugin \"notify\" from=\"./notify.wasm\"\n}\n";

    #[test]
    fn a_bundle_is_read() {
        let plan = BundlePlan::parse("bundle.kdl", TEXT).unwrap();
        assert_eq!((plan.name.as_str(), plan.serial, plan.summary.as_str()), ("platform", 7, "Vetted"));
        assert_eq!(plan.plugins.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["audit", "notify"]);
        assert_eq!(plan.plugins[0].docs.as_deref(), Some("audit.md"));
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, why) in [
            (TEXT.replace("serial=7", ""), "bundle.kdl:1: `bundle` needs `serial=`"),
            (TEXT.replace("serial=7", "serial=-7"), "bundle.kdl:1: `bundle` needs `serial=`"),
            (TEXT.replace("notify\" from", "audit\" from"), "bundle.kdl:6: plugin \"audit\" stands here twice"),
            (TEXT.replace("docs", "dox"), "bundle.kdl:4: `dox` is not known here; it may be docs, changelog"),
            (TEXT.replace("\"platform\"", "\"../x\""), "bundle.kdl:1: `../x` is no name"),
            ("bundle \"x\" serial=1".to_owned(), "bundle.kdl:1: there is no plugin in it"),
            (String::new(), "bundle.kdl names no bundle"),
            ("bundle {".to_owned(), "bundle.kdl:1"),
        ] {
            let error = BundlePlan::parse("bundle.kdl", &text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}

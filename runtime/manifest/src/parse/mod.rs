//! Text into the model, in three passes that each report all they find: the form against the table of words, the meaning of each node, and
//! what nodes say about each other. What it may never do: stop at the first mistake.

mod author;
mod case;
mod dependency;
mod environment;
pub(crate) mod form;
mod guard;
mod input;
mod links;
mod notify;
mod package;
mod phase;
mod policy;
mod project;
mod references;
mod scalar;
mod scan;
mod step;
mod supply;
pub(crate) mod tree;
pub(crate) mod words;

pub use author::parse_plugin_project;
pub use case::parse_cases;
pub use policy::parse_policy;
pub use project::parse_project;

use crate::{Diagnostics, Manifest, Mistake, Spanned, text};
use tree::Node;

/// Parses a `release.kdl`. `bundled` holds the names of the plugins that need no `plugin` node.
///
/// # Errors
/// Every mistake in the file, at once.
pub fn parse(file_name: &str, text: &str, bundled: &[&str]) -> Result<Manifest, Diagnostics> {
    let mut mistakes = Vec::new();
    let manifest = checked(text, words::MANIFEST, &mut mistakes).and_then(|nodes| build(&nodes, bundled, &mut mistakes));
    match manifest {
        Some(manifest) if mistakes.is_empty() => Ok(manifest),
        _ => Err(Diagnostics::new(file_name, text, mistakes)),
    }
}

/// Returns the nodes of a file, their form checked; absent where only some could be read, because what these say of the others proves nothing.
fn checked(text: &str, words: &'static [&'static words::Word], out: &mut Vec<Mistake>) -> Option<Vec<Node>> {
    match tree::read(text, out) {
        tree::Read::Whole(nodes) => {
            form::check_block(&nodes, words, None, out);
            Some(nodes)
        }
        tree::Read::Part(nodes) => {
            form::check_nodes(&nodes, words, None, out);
            None
        }
    }
}

/// Builds what can be built, so that the links are checked even where a part is wrong. Absent where there is no package.
fn build(nodes: &[Node], bundled: &[&str], out: &mut Vec<Mistake>) -> Option<Manifest> {
    let named = |name: &'static str| nodes.iter().filter(move |node| node.name.value == name);
    let package = named("package").next().and_then(|node| package::read(node, out));
    let parts = links::Parts {
        plugins: named("plugin").filter_map(|node| package::read_plugin(node, out)).collect(),
        inputs: named("input").filter_map(|node| input::read_input(node, out)).collect(),
        secrets: named("secret").filter_map(|node| input::read_secret(node, out)).collect(),
        environments: named("environment").filter_map(|node| environment::read(node, out)).collect(),
        phases: phase::read_all(nodes, out),
        declared: links::Declared::of(nodes),
    };
    links::check(&parts, bundled, out);
    let dependencies = dependency::Dependencies::read(nodes, out);
    dependencies.check(package.as_ref(), &parts, out);
    if let Some(package) = &package {
        references::check_metadata(package, &parts, out);
    }
    let links::Parts { plugins, inputs, secrets, environments, phases, .. } = parts;
    let notify = named("notify").filter_map(|node| notify::read(node, out)).collect();
    let dependency::Dependencies { outputs, provides, consumes, depends } = dependencies;
    Some(Manifest { package: package?, plugins, inputs, secrets, environments, phases, notify, outputs, provides, consumes, depends })
}

/// Reads a name, which must be plain.
fn plain_name(name: Option<Spanned<String>>, what: &str, out: &mut Vec<Mistake>) -> Option<Spanned<String>> {
    let name = name?;
    if text::is_plain_name(&name) {
        return Some(name);
    }
    let mistake =
        Mistake::new("relrun::manifest::name", name.span, format!("`{}` is no name for {what}", name.value)).label("not a plain name");
    out.push(mistake.help(match text::plain_name_of(&name) {
        Some(plain) => format!("write `\"{plain}\"`: {}", text::PLAIN_NAME),
        None => text::PLAIN_NAME.to_owned(),
    }));
    None
}

/// Reports every name that stands twice.
fn unique<'a>(names: impl IntoIterator<Item = &'a Spanned<String>>, what: &str, out: &mut Vec<Mistake>) {
    let mut seen = std::collections::HashMap::new();
    for name in names {
        match seen.entry(name.value.as_str()) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(name.span);
            }
            std::collections::hash_map::Entry::Occupied(first) if *first.get() != name.span => {
                let mistake = Mistake::new("relrun::manifest::duplicate", name.span, format!("there are two {what} `{}`", name.value));
                out.push(
                    mistake.label("again here").also(*first.get(), "first here").help("give one of them another name, or leave it out"),
                );
            }
            std::collections::hash_map::Entry::Occupied(_) => {}
        }
    }
}

/// Refuses references where only plain text may stand, and turns `$${` into `${`.
fn plain_text(text: Option<Spanned<String>>, out: &mut Vec<Mistake>) -> Option<Spanned<String>> {
    let text = text?;
    references::refuse_in(&text, out);
    Some(Spanned::new(text.value.replace("$${", "${"), text.span))
}

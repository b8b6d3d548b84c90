//! The links of a finished site: what the HTML says, not what it was made of. It reads every page as a browser's tokenizer does.

use crate::files::{self, is_external, target};
use html5gum::{Token, Tokenizer};
use relrun_sdk::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the check found.
pub(crate) struct Checked {
    /// How many links inside the site there are.
    pub(crate) links: usize,
    /// Those that lead nowhere, as a person reads them.
    pub(crate) broken: Vec<String>,
}

/// What one page offers and wants.
#[derive(Default)]
struct Page {
    ids: BTreeSet<String>,
    links: Vec<String>,
}

/// Checks that every link inside a site leads to a file of it, and every anchor to an element of that file.
pub(crate) fn links(site: &Path) -> Result<Checked> {
    let paths = files::all(site)?;
    let mut pages = BTreeMap::new();
    for path in paths.iter().filter(|path| is_page(path)) {
        pages.insert(path.as_str(), read(&files::text(site, path)?));
    }
    let mut checked = Checked { links: 0, broken: Vec::new() };
    for (&path, page) in &pages {
        for link in page.links.iter().filter(|link| !is_external(link)) {
            checked.links += 1;
            if let Some(why) = broken(path, link, &paths, &pages) {
                checked.broken.push(format!("{path}: {link}: {why}"));
            }
        }
    }
    Ok(checked)
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "html")
}

fn broken(from: &str, link: &str, paths: &[String], pages: &BTreeMap<&str, Page>) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, ""), |(path, anchor)| (path, anchor));
    let Some(there) = (if path.is_empty() { Some(from.to_owned()) } else { target(from, path) }) else {
        return Some("it leaves the site".to_owned());
    };
    if paths.binary_search(&there).is_err() {
        return Some(format!("there is no {there}"));
    }
    let known = anchor.is_empty() || pages.get(there.as_str()).is_some_and(|page| page.ids.contains(anchor));
    (!known).then(|| format!("{there} has no element with the id {anchor:?}"))
}

fn read(html: &str) -> Page {
    let mut page = Page::default();
    for token in Tokenizer::new(html).flatten() {
        let Token::StartTag(tag) = token else { continue };
        for (name, value) in &tag.attributes {
            let value = String::from_utf8_lossy(value).into_owned();
            match name.as_slice() {
                b"id" => drop(page.ids.insert(value)),
                b"href" | b"src" => page.links.push(value),
                _ => {}
            }
        }
    }
    page
}

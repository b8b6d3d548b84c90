//! The whole site: which page becomes which file, and what stands round each page.

use crate::files::{self, target};
use crate::markdown::{self, Body, escaped};
use relrun_sdk::{Error, Result, log};
use std::fmt::Write as _;
use std::path::Path;

const STYLE: &str = include_str!("style.css");

/// A page of the site.
struct Page {
    /// Where it lies, such as `docs/manifest.html`.
    path: String,
    /// How the navigation names it.
    name: String,
    body: Body,
}

/// Renders the Markdown of a folder into another, copies what else lies there, and returns how many pages there are.
pub(crate) fn render(from: &Path, to: &Path, title: &str) -> Result<usize> {
    let sources = files::all(from)?;
    let mut pages = Vec::new();
    for source in &sources {
        match page_of(source) {
            Some(path) => {
                let text = files::text(from, source)?;
                let body = markdown::render(&text, &|link| lead(source, link, &sources));
                let name = body.title.clone().unwrap_or_else(|| source.clone());
                pages.push(Page { path, name, body });
            }
            None => files::write(to, source, &std::fs::read(from.join(source))?)?,
        }
    }
    if !pages.iter().any(|page| page.path == "index.html") {
        return Err(Error::missing("there is no README.md to make index.html of"));
    }
    // The front page first, then whatever lies flat before whatever lies deep.
    pages.sort_by_key(|page| (page.path != "index.html", page.path.matches('/').count(), page.path.clone()));
    for (done, page) in pages.iter().enumerate() {
        log::progress("pages", done as u64, Some(pages.len() as u64));
        files::write(to, &page.path, document(title, page, &pages).as_bytes())?;
    }
    files::write(to, "style.css", STYLE.as_bytes())?;
    Ok(pages.len())
}

/// Returns where a Markdown file lies on the site. A folder's README is its front page.
fn page_of(source: &str) -> Option<String> {
    let stem = source.strip_suffix(".md")?;
    let folder = stem.strip_suffix("README").filter(|folder| folder.is_empty() || folder.ends_with('/'));
    Some(folder.map_or_else(|| format!("{stem}.html"), |folder| format!("{folder}index.html")))
}

/// Returns where a relative link of a page leads on the site. What is Markdown is a page, there or not, so that a link to a page that is
/// missing stays a link and fails the check; any other file is there only if it was staged.
fn lead(source: &str, link: &str, sources: &[String]) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    if path.is_empty() {
        return Some(anchor);
    }
    let there = target(source, path)?;
    if let Some(page) = page_of(&there) {
        return Some(format!("{}{page}{anchor}", up(source)));
    }
    sources.contains(&there).then(|| format!("{}{there}{anchor}", up(source)))
}

/// Returns the way from a file to the site's root.
fn up(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

fn document(title: &str, page: &Page, pages: &[Page]) -> String {
    let (root, title) = (up(&page.path), escaped(title));
    let heading = if page.path == "index.html" { title.clone() } else { format!("{} – {title}", escaped(&page.name)) };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{heading}</title>\n<link rel=\"stylesheet\" href=\"{root}style.css\">\n</head>\n<body>\n<nav>\n\
         <p class=\"site\"><a href=\"{root}index.html\">{title}</a></p>\n<ul>\n"
    );
    for other in pages {
        let here = if other.path == page.path { " aria-current=\"page\"" } else { "" };
        // Writing into a String never fails.
        let _ = write!(out, "<li><a href=\"{root}{}\"{here}>{}</a>", other.path, escaped(&other.name));
        if other.path == page.path && !other.body.sections.is_empty() {
            out.push_str("\n<ul>\n");
            for (id, text) in &other.body.sections {
                let _ = writeln!(out, "<li><a href=\"#{id}\">{}</a></li>", escaped(text));
            }
            out.push_str("</ul>\n");
        }
        out.push_str("</li>\n");
    }
    let _ = write!(out, "</ul>\n</nav>\n<main>\n{}</main>\n</body>\n</html>\n", page.body.html);
    out
}

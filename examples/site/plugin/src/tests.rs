use crate::{Render, check, files, markdown, served, site};
use relrun_sdk::serde_json::json;
use relrun_sdk::testing::Fake;
use relrun_sdk::{ErrorKind, hosts};
use tempfile::TempDir;

/// A folder with these files.
fn folder(texts: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in texts {
        files::write(folder.path(), path, text.as_bytes()).expect("writes");
    }
    folder
}

fn rendered(texts: &[(&str, &str)]) -> TempDir {
    let (from, to) = (folder(texts), tempfile::tempdir().expect("a folder"));
    site::render(from.path(), to.path(), "Shop & Co").expect("renders");
    to
}

#[test]
fn pages_are_laid_named_and_navigated() {
    let site = rendered(&[("README.md", "# Shop\n\n[guide](docs/a.md#how-to)"), ("docs/a.md", "# A\n\n## How to\n\n[up](../README.md)")]);
    assert_eq!(files::all(site.path()).expect("lists"), ["docs/a.html", "index.html", "style.css"]);
    let index = files::text(site.path(), "index.html").expect("is there");
    assert!(index.contains("<title>Shop &amp; Co</title>"), "{index}");
    assert!(index.contains("<a href=\"docs/a.html#how-to\">guide</a>"), "{index}");
    let page = files::text(site.path(), "docs/a.html").expect("is there");
    assert!(page.contains("<title>A – Shop &amp; Co</title>") && page.contains("<h2 id=\"how-to\">How to</h2>"), "{page}");
    assert!(page.contains("<a href=\"../index.html\">up</a>") && page.contains("href=\"../style.css\""), "{page}");
    assert!(check::links(site.path()).expect("checks").broken.is_empty());
}

#[test]
fn headings_of_one_name_have_ids_of_their_own() {
    let body = markdown::render("# `reads` and `writes`\n## A!\n## A!\n", &|_| None);
    assert_eq!(body.title.as_deref(), Some("reads and writes"));
    assert_eq!(body.sections, [("a".to_owned(), "A!".to_owned()), ("a-1".to_owned(), "A!".to_owned())]);
    assert!(body.html.contains("id=\"reads-and-writes\""), "{}", body.html);
}

#[test]
fn files_that_are_staged_are_published_and_others_are_named_only() {
    let site = rendered(&[
        ("README.md", "[world](wit/plugin.wit) [code](src/lib.rs) ![p](docs/p.svg)"),
        ("wit/plugin.wit", "world"),
        ("docs/p.svg", "<svg/>"),
    ]);
    assert_eq!(files::text(site.path(), "wit/plugin.wit").expect("is copied"), "world");
    let index = files::text(site.path(), "index.html").expect("is there");
    assert!(index.contains("<a href=\"wit/plugin.wit\">world</a>"), "{index}");
    assert!(index.contains("<span class=\"file\" title=\"src/lib.rs\">code</span>"), "{index}");
    assert!(check::links(site.path()).expect("checks").broken.is_empty());
}

#[test]
fn links_that_lead_nowhere_are_all_listed() {
    let site = rendered(&[
        ("README.md", "[a](docs/gone.md) [b](docs/a.md#nope) [c](https://example.com/x#y) ![d](d.png)"),
        ("docs/a.md", "[e](../../e.md)"),
    ]);
    let broken = check::links(site.path()).expect("checks").broken;
    let expected = [
        "index.html: docs/gone.html: there is no docs/gone.html",
        "index.html: docs/a.html#nope: docs/a.html has no element with the id \"nope\"",
        "index.html: d.png: there is no d.png",
    ];
    assert_eq!(broken, expected, "what leaves the project is named only");
}

#[test]
fn a_site_without_a_front_page_is_refused() {
    let (from, to) = (folder(&[("docs/a.md", "# A")]), tempfile::tempdir().expect("a folder"));
    assert_eq!(site::render(from.path(), to.path(), "x").expect_err("refused").kind(), ErrorKind::Missing);
}

#[test]
fn what_is_served_is_compared_byte_for_byte_on_every_host() {
    let site = folder(&[("index.html", "new"), ("docs/a.html", "a")]);
    let fake = Fake::new().host("web1").host("web2");
    let fake = ["web1", "web2"].into_iter().fold(fake, |fake, host| {
        let fake = fake.write(host, "/srv/current/index.html", "new").expect("writes");
        fake.write(host, "/srv/current/docs/a.html", "a").expect("writes")
    });
    assert_eq!(served::compare(site.path(), "/srv/", &hosts::all()).expect("is served"), 2);

    let fake = fake.write("web2", "/srv/current/index.html", "old!").expect("writes");
    let error = served::compare(site.path(), "/srv", &hosts::all()).expect_err("differs");
    assert_eq!(error.message(), "web2: index.html is not what was rendered (4 bytes, not 3)");
    assert!(fake.checkpoints().is_empty(), "it changes nothing");
    assert_eq!(served::compare(site.path(), "/srv", &hosts::all()[..0]).expect_err("no host").kind(), ErrorKind::Missing);
}

#[test]
fn only_the_look_at_the_hosts_is_an_effect() {
    let fake = Fake::new();
    let needs = |config| fake.resolve::<Render>(&config);
    assert!(!needs(json!({ "mode": "render", "title": "x" })).expect("resolves").is_effect());
    assert!(!needs(json!({ "mode": "check" })).expect("resolves").is_effect());
    let served = needs(json!({ "mode": "served", "root": "/srv" })).expect("resolves");
    assert_eq!((served.is_effect(), served.capabilities()), (true, vec!["host \"*\""]));
    assert_eq!(needs(json!({ "mode": "render" })).expect_err("no title").kind(), ErrorKind::Invalid);
    assert_eq!(needs(json!({ "mode": "served" })).expect_err("no root").kind(), ErrorKind::Invalid);
}

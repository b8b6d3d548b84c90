//! Every example of `docs/manifest.md` is accepted.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_manifest::{parse, parse_project};

const PAGE: &str = include_str!("../../../docs/manifest.md");
const BUNDLED: [&str; 4] = ["build", "deploy", "symlink-swap", "http-check"];

/// The fenced blocks of the page that begin with a word, with their first lines' numbers.
fn blocks(info: &str) -> Vec<(usize, String)> {
    let (mut found, mut open) = (Vec::new(), None);
    for (number, line) in PAGE.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(word), None) => open = Some((word.to_owned(), number + 2, String::new())),
            (Some(_), Some(_)) => {
                let (word, first, text) = open.take().unwrap();
                if word == info {
                    found.push((first, text));
                }
            }
            (None, Some((_, _, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_manifest_of_the_page_is_accepted() {
    let blocks = blocks("kdl");
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for (line, text) in blocks {
        if let Err(wrong) = parse("release.kdl", &text, &BUNDLED) {
            panic!("docs/manifest.md:{line}: {:?}", wrong.mistakes());
        }
    }
}

#[test]
fn every_project_of_the_page_is_accepted() {
    let blocks = blocks("kdl project");
    assert!(blocks.len() >= 3, "{}", blocks.len());
    for (line, text) in blocks {
        if let Err(wrong) = parse_project("relrun.kdl", &text) {
            panic!("docs/manifest.md:{line}: {:?}", wrong.mistakes());
        }
    }
}

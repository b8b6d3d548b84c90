//! What the pages show is accepted: every manifest, every project file, and the first plugin of the guide.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_manifest::{parse, parse_project};
use std::fs;
use std::path::{Path, PathBuf};

const BUNDLED: [&str; 6] = ["build", "deploy", "symlink-swap", "http-check", "k8s-rollout", "registry-push"];

/// A fenced block of a page.
struct Block {
    page: String,
    line: usize,
    info: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn blocks() -> Vec<Block> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).chain([root().join("README.md")]);
    pages.flat_map(|page| blocks_of(&page)).collect()
}

fn blocks_of(page: &Path) -> Vec<Block> {
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    let (mut found, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (number, line) in fs::read_to_string(page).unwrap().lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => open = Some(Block { page: name.clone(), line: number + 2, info: info.to_owned(), text: String::new() }),
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                block.text.extend([line, "\n"]);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block does not end");
    found
}

#[test]
fn every_manifest_is_accepted() {
    let manifests: Vec<_> = blocks().into_iter().filter(|block| block.info == "kdl").collect();
    assert!(manifests.len() >= 13, "{}", manifests.len());
    for block in manifests {
        if let Err(wrong) = parse("release.kdl", &block.text, &BUNDLED) {
            panic!("{}:{}: {:?}", block.page, block.line, wrong.mistakes());
        }
    }
}

#[test]
fn every_project_file_is_accepted() {
    for block in blocks().into_iter().filter(|block| block.info == "kdl project") {
        if let Err(wrong) = parse_project("relrun.kdl", &block.text) {
            panic!("{}:{}: {:?}", block.page, block.line, wrong.mistakes());
        }
    }
}

#[test]
fn every_test_case_and_plugin_file_is_accepted() {
    let mut seen = 0;
    for block in blocks() {
        let wrong = match block.info.as_str() {
            "kdl cases" => relrun_manifest::parse_cases("tests.kdl", &block.text).err(),
            "kdl plugin" => relrun_manifest::parse_plugin_project("plugin.kdl", &block.text).err(),
            _ => continue,
        };
        seen += 1;
        if let Some(wrong) = wrong {
            panic!("{}:{}: {:?}", block.page, block.line, wrong.mistakes());
        }
    }
    assert!(seen >= 2, "{seen}");
}

#[test]
fn the_guides_first_plugin_is_the_sdks_example() {
    let example = fs::read_to_string(root().join("sdk/rust/examples/greet.rs")).unwrap();
    let code = example.split_once("\n\n").unwrap().1;
    assert!(blocks().iter().any(|block| block.page == "plugins.md" && block.info == "rust" && block.text == code), "copy it again");
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines < 30, "a plugin with one operation stays under 30 lines: {lines}");
}

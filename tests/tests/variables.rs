//! The variables that change what programs load stand twice: the host refuses them, and the SDK asks for them, in another workspace. This holds
//! the two equal.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use std::collections::BTreeSet;
use std::path::Path;

/// Returns the texts of a list in a source file.
fn list(file: &str, name: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let begin = format!("const {name}: &[&str] = &[");
    let (_, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{file} has no {name}"));
    let (body, _) = rest.split_once("];").unwrap();
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_sdk_asks_for_exactly_the_variables_that_the_host_refuses() {
    let (host, sdk) = ("runtime/confine/src/environment.rs", "sdk/rust/src/need.rs");
    for (in_host, in_sdk) in [("DANGEROUS_PREFIXES", "PREFIXES"), ("DANGEROUS_NAMES", "NAMES")] {
        let (one, other) = (list(host, in_host), list(sdk, in_sdk));
        assert!(one.len() > 10, "{in_host} was not read: {one:?}");
        assert_eq!(one, other, "{in_host} of {host} and {in_sdk} of {sdk}");
    }
}

//! The words of a plugin's own folder: `plugin.kdl`.

use super::Children::{No, Of};
use super::Kind::Text;
use super::Repeat::{Once, Required};
use super::{Word, must, one, word};

/// The top of `plugin.kdl`.
pub(crate) static PROJECT: &[&Word] = &[&PLUGIN];

static PLUGIN: Word = word(
    "plugin",
    Required,
    one("its name"),
    &[must("version", Text), must("language", Text)],
    Of(&[&SUMMARY, &LICENSE, &WORLD, &ENTRY, &OUTPUT, &SDK]),
    r#"plugin "greet" version="0.1.0" language="go" { summary "Writes a greeting" }"#,
);
static SUMMARY: Word = word("summary", Once, one("one line of text"), &[], No, r#"summary "Writes a greeting""#);
static LICENSE: Word = word("license", Once, one("a licence"), &[], No, r#"license "Apache-2.0""#);
static WORLD: Word = word("world", Once, one("a version of the plugin world"), &[], No, r#"world "0.1""#);
static ENTRY: Word = word("entry", Once, one("a path"), &[], No, r#"entry "src/plugin.ts""#);
static OUTPUT: Word = word("output", Once, one("a path"), &[], No, r#"output "build/greet.wasm""#);
static SDK: Word = word("sdk", Once, one("a path"), &[], No, r#"sdk "vendor/relrun-sdk""#);

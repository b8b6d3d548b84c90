//! What `plugin.kdl` says: how a plugin is built, for the tools of its author. A release never reads it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a plugin's folder says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginProject {
    /// Its name, kebab-case.
    pub name: String,
    /// Its version.
    pub version: semver::Version,
    /// What it is written in.
    pub language: Language,
    /// One line.
    pub summary: Option<String>,
    /// Its licence, as SPDX writes it.
    pub license: Option<String>,
    /// The plugin world that it is for.
    pub world: String,
    /// Where its code begins, relative to the folder; each language has a default.
    pub entry: Option<String>,
    /// The component, relative to the folder.
    pub output: String,
    /// The SDK, relative to the folder.
    pub sdk: String,
}

impl PluginProject {
    /// Where the SDK lies unless it is said.
    pub const SDK: &'static str = "vendor/relrun-sdk";
    /// The world unless it is said.
    pub const WORLD: &'static str = "0.1";
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Python.
    Python,
    /// JavaScript.
    Js,
    /// TypeScript.
    Ts,
    /// C.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Rust, Self::Go, Self::Python, Self::Js, Self::Ts, Self::C];

    /// Returns its word in `plugin.kdl` and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Python => "python",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::C => "c",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|language| language.word() == word).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|language| language.word()).collect();
            match crate::nearest(word, words.iter().copied()) {
                Some(near) => format!("there is no SDK for `{word}`; did you mean `{near}`?"),
                None => format!("there is no SDK for `{word}`; there is one for {}", words.join(", ")),
            }
        })
    }
}

/// Returns whether a text can be a plugin's name: kebab-case, so that it can stand in every language's own names.
pub fn is_plugin_name(text: &str) -> bool {
    let parts = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(parts)
}

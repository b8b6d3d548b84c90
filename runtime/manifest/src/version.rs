//! Versions: what a rule gives a new release, and what a selector chooses of those that exist.
//!
//! This is arithmetic alone. It must never ask who has which versions: callers say which are taken.

use semver::{BuildMetadata, Prerelease};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

pub use semver::Version;

/// Which version a release gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionRule {
    /// `1.4.2`.
    Exact(Version),
    /// `1.4.@`: the next free number in the open place.
    Next(VersionLine),
}

/// Versions that differ in one place, which is written `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VersionLine {
    /// `1.@`: what comes next is a minor version, whose patch is 0.
    Minor {
        /// Before the `@`.
        major: u64,
    },
    /// `1.4.@`.
    Patch {
        /// The first number.
        major: u64,
        /// The second.
        minor: u64,
    },
    /// `2.0.0-rc.@`; the text is what stands before the `@`.
    Pre(String),
}

/// Which of the versions that exist is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionSelector {
    /// `1.4.2`: this one.
    Exact(Version),
    /// `1.4.@` or `1.@`: the highest of this line.
    Highest(VersionLine),
    /// `latest`: the highest that is no pre-release.
    Latest,
}

/// The word for the highest version.
const LATEST: &str = "latest";

/// A text that is neither a version nor a line of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither a version such as 1.4.2 nor a line of them such as 1.4.@")]
pub struct BadVersion;

impl VersionRule {
    /// Returns the version that a new release gets, beside those that are taken.
    pub fn next<'a>(&self, taken: impl IntoIterator<Item = &'a Version>) -> Version {
        match self {
            Self::Exact(version) => version.clone(),
            Self::Next(line) => line.next(taken),
        }
    }
}

impl VersionLine {
    /// Returns the version behind the last one of this line; the first is 0.
    pub fn next<'a>(&self, taken: impl IntoIterator<Item = &'a Version>) -> Version {
        let last = taken.into_iter().filter_map(|version| self.place(version)).max();
        self.at(last.map_or(0, |last| last.saturating_add(1)))
    }

    /// Returns whether a version belongs to this line. Pre-releases belong to lines of their own.
    pub fn has(&self, version: &Version) -> bool {
        self.place(version).is_some()
    }

    /// Returns the number that a version of this line has in the open place.
    fn place(&self, version: &Version) -> Option<u64> {
        match self {
            Self::Minor { major } if version.major == *major && version.pre.is_empty() => Some(version.minor),
            Self::Patch { major, minor } if (version.major, version.minor) == (*major, *minor) && version.pre.is_empty() => {
                Some(version.patch)
            }
            Self::Minor { .. } | Self::Patch { .. } => None,
            Self::Pre(before) => version.to_string().strip_prefix(before.as_str())?.parse().ok(),
        }
    }

    fn at(&self, number: u64) -> Version {
        match self {
            Self::Minor { major } => Version::new(*major, number, 0),
            Self::Patch { major, minor } => Version::new(*major, *minor, number),
            // What stands before the `@` was read with a number behind it.
            Self::Pre(before) => Version::parse(&format!("{before}{number}")).unwrap_or(Version::new(0, 0, number)),
        }
    }
}

impl VersionSelector {
    /// Returns the one that is meant among those that exist.
    pub fn choose<'a>(&self, there: impl IntoIterator<Item = &'a Version>) -> Option<&'a Version> {
        there.into_iter().filter(|version| self.takes(version)).max()
    }

    /// Returns whether a version may be what is meant.
    pub fn takes(&self, version: &Version) -> bool {
        match self {
            Self::Exact(exact) => version == exact,
            Self::Highest(line) => line.has(version),
            Self::Latest => version.pre.is_empty(),
        }
    }
}

/// Returns the version that follows an exact one: for a person who has to choose another.
pub fn following(version: &Version) -> Version {
    if version.pre.is_empty() {
        return Version::new(version.major, version.minor, version.patch.saturating_add(1));
    }
    Version { pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY, ..version.clone() }
}

impl FromStr for VersionRule {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        if text.ends_with('@') { text.parse().map(Self::Next) } else { Version::parse(text).map(Self::Exact).map_err(|_| BadVersion) }
    }
}

impl FromStr for VersionLine {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let before = text.strip_suffix(".@").ok_or(BadVersion)?;
        // With numbers in the places that are left open it must be a version, and one that is written as relrun writes it.
        let filled = |rest: &str| Version::parse(&format!("{before}{rest}")).ok().filter(|version| version.build.is_empty());
        match before.matches('.').count() {
            0 => filled(".0.0").map(|version| Self::Minor { major: version.major }),
            1 => filled(".0")
                .filter(|version| version.pre.is_empty())
                .map(|version| Self::Patch { major: version.major, minor: version.minor }),
            _ => filled(".0").filter(|version| !version.pre.is_empty()).map(|_| Self::Pre(format!("{before}."))),
        }
        .ok_or(BadVersion)
    }
}

impl FromStr for VersionSelector {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        if text == LATEST {
            return Ok(Self::Latest);
        }
        Ok(match text.parse()? {
            VersionRule::Exact(version) => Self::Exact(version),
            VersionRule::Next(line) => Self::Highest(line),
        })
    }
}

impl fmt::Display for VersionLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minor { major } => write!(f, "{major}.@"),
            Self::Patch { major, minor } => write!(f, "{major}.{minor}.@"),
            Self::Pre(before) => write!(f, "{before}@"),
        }
    }
}

impl fmt::Display for VersionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Next(line) => line.fmt(f),
        }
    }
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Highest(line) => line.fmt(f),
            Self::Latest => f.write_str(LATEST),
        }
    }
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;

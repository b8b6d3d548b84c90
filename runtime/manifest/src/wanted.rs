//! How a person names a package that exists: `acme/shop@1.4.2`, `acme/shop@latest`, `acme/shop@tag:prod-candidate`.

use crate::{PackageName, VersionSelector};
use std::fmt;
use std::str::FromStr;

/// A package, and which of its versions is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageReference {
    /// The package.
    pub name: PackageName,
    /// Which one of it.
    pub wanted: Wanted,
}

/// Which one of a package's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `1.4.2`, `1.4.@` or `latest`.
    Version(VersionSelector),
    /// `tag:NAME`: whatever the tag stands for now.
    Tag(String),
}

/// A text that names no package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadReference(String);

impl FromStr for PackageName {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let plain = |part: &str| {
            part.len() <= 128
                && part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if plain(owner) && plain(name) => Ok(Self { owner: owner.to_owned(), name: name.to_owned() }),
            _ => Err(BadReference(format!("`{text}` is no package name"))),
        }
    }
}

impl FromStr for PackageReference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let (name, wanted) = text.split_once('@').ok_or_else(|| BadReference(format!("`{text}` names no version")))?;
        let name = name.parse()?;
        let wanted = match wanted.strip_prefix("tag:") {
            Some(tag) => Wanted::Tag(tag.to_owned()),
            None => Wanted::Version(wanted.parse().map_err(|error| BadReference(format!("`{wanted}` names no version: {error}")))?),
        };
        Ok(Self { name, wanted })
    }
}

impl fmt::Display for PackageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.wanted)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(selector) => selector.fmt(f),
            Self::Tag(tag) => write!(f, "tag:{tag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["acme/shop@1.4.2", "acme/shop@1.4.@", "acme/shop@1.@", "acme/shop@latest", "a.b/c_d@tag:prod-candidate"] {
            assert_eq!(text.parse::<PackageReference>().unwrap().to_string(), text);
        }
        let wanted = |text: &str| text.parse::<PackageReference>().unwrap().wanted;
        assert_eq!(wanted("acme/shop@latest"), Wanted::Version(VersionSelector::Latest));
        assert_eq!(wanted("acme/shop@tag:latest"), Wanted::Tag("latest".to_owned()));
    }

    #[test]
    fn what_names_no_package_is_refused() {
        for text in
            ["release.kdl", "acme/shop", "acme@1.0.0", "Acme/shop@1.0.0", "acme/shop@", "acme/shop@v1", "a/b/c@1.0.0", "@latest", ""]
        {
            assert!(text.parse::<PackageReference>().is_err(), "{text}");
        }
    }
}

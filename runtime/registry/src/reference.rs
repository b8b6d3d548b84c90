//! Where an artifact lies: `registry/repository[:tag][@digest]`, or `oci-layout:PATH[:tag][@digest]` for a local directory.
//!
//! The registry is always named and no tag is ever made up: what a release says must not depend on which registry a tool prefers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use oci_spec::distribution::Reference as Parsed;
use oci_spec::image::Digest;

use crate::RegistryError;

/// What a local directory's reference begins with.
pub const LAYOUT_PREFIX: &str = "oci-layout:";
/// What a registry's reference may begin with.
pub const REMOTE_PREFIX: &str = "oci://";

const EXAMPLE: &str = "registry.example.com/acme/shop:1.4.2";

/// A repository: in a registry, or a local OCI layout directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A repository in a registry.
    Remote {
        /// The registry's host, with its port where it has one.
        registry: String,
        /// The repository in it.
        repository: String,
    },
    /// An OCI image layout directory.
    Layout(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote { registry, repository } => write!(out, "{registry}/{repository}"),
            Self::Layout(path) => write!(out, "{LAYOUT_PREFIX}{}", path.display()),
        }
    }
}

/// A tag: up to 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Returns the tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        if is_tag(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(RegistryError::Reference {
            text: text.to_owned(),
            reason: "it is no tag".to_owned(),
            help: "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`; semver's `+` cannot stand in one"
                .to_owned(),
        })
    }
}

fn is_tag(text: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.len() <= 128 && text.starts_with(word) && text.chars().all(|letter| word(letter) || letter == '.' || letter == '-')
}

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Whatever the tag stands for now.
    Tag(Tag),
    /// Just this content.
    Digest(Digest),
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(out, ":{tag}"),
            Self::Digest(digest) => write!(out, "@{digest}"),
        }
    }
}

/// A place, and a tag or a digest in it.
///
/// In `oci-layout:PATH`, what follows the last colon is the tag if it is one; a path with such a colon is written with a `/` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The repository.
    pub place: Place,
    /// The tag, where one was written.
    pub tag: Option<Tag>,
    /// The digest, where one was written.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Returns what a manifest is asked for by: the digest, or else the tag.
    ///
    /// # Errors
    ///
    /// Where neither was written.
    pub fn name(&self) -> Result<Name, RegistryError> {
        if let Some(digest) = &self.digest {
            return Ok(Name::Digest(digest.clone()));
        }
        let tag = self.tag.clone().ok_or_else(|| RegistryError::Reference {
            text: self.to_string(),
            reason: "it has neither a tag nor a digest".to_owned(),
            help: format!("say which one is meant, such as `{self}:latest`"),
        })?;
        Ok(Name::Tag(tag))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.place)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(out, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        match text.strip_prefix(LAYOUT_PREFIX) {
            Some(rest) => layout(text, rest),
            None => remote(text, text.strip_prefix(REMOTE_PREFIX).unwrap_or(text)),
        }
    }
}

fn layout(text: &str, rest: &str) -> Result<Reference, RegistryError> {
    let (rest, digest) = match rest.rsplit_once("@sha") {
        Some((path, digest)) => (path, Some(self::digest(text, &format!("sha{digest}"))?)),
        None => (rest, None),
    };
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if is_tag(tag) => (path, Some(Tag(tag.to_owned()))),
        _ => (rest, None),
    };
    if path.is_empty() {
        let help = format!("name a directory, such as `{LAYOUT_PREFIX}dist/shop:1.4.2`");
        return Err(RegistryError::Reference { text: text.to_owned(), reason: "it names no directory".to_owned(), help });
    }
    // A `/` at the end only says where the path ends.
    let path = if path == "/" { path } else { path.trim_end_matches('/') };
    Ok(Reference { place: Place::Layout(Path::new(path).to_owned()), tag, digest })
}

fn remote(text: &str, rest: &str) -> Result<Reference, RegistryError> {
    let wrong = |reason: String, help: String| RegistryError::Reference { text: text.to_owned(), reason, help };
    if let Some((scheme, _)) = rest.split_once("://") {
        let help = format!("write it without `{scheme}://`, such as `{EXAMPLE}`");
        return Err(wrong(format!("`{scheme}://` does not belong in it"), help));
    }
    let named = rest.split_once('/').is_some_and(|(host, _)| host == "localhost" || host.contains(['.', ':']));
    if !named {
        return Err(wrong("it does not name its registry".to_owned(), format!("write the registry's host first, such as `{EXAMPLE}`")));
    }
    let parsed: Parsed = rest.parse().map_err(|error| {
        wrong(
            format!("{error}"),
            format!("it is `registry/repository[:tag][@digest]` with a repository in small letters, such as `{EXAMPLE}`"),
        )
    })?;
    let written = rest.split_once('@').map_or(rest, |(before, _)| before).rsplit('/').next().is_some_and(|last| last.contains(':'));
    Ok(Reference {
        place: Place::Remote { registry: parsed.registry().to_owned(), repository: parsed.repository().to_owned() },
        // The parser makes up a `latest` where nothing was written.
        tag: parsed.tag().filter(|_| written).map(|tag| Tag(tag.to_owned())),
        digest: parsed.digest().map(|digest| self::digest(text, digest)).transpose()?,
    })
}

fn digest(text: &str, digest: &str) -> Result<Digest, RegistryError> {
    let known = ["sha256:", "sha512:"].iter().any(|prefix| digest.starts_with(prefix));
    digest.parse().ok().filter(|_| known).ok_or_else(|| RegistryError::Reference {
        text: text.to_owned(),
        reason: format!("`{digest}` is not a digest"),
        help: "a digest is `sha256:` and 64 small hexadecimal digits".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn parse(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn refused(text: &str) -> String {
        text.parse::<Reference>().unwrap_err().to_string()
    }

    #[test]
    fn references_keep_what_was_written_and_no_more() {
        let full = parse(&format!("oci://127.0.0.1:5000/acme/shop:1.4.2@{DIGEST}"));
        assert_eq!(full.place, Place::Remote { registry: "127.0.0.1:5000".to_owned(), repository: "acme/shop".to_owned() });
        assert_eq!(full.tag.as_ref().map(Tag::as_str), Some("1.4.2"));
        assert!(matches!(full.name(), Ok(Name::Digest(digest)) if digest.as_ref() == DIGEST));
        let bare = parse("localhost:5000/shop");
        assert_eq!((&bare.tag, &bare.digest), (&None, &None));
        assert!(bare.name().unwrap_err().to_string().contains("neither a tag nor a digest"));
        assert_eq!(parse("docker.io/nginx:1").to_string(), "docker.io/library/nginx:1");
    }

    #[test]
    fn a_layout_is_a_path_and_perhaps_a_tag() {
        let tagged = parse("oci-layout:dist/shop:1.4.2");
        assert_eq!((tagged.place, tagged.tag.unwrap().as_str()), (Place::Layout("dist/shop".into()), "1.4.2"));
        assert_eq!(parse("oci-layout:/a:b/").place, Place::Layout("/a:b".into()));
        assert_eq!(parse("oci-layout:/").place, Place::Layout("/".into()));
        assert_eq!(parse(&format!("oci-layout:x@{DIGEST}")).digest.unwrap().as_ref(), DIGEST);
        assert!(refused("oci-layout:").contains("names no directory"));
    }

    #[test]
    fn mistakes_say_what_is_wrong() {
        assert!(refused("acme/shop:1").contains("does not name its registry"));
        assert!(refused("https://r.example/acme/shop").contains("`https://` does not belong"));
        assert!(refused("r.example/Acme/shop").contains("not a reference"));
        assert!(refused("r.example/shop@sha256:12").contains("not a reference"));
        assert!(refused(&format!("oci-layout:x@{}", &DIGEST[..70])).contains("is not a digest"));
        assert!("1.0+build".parse::<Tag>().is_err() && "".parse::<Tag>().is_err() && "-x".parse::<Tag>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = text.parse::<Reference>();
            let _ = format!("oci-layout:{text}").parse::<Reference>();
        }

        #[test]
        fn what_is_shown_is_read_again(host in "[a-z]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{1,3})?", name in "[a-z0-9]{1,6}(/[a-z0-9]{1,6}){1,2}", tag in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,10}")) {
            let text = tag.iter().fold(format!("{host}/{name}"), |text, tag| format!("{text}:{tag}"));
            prop_assert_eq!(parse(&text).to_string(), text);
        }
    }
}

//! Where a plugin is said to come from, as a manifest's `from` says it and as policies name it.

use std::fmt;
use std::str::FromStr;

use relrun_registry::Reference;
use url::Url;

use crate::SupplyError;

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// A file, relative to the manifest.
    File(String),
    /// An artifact in a registry.
    Oci(Box<Reference>),
    /// A file behind HTTPS.
    Https(Box<Url>),
    /// A plugin of a bundle that was added to this machine.
    Bundle {
        /// The bundle.
        bundle: String,
        /// The plugin in it.
        plugin: String,
    },
}

impl Origin {
    /// Returns whether it lies elsewhere, so that it is fetched and kept.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Oci(_) | Self::Https(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "file:{path}"),
            Self::Oci(reference) => write!(out, "oci://{reference}"),
            Self::Https(url) => url.fmt(out),
            Self::Bundle { bundle, plugin } => write!(out, "bundle:{bundle}/{plugin}"),
        }
    }
}

impl FromStr for Origin {
    type Err = SupplyError;

    fn from_str(text: &str) -> Result<Self, SupplyError> {
        if text.starts_with("oci://") {
            let reference: Reference = text.parse()?;
            reference.name()?;
            return Ok(Self::Oci(Box::new(reference)));
        }
        if text.starts_with("https://") {
            let url = Url::parse(text).map_err(|error| wrong(text, &error.to_string()))?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err(wrong(text, "it holds a password, which everybody who reads the manifest would know"));
            }
            return Ok(Self::Https(Box::new(url)));
        }
        if let Some(rest) = text.strip_prefix("bundle:") {
            let named = rest.split_once('/').filter(|(bundle, plugin)| is_name(bundle) && is_name(plugin));
            let (bundle, plugin) = named.ok_or_else(|| wrong(text, "it is not `bundle:NAME/PLUGIN`"))?;
            return Ok(Self::Bundle { bundle: bundle.to_owned(), plugin: plugin.to_owned() });
        }
        let path = text.strip_prefix("file:").unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            return Err(wrong(text, "it is neither a file nor an address that is known here"));
        }
        Ok(Self::File(path.to_owned()))
    }
}

fn wrong(text: &str, why: &str) -> SupplyError {
    SupplyError::wrong(
        format!("no plugin can come from `{text}`: {why}"),
        "write a file (`./plugins/notify.wasm`), `oci://registry.example.com/plugins/notify:1.2`, `https://…` or `bundle:NAME/PLUGIN`",
    )
}

/// Returns whether a word can name a bundle or a plugin in one: it is part of paths and tags.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    text.len() <= 64 && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit()) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn origins_are_shown_as_they_are_written() {
        for text in ["file:./a.wasm", "oci://r.example/plugins/audit:1.2", "https://example.com/a.wasm", "bundle:platform/audit"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        assert_eq!("./a.wasm".parse::<Origin>().unwrap().to_string(), "file:./a.wasm");
    }

    #[test]
    fn what_is_nowhere_is_refused() {
        for (text, why) in [
            ("oci://r.example/plugins/audit", "neither a tag nor a digest"),
            ("http://example.com/a.wasm", "neither a file nor"),
            ("https://me:secret@example.com/a.wasm", "holds a password"),
            ("bundle:platform", "`bundle:NAME/PLUGIN`"),
            ("bundle:../x", "`bundle:NAME/PLUGIN`"),
            ("", "neither a file nor"),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = text.parse::<Origin>();
            let _ = format!("bundle:{text}").parse::<Origin>();
        }
    }
}

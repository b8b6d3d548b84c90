//! What goes wrong with a registry, in words for a person: which registry, repository and tag, the HTTP status, and the registry's own codes.
//!
//! No text in here ever holds a credential, a header's value or a URL's query.

use std::fmt;
use std::path::Path;

use oci_spec::image::Digest;

use crate::{Place, Tag};

/// The longest text of a registry that is shown.
const LONGEST_TEXT: usize = 300;

/// Why something with a registry or a layout failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RegistryError {
    /// A reference that cannot be read.
    #[error("`{text}` is not a reference: {reason}")]
    #[diagnostic(code(relrun::registry::reference))]
    Reference {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// What to write.
        #[help]
        help: String,
    },
    /// What was asked for is not there.
    #[error("{at} is not there{}", listed(codes))]
    #[diagnostic(
        code(relrun::registry::not_found),
        help("check the name and the tag; many registries also say this to those who may not read there")
    )]
    NotFound {
        /// The registry, repository and tag or digest.
        at: String,
        /// The registry's own codes.
        codes: Vec<OciCode>,
    },
    /// The registry wants other credentials.
    #[error("failed to {doing} {at}: the registry does not let {who} do that (HTTP {status}){}", listed(codes))]
    #[diagnostic(code(relrun::registry::denied))]
    Denied {
        /// What was being done.
        doing: &'static str,
        /// The registry, repository and tag or digest.
        at: String,
        /// Who asked: a user's name, or that nobody did.
        who: String,
        /// The HTTP status.
        status: u16,
        /// The registry's own codes.
        codes: Vec<OciCode>,
        /// What to type.
        #[help]
        help: String,
    },
    /// The registry said no.
    #[error("failed to {doing} {at}: HTTP {status}{}{tries}", listed(codes))]
    #[diagnostic(code(relrun::registry::refused))]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The registry, repository and tag or digest.
        at: String,
        /// The HTTP status.
        status: u16,
        /// The registry's own codes.
        codes: Vec<OciCode>,
        /// How often it was tried.
        tries: Tries,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// No answer came, or it broke off.
    #[error("failed to {doing} {at}: {reason}{tries}")]
    #[diagnostic(code(relrun::registry::unreachable))]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// The registry, repository and tag or digest.
        at: String,
        /// What happened.
        reason: String,
        /// How often it was tried.
        tries: Tries,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// The answer does not keep to the distribution specification.
    #[error("failed to {doing} {at}: the answer makes no sense: {reason}")]
    #[diagnostic(code(relrun::registry::nonsense), help("check that this is an OCI registry, and that no proxy changes what it says"))]
    Nonsense {
        /// What was being done.
        doing: &'static str,
        /// The registry, repository and tag or digest.
        at: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Content is not what its digest says.
    #[error("{at} is not what its digest says: expected {expected}, found {found}")]
    #[diagnostic(code(relrun::registry::digest), help("nothing was kept of it; what lies there was changed or damaged, so push it again"))]
    Digest {
        /// The registry and repository, or the layout.
        at: String,
        /// The digest that was asked for.
        expected: Box<Digest>,
        /// What the content has.
        found: String,
    },
    /// More than the caller takes.
    #[error("{at} is larger than the {limit} bytes that are taken")]
    #[diagnostic(code(relrun::registry::too_large))]
    TooLarge {
        /// What it is, and where.
        at: String,
        /// How much is taken, in bytes.
        limit: u64,
    },
    /// An immutable tag stands for something else.
    #[error("{at} exists with another content: it is {there}, and this is {here}")]
    #[diagnostic(code(relrun::registry::tag_taken), help("a published version never changes: push this content under the next version"))]
    TagTaken {
        /// The registry, repository and tag.
        at: String,
        /// The digest that the tag has.
        there: Box<Digest>,
        /// The digest that was to be pushed.
        here: Box<Digest>,
    },
    /// The registry cannot do that.
    #[error("{at}: this registry cannot {doing} (HTTP {status}){}", listed(codes))]
    #[diagnostic(code(relrun::registry::unsupported))]
    Unsupported {
        /// What was being done.
        doing: &'static str,
        /// The registry, repository and tag.
        at: String,
        /// The HTTP status.
        status: u16,
        /// The registry's own codes.
        codes: Vec<OciCode>,
        /// What to do.
        #[help]
        help: String,
    },
    /// The credentials could not be found out.
    #[error("failed to get the credentials for {registry}: {reason}")]
    #[diagnostic(code(relrun::registry::credentials))]
    Credentials {
        /// For which registry.
        registry: String,
        /// What went wrong, without a word of the credentials.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// The client was set up wrongly.
    #[error("failed to set up the registry client: {reason}")]
    #[diagnostic(code(relrun::registry::setup))]
    Setup {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// A tree cannot become a layer.
    #[error("{path} cannot go into a layer: {reason}")]
    #[diagnostic(code(relrun::registry::tree))]
    Tree {
        /// The path.
        path: String,
        /// Why.
        reason: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// A directory is no usable OCI layout, or a document no OCI document.
    #[error("{at}: {reason}")]
    #[diagnostic(code(relrun::registry::malformed))]
    Malformed {
        /// Where.
        at: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// The operating system said no.
    #[error("failed to {doing}")]
    #[diagnostic(code(relrun::registry::io), help("check that there is room and that you may read and write there"))]
    Io {
        /// What was being done, and to which path.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl RegistryError {
    /// Returns whether what was asked for is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Returns whether it is what lies there that cannot be used: missing, broken, or too large. The way there is none of it.
    pub fn is_of_content(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Digest { .. } | Self::TooLarge { .. } | Self::Malformed { .. } | Self::Nonsense { .. })
    }

    /// Notes how often this was tried.
    pub(crate) fn after(mut self, times: u32) -> Self {
        if let Self::Refused { tries, .. } | Self::Unreachable { tries, .. } = &mut self {
            *tries = Tries(times);
        }
        self
    }

    /// Returns the error that an immutable tag stands for something else.
    pub(crate) fn taken(place: &Place, tag: &Tag, there: &Digest, here: &Digest) -> Self {
        Self::TagTaken { at: format!("{place}:{tag}"), there: Box::new(there.clone()), here: Box::new(here.clone()) }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::Io { doing, source }
    }
}

/// How often something was tried; nothing is said of a single time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries(pub u32);

impl fmt::Display for Tries {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(out, " (tried {} times)", self.0) } else { Ok(()) }
    }
}

/// One error of the distribution specification, as a registry sent it: cut to a length, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciCode {
    /// The code, such as `MANIFEST_UNKNOWN`.
    pub code: String,
    /// The registry's words.
    pub message: String,
}

impl OciCode {
    /// Returns the errors in a registry's answer; none where the answer is something else.
    pub(crate) fn read(body: &[u8]) -> Vec<Self> {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else { return Vec::new() };
        let shown = envelope.errors.into_iter().take(3);
        shown.map(|error| Self { code: tame(&error.code), message: tame(&error.message) }).collect()
    }

    /// Returns whether one of `codes` is `code`.
    pub(crate) fn any(codes: &[Self], code: &str) -> bool {
        codes.iter().any(|one| one.code == code)
    }
}

impl fmt::Display for OciCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() { out.write_str(&self.code) } else { write!(out, "{}: {}", self.code, self.message) }
    }
}

/// The specification's form of an error body.
#[derive(serde::Deserialize)]
struct Envelope {
    errors: Vec<Sent>,
}

#[derive(serde::Deserialize)]
struct Sent {
    code: String,
    #[serde(default)]
    message: String,
}

fn listed(codes: &[OciCode]) -> String {
    let texts: Vec<String> = codes.iter().map(ToString::to_string).collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join("; ")) }
}

/// Returns a stranger's text as it may be shown: no control characters, and not too long.
pub(crate) fn tame(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_words_are_shown_without_escapes() {
        let codes = OciCode::read(b"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b[31mno\"},{\"code\":\"X\"}]}");
        assert_eq!(listed(&codes), ": DENIED: [31mno; X");
        assert!(OciCode::any(&codes, "DENIED"));
        assert_eq!(OciCode::read(b"<html>busy</html>"), []);
    }

    #[test]
    fn tries_are_said_only_where_there_were_many() {
        let error = RegistryError::Unreachable {
            doing: "reach",
            at: "r.example".to_owned(),
            reason: "closed".to_owned(),
            tries: Tries(1),
            help: None,
        };
        assert_eq!(error.to_string(), "failed to reach r.example: closed");
        assert_eq!(error.after(5).to_string(), "failed to reach r.example: closed (tried 5 times)");
    }
}

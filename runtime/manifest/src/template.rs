//! Strings that refer to values: `Hello ${input.who}!`.

use crate::{Mistake, Span, nearest};
use serde::{Deserialize, Serialize};

/// A string with references in it. One that is a single reference keeps the type of the value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its pieces, in order. Text pieces are never empty and never adjacent.
    pub parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// Text, with `$${` already turned into `${`.
    Text(String),
    /// A reference.
    Ref(Reference),
}

/// What stands before the first dot of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Namespace {
    /// `${input.NAME}`.
    Input,
    /// `${secret.NAME}`: a handle, never the bytes.
    Secret,
    /// `${env.NAME}`: a variable of relrun's own environment, under an `env` grant.
    Env,
    /// `${step.NAME.OUTPUT}`: an edge of the DAG.
    Step,
    /// `${release.number}`, `${release.version}`, `${release.id}`.
    Release,
    /// `${package.name}`, `${package.owner}`, `${package.version}`.
    Package,
    /// `${environment.name}`, `${environment.labels.NAME}`; environment-bound steps only.
    Environment,
    /// `${previous.KEY}`: what this deployment recorded last; effects only.
    Previous,
    /// `${dep.AS.OUTPUT}`.
    Dep,
}

/// One `${…}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The namespace.
    pub namespace: Namespace,
    /// The rest, split at the dots; never empty.
    pub path: Vec<String>,
    /// Where the `${…}` stands.
    pub span: Span,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.path == other.path
    }
}

impl Namespace {
    /// Every namespace with its word.
    pub const ALL: [(&'static str, Self); 9] = [
        ("input", Self::Input),
        ("secret", Self::Secret),
        ("env", Self::Env),
        ("step", Self::Step),
        ("release", Self::Release),
        ("package", Self::Package),
        ("environment", Self::Environment),
        ("previous", Self::Previous),
        ("dep", Self::Dep),
    ];

    /// Returns the word that stands before the first dot.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, namespace)| *namespace == self).map_or("", |(word, _)| word)
    }

    /// Returns the namespace of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, namespace)| *namespace)
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${{{}.{}}}", self.namespace.word(), self.path.join("."))
    }
}

impl Template {
    /// Returns a template of text alone.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { parts: if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] } }
    }

    /// Returns the reference, if the whole string is a single one.
    pub fn single(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Ref(reference)] => Some(reference),
            _ => None,
        }
    }

    /// Returns the text, if there is no reference in it.
    pub fn as_text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns the references in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Ref(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// Takes a string apart. `raw` is the string as it stands in the file, quotes and all, and `span` its place: both only to place what is found.
    pub(crate) fn parse(text: &str, raw: &str, span: Span) -> Result<Self, Vec<Mistake>> {
        let mut cursor = Cursor { raw, span, seen: 0 };
        let (mut parts, mut mistakes, mut plain, mut rest) = (Vec::new(), Vec::new(), String::new(), text);
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$${") {
                plain.push_str("${");
                cursor.skip("$${");
                rest = after;
            } else if rest.starts_with("${") {
                let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                let place = cursor.skip(&rest[..end]);
                match reference(&rest[..end], place) {
                    Ok(reference) => {
                        if !plain.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut plain)));
                        }
                        parts.push(Part::Ref(reference));
                    }
                    Err(mistake) => mistakes.push(*mistake),
                }
                rest = &rest[end..];
            } else {
                plain.push('$');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if mistakes.is_empty() { Ok(Self { parts }) } else { Err(mistakes) }
    }
}

/// Finds the places of pieces in the raw text, one after the other. Escapes make a piece look otherwise there; then the whole string is its place.
struct Cursor<'a> {
    raw: &'a str,
    span: Span,
    seen: usize,
}

impl Cursor<'_> {
    fn skip(&mut self, piece: &str) -> Span {
        let Some(at) = self.raw.get(self.seen..).and_then(|rest| rest.find(piece)) else { return self.span };
        let start = self.seen + at;
        self.seen = start + piece.len();
        Span { start: self.span.start + narrow(start), len: narrow(piece.len()) }
    }
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Reads one `${…}`, braces and all.
fn reference(text: &str, span: Span) -> Result<Reference, Box<Mistake>> {
    let wrong = |message: String, help: String| Box::new(Mistake::new("relrun::manifest::reference", span, message).help(help));
    let literal = || format!("where the text `{text}` itself is meant, write `${text}`");
    let Some(inner) = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')) else {
        return Err(wrong(
            "a reference is not closed".to_owned(),
            "close it with `}`; where the text `${` itself is meant, write `$${`".to_owned(),
        ));
    };
    let (word, path) = inner.split_once('.').unwrap_or((inner, ""));
    let Some(namespace) = Namespace::from_word(word) else {
        let known = Namespace::ALL.map(|(word, _)| word);
        let help = match nearest(word, known) {
            Some(near) => format!("did you mean `${{{near}.{}}}`?", if path.is_empty() { "NAME" } else { path }),
            None => format!("a reference begins with one of {}; {}", known.join(", "), literal()),
        };
        return Err(wrong(format!("`{word}` is nothing that a reference can begin with"), help));
    };
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if path.split('.').all(plain) {
        let path = path.split('.').map(str::to_owned).collect();
        Ok(Reference { namespace, path, span })
    } else {
        Err(wrong(
            format!("`{text}` is not a reference"),
            format!("write `${{{word}.NAME}}`, its names made of letters, digits, `-` and `_`; {}", literal()),
        ))
    }
}

impl Template {
    /// Returns the value: a single reference's own, or the text with every reference replaced. One that is not known stands as `${…}`.
    pub fn to_json(&self, resolve: &dyn Fn(&Reference) -> Option<serde_json::Value>) -> serde_json::Value {
        use serde_json::Value;
        if let Some(value) = self.single().and_then(resolve) {
            return value;
        }
        let pieces = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Ref(reference) => match resolve(reference) {
                Some(Value::String(text)) => text,
                Some(value) => value.to_string(),
                None => reference.to_string(),
            },
        });
        Value::String(pieces.collect())
    }
}

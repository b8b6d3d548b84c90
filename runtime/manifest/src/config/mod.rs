//! Configs: KDL nodes into the JSON that a plugin gets, shaped by the plugin's own JSON Schema, and checked against it with the places kept.
//! What this may never do: know a plugin, or hold the bytes of a secret.

mod check;
mod guide;
mod shape;

pub use check::{ConfigSchema, SchemaError, check};
pub use shape::shape;

use crate::{Mistake, Reference, Span};
use std::collections::BTreeMap;

/// A config as JSON, and where each part of it stands.
#[derive(Clone, Debug)]
pub struct Shaped {
    /// The config. A reference that is not known yet stands as the string `${…}`.
    pub json: serde_json::Value,
    /// Where the values stand, by JSON pointer; the whole config's is the empty one.
    pub spans: BTreeMap<String, Span>,
    /// Where the names of the values stand, by JSON pointer.
    pub keys: BTreeMap<String, Span>,
    /// The references that are not known yet, by the JSON pointer of the value that holds them.
    pub unknown: Vec<(String, Reference)>,
    /// What cannot be put into JSON at all.
    pub mistakes: Vec<Mistake>,
}

impl Shaped {
    /// Returns where a JSON pointer stands: its own place, or that of the nearest part around it.
    pub fn span(&self, pointer: &str) -> Span {
        let mut pointer = pointer;
        loop {
            if let Some(span) = self.spans.get(pointer) {
                return *span;
            }
            match pointer.rfind('/') {
                Some(at) => pointer = &pointer[..at],
                None => return Span::default(),
            }
        }
    }
}

/// One step of a JSON pointer (RFC 6901).
fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

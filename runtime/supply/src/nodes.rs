//! What the lock and `bundle.kdl` have in common: nodes of KDL with a closed list of words, and mistakes that name their line.

use kdl::{KdlDocument, KdlNode, KdlValue};

use crate::SupplyError;

/// A file that is read.
pub(crate) struct Reader<'t> {
    /// How messages name it.
    pub(crate) file: &'t str,
    text: &'t str,
    /// What to type where it is wrong.
    pub(crate) help: &'t str,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str, help: &'t str) -> Self {
        Self { file, text, help }
    }

    pub(crate) fn document(&self) -> Result<KdlDocument, SupplyError> {
        KdlDocument::parse_v2(self.text).map_err(|error| {
            let first = error.diagnostics.first();
            let line = first.map_or(1, |first| self.line(first.span.offset()));
            let why = first.and_then(|first| first.message.clone()).unwrap_or_else(|| "it is no KDL".to_owned());
            SupplyError::wrong(format!("{}:{line}: {why}", self.file), self.help)
        })
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    pub(crate) fn wrong(&self, node: &KdlNode, what: impl std::fmt::Display) -> SupplyError {
        SupplyError::wrong(format!("{}:{}: {what}", self.file, self.line(node.span().offset())), self.help)
    }

    /// Refuses children and properties that are not known, and those that stand twice.
    pub(crate) fn only(&self, node: &KdlNode, children: &[&str], props: &[&str], many: &[&str]) -> Result<(), SupplyError> {
        for entry in node.entries() {
            let Some(name) = entry.name() else { continue };
            if !props.contains(&name.value()) {
                return Err(self.wrong(node, format!("`{}` has no property `{}`{}", node.name().value(), name.value(), of(props))));
            }
        }
        self.only_of(node.children().map(KdlDocument::nodes).unwrap_or_default(), children, many)
    }

    pub(crate) fn only_of(&self, nodes: &[KdlNode], known: &[&str], many: &[&str]) -> Result<(), SupplyError> {
        let mut seen: Vec<&str> = Vec::new();
        for node in nodes {
            let name = node.name().value();
            if !known.contains(&name) {
                return Err(self.wrong(node, format!("`{name}` is not known here{}", of(known))));
            }
            if seen.contains(&name) && !many.contains(&name) {
                return Err(self.wrong(node, format!("`{name}` stands here twice")));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// Returns a node's only argument, a text.
    pub(crate) fn text(&self, node: &KdlNode) -> Result<String, SupplyError> {
        match &self.texts(node)?[..] {
            [text] => Ok(text.clone()),
            _ => Err(self.wrong(node, format!("`{}` takes one text", node.name().value()))),
        }
    }

    /// Returns a node's arguments, all of them texts.
    pub(crate) fn texts(&self, node: &KdlNode) -> Result<Vec<String>, SupplyError> {
        let arguments = node.entries().iter().filter(|entry| entry.name().is_none());
        let text = |value: &KdlValue| value.as_string().map(str::to_owned);
        let texts: Option<Vec<String>> = arguments.map(|entry| text(entry.value())).collect();
        texts.ok_or_else(|| self.wrong(node, format!("`{}` takes texts", node.name().value())))
    }

    pub(crate) fn prop(&self, node: &KdlNode, name: &str) -> Result<Option<String>, SupplyError> {
        match node.get(name) {
            None => Ok(None),
            Some(value) => {
                value.as_string().map(|text| Some(text.to_owned())).ok_or_else(|| self.wrong(node, format!("`{name}` is a text")))
            }
        }
    }

    pub(crate) fn count(&self, node: &KdlNode, name: &str) -> Result<u64, SupplyError> {
        let value = node.get(name).and_then(KdlValue::as_integer).and_then(|number| u64::try_from(number).ok());
        value.ok_or_else(|| self.wrong(node, format!("`{}` needs `{name}=`, a whole number", node.name().value())))
    }
}

pub(crate) fn child<'n>(node: &'n KdlNode, name: &str) -> Option<&'n KdlNode> {
    node.children().and_then(|children| children.get(name))
}

fn of(known: &[&str]) -> String {
    if known.is_empty() { String::new() } else { format!("; it may be {}", known.join(", ")) }
}

/// Writes a text as KDL does.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() || is_hidden(letter) => out.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Letters that KDL forbids as they are, or that turn lines around where a person reads them.
fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{85}')
}

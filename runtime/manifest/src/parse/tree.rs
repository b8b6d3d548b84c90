//! KDL text into plain nodes with spans. The one place that knows the `kdl` crate; what it may never do is know a word of the manifest.

use super::guard;
use crate::{Mistake, Span, Spanned};
use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};
use miette::SourceSpan;

/// The parser goes on after a mistake, and one lost brace makes it report every line behind: more than this helps nobody.
const MAX_SYNTAX_MISTAKES: usize = 20;

/// The parser's second complaint about the same brace.
const SAID_TWICE: &str = "Closing '}' was not found after nodes";

/// A node of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: Spanned<String>,
    pub(crate) args: Vec<Spanned<Value>>,
    pub(crate) props: Vec<(Spanned<String>, Spanned<Value>)>,
    /// Absent where no braces were written.
    pub(crate) children: Vec<Node>,
    pub(crate) span: Span,
}

/// A value of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// Its text, and how it is written.
    Text(String, String),
}

impl Node {
    /// Returns the text of an argument. A wrong type was reported when the shape was checked.
    pub(crate) fn text(&self, index: usize) -> Option<Spanned<String>> {
        self.args.get(index).and_then(text_of)
    }

    /// Returns the texts of all arguments.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Spanned<String>> {
        self.args.iter().filter_map(text_of)
    }

    /// Returns a property.
    pub(crate) fn prop(&self, name: &str) -> Option<&Spanned<Value>> {
        self.props.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    /// Returns the text of a property.
    pub(crate) fn prop_text(&self, name: &str) -> Option<Spanned<String>> {
        self.prop(name).and_then(text_of)
    }

    /// Returns a property that is true or false.
    pub(crate) fn prop_bool(&self, name: &str) -> Option<bool> {
        match self.prop(name)?.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the children of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name.value == name)
    }

    /// Returns the first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name.value == name)
    }
}

fn text_of(value: &Spanned<Value>) -> Option<Spanned<String>> {
    match &value.value {
        Value::Text(text, _) => Some(Spanned::new(text.clone(), value.span)),
        _ => None,
    }
}

/// The nodes of a file.
pub(crate) enum Read {
    /// All of them.
    Whole(Vec<Node>),
    /// Those that could be read.
    Part(Vec<Node>),
}

/// Reads a file into its nodes; what cannot be read is reported, and the nodes beside it are returned.
pub(crate) fn read(text: &str, mistakes: &mut Vec<Mistake>) -> Read {
    let ends = match guard::check(text) {
        Ok(ends) => ends,
        Err(mistake) => {
            mistakes.push(*mistake);
            return Read::Part(Vec::new());
        }
    };
    match guard::parse(text) {
        Ok(document) => Read::Whole(Reader { text, mistakes }.nodes(&document)),
        Err(found) => {
            mistakes.extend(found);
            let rest = guard::parse(&without_broken(text, &ends));
            Read::Part(rest.map(|document| Reader { text, mistakes }.nodes(&document)).unwrap_or_default())
        }
    }
}

/// Returns the text with spaces in place of the nodes that cannot be read, so that all others keep their places.
fn without_broken(text: &str, ends: &[usize]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut start = 0;
    for end in ends.iter().copied().chain([text.len()]) {
        let Some(node) = text.get(start..end) else { continue };
        if guard::parse(node).is_ok() {
            kept.push_str(node);
        } else {
            kept.extend(node.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        start = end;
    }
    kept
}

/// Turns the parser's own complaint into a mistake.
pub(crate) fn syntax_mistakes(text: &str, error: &kdl::KdlError) -> Vec<Mistake> {
    let specific = error.diagnostics.iter().any(|found| found.message.is_some());
    error
        .diagnostics
        .iter()
        .take(MAX_SYNTAX_MISTAKES)
        .filter(|found| !specific || found.message.is_some())
        .filter(|found| !found.message.as_deref().unwrap_or_default().starts_with(SAID_TWICE))
        .map(|found| {
            let message = found.message.clone().unwrap_or_else(|| "this cannot be read as KDL".to_owned());
            let mut mistake = Mistake::new("relrun::manifest::syntax", first_line(text, found.span), lower_first(&message));
            mistake.label = found.label.clone().unwrap_or_else(|| "here".to_owned());
            mistake.help = bare_keyword(text, found.span).or_else(|| found.help.clone());
            mistake
        })
        .collect()
}

/// KDL 2 writes its keywords with `#`; the older form is the most frequent slip.
fn bare_keyword(text: &str, span: SourceSpan) -> Option<String> {
    let start = text[..span.offset().min(text.len())].rfind(|c: char| c.is_whitespace() || c == '=').map_or(0, |at| at + 1);
    let word: String = text.get(start..)?.chars().take_while(char::is_ascii_alphabetic).collect();
    matches!(word.as_str(), "true" | "false" | "null" | "inf" | "nan").then(|| format!("KDL 2 writes `#{word}`; the text is `\"{word}\"`"))
}

/// A complaint that covers a whole block hides the line that it is about.
fn first_line(text: &str, span: SourceSpan) -> Span {
    let (start, end) = (span.offset().min(text.len()), (span.offset() + span.len()).min(text.len()));
    let line = text.get(start..end).and_then(|part| part.lines().next()).map_or(0, str::len);
    to_span((start, line.max(usize::from(end > start))).into())
}

fn lower_first(message: &str) -> String {
    let mut chars = message.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn to_span(span: SourceSpan) -> Span {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { start: narrow(span.offset()), len: narrow(span.len()) }
}

struct Reader<'a> {
    text: &'a str,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    fn nodes(&mut self, document: &KdlDocument) -> Vec<Node> {
        document.nodes().iter().map(|node| self.node(node)).collect()
    }

    fn node(&mut self, node: &KdlNode) -> Node {
        let name = Spanned::new(node.name().value().to_owned(), to_span(node.name().span()));
        self.no_annotation(node.ty());
        let (mut args, mut props) = (Vec::new(), Vec::<(Spanned<String>, Spanned<Value>)>::new());
        for entry in node.entries() {
            self.no_annotation(entry.ty());
            let value = self.value(entry);
            let Some(key) = entry.name() else {
                args.push(value);
                continue;
            };
            let key = Spanned::new(key.value().to_owned(), to_span(key.span()));
            if let Some((first, _)) = props.iter().find(|(known, _)| *known == key) {
                let mistake = Mistake::new("relrun::manifest::duplicate", key.span, format!("`{}` is given twice", key.value));
                self.mistakes.push(mistake.label("again here").also(first.span, "first here").help("keep one of them"));
            }
            props.push((key, value));
        }
        let children = node.children().map(|children| self.nodes(children)).unwrap_or_default();
        Node { span: self.trimmed(to_span(node.span())), name, args, props, children }
    }

    fn no_annotation(&mut self, annotation: Option<&kdl::KdlIdentifier>) {
        if let Some(annotation) = annotation {
            let message = format!("the type annotation `({})` means nothing here", annotation.value());
            self.mistakes.push(
                Mistake::new("relrun::manifest::annotation", to_span(annotation.span()), message)
                    .help("leave it out: types come from the manifest's own words and the plugin's schema"),
            );
        }
    }

    fn value(&mut self, entry: &KdlEntry) -> Spanned<Value> {
        let whole = to_span(entry.span());
        let written = entry.format().map_or("", |format| format.value_repr.as_str());
        let span = self.value_span(whole, written);
        let value = match entry.value() {
            KdlValue::Null => Value::Null,
            KdlValue::Bool(value) => Value::Bool(*value),
            KdlValue::Integer(value) => i64::try_from(*value).map_or_else(|_| self.bad_number(span), Value::Integer),
            KdlValue::Float(value) if value.is_finite() => Value::Float(*value),
            KdlValue::Float(_) => self.bad_number(span),
            KdlValue::String(text) => Value::Text(text.clone(), written.to_owned()),
        };
        Spanned::new(value, span)
    }

    fn bad_number(&mut self, span: Span) -> Value {
        let mistake = Mistake::new("relrun::manifest::number", span, "this number has no place in JSON");
        self.mistakes.push(mistake.help("write a finite number; whole ones fit into 64 bits"));
        Value::Null
    }

    /// The value's own place in `key=value`.
    fn value_span(&self, whole: Span, written: &str) -> Span {
        let (start, end) = (whole.start as usize, (whole.start + whole.len) as usize);
        match self.text.get(start..end) {
            Some(entry) if !written.is_empty() && entry.ends_with(written) => to_span((end - written.len(), written.len()).into()),
            _ => whole,
        }
    }

    fn trimmed(&self, span: Span) -> Span {
        let (start, end) = (span.start as usize, (span.start + span.len) as usize);
        let len = self.text.get(start..end).map_or(span.len as usize, |text| text.trim_end().len());
        to_span((start, len).into())
    }
}

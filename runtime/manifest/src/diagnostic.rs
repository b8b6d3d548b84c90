//! Mistakes: where they stand, what is wrong and what to write instead. Every mistake of a file is kept, because a person who fixes one at a
//! time runs the command ten times. What this may never do: print.

use crate::Span;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::fmt::{self, Display};
use std::sync::Arc;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// A stable word for machines: `relrun::manifest::unknown-node`.
    pub code: &'static str,
    /// Where it stands.
    pub span: Span,
    /// What stands under the line.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that belong to it, such as the first of two equal names.
    pub also: Vec<(Span, String)>,
}

impl Mistake {
    /// Returns a mistake without help, labelled `here`.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, span, label: "here".to_owned(), help: None, also: Vec::new() }
    }

    /// Says what stands under the line.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place that belongs to it.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.span);
        let rest = self.also.iter().map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), *span));
        Some(Box::new(std::iter::once(first).chain(rest)))
    }
}

/// Every mistake of one file, in file order; never empty.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    source: Arc<NamedSource<String>>,
    mistakes: Vec<Mistake>,
}

impl Diagnostics {
    /// Returns the mistakes of a file, in file order, each one once.
    pub fn new(file_name: &str, text: &str, mut mistakes: Vec<Mistake>) -> Self {
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        for mistake in &mut mistakes {
            clamp(&mut mistake.span, end);
            mistake.also.iter_mut().for_each(|(span, _)| clamp(span, end));
        }
        mistakes.sort_by_key(|mistake| mistake.span.start);
        mistakes.dedup();
        // A text that was refused for its length is not shown: its line may be all of it.
        let shown = if text.len() > crate::text::MAX_BYTES { "" } else { text };
        if shown.is_empty() {
            for mistake in &mut mistakes {
                mistake.span = Span::default();
            }
        }
        Self { source: Arc::new(NamedSource::new(file_name, shown.to_owned())), mistakes }
    }

    /// Returns the mistakes in file order.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// Returns the name of the file.
    pub fn file_name(&self) -> &str {
        self.source.name()
    }

    /// Returns the line and the column of a place in this file, both from 1; columns count characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        position(self.source.inner(), span)
    }
}

/// Returns the line and the column of a place, both from 1; columns count characters.
pub fn position(text: &str, span: Span) -> (usize, usize) {
    let mut start = (span.start as usize).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

// A span beyond the text would make the report's writer fail, and so hide the mistake.
fn clamp(span: &mut Span, end: u32) {
    span.start = span.start.min(end);
    span.len = span.len.min(end - span.start);
}

impl Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => write!(f, "{} has a mistake", self.file_name()),
            n => write!(f, "{} has {n} mistakes", self.file_name()),
        }
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic for Diagnostics {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.mistakes.iter().map(|mistake| mistake as &dyn Diagnostic)))
    }
}

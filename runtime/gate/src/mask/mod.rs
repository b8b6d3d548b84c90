//! Masking: no secret leaves in any form that can be foreseen.
//!
//! Everything that a plugin or a command says goes through here before anything is kept or printed. A secret of three characters or fewer
//! stands in too many innocent texts: it is masked only as a whole word, in its raw form, and never fails a step; [`Masker::weak`] names
//! such secrets, so that the command line can warn.

mod forms;
mod stream;

pub use stream::StreamMasker;

use crate::Secrets;
use aho_corasick::AhoCorasick;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;

/// What stands in a secret's place.
pub const MASK: &str = "***";
/// How much is read at once, in bytes.
const PIECE: u64 = 1 << 20;
/// A shorter secret is masked only as a whole word.
const WORD_ONLY_BELOW: usize = 4;
/// A shorter line of a secret of several lines is not masked: it would be `{` or `EOF`.
const LINE_MIN: usize = 8;
/// A line of a secret fails a step only where it is so long, and one word: key material, not a key's name.
const TELLING_LINE_MIN: usize = 16;

/// What is known of one form.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// Whose it is: a place in [`Masker::names`].
    owner: usize,
    /// Whether an output that holds it holds the secret.
    telling: bool,
    /// Whether it counts only as a whole word.
    word: bool,
}

/// Finds secrets in text, in every form. Built once a run; its forms are in memory as long as it is.
#[derive(Debug)]
pub struct Masker {
    names: Vec<String>,
    weak: Vec<usize>,
    /// Sorted, each once; `forms` and the automaton's patterns have the same places.
    texts: Vec<Vec<u8>>,
    forms: Vec<Form>,
    /// Absent where there is nothing to mask, or the forms are more than an automaton can hold.
    automaton: Option<AhoCorasick>,
    longest: usize,
}

impl Masker {
    /// Prepares every form of every secret. Empty secrets are no secrets.
    pub fn new(secrets: &Secrets) -> Result<Self, crate::GateError> {
        let mut all = BTreeMap::new();
        let mut names = Vec::new();
        let mut weak = Vec::new();
        for (name, value) in secrets.iter() {
            let owner = names.len();
            names.push(name.to_owned());
            if value.trim().chars().count() < WORD_ONLY_BELOW {
                weak.push(owner);
            }
            collect(owner, value, &mut all);
        }
        let (texts, forms): (Vec<Vec<u8>>, Vec<Form>) = all.into_iter().unzip();
        let automaton = if texts.is_empty() {
            None
        } else {
            Some(
                AhoCorasick::new(&texts)
                    .map_err(|error| crate::GateError::invalid(format!("the secrets are too long to mask: {error}")))?,
            )
        };
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Self { names, weak, texts, forms, automaton, longest })
    }

    /// Returns the names of secrets that are too short to be masked everywhere.
    pub fn weak(&self) -> impl Iterator<Item = &str> {
        self.weak.iter().map(|&owner| self.names[owner].as_str())
    }

    /// Returns the text with [`MASK`] in place of every secret. Secrets that overlap or touch become one mask.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let found = self.find(text.as_bytes(), None, true);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            out.push_str(&String::from_utf8_lossy(&text.as_bytes()[end..range.start]));
            out.push_str(MASK);
            end = range.end;
        }
        out.push_str(&String::from_utf8_lossy(&text.as_bytes()[end..]));
        Cow::Owned(out)
    }

    /// Returns the name of a secret that the bytes hold in any form: an output or a receipt that holds one fails its step.
    pub fn contains_secret(&self, bytes: impl AsRef<[u8]>) -> Option<&str> {
        let automaton = self.automaton.as_ref()?;
        automaton
            .find_overlapping_iter(bytes.as_ref())
            .map(|found| self.forms[found.pattern().as_usize()])
            .find(|form| form.telling)
            .map(|form| self.names[form.owner].as_str())
    }

    /// Like [`Self::contains_secret`], for what is too long to be in memory.
    pub fn reads_secret(&self, mut from: impl std::io::Read) -> std::io::Result<Option<&str>> {
        if self.automaton.is_none() {
            return Ok(None);
        }
        let mut held = Vec::new();
        loop {
            let read = from.by_ref().take(PIECE).read_to_end(&mut held)?;
            if let Some(name) = self.contains_secret(&held) {
                return Ok(Some(name));
            }
            if read == 0 {
                return Ok(None);
            }
            // What a form may have begun in stays for the next piece.
            held.drain(..held.len().saturating_sub(self.longest));
        }
    }

    /// Returns where secrets stand: sorted, apart from each other. `before` is the byte in front of the text, `ended` whether the text ends
    /// where it ends, or more may come.
    fn find(&self, text: &[u8], before: Option<u8>, ended: bool) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let mut found: Vec<Range<usize>> = automaton
            .find_overlapping_iter(text)
            .filter(|found| !self.forms[found.pattern().as_usize()].word || is_word(text, found.range(), before, ended))
            .map(|found| found.range())
            .collect();
        found.sort_by_key(|range| (range.start, range.end));
        found.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
        found
    }

    /// Returns where a form may have begun that the text does not hold whole: before that, nothing can change any more.
    fn settled(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(self.longest);
        (first..text.len()).find(|&start| self.begins_a_form(&text[start..])).unwrap_or(text.len())
    }

    fn begins_a_form(&self, tail: &[u8]) -> bool {
        let mut place = self.texts.partition_point(|form| form.as_slice() < tail);
        if self.texts.get(place).is_some_and(|form| form == tail) {
            if self.forms[place].word {
                return true;
            }
            place += 1;
        }
        self.texts.get(place).is_some_and(|form| form.starts_with(tail))
    }
}

/// Adds the forms of one secret.
fn collect(owner: usize, value: &str, all: &mut BTreeMap<Vec<u8>, Form>) {
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return;
    }
    if trimmed.chars().count() < WORD_ONLY_BELOW {
        all.entry(trimmed.as_bytes().to_vec()).or_insert(Form { owner, telling: false, word: true });
        return;
    }
    for text in [trimmed, value] {
        add(text, Form { owner, telling: true, word: false }, all);
    }
    // PEM's armour (`-----BEGIN …`) is the same in every key, public ones too.
    let lines = trimmed.lines().map(str::trim).filter(|line| line.len() >= LINE_MIN && !line.starts_with("-----"));
    for line in lines {
        let telling = line.len() >= TELLING_LINE_MIN && !line.contains(char::is_whitespace);
        add(line, Form { owner, telling, word: false }, all);
    }
}

fn add(text: &str, form: Form, all: &mut BTreeMap<Vec<u8>, Form>) {
    for bytes in forms::of(text) {
        let known = all.entry(bytes).or_insert(form);
        known.word &= form.word;
        if form.telling && !known.telling {
            *known = form;
        }
    }
}

fn is_word(text: &[u8], range: Range<usize>, before: Option<u8>, ended: bool) -> bool {
    let part_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
    let front = if range.start == 0 { before } else { Some(text[range.start - 1]) };
    let back = text.get(range.end).copied();
    !front.is_some_and(part_of_word) && back.map_or(ended, |byte| !part_of_word(byte))
}

#[cfg(test)]
mod tests;

//! Keeps hostile text from the parser: it is recursive, so that deep nesting would overflow the stack, which no caller can catch.
//!
//! Blocks taken out by `/-` inside each other cost it time without end: it tries each one twice. Both are refused here.
//!
//! Text that is too deep is refused by a scan before. The scan follows KDL's strings and comments; where text is broken, it and the parser
//! may disagree about what is a string. So whatever has more braces than the limit in all is parsed on a stack with room for every one of them.

use super::tree::syntax_mistakes;
use crate::{Mistake, Span};
use kdl::KdlDocument;

/// How deep blocks and comments may stand in each other. Manifests use 5 to 10.
const MAX_DEPTH: usize = 64;
/// How deep blocks that `/-` takes out may stand in each other; each level doubles the parser's time.
const MAX_TAKEN_OUT: usize = 3;
/// How long a file may be. The parser reads 2 MB a second.
const MAX_BYTES: usize = 32 << 20;
/// What one level costs the parser at most, measured: under 8 KiB.
const STACK_PER_LEVEL: usize = 12 << 10;
/// What one complaint costs it: after each at the top of the file it goes on a level deeper.
const STACK_PER_SLIP: usize = 2 << 10;
/// How many of them have room on any stack.
const MAX_SLIPS: usize = 128;
/// What a parse costs beside its levels.
const STACK_BASE: usize = 1 << 20;

/// Refuses text that is too long or too deep.
pub(crate) fn check(text: &str) -> Result<(), Box<Mistake>> {
    if text.len() > MAX_BYTES {
        let mistake =
            Mistake::new("relrun::manifest::too-long", Span::default(), format!("the file is longer than {} MiB", MAX_BYTES >> 20));
        return Err(Box::new(mistake.help("split the release, or read the large part from a file in a step")));
    }
    let Some((at, message)) = too_deep(text.as_bytes()) else { return Ok(()) };
    let span = Span { start: u32::try_from(at).unwrap_or(u32::MAX), len: 1 };
    Err(Box::new(
        Mistake::new("relrun::manifest::nesting", span, message).label("this one").help("close what stands open above it, or here"),
    ))
}

/// Parses text that [`check`] let through.
pub(crate) fn parse(text: &str) -> Result<KdlDocument, Vec<Mistake>> {
    let (levels, slips) = (openings(text), slips(text));
    let plain = |text: &str| KdlDocument::parse_v2(text).map_err(|error| syntax_mistakes(text, &error));
    if levels <= MAX_DEPTH && slips <= MAX_SLIPS {
        return plain(text);
    }
    let no_room = |message: &str| vec![Mistake::new("relrun::manifest::too-deep", Span::default(), message.to_owned())];
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new()
            .name("manifest".to_owned())
            .stack_size(STACK_BASE + levels * STACK_PER_LEVEL + slips * STACK_PER_SLIP);
        match builder.spawn_scoped(scope, || plain(text)) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(no_room("the KDL parser gave up on this file"))),
            Err(error) => Err(no_room(&format!("this machine has no room to parse the file: {error}"))),
        }
    })
}

/// Counts whatever could open a level, wherever it stands.
fn openings(text: &str) -> usize {
    text.matches('{').count() + text.matches("/*").count() + text.matches("/-").count()
}

/// Counts whatever could make the parser give up on the top of the file: what closes nothing, and what a broken string leaves behind. Every
/// line counts too, for what nobody thought of.
fn slips(text: &str) -> usize {
    text.matches(['}', '#', '\n']).count()
}

/// Returns where the first level begins that is too deep, and what to say about it.
fn too_deep(text: &[u8]) -> Option<(usize, String)> {
    // One entry a block: whether `/-` takes it out.
    let mut blocks: Vec<bool> = Vec::new();
    let (mut at, mut taken_out) = (0, false);
    while at < text.len() {
        at += match text[at] {
            b'{' => {
                blocks.push(std::mem::take(&mut taken_out));
                if let Some(message) = refuse(&blocks) {
                    return Some((at, message));
                }
                1
            }
            b'}' => {
                blocks.pop();
                1
            }
            b'/' => match text.get(at + 1) {
                Some(b'/') => line(&text[at..]),
                Some(b'*') => match comment(&text[at..]) {
                    Some(len) => len,
                    None => return Some((at, format!("comments stand more than {MAX_DEPTH} deep in each other"))),
                },
                Some(b'-') => {
                    taken_out = true;
                    2
                }
                _ => 1,
            },
            b'#' | b'"' => match string(&text[at..]) {
                Some(len) => len,
                None => return Some((at, "this string has no end".to_owned())),
            },
            _ => 1,
        };
    }
    None
}

fn refuse(blocks: &[bool]) -> Option<String> {
    if blocks.len() > MAX_DEPTH {
        Some(format!("blocks stand more than {MAX_DEPTH} deep in each other"))
    } else if blocks.iter().filter(|taken_out| **taken_out).count() > MAX_TAKEN_OUT {
        Some(format!("blocks that `/-` takes out stand more than {MAX_TAKEN_OUT} deep in each other"))
    } else {
        None
    }
}

/// Returns the length of a block comment, which may hold others; absent where they stand too deep.
fn comment(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
        if depth > MAX_DEPTH {
            return None;
        }
    }
    Some(at)
}

/// Returns the length of the string, plain or raw, of one line or several, that begins here; 1 where none does. One of several lines without
/// an end is no length: the parser looks for the end from each place again.
fn string(text: &[u8]) -> Option<usize> {
    let hashes = text.iter().take_while(|byte| **byte == b'#').count();
    let body = &text[hashes..];
    if !body.starts_with(b"\"") {
        return Some(hashes.max(1));
    }
    let quotes: &[u8] = if body.starts_with(b"\"\"\"") { b"\"\"\"" } else { b"\"" };
    let close = [quotes, &text[..hashes]].concat();
    let (mut at, inner) = (0, &body[quotes.len()..]);
    while at < inner.len() {
        if inner[at..].starts_with(&close) {
            return Some(hashes + quotes.len() + at + close.len());
        }
        if quotes.len() == 1 && newline(&inner[at..]) > 0 {
            return Some(hashes + quotes.len() + at);
        }
        // An escape of a plain string; one before a line's end takes the line's end out.
        at += if inner[at] == b'\\' && hashes == 0 { 1 + newline(&inner[at + 1..]).max(1) } else { 1 };
    }
    (quotes.len() == 1 && hashes == 0).then_some(text.len())
}

/// Returns the length of the line's end that stands here, or 0. KDL knows more of them than most.
fn newline(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
        [b'\n' | b'\r' | 0x0b | 0x0c, ..] => 1,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        _ => 0,
    }
}

/// Returns how far it is to the end of the line.
fn line(text: &[u8]) -> usize {
    (0..text.len()).find(|at| newline(&text[*at..]) > 0).unwrap_or(text.len())
}

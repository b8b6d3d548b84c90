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
    Err(Box::new(Mistake::new("relrun::manifest::too-deep", span, message).label("this one").help("close the blocks above it")))
}

/// Parses text that [`check`] let through.
pub(crate) fn parse(text: &str) -> Result<KdlDocument, Vec<Mistake>> {
    let levels = openings(text);
    let plain = |text: &str| KdlDocument::parse_v2(text).map_err(|error| syntax_mistakes(text, &error));
    if levels <= MAX_DEPTH {
        return plain(text);
    }
    let no_room = |message: &str| vec![Mistake::new("relrun::manifest::too-deep", Span::default(), message.to_owned())];
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("manifest".to_owned()).stack_size(STACK_BASE + levels * STACK_PER_LEVEL);
        match builder.spawn_scoped(scope, || plain(text)) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(no_room("the KDL parser gave up on this file"))),
            Err(error) => Err(no_room(&format!("this machine has no room to parse the file: {error}"))),
        }
    })
}

/// Counts whatever could open a level, wherever it stands.
fn openings(text: &str) -> usize {
    text.matches(['{']).count() + text.matches("/*").count() + text.matches("/-").count()
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
                Some(b'/') => find(&text[at..], b"\n"),
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
            b'#' | b'"' => string(&text[at..]),
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

/// Returns the length of the string, plain or raw, of one line or several, that begins here; 1 where none does.
fn string(text: &[u8]) -> usize {
    let hashes = text.iter().take_while(|byte| **byte == b'#').count();
    let body = &text[hashes..];
    if !body.starts_with(b"\"") {
        return hashes.max(1);
    }
    let quotes: &[u8] = if body.starts_with(b"\"\"\"") { b"\"\"\"" } else { b"\"" };
    let close = [quotes, &text[..hashes]].concat();
    let inner = &body[quotes.len()..];
    let len = if hashes > 0 { find(inner, &close) } else { find_unescaped(inner, &close) };
    hashes + quotes.len() + len
}

/// Returns how far it is to behind the needle, or to the end.
fn find(text: &[u8], needle: &[u8]) -> usize {
    text.windows(needle.len()).position(|window| window == needle).map_or(text.len(), |at| at + needle.len())
}

fn find_unescaped(text: &[u8], needle: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' {
            at += 2;
        } else if text[at..].starts_with(needle) {
            return at + needle.len();
        } else {
            at += 1;
        }
    }
    text.len()
}

//! Follows KDL's blocks, strings and comments without parsing: how deep they stand, and where the nodes at the top of the file end. What it may
//! never do: recurse.

/// How deep blocks and comments may stand in each other. Manifests use 5 to 10.
pub(super) const MAX_DEPTH: usize = 64;
/// How deep blocks that `/-` takes out may stand in each other; each level doubles the parser's time.
const MAX_TAKEN_OUT: usize = 3;

/// Returns where the lines at the top of the file end, or what is refused and why.
pub(super) fn line_ends(text: &[u8]) -> Result<Vec<usize>, (usize, String)> {
    let mut ends = Vec::new();
    // One entry a block: whether `/-` takes it out.
    let mut blocks: Vec<bool> = Vec::new();
    let (mut at, mut taken_out) = (0, false);
    while at < text.len() {
        at += match text[at] {
            b'{' => {
                blocks.push(std::mem::take(&mut taken_out));
                if let Some(message) = refuse(&blocks) {
                    return Err((at, message));
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
                    None => return Err((at, format!("comments stand more than {MAX_DEPTH} deep in each other"))),
                },
                Some(b'-') => {
                    taken_out = true;
                    2
                }
                _ => 1,
            },
            b'#' | b'"' => match string(&text[at..]) {
                Some(len) => len,
                None => return Err((at, "this string has no end".to_owned())),
            },
            b'\n' => {
                if blocks.is_empty() {
                    ends.push(at + 1);
                }
                1
            }
            _ => 1,
        };
    }
    Ok(ends)
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

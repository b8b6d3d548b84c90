//! Keeps hostile text from the parser: it is recursive, so that deep nesting would overflow the stack, which no caller can catch.
//!
//! Blocks taken out by `/-` inside each other cost it time without end: it tries each one twice. Both are refused here.
//!
//! Text that is too deep is refused by a scan before. The scan follows KDL's strings and comments; where text is broken, it and the parser
//! may disagree about what is a string. So whatever has more braces than the limit in all is parsed on a stack with room for every one of them.

use super::scan::{self, MAX_DEPTH};
use super::tree::syntax_mistakes;
use crate::text::MAX_BYTES;
use crate::{Mistake, Span};
use kdl::KdlDocument;

/// What one level costs the parser at most, measured: under 8 KiB.
const STACK_PER_LEVEL: usize = 12 << 10;
/// What one complaint costs it: after each at the top of the file it goes on a level deeper.
const STACK_PER_SLIP: usize = 2 << 10;
/// How many of them have room on any stack.
const MAX_SLIPS: usize = 128;
/// What a parse costs beside its levels.
const STACK_BASE: usize = 1 << 20;

/// Refuses text that is too long or too deep. Returns where the lines at the top of the file end: between them its nodes stand.
pub(crate) fn check(text: &str) -> Result<Vec<usize>, Box<Mistake>> {
    if text.len() > MAX_BYTES {
        let mistake =
            Mistake::new("relrun::manifest::too-long", Span::default(), format!("the file is longer than {} MiB", MAX_BYTES >> 20));
        return Err(Box::new(mistake.help("split the release, or read the large part from a file in a step")));
    }
    let (at, message) = match scan::line_ends(text.as_bytes()) {
        Ok(ends) => return Ok(ends),
        Err(refused) => refused,
    };
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

//! Patterns with `*`, and how one covers another.

use super::{ArgPattern, RunGrant};

/// Returns whether a pattern matches a text, or covers another pattern: a `*` of the other is a character that only a `*` can match. A pattern
/// that begins with `*` never matches what begins with `-`, so that no grant of a file name lets an option through.
pub(crate) fn glob_covers(pattern: &str, text: &str) -> bool {
    if pattern.starts_with('*') && text.starts_with('-') {
        return false;
    }
    star_match(pattern.as_bytes(), text.as_bytes())
}

/// Matches with one place to come back to, so that it takes at most the product of both lengths.
fn star_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

impl ArgPattern {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Glob(granted), Self::Glob(asked)) => glob_covers(granted, asked),
            (Self::Rest, _) => true,
            (Self::Glob(_), Self::Rest) => false,
        }
    }

    /// Returns the pattern as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Glob(text) => text,
            Self::Rest => "**",
        }
    }
}

impl RunGrant {
    /// Returns whether this grant lets a command line through.
    pub fn matches(&self, host: Option<&str>, program: &str, args: &[String]) -> bool {
        let is_there = match (&self.on, host) {
            (None, None) => true,
            (Some(pattern), Some(host)) => glob_covers(pattern, host),
            _ => false,
        };
        is_there && self.matches_line(program, args)
    }

    fn matches_line(&self, program: &str, args: &[String]) -> bool {
        let mut patterns = self.argv.iter();
        let mut texts = std::iter::once(program).chain(args.iter().map(String::as_str));
        loop {
            match (patterns.next(), texts.next()) {
                (Some(ArgPattern::Rest), _) | (None, None) => return true,
                (Some(ArgPattern::Glob(pattern)), Some(text)) if glob_covers(pattern, text) => {}
                _ => return false,
            }
        }
    }

    /// Returns whether whatever the other's patterns match, these match too.
    pub(super) fn covers_argv(&self, other: &Self) -> bool {
        let mut asked = other.argv.iter();
        for pattern in &self.argv {
            match (pattern, asked.next()) {
                (ArgPattern::Rest, _) => return true,
                (pattern, Some(asked)) if pattern.covers(asked) => {}
                _ => return false,
            }
        }
        asked.next().is_none()
    }
}

//! A digest that a person wrote: `blake3:…` or `sha256:…`.

use std::fmt;
use std::str::FromStr;

use relrun_ledger::Digest;
use sha2::{Digest as _, Sha256};

use crate::SupplyError;

/// What a component must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The blake3 of its bytes.
    Blake3(Digest),
    /// The SHA-256 of its bytes.
    Sha256([u8; 32]),
}

impl Pin {
    /// Checks bytes that came from `at`.
    ///
    /// # Errors
    /// Where they are something else.
    pub fn check(&self, at: &str, bytes: &[u8]) -> Result<(), SupplyError> {
        let found = match self {
            Self::Blake3(_) => Self::Blake3(Digest::of(bytes)),
            Self::Sha256(_) => Self::Sha256(Sha256::digest(bytes).into()),
        };
        if found == *self {
            return Ok(());
        }
        Err(SupplyError::Digest { at: at.to_owned(), expected: self.to_string(), found: found.to_string() })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blake3(digest) => write!(out, "blake3:{digest}"),
            // Both are 32 bytes, and this is how 32 bytes are written.
            Self::Sha256(bytes) => write!(out, "sha256:{}", Digest(*bytes)),
        }
    }
}

impl FromStr for Pin {
    type Err = SupplyError;

    fn from_str(text: &str) -> Result<Self, SupplyError> {
        let digits = |digits: &str| {
            let small = digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            small.then(|| blake3::Hash::from_hex(digits).ok()).flatten().map(|hash| *hash.as_bytes())
        };
        let pin = match text.split_once(':') {
            Some(("blake3", rest)) => digits(rest).map(|bytes| Self::Blake3(Digest(bytes))),
            Some(("sha256", rest)) => digits(rest).map(Self::Sha256),
            _ => None,
        };
        pin.ok_or_else(|| {
            SupplyError::wrong(
                format!("`{text}` is no digest of a component"),
                "write `blake3:` or `sha256:` and 64 small hexadecimal digits, as `relrun plugin inspect FILE` or `sha256sum FILE` prints them",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_to_either_digest() {
        let blake3 = Pin::Blake3(Digest::of(b"abc"));
        let sha256: Pin = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
        for pin in [blake3, sha256] {
            assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
            pin.check("here", b"abc").unwrap();
            let error = pin.check("here", b"abd").unwrap_err().to_string();
            assert!(error.starts_with("here is not what was pinned: expected "), "{error}");
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let upper = format!("blake3:{}", "A".repeat(64));
        for text in ["", "blake3:", "sha256:12", "md5:00", "ba7816bf", upper.as_str()] {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }
}

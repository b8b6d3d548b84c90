//! Answers of whoever was handed a secret: a server may say it back, and a command may print it. Masked here, so that it never gets into a guest
//! that has no more of it than a handle. It must never hold back what can be no part of a secret.

use relrun_gate::{Masker, StreamMasker};
use std::sync::Arc;

/// Masks one stream on its way into a guest.
pub(crate) struct Veil {
    masker: StreamMasker,
    ready: Vec<u8>,
    ended: bool,
}

impl Veil {
    pub(crate) fn new(masker: &Arc<Masker>) -> Self {
        Self { masker: StreamMasker::new(Arc::clone(masker)), ready: Vec::new(), ended: false }
    }

    /// Returns what may be handed over, at most `max` bytes, and none at the end; nothing where more has to be read first.
    pub(crate) fn next(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.ready.is_empty() && !self.ended {
            return None;
        }
        let rest = self.ready.split_off(max.min(self.ready.len()));
        Some(std::mem::replace(&mut self.ready, rest))
    }

    /// Takes what was read; nothing is the end.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.ended = piece.is_empty();
        self.ready = if self.ended { self.masker.flush() } else { self.masker.push(piece) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relrun_gate::Secrets;
    use std::collections::BTreeMap;

    #[test]
    fn a_secret_in_pieces_is_masked_and_no_piece_is_longer_than_asked() {
        let secrets = Secrets::new(BTreeMap::from([("token".to_owned(), "s3cr3t-t0ken-value".to_owned())]));
        let masker = Arc::new(Masker::new(&secrets).expect("a masker"));
        let mut veil = Veil::new(&masker);
        let mut pieces = ["you said s3cr", "3t-t0ken-val", "ue, and czNjcjN0LXQwa2VuLXZhbHVl", " s3cr"].into_iter();
        let mut said = Vec::new();
        loop {
            let Some(piece) = veil.next(5) else {
                veil.take(pieces.next().unwrap_or_default().as_bytes());
                continue;
            };
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() <= 5);
            said.extend(piece);
        }
        assert_eq!(String::from_utf8_lossy(&said), "you said ***, and *** s3cr");
    }
}

//! Masking of bytes that come in pieces.

use super::{MASK, Masker};
use std::sync::Arc;

/// Masks what comes in pieces, so that a secret split over two of them is still found.
///
/// It holds back only what may be the beginning of a secret: at most the longest form. Ordinary text leaves at once.
#[derive(Debug)]
pub struct StreamMasker {
    masker: Arc<Masker>,
    held: Vec<u8>,
    /// How many of the held bytes belong to a secret whose mask is out already.
    masked: usize,
    /// Whether the last that went out was a mask: what touches it needs no other.
    after_mask: bool,
    /// The byte in front of the held ones.
    before: Option<u8>,
}

impl StreamMasker {
    /// Begins a stream.
    pub fn new(masker: Arc<Masker>) -> Self {
        Self { masker, held: Vec::new(), masked: 0, after_mask: false, before: None }
    }

    /// Takes bytes; returns those that are settled, masked.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let end = self.masker.settled(&self.held);
        self.release(end, false)
    }

    /// Ends the stream, or a part of it that belongs together; returns the rest, masked.
    pub fn flush(&mut self) -> Vec<u8> {
        let rest = self.release(self.held.len(), true);
        (self.before, self.after_mask) = (None, false);
        rest
    }

    /// Lets out everything before `end`. A secret that began before it is whole already, and may reach beyond it.
    fn release(&mut self, end: usize, ended: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(end);
        let mut position = self.masked;
        for range in self.masker.find(&self.held, self.before, ended) {
            if range.start >= end {
                break;
            }
            if range.start > position {
                self.plain(position..range.start, &mut out);
            }
            if !self.after_mask {
                out.extend_from_slice(MASK.as_bytes());
                self.after_mask = true;
            }
            position = position.max(range.end);
        }
        if position < end {
            self.plain(position..end, &mut out);
            position = end;
        }
        if end > 0 {
            self.before = Some(self.held[end - 1]);
        }
        self.held.drain(..end);
        self.masked = position - end;
        out
    }

    fn plain(&mut self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.held[range]);
        self.after_mask = false;
    }
}

//! Names that are no text, kept from ending the session: the SFTP client reads every name as UTF-8, and gives up its whole session at the first one
//! that is none. Here, on the way in, the bytes that are no text get a stand-in of the same length, so that everything around them is read as ever.
//!
//! Nothing else of what a server sends is touched, and what cannot be understood is handed on as it came.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// What stands for a byte that is no text. A control character that no sane name has: whoever meets it in a name knows that it is not the name.
pub(crate) const STAND_IN: char = '\u{1a}';
/// How much is read at once.
const PIECE: usize = 64 << 10;
/// A longer packet is handed on unread; no server sends one.
const LONGEST: usize = 1 << 20;
/// The packet that holds names: `SSH_FXP_NAME`.
const NAME: u8 = 104;
/// A packet's length and type.
const HEAD: usize = 5;

/// Returns whether a name is another one on the host.
pub(crate) fn is_stand_in(name: &str) -> bool {
    name.contains(STAND_IN)
}

/// What a server sends, with names that are text.
pub(crate) struct Named<T> {
    inner: T,
    /// What was read and has not gone on.
    held: Vec<u8>,
    /// How much of it was looked at and may go on.
    ready: usize,
    /// How much of it went on.
    gone: usize,
    /// How much more goes on as it comes.
    pass: usize,
    ended: bool,
}

impl<T> Named<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, held: Vec::new(), ready: 0, gone: 0, pass: 0, ended: false }
    }

    /// Looks at what was read.
    fn look(&mut self) {
        while self.ready < self.held.len() {
            let left = self.held.len() - self.ready;
            if self.pass > 0 || self.ended {
                let passed = if self.ended { left } else { left.min(self.pass) };
                self.ready += passed;
                self.pass = self.pass.saturating_sub(passed);
                continue;
            }
            let Some((length, kind)) = head(&self.held[self.ready..]) else { return };
            let whole = length.saturating_add(4);
            if kind != NAME || length > LONGEST {
                self.pass = whole;
            } else if left < whole {
                return;
            } else {
                let end = self.ready + whole;
                // Behind the head comes the number of the request.
                let start = (self.ready + HEAD + 4).min(end);
                let _ = mend(&mut self.held[start..end]);
                self.ready = end;
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Named<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.gone == this.ready && !this.ended {
            this.held.drain(..this.gone);
            (this.ready, this.gone) = (0, 0);
            let before = this.held.len();
            this.held.resize(before + PIECE, 0);
            let mut space = ReadBuf::new(&mut this.held[before..]);
            let polled = Pin::new(&mut this.inner).poll_read(context, &mut space);
            let read = space.filled().len();
            this.held.truncate(before + read);
            ready!(polled)?;
            this.ended = read == 0;
            this.look();
        }
        let length = buffer.remaining().min(this.ready - this.gone);
        buffer.put_slice(&this.held[this.gone..this.gone + length]);
        this.gone += length;
        Poll::Ready(Ok(()))
    }
}

fn head(bytes: &[u8]) -> Option<(usize, u8)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX), *rest.first()?))
}

/// Puts the stand-in into each name of a packet, behind its number. Nothing where it ends early: the client says that itself.
fn mend(packet: &mut [u8]) -> Option<()> {
    let mut at = 0;
    let count = number(packet, &mut at)?;
    for _ in 0..count {
        let length = usize::try_from(number(packet, &mut at)?).ok()?;
        let end = at.checked_add(length)?;
        stand_in(packet.get_mut(at..end)?);
        at = end;
        skip_text(packet, &mut at)?;
        skip_attributes(packet, &mut at)?;
    }
    Some(())
}

fn number(packet: &[u8], at: &mut usize) -> Option<u32> {
    let bytes = packet.get(*at..)?.first_chunk::<4>()?;
    *at += 4;
    Some(u32::from_be_bytes(*bytes))
}

fn skip_text(packet: &[u8], at: &mut usize) -> Option<()> {
    let length = usize::try_from(number(packet, at)?).ok()?;
    *at = at.checked_add(length).filter(|end| *end <= packet.len())?;
    Some(())
}

/// Attributes are flags, and behind them what they announce.
fn skip_attributes(packet: &[u8], at: &mut usize) -> Option<()> {
    const EXTENDED: u32 = 0x8000_0000;
    let flags = number(packet, at)?;
    // The size; the user and group; the permissions; the times.
    let announced = [(1, 8), (2, 8), (4, 4), (8, 8)];
    *at += announced.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, length)| length).sum::<usize>();
    if flags & EXTENDED != 0 {
        for _ in 0..number(packet, at)? {
            skip_text(packet, at)?;
            skip_text(packet, at)?;
        }
    }
    Some(())
}

/// Puts the stand-in in the place of each byte that is no text.
fn stand_in(mut name: &mut [u8]) {
    while let Err(error) = std::str::from_utf8(name) {
        let wrong = error.valid_up_to();
        let end = error.error_len().map_or(name.len(), |length| wrong + length);
        name[wrong..end].fill(STAND_IN as u8);
        name = &mut name[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn text(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        text(&[&[kind][..], &7_u32.to_be_bytes(), body].concat())
    }

    fn names(names: &[&[u8]]) -> Vec<u8> {
        let mut body = u32::try_from(names.len()).unwrap().to_be_bytes().to_vec();
        for name in names {
            // With every attribute there is, and one of a kind that nobody knows.
            let attributes =
                [&0x8000_000f_u32.to_be_bytes()[..], &[0xff; 28], &1_u32.to_be_bytes(), &text(b"x@y"), &text(b"\xff")].concat();
            body.extend([text(name), text(b"-rw-r--r-- \xff"), attributes].concat());
        }
        packet(NAME, &body)
    }

    /// Reads it in pieces of a length.
    async fn read(sent: &[u8], piece: usize) -> Vec<u8> {
        let (mut near, far) = tokio::io::duplex(piece);
        let sent = sent.to_vec();
        let send = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut near, &sent).await.unwrap() });
        let mut came = Vec::new();
        Named::new(far).read_to_end(&mut came).await.unwrap();
        send.await.unwrap();
        came
    }

    #[tokio::test]
    async fn names_that_are_no_text_get_a_stand_in_and_nothing_else_is_touched() {
        let data = packet(103, &text(&vec![0xff; 20_000]));
        let sent = [data.clone(), names(&[b"plain", b"b\xffd \xe2\x82", "gr\u{fc}n".as_bytes()]), data.clone(), names(&[])].concat();
        let expected = [data.clone(), names(&[b"plain", b"b\x1ad \x1a\x1a", "gr\u{fc}n".as_bytes()]), data, names(&[])].concat();
        for piece in [13, 4_096, 1 << 20] {
            assert!(read(&sent, piece).await == expected, "in pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn what_is_cut_or_makes_no_sense_is_handed_on() {
        let whole = names(&[b"b\xffd"]);
        for end in 0..whole.len() {
            let cut = &whole[..end];
            assert_eq!(read(cut, 64).await, cut, "{end}");
            // A packet that says it is whole, and is not.
            let short = packet(NAME, whole.get(9..end).unwrap_or_default());
            assert_eq!(read(&short, 64).await.len(), short.len(), "{end}");
        }
        let long = [&u32::MAX.to_be_bytes()[..], &[NAME; 100]].concat();
        assert_eq!(read(&long, 64).await, long);
    }
}

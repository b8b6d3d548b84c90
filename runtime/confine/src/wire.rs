//! Frames between the host, the supervisor and process 1: four bytes of length, little-endian, then postcard. One byte [`TERMINATE`] goes the
//! other way at any time; the end of the stream means: kill everything.

use crate::error::ConfineError;
use crate::spec::Exit;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Result, Write};

/// Asks for SIGTERM to the command's process group.
pub(crate) const TERMINATE: u8 = b'T';

/// No frame is longer: standard inputs go through one.
const MAX_FRAME: usize = 256 << 20;

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The command runs.
    Started,
    /// It never did, or was lost.
    Failed(ConfineError),
    /// It ended, and so did every process of its tree.
    Ended(Exit),
}

/// Returns the frame of a message.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    let mut frame = postcard::to_extend(message, vec![0; 4]).map_err(invalid)?;
    let length = u32::try_from(frame.len() - 4).ok().filter(|&length| length as usize <= MAX_FRAME);
    let length = length.ok_or_else(|| invalid("the message is too long"))?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Takes the first frame from a buffer, where it is whole.
pub(crate) fn decode<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> Result<Option<T>> {
    let Some((head, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let length = checked_length(*head)?;
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let message = postcard::from_bytes(body).map_err(invalid)?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

/// Writes one frame.
pub(crate) fn send<T: Serialize>(mut to: impl Write, message: &T) -> Result<()> {
    to.write_all(&encode(message)?)
}

/// Reads one frame, and not a byte beyond it.
pub(crate) fn receive<T: DeserializeOwned>(mut from: impl Read) -> Result<T> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = checked_length(head)?;
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&body).map_err(invalid)
}

fn checked_length(head: [u8; 4]) -> Result<usize> {
    let length = u32::from_le_bytes(head) as usize;
    if length > MAX_FRAME { Err(invalid("the message is too long")) } else { Ok(length) }
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_whole_however_they_are_cut() {
        let first = Reply::Ended(Exit::Code(3));
        let second = Reply::Failed(ConfineError::Lost);
        let bytes = [encode(&first).unwrap(), encode(&second).unwrap()].concat();
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        for byte in &bytes {
            buffer.push(*byte);
            while let Some(reply) = decode::<Reply>(&mut buffer).unwrap() {
                seen.push(reply);
            }
        }
        assert_eq!(seen, [first.clone(), second.clone()]);
        let mut stream = bytes.as_slice();
        assert_eq!(receive::<Reply>(&mut stream).unwrap(), first);
        assert_eq!(receive::<Reply>(&mut stream).unwrap(), second);
        assert_eq!(receive::<Reply>(&mut stream).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_wild_length_is_refused_before_anything_is_allocated() {
        let mut buffer = vec![0xff; 8];
        assert!(decode::<Reply>(&mut buffer).is_err());
        assert!(receive::<Reply>(&[0xff_u8; 8][..]).is_err());
    }
}

//! What was laid where: a note beside the uploaded directories, by which the next upload knows what the host has.
//!
//! It stands in `.relrun-trees` of their parent directory, under the directory's own name. It comes from the host, so it is read within
//! bounds and never believed alone: each file is looked at before it is linked.

use crate::error::SshError;
use crate::files::below;
use crate::link::Link;
use crate::watch::Busy;
use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};
use std::io::Read;
use tokio::sync::Semaphore;

/// The directory of the notes.
pub(crate) const NOTES: &str = ".relrun-trees";
const MAGIC: &[u8] = b"relrun-listing 1\n";
/// The longest note that is read, as it is sent, and unpacked.
const LONGEST: u64 = 16 << 20;
const LONGEST_UNPACKED: u64 = 64 << 20;
/// How many notes are in memory at once, whatever the number of hosts. They come from hosts, and are as long as those want.
static NOTES_AT_ONCE: Semaphore = Semaphore::const_new(1);

/// The files of one directory, as they were laid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) files: Vec<Laid>,
}

/// One file, as it was laid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Laid {
    pub(crate) path: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) executable: bool,
    /// Its modification time, in seconds since the Unix epoch: as it was set. Whoever writes into the file changes it.
    pub(crate) time: u32,
}

impl Listing {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, SshError> {
        let failed = |error: &dyn std::fmt::Display| SshError::permanent(format!("failed to note what is laid: {error}"));
        let plain = postcard::to_allocvec(self).map_err(|error| failed(&error))?;
        let packed = zstd::bulk::compress(&plain, 3).map_err(|error| failed(&error))?;
        Ok([MAGIC, &packed].concat())
    }

    /// Reads a note; one that cannot be read is as good as none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let packed = bytes.strip_prefix(MAGIC)?;
        let mut plain = Vec::new();
        zstd::stream::read::Decoder::new(packed).ok()?.take(LONGEST_UNPACKED).read_to_end(&mut plain).ok()?;
        let listing: Self = postcard::from_bytes(&plain).ok()?;
        listing.files.iter().all(|file| is_below(&file.path)).then_some(listing)
    }
}

/// A note of the host must not make us look anywhere else.
fn is_below(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
}

impl Link {
    /// Reads the note of a directory, where there is one that can be read, and gives each file that it names to `take`.
    pub(crate) async fn listing(&self, parent: &str, name: &str, mut take: impl FnMut(Laid)) -> Result<(), SshError> {
        let busy = Busy::new(self);
        let _only = NOTES_AT_ONCE.acquire().await.map_err(|_| SshError::permanent("the upload was given up"))?;
        drop(busy);
        match self.read_file(&below(&below(parent, NOTES), name), LONGEST).await {
            Ok(bytes) => Listing::decode(&bytes).into_iter().flat_map(|listing| listing.files).for_each(&mut take),
            Err(error) if !self.is_alive() => return Err(error),
            Err(error) => tracing::debug!(parent, name, %error, "a note of what is laid cannot be read"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(path: &str) -> Listing {
        Listing { files: vec![Laid { path: path.into(), digest: Digest::of(b"x"), size: 1, executable: false, time: 7 }] }
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let listing = laid("deep/page.html");
        assert_eq!(Listing::decode(&listing.encode().unwrap()), Some(listing));
    }

    #[test]
    fn a_note_that_leads_elsewhere_or_is_broken_is_none() {
        for path in ["../etc/passwd", "/etc/passwd", "a//b", ""] {
            assert_eq!(Listing::decode(&laid(path).encode().unwrap()), None, "{path}");
        }
        let whole = laid("a").encode().unwrap();
        for cut in 0..whole.len() {
            assert_eq!(Listing::decode(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(Listing::decode(&[MAGIC, b"nonsense"].concat()), None);
    }
}

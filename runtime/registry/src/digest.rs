//! Digests made and checked while bytes pass by.

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha512};

/// Returns the SHA-256 digest of `bytes`.
pub fn digest_of(bytes: &[u8]) -> Digest {
    let mut hash = Hash::sha256();
    hash.update(bytes);
    hash.finish()
}

/// A digest in the making.
pub(crate) enum Hash {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hash {
    pub(crate) fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    /// Returns the hash that can be compared with `digest`; none for an algorithm that this room does not check.
    pub(crate) fn like(digest: &Digest) -> Option<Self> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Some(Self::sha256()),
            DigestAlgorithm::Sha512 => Some(Self::Sha512(Box::default())),
            _ => None,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        let text = match self {
            Self::Sha256(hash) => format!("sha256:{:x}", hash.finalize()),
            Self::Sha512(hash) => format!("sha512:{:x}", hash.finalize()),
        };
        text.parse().expect("a hash in hexadecimal digits is a digest")
    }
}

/// A writer that hashes and counts what it passes on.
pub(crate) struct Hashing<W> {
    pub(crate) inner: W,
    pub(crate) hash: Hash,
    pub(crate) count: u64,
}

impl<W: std::io::Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hash: Hash::sha256(), count: 0 }
    }
}

impl<W: std::io::Write> std::io::Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        self.count += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

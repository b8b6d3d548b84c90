//! The compiled form of a manifest: `kdl` parses about 2 MB a second, and reading this back costs a hundredth.

use crate::Manifest;

/// Stands at the beginning. Raise the number with every change of the model: bytes of another one are not read.
const TAG: &[u8; 8] = b"relrunM5";

impl Manifest {
    /// Returns the compiled form: a tag, the blake3 of what follows, and the model.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and the model holds nothing that postcard refuses; empty bytes are read back as nothing.
        let body = postcard::to_stdvec(self).unwrap_or_default();
        [TAG.as_slice(), blake3::hash(&body).as_bytes(), &body].concat()
    }

    /// Reads a compiled form; absent where it is of another version, cut off or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (digest, body) = bytes.strip_prefix(TAG.as_slice())?.split_first_chunk::<32>()?;
        // Damaged bytes could describe a config without end, which would overflow the stack.
        if blake3::hash(body) != *digest {
            return None;
        }
        postcard::from_bytes(body).ok()
    }
}

//! The one unsafe call of the project: machine code that wasmtime compiled earlier is taken in again.
//!
//! `Component::deserialize` is unsafe because it runs what the bytes say, and checks no more than version and settings. It is sound here
//! because of who may call it: [`take_in`] takes a [`Trusted`], and one is made in two ways alone. [`Trusted::compiled`] holds what a compiler
//! process of ours has just written into our own pipe. [`Trusted::unsealed`] holds bytes read into memory whose keyed MAC was checked there,
//! in memory, after the last moment at which anybody could change them; the key lies in a file that only this user reads (0600 in 0700), and
//! only a `compiled` artifact is ever sealed with it. Who can read that key can change this program's other files as well.

use wasmtime::Engine;
use wasmtime::component::Component;

/// How many bytes of a sealed artifact are its MAC.
const MAC: usize = blake3::OUT_LEN;

/// Bytes that wasmtime itself wrote.
pub(crate) struct Trusted(Vec<u8>, usize);

impl Trusted {
    /// Takes what a compiler of ours has just written.
    pub(super) fn compiled(bytes: Vec<u8>) -> Self {
        Self(bytes, 0)
    }

    /// Takes a sealed artifact, where it was sealed with this key under this name.
    pub(super) fn unsealed(sealed: Vec<u8>, key: &[u8; 32], name: &str) -> Option<Self> {
        let (mac, bytes) = sealed.split_first_chunk::<MAC>()?;
        // `blake3::Hash` compares in constant time.
        (tag(key, name, bytes) == blake3::Hash::from_bytes(*mac)).then_some(Self(sealed, MAC))
    }

    /// Returns the artifact as it is kept: its MAC, then itself.
    pub(super) fn seal(&self, key: &[u8; 32], name: &str) -> ([u8; MAC], &[u8]) {
        (*tag(key, name, self.bytes()).as_bytes(), self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

fn tag(key: &[u8; 32], name: &str, bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
    if bytes.len() > 1 << 20 { hasher.update_rayon(bytes) } else { hasher.update(bytes) }.finalize()
}

/// Takes the machine code in.
pub(crate) fn take_in(engine: &Engine, artifact: &Trusted) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "the only way to take compiled code in; see the module's own words for why it is sound")]
    // SAFETY: `Trusted` holds what `Engine::precompile_component` wrote, unchanged: see above.
    unsafe {
        Component::deserialize(engine, artifact.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_name_or_key_is_refused() {
        let key = [7; 32];
        let (mac, bytes) = (*tag(&key, "a", b"code").as_bytes(), b"code");
        let sealed: Vec<u8> = mac.iter().chain(bytes).copied().collect();
        assert!(Trusted::unsealed(sealed.clone(), &key, "a").is_some());
        assert!(Trusted::unsealed(sealed.clone(), &key, "b").is_none());
        assert!(Trusted::unsealed(sealed.clone(), &[8; 32], "a").is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(Trusted::unsealed(changed, &key, "a").is_none(), "byte {at}");
        }
        assert!(Trusted::unsealed(vec![0; 31], &key, "a").is_none());
    }
}

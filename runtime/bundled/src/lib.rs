//! The bundled step plugins, built from source and embedded.
//!
//! This room knows bytes, names and digests. It must never run or inspect a component.

/// A plugin that every relrun carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bundled {
    /// What a manifest's `plugin="…"` says.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
    /// The blake3 of `bytes`, computed when it was built.
    pub digest: blake3::Hash,
}

static ALL: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// Returns all bundled plugins, by name.
pub fn all() -> &'static [Bundled] {
    ALL
}

/// Returns the bundled plugin with this name.
pub fn get(name: &str) -> Option<&'static Bundled> {
    ALL.iter().find(|bundled| bundled.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_is_a_component_with_the_digest_that_the_table_gives() {
        for bundled in all() {
            // The preamble of a component (layer 1), not of a core module (layer 0).
            assert_eq!(bundled.bytes.get(..8), Some(b"\0asm\x0d\0\x01\0".as_slice()), "{}", bundled.name);
            assert_eq!(bundled.digest, blake3::hash(bundled.bytes), "{}", bundled.name);
        }
    }

    #[test]
    fn names_are_found() {
        for bundled in all() {
            assert_eq!(get(bundled.name), Some(bundled));
        }
        assert_eq!(get("no-such-plugin"), None);
    }
}

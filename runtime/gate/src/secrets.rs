//! Secrets: read once by the command line, held here, never given to a guest but where a grant reveals them.

use std::collections::BTreeMap;

/// The manifest's secrets, by name.
#[derive(Default)]
pub struct Secrets {
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// Takes the values.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    /// Returns a secret's bytes. For the gate, commands and masking alone.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Returns every value, for masking.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.values().map(String::as_str)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

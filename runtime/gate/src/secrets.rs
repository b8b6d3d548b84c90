//! Secrets: read once by the command line, held here, never given to a guest but where a grant reveals them.

use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The manifest's secrets, by name. Their memory is wiped when they are dropped.
#[derive(Default)]
pub struct Secrets {
    values: BTreeMap<String, Zeroizing<String>>,
}

impl Secrets {
    /// Takes the values.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self { values: values.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect() }
    }

    /// Returns a secret's bytes. For the gate, commands and masking alone.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    /// Returns every value, for masking.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.values().map(|value| value.as_str())
    }

    /// Returns every name with its value, for masking.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

//! Secrets are handles; the bytes stay with the host, which puts them where the grant says.

use crate::{Result, backend};

/// A secret of the manifest that the step was granted.
#[derive(Clone, Debug)]
pub struct Secret(pub(crate) backend::Secret);

/// Finds a secret by its name in the manifest.
pub fn get(name: &str) -> Result<Secret> {
    backend::secret_get(name).map(Secret)
}

impl Secret {
    /// Returns its name in the manifest.
    pub fn name(&self) -> String {
        backend::secret_name(&self.0)
    }

    /// Returns the bytes, where the grant says `reveal=true`; denied otherwise.
    pub fn reveal(&self) -> Result<String> {
        backend::secret_reveal(&self.0)
    }

    /// Returns the HMAC-SHA-256 of the data under this secret.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>> {
        backend::secret_sign(&self.0, data)
    }
}

//! `secrets`: handles. The bytes stay with the host.

use super::span;
use crate::bindings::secrets;
use crate::error::CallError;
use crate::state::State;
use wasmtime::component::Resource;

/// A secret that a step was granted, by name.
pub struct Secret {
    pub(crate) name: String,
}

impl secrets::Host for State {
    async fn get(&mut self, name: String) -> Result<Resource<Secret>, CallError> {
        let _span = span("secrets.get").entered();
        self.attempt.stop.check()?;
        self.attempt.effects_only("secret")?;
        Err(self.attempt.deny("secret", format!("the secret \"{name}\" is not granted")))
    }
}

impl secrets::HostSecret for State {
    async fn name(&mut self, secret: Resource<Secret>) -> wasmtime::Result<String> {
        Ok(self.table.get(&secret)?.name.clone())
    }

    async fn reveal(&mut self, secret: Resource<Secret>) -> Result<String, CallError> {
        let name = self.table.get(&secret)?.name.clone();
        Err(self.attempt.deny("secret", format!("the secret \"{name}\" may not be revealed")))
    }

    async fn sign(&mut self, secret: Resource<Secret>, _: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let name = self.table.get(&secret)?.name.clone();
        Err(self.attempt.deny("secret", format!("the secret \"{name}\" may not sign")))
    }

    async fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

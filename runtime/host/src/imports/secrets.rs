//! `secrets`: handles. The bytes stay with the host, but under a grant that reveals them.

use super::span;
use crate::bindings::secrets;
use crate::error::CallError;
use crate::state::State;
use wasmtime::component::Resource;

/// A secret that a step was granted, by name.
pub struct Secret {
    pub(crate) name: String,
}

impl State {
    fn secret_name(&self, secret: &Resource<Secret>) -> wasmtime::Result<String> {
        Ok(self.table.get(secret)?.name.clone())
    }
}

impl secrets::Host for State {
    async fn get(&mut self, name: String) -> Result<Resource<Secret>, CallError> {
        let _span = span("secrets.get").entered();
        let capability = format!("secret \"{name}\"");
        self.attempt.stop.check()?;
        self.attempt.effects_only(&capability)?;
        self.attempt.access().secret(&name).map_err(|error| self.attempt.gate_error(&capability, error))?;
        self.attempt.using(&capability, None);
        Ok(self.table.push(Secret { name })?)
    }
}

impl secrets::HostSecret for State {
    async fn name(&mut self, secret: Resource<Secret>) -> wasmtime::Result<String> {
        self.secret_name(&secret)
    }

    async fn reveal(&mut self, secret: Resource<Secret>) -> Result<String, CallError> {
        let _span = span("secrets.reveal").entered();
        let name = self.secret_name(&secret)?;
        let capability = format!("secret \"{name}\" reveal=#true");
        let bytes = self.attempt.access().reveal(&name).map_err(|error| self.attempt.gate_error(&capability, error))?;
        self.attempt.using(&capability, None);
        Ok(bytes.to_owned())
    }

    async fn sign(&mut self, secret: Resource<Secret>, data: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let _span = span("secrets.sign").entered();
        let name = self.secret_name(&secret)?;
        let capability = format!("secret \"{name}\" sign=#true");
        let signature = self.attempt.access().sign(&name, &data).map_err(|error| self.attempt.gate_error(&capability, error))?;
        self.attempt.using(&capability, None);
        Ok(signature.to_vec())
    }

    async fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

//! `context`: what a step knows of its release. A pure step's context was emptied when its attempt was made, so nothing is checked here.

use crate::bindings::context;
use crate::state::State;

impl context::Host for State {
    fn package_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.attempt.context.package.clone())
    }

    fn version(&mut self) -> wasmtime::Result<String> {
        Ok(self.attempt.context.version.clone())
    }

    fn release(&mut self) -> wasmtime::Result<String> {
        Ok(self.attempt.context.release.clone())
    }

    fn step(&mut self) -> wasmtime::Result<String> {
        Ok(self.attempt.context.step.clone())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.attempt.context.attempt)
    }

    fn idempotency_key(&mut self) -> wasmtime::Result<String> {
        Ok(self.attempt.context.idempotency_key.clone())
    }

    fn environment(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.attempt.context.environment.clone())
    }

    fn deployment(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.attempt.context.deployment.clone())
    }

    fn labels(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.attempt.context.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn setting(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.attempt.context.settings.get(&name).cloned())
    }

    fn previous(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.attempt.context.previous.as_ref().map(ToString::to_string))
    }

    fn unfinished(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.attempt.context.unfinished.as_ref().map(ToString::to_string))
    }

    fn started_at(&mut self) -> wasmtime::Result<u64> {
        Ok(self.attempt.context.started_at)
    }
}

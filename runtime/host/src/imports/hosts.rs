//! `hosts`: files on the environment's hosts.

use crate::bindings::hosts;
use crate::error::CallError;
use crate::state::State;

impl hosts::Host for State {
    async fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn labels_of(&mut self, _: String) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn upload(&mut self, host: String, _: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn read_dir(&mut self, host: String, _: String) -> Result<Vec<hosts::Entry>, CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn stat(&mut self, host: String, _: String) -> Result<Option<hosts::Entry>, CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn make_dir(&mut self, host: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn symlink(&mut self, host: String, _: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn rename(&mut self, host: String, _: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn read_file(&mut self, host: String, _: String) -> Result<Vec<u8>, CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn write_file(&mut self, host: String, _: String, _: Vec<u8>) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn remove(&mut self, host: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn claim(&mut self, host: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }

    async fn disclaim(&mut self, host: String, _: String) -> Result<(), CallError> {
        Err(self.attempt.deny("host", host))
    }
}

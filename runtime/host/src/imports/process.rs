//! `process`: commands on the host machine.

use crate::bindings::process;
use crate::bindings::secrets::Secret;
use crate::error::CallError;
use crate::state::State;
use wasmtime::component::Resource;

/// A command being made.
pub struct Command {
    program: String,
}

/// A command that runs.
pub struct Child;

impl process::Host for State {}

impl process::HostCommand for State {
    async fn new(&mut self, program: String, _args: Vec<String>) -> wasmtime::Result<Resource<Command>> {
        Ok(self.table.push(Command { program })?)
    }

    async fn dir(&mut self, _: Resource<Command>, _: String) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn env(&mut self, _: Resource<Command>, _: String, _: String) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn secret_env(&mut self, _: Resource<Command>, _: String, _: Resource<Secret>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn stdin(&mut self, _: Resource<Command>, _: Vec<u8>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn on_host(&mut self, _: Resource<Command>, _: String) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn run(&mut self, command: Resource<Command>) -> Result<i32, CallError> {
        let program = self.table.get(&command)?.program.clone();
        Err(self.attempt.deny("run", program))
    }

    async fn spawn(&mut self, command: Resource<Command>) -> Result<Resource<Child>, CallError> {
        let program = self.table.get(&command)?.program.clone();
        Err(self.attempt.deny("run", program))
    }

    async fn drop(&mut self, command: Resource<Command>) -> wasmtime::Result<()> {
        self.table.delete(command)?;
        Ok(())
    }
}

impl process::HostChild for State {
    async fn read(&mut self, _: Resource<Child>, _: process::Output, _: u32) -> Result<Vec<u8>, CallError> {
        Ok(Vec::new())
    }

    async fn wait(&mut self, _: Resource<Child>) -> Result<i32, CallError> {
        Ok(0)
    }

    async fn kill(&mut self, _: Resource<Child>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn drop(&mut self, child: Resource<Child>) -> wasmtime::Result<()> {
        self.table.delete(child)?;
        Ok(())
    }
}

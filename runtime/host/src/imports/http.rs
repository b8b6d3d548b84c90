//! `http`: requests through the gate.

use crate::bindings::http;
use crate::bindings::secrets::Secret;
use crate::error::CallError;
use crate::state::State;
use wasmtime::component::Resource;

/// A request being made.
pub struct HttpRequest {
    url: String,
}

/// An answer.
pub struct HttpResponse {
    status: u16,
}

impl http::Host for State {}

impl http::HostRequest for State {
    async fn new(&mut self, _method: String, url: String) -> wasmtime::Result<Resource<HttpRequest>> {
        Ok(self.table.push(HttpRequest { url })?)
    }

    async fn header(&mut self, _request: Resource<HttpRequest>, _name: String, _value: String) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn secret_header(&mut self, _: Resource<HttpRequest>, _: String, _: String, _: Resource<Secret>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn basic_auth(&mut self, _: Resource<HttpRequest>, _: String, _: Resource<Secret>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn body(&mut self, _: Resource<HttpRequest>, _: Vec<u8>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn body_file(&mut self, _: Resource<HttpRequest>, _: String) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn timeout(&mut self, _: Resource<HttpRequest>, _: u64) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn send(&mut self, request: Resource<HttpRequest>) -> Result<Resource<HttpResponse>, CallError> {
        let url = self.table.get(&request)?.url.clone();
        Err(self.attempt.deny("http", url))
    }

    async fn drop(&mut self, request: Resource<HttpRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl http::HostResponse for State {
    async fn status(&mut self, response: Resource<HttpResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.status)
    }

    async fn headers(&mut self, _: Resource<HttpResponse>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn read(&mut self, _: Resource<HttpResponse>, _: u32) -> Result<Vec<u8>, CallError> {
        Ok(Vec::new())
    }

    async fn save(&mut self, _: Resource<HttpResponse>, path: String) -> Result<u64, CallError> {
        Err(self.attempt.deny("http", path))
    }

    async fn drop(&mut self, response: Resource<HttpResponse>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

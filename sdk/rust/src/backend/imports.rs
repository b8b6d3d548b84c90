//! The component's imports.

use crate::bindings::relrun::plugin::{checkpoint, http, kubernetes, log, process, registry, secrets, trees};
use crate::command::{Command, Output};
use crate::http::{Body, Request};
use crate::log::Level;
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;

pub(crate) mod context;
pub(crate) mod hosts;
pub(crate) mod rounds;

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

pub(crate) fn progress(what: &str, done: u64, total: Option<u64>) {
    log::progress(what, done, total);
}

pub(crate) fn save_checkpoint(state: &str) -> Result<()> {
    Ok(checkpoint::save(state)?)
}

/// Shared, because a request keeps the secrets that it will send.
#[derive(Clone)]
pub(crate) struct Secret(Rc<secrets::Secret>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

pub(crate) fn secret_get(name: &str) -> Result<Secret> {
    Ok(Secret(Rc::new(secrets::get(name)?)))
}

pub(crate) fn secret_name(secret: &Secret) -> String {
    secret.0.name()
}

pub(crate) fn secret_reveal(secret: &Secret) -> Result<String> {
    Ok(secret.0.reveal()?)
}

pub(crate) fn secret_sign(secret: &Secret, data: &[u8]) -> Result<Vec<u8>> {
    Ok(secret.0.sign(data)?)
}

pub(crate) fn tree_capture(dir: &str) -> Result<String> {
    Ok(trees::capture(dir)?)
}

pub(crate) fn tree_restore(digest: &str, dir: &str) -> Result<()> {
    Ok(trees::restore(digest, dir)?)
}

pub(crate) type Response = http::Response;

pub(crate) fn http_send(request: &Request) -> Result<Response> {
    let made = match &request.cluster {
        None => http::Request::new(&request.method, &request.url),
        Some((context, namespace)) => kubernetes::start(context, namespace, &request.method, &request.url)?,
    };
    for (name, value) in &request.headers {
        made.header(name, value);
    }
    for (name, prefix, secret) in &request.secret_headers {
        made.secret_header(name, prefix, &secret.0.0);
    }
    if let Some((user, password)) = &request.basic_auth {
        made.basic_auth(user, &password.0.0);
    }
    match &request.body {
        Body::Empty => {}
        Body::Bytes(data) => made.body(data),
        Body::File(path) => made.body_file(path),
    }
    if let Some(timeout) = request.timeout {
        made.timeout(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    }
    Ok(made.send()?)
}

pub(crate) fn image_digest(image: &str) -> Result<String> {
    Ok(registry::digest(image)?)
}

pub(crate) fn image_find(repository: &str, name: &str) -> Result<Option<String>> {
    Ok(registry::find(repository, name)?)
}

pub(crate) fn image_push(repository: &str, image: &str) -> Result<String> {
    Ok(registry::push(repository, image)?)
}

pub(crate) fn image_tag(repository: &str, digest: &str, tag: &str, fixed: bool) -> Result<()> {
    Ok(registry::tag(repository, digest, tag, fixed)?)
}

pub(crate) fn image_untag(repository: &str, tag: &str) -> Result<()> {
    Ok(registry::untag(repository, tag)?)
}

pub(crate) fn object_mark(found: Option<&str>, object: &str) -> Result<String> {
    Ok(kubernetes::mark(found, object)?)
}

pub(crate) fn response_status(response: &Response) -> u16 {
    response.status()
}

pub(crate) fn response_headers(response: &Response) -> Vec<(String, String)> {
    response.headers()
}

pub(crate) fn response_read(response: &Response, max: u32) -> Result<Vec<u8>> {
    Ok(response.read(max)?)
}

pub(crate) fn response_save(response: &Response, path: &str) -> Result<u64> {
    Ok(response.save(path)?)
}

fn made(command: &Command) -> process::Command {
    let made = process::Command::new(&command.program, &command.args);
    if let Some(dir) = &command.dir {
        made.dir(dir);
    }
    for (name, value) in &command.env {
        made.env(name, value);
    }
    for (name, secret) in &command.secret_env {
        made.secret_env(name, &secret.0.0);
    }
    if let Some(data) = &command.stdin {
        made.stdin(data);
    }
    if let Some(host) = &command.on_host {
        made.on_host(host);
    }
    made
}

pub(crate) fn command_run(command: &Command) -> Result<i32> {
    Ok(made(command).run()?)
}

/// Reads standard output first, then standard error: the host keeps what is not yet read.
pub(crate) fn command_output(command: &Command) -> Result<Output> {
    let child = made(command).spawn()?;
    let stdout = drain(&child, process::Output::Stdout)?;
    let stderr = drain(&child, process::Output::Stderr)?;
    Ok(Output { code: child.wait()?, stdout, stderr })
}

fn drain(child: &process::Child, which: process::Output) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    loop {
        let piece = child.read(which, 64 << 10)?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend(piece);
    }
}

/// A command that runs.
pub(crate) type Child = process::Child;

pub(crate) fn command_spawn(command: &Command) -> Result<Child> {
    Ok(made(command).spawn()?)
}

pub(crate) fn child_read(child: &mut Child, max: u32) -> Result<Vec<u8>> {
    Ok(child.read(process::Output::Stdout, max)?)
}

pub(crate) fn child_read_error(child: &mut Child, max: u32) -> Result<Vec<u8>> {
    Ok(child.read(process::Output::Stderr, max)?)
}

pub(crate) fn child_wait(child: &mut Child) -> Result<i32> {
    Ok(child.wait()?)
}

pub(crate) fn child_kill(child: &mut Child) {
    child.kill();
}

//! The host's functions away from WebAssembly: they ask this thread's [`Fake`](crate::testing::Fake).

#![expect(clippy::unnecessary_wraps, reason = "the real host may fail where this one cannot")]

use crate::command::{Command, Output};
use crate::http::{Body, Request};
use crate::log::Level;
use crate::testing::world::{self, Answer};
use crate::{Error, Result};
use std::cell::RefCell;

pub(crate) mod context;
pub(crate) mod hosts;
pub(crate) mod rounds;

pub(crate) fn log(level: Level, message: &str) {
    world::with(|world| world.lines.push(format!("{}: {message}", format!("{level:?}").to_lowercase())));
}

pub(crate) fn progress(what: &str, done: u64, total: Option<u64>) {
    let total = total.map_or_else(String::new, |total| format!("/{total}"));
    world::with(|world| world.lines.push(format!("progress: {what} {done}{total}")));
}

pub(crate) fn save_checkpoint(state: &str) -> Result<()> {
    let state = serde_json::from_str(state)?;
    world::with(|world| {
        if world.crash_after.is_none_or(|limit| world.mutations < limit) {
            world.checkpoints.push(state);
        }
    });
    Ok(())
}

#[derive(Clone, Debug)]
pub(crate) struct Secret(String);

pub(crate) fn secret_get(name: &str) -> Result<Secret> {
    let known = world::with(|world| world.secrets.contains_key(name));
    if known { Ok(Secret(name.to_owned())) } else { Err(Error::denied(format!("no grant covers the secret {name:?}"))) }
}

pub(crate) fn secret_name(secret: &Secret) -> String {
    secret.0.clone()
}

pub(crate) fn secret_reveal(secret: &Secret) -> Result<String> {
    world::with(|world| world.secrets.get(&secret.0).cloned()).ok_or_else(|| Error::missing(secret.0.clone()))
}

/// No HMAC: a text that shows what was signed, which is what a test wants to see.
pub(crate) fn secret_sign(secret: &Secret, data: &[u8]) -> Result<Vec<u8>> {
    world::with(|world| world.call(format!("sign {} {}", secret.0, String::from_utf8_lossy(data))))?;
    Ok([secret.0.as_bytes(), b":", data].concat())
}

pub(crate) fn tree_capture(dir: &str) -> Result<String> {
    world::with(|world| world.call(format!("capture {dir}")))?;
    Ok(format!("tree-of-{}", dir.trim_matches('/').replace('/', "-")))
}

pub(crate) fn tree_restore(digest: &str, dir: &str) -> Result<()> {
    world::with(|world| world.call(format!("restore {digest} {dir}")))
}

#[derive(Debug)]
pub(crate) struct Response {
    answer: Answer,
    rest: RefCell<Vec<u8>>,
}

pub(crate) fn http_send(request: &Request) -> Result<Response> {
    let call = shown(request);
    world::with(|world| {
        world.call(call)?;
        let answer = world.answers.pop_front().ok_or_else(|| Error::transient("connection refused"))?;
        Ok(Response { rest: RefCell::new(answer.body.clone()), answer })
    })
}

/// Images are named by what they are told as: the same words give the same digest.
#[expect(clippy::unnecessary_wraps, reason = "the component's import can fail")]
pub(crate) fn image_digest(image: &str) -> Result<String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    image.hash(&mut hasher);
    Ok(format!("sha256:{:064x}", hasher.finish()))
}

pub(crate) fn image_find(repository: &str, name: &str) -> Result<Option<String>> {
    world::with(|world| {
        world.call(format!("find {repository} {name}"))?;
        let key = (repository.to_owned(), name.to_owned());
        Ok(world.tags.get(&key).cloned())
    })
}

pub(crate) fn image_push(repository: &str, image: &str) -> Result<String> {
    let digest = image_digest(image)?;
    world::with(|world| {
        world.change(format!("push {repository} {digest}"))?;
        let known = world.tags.insert((repository.to_owned(), digest.clone()), digest.clone());
        let sent = usize::from(known.is_none());
        Ok(serde_json::json!({ "digest": digest, "sent": sent, "existed": 1 - sent, "mounted": 0 }).to_string())
    })
}

pub(crate) fn image_tag(repository: &str, digest: &str, tag: &str, fixed: bool) -> Result<()> {
    world::with(|world| {
        world.change(format!("tag {repository} {tag} {digest}"))?;
        let key = (repository.to_owned(), tag.to_owned());
        match world.tags.get(&key) {
            Some(there) if fixed && there != digest => Err(Error::permanent(format!("{tag} exists with another content"))),
            _ => {
                world.tags.insert(key, digest.to_owned());
                Ok(())
            }
        }
    })
}

pub(crate) fn image_untag(repository: &str, tag: &str) -> Result<()> {
    world::with(|world| {
        world.change(format!("untag {repository} {tag}"))?;
        world.tags.remove(&(repository.to_owned(), tag.to_owned()));
        Ok(())
    })
}

/// A mark that begins with `stranger` is another ledger's.
pub(crate) fn object_mark(found: Option<&str>, object: &str) -> Result<String> {
    match found {
        Some(mark) if mark.starts_with("stranger") => Err(Error::denied(format!("{object} belongs to {mark}"))),
        _ => Ok(world::with(|world| world.context.release.clone())),
    }
}

/// Returns a request as the record of calls shows it; of a secret only its name.
fn shown(request: &Request) -> String {
    let mut words = vec![request.method.clone(), request.url.clone()];
    words.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    words.extend(request.secret_headers.iter().map(|(name, prefix, secret)| format!("{name}: {prefix}<{}>", secret.name())));
    words.extend(request.basic_auth.iter().map(|(user, password)| format!("basic {user}:<{}>", password.name())));
    match &request.body {
        Body::Empty => {}
        Body::Bytes(data) => words.push(String::from_utf8_lossy(data).into_owned()),
        Body::File(path) => words.push(format!("file {path}")),
    }
    words.join(" ")
}

pub(crate) fn response_status(response: &Response) -> u16 {
    response.answer.status
}

pub(crate) fn response_headers(response: &Response) -> Vec<(String, String)> {
    response.answer.headers.clone()
}

#[expect(clippy::unnecessary_wraps, reason = "the component's import can fail")]
pub(crate) fn response_read(response: &Response, max: u32) -> Result<Vec<u8>> {
    let mut rest = response.rest.borrow_mut();
    let length = rest.len().min(usize::try_from(max).unwrap_or(usize::MAX));
    Ok(rest.drain(..length).collect())
}

pub(crate) fn response_save(response: &Response, path: &str) -> Result<u64> {
    let data = response_read(response, u32::MAX)?;
    std::fs::write(path, &data)?;
    Ok(data.len() as u64)
}

pub(crate) fn command_run(command: &Command) -> Result<i32> {
    command_output(command).map(|output| output.code)
}

pub(crate) fn command_output(command: &Command) -> Result<Output> {
    world::with(|world| {
        world.change(world::shown(command))?;
        Ok(world.exit_of(command))
    })
}

/// A command of the test's world: it has ended when it begins.
#[derive(Debug)]
pub(crate) struct Child(Output);

pub(crate) fn command_spawn(command: &Command) -> Result<Child> {
    command_output(command).map(Child)
}

pub(crate) fn child_read(child: &mut Child, max: u32) -> Result<Vec<u8>> {
    Ok(taken(&mut child.0.stdout, max))
}

pub(crate) fn child_read_error(child: &mut Child, max: u32) -> Result<Vec<u8>> {
    Ok(taken(&mut child.0.stderr, max))
}

pub(crate) fn child_wait(child: &mut Child) -> Result<i32> {
    Ok(child.0.code)
}

pub(crate) fn child_kill(child: &mut Child) {
    child.0.stdout.clear();
    child.0.stderr.clear();
}

fn taken(bytes: &mut Vec<u8>, max: u32) -> Vec<u8> {
    let length = usize::try_from(max.max(1)).map_or(bytes.len(), |max| max.min(bytes.len()));
    bytes.drain(..length).collect()
}

//! The script's actions that reach something outside the step.

use crate::actions::{Action, told};
use relrun_sdk::command::{Child, Command, command};
use relrun_sdk::hosts::{Entry, FileType, Host, named};
use relrun_sdk::http::{Request, Response, request};
use relrun_sdk::registry::{Image, repository};
use relrun_sdk::serde_json::{Value, from_str, from_value, json};
use relrun_sdk::{Error, Result, hosts, kubernetes, rounds, secrets, trees};
use std::time::Duration;

/// How much is read at once, unless the action says.
const PIECE: u32 = 65_536;

pub fn act(name: &str, action: &Action<'_>) -> Result<Value> {
    let text = |key: &str| action.text(key);
    let done = |()| Value::Null;
    let host = || Ok::<_, Error>(named(action.text("host")?));
    Ok(match name {
        "secret" => json!({ "name": secrets::get(text("name")?)?.name() }),
        "reveal" => Value::from(secrets::get(text("name")?)?.reveal()?),
        "sign" => Value::from(hex(&secrets::get(text("name")?)?.sign(text("text")?.as_bytes())?)),
        "http" => send(action, request(text("method")?, text("url")?))?,
        "kubernetes" => send(action, kubernetes::namespace(text("context")?, text("namespace")?).request(text("method")?, text("path")?))?,
        "mark" => {
            let found = action.get("found").map(ToString::to_string);
            from_str(&kubernetes::mark(found.as_deref(), text("object")?)?)?
        }
        "command" => json!({ "code": made(action)?.run()? }),
        "spawn" => spawned(action)?,
        "capture" => Value::from(trees::capture(text("dir")?)?),
        "restore" => done(trees::restore(text("digest")?, text("dir")?)?),
        "hosts" => hosts::all().iter().map(|host| Value::from(host.name())).collect(),
        "host-labels" => json!(host()?.labels()),
        "host-setting" => json!(host()?.setting(text("name")?)),
        "upload" => done(host()?.upload(text("digest")?, text("path")?)?),
        "fetch" => Value::from(host()?.fetch(text("path")?, &action.words("without"))?),
        "read-dir" => host()?.read_dir(text("path")?)?.iter().map(entry).collect(),
        "stat" => host()?.stat(text("path")?)?.as_ref().map_or(Value::Null, entry),
        "make-dir" => done(host()?.make_dir(text("path")?)?),
        "remove" => done(host()?.remove(text("path")?)?),
        "claim" => done(host()?.claim(text("dir")?)?),
        "disclaim" => done(host()?.disclaim(text("dir")?)?),
        "symlink" => done(host()?.symlink(text("target")?, text("path")?)?),
        "rename" => done(host()?.rename(text("old")?, text("new")?)?),
        "read-file" => Value::from(String::from_utf8(host()?.read_file(text("path")?)?)?),
        "write-file" => done(host()?.write_file(text("path")?, text("text")?.as_bytes())?),
        "round" => round(action)?,
        "image-digest" => Value::from(image(action)?.digest()?),
        "image-find" => json!(repository(text("repository")?).find(text("name")?)?),
        "image-push" => {
            let pushed = repository(text("repository")?).push(&image(action)?)?;
            json!({ "digest": pushed.digest, "sent": pushed.sent, "existed": pushed.existed, "mounted": pushed.mounted })
        }
        "image-tag" => {
            let fixed = action.get("fixed") == Some(&Value::Bool(true));
            done(repository(text("repository")?).tag(text("digest")?, text("tag")?, fixed)?)
        }
        "image-untag" => done(repository(text("repository")?).untag(text("tag")?)?),
        _ => return Err(Error::invalid(format!("{name} is no action"))),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn image(action: &Action<'_>) -> Result<Image> {
    Ok(from_value(action.get("image").cloned().unwrap_or_default())?)
}

fn piece(action: &Action<'_>) -> u32 {
    action.number("max").and_then(|max| u32::try_from(max).ok()).unwrap_or(PIECE)
}

fn pair<'a>(action: &Action<'a>, key: &str) -> Option<Vec<&'a str>> {
    Some(action.get(key)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn send(action: &Action<'_>, mut request: Request) -> Result<Value> {
    for header in action.list("headers") {
        request = request.header(header[0].as_str().unwrap_or_default(), header[1].as_str().unwrap_or_default());
    }
    if let Some([name, prefix, secret]) = pair(action, "secret-header").as_deref() {
        request = request.secret_header(*name, *prefix, &secrets::get(secret)?);
    }
    if let Some([user, secret]) = pair(action, "basic-auth").as_deref() {
        request = request.basic_auth(*user, &secrets::get(secret)?);
    }
    if let Some(body) = action.maybe("body") {
        request = request.body(body);
    }
    if let Some(path) = action.maybe("body-file") {
        request = request.body_file(path);
    }
    if let Some(timeout) = action.number("timeout") {
        request = request.timeout(Duration::from_millis(timeout));
    }
    let mut response = request.send()?;
    let mut entry = json!({ "status": response.status(), "headers": response.headers() });
    match action.maybe("save") {
        Some(path) => entry["saved"] = Value::from(response.save(path)?),
        None => entry["body"] = Value::from(whole(&mut response, piece(action))?),
    }
    Ok(entry)
}

fn whole(response: &mut Response, max: u32) -> Result<String> {
    let mut all = Vec::new();
    loop {
        let piece = response.read(max)?;
        if piece.is_empty() {
            return Ok(String::from_utf8(all)?);
        }
        all.extend(piece);
    }
}

fn made(action: &Action<'_>) -> Result<Command> {
    let mut made = command(action.text("program")?).args(&action.words("args"));
    for (name, value) in action.get("env").and_then(Value::as_object).into_iter().flatten() {
        made = made.env(name, value.as_str().unwrap_or_default());
    }
    if let Some(dir) = action.maybe("dir") {
        made = made.dir(dir);
    }
    if let Some([name, secret]) = pair(action, "secret-env").as_deref() {
        made = made.secret_env(*name, &secrets::get(secret)?);
    }
    if let Some(stdin) = action.maybe("stdin") {
        made = made.stdin(stdin);
    }
    if let Some(host) = action.maybe("on-host") {
        made = made.on_host(host);
    }
    Ok(made)
}

fn spawned(action: &Action<'_>) -> Result<Value> {
    let mut child = made(action)?.spawn()?;
    if action.get("kill") == Some(&Value::Bool(true)) {
        child.kill();
        child.wait()?;
        return Ok(json!({ "killed": true }));
    }
    let max = piece(action);
    let stdout = drained(&mut child, |child| child.read(max))?;
    let stderr = drained(&mut child, |child| child.read_error(max))?;
    Ok(json!({ "code": child.wait()?, "stdout": stdout, "stderr": stderr }))
}

fn drained(child: &mut Child, read: impl Fn(&mut Child) -> Result<Vec<u8>>) -> Result<String> {
    let mut all = Vec::new();
    loop {
        let piece = read(child)?;
        if piece.is_empty() {
            return Ok(String::from_utf8(all)?);
        }
        all.extend(piece);
    }
}

fn entry(found: &Entry) -> Value {
    let kind = match found.file_type {
        FileType::File => "file",
        FileType::Dir => "dir",
        FileType::Link => "link",
        FileType::Other => "other",
    };
    json!({ "name": found.name, "type": kind, "target": found.target })
}

fn round(action: &Action<'_>) -> Result<Value> {
    let parallel = action.number("parallel").and_then(|parallel| u32::try_from(parallel).ok()).unwrap_or(0);
    let mut round = rounds::round(parallel);
    for deed in action.list("deeds") {
        let deed = Action::new(deed);
        let host: Host = named(deed.text("host")?);
        match deed.text("do")? {
            "claim" => round.claim(&host, deed.text("dir")?),
            "disclaim" => round.disclaim(&host, deed.text("dir")?),
            "make-dir" => round.make_dir(&host, deed.text("path")?),
            "upload" => round.upload(&host, deed.text("digest")?, deed.text("path")?),
            "symlink" => round.symlink(&host, deed.text("target")?, deed.text("path")?),
            "rename" => round.rename(&host, deed.text("old")?, deed.text("new")?),
            "write-file" => round.write_file(&host, deed.text("path")?, deed.text("text")?.as_bytes()),
            "remove" => round.remove(&host, deed.text("path")?),
            "run" => round.run(&host, made(&deed)?),
            name => return Err(Error::invalid(format!("{name} is no deed"))),
        };
    }
    let came = round.perform()?;
    Ok(came.iter().map(|(host, result)| json!([host.name(), result.as_ref().err().map(told)])).collect())
}

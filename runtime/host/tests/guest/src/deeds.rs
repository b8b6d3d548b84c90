//! What the guest can do, good and bad.

use crate::world::types::Error;
use crate::world::{checkpoint, context, hosts, http, kubernetes, log, process, registry, secrets, trees};
use serde_json::{Value, json};
use std::io::Write as _;

pub(crate) fn run(config: &Value) -> Result<Value, Error> {
    let text = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
    let value = match text("do").as_str() {
        "context" => all_context(),
        "checkpoint" => json!({ "saved": checkpoint::save(&text("state")).is_ok() }),
        "say" => say(&text("text")),
        "fail" => return Err(Error::Transient(text("text"))),
        "panic" => panic!("{}", text("text")),
        "exit" => std::process::exit(3),
        "loop" => forever(),
        "sleep" => json!(std::thread::sleep(std::time::Duration::from_secs(3_600))),
        "wait-for-stop" => wait_for_stop(),
        "ignore-stop" => loop {
            let _ = hosts::read_dir("web1", "/");
        },
        "memory" => memory(),
        "recurse" => json!(recurse(1)),
        "flood-log" => loop {
            log::write(log::Level::Info, &"x".repeat(1_000));
        },
        "flood-stdout" => loop {
            println!("{}", "x".repeat(1_000));
        },
        "leave" => json!(std::fs::write("/out/left/note", "left").is_ok()),
        "trap" => std::arch::wasm32::unreachable(),
        "escape" => escape(config)?,
        "fill" => fill(&text("path")),
        "write" => write(&text("path"), &text("text")),
        "read" => json!(std::fs::read_to_string(text("path")).map_err(|error| Error::Missing(error.to_string()))?),
        "open-many" => open_many(),
        "chance" => chance(),
        "env" => json!(std::env::vars().collect::<std::collections::BTreeMap<_, _>>()),
        "http" => fetch(config)?,
        "wasi-http" => wasi_http(config),
        "secret" => reveal(&text("name"))?,
        "use-secret-and-search" => use_and_search(config)?,
        "sign" => json!(secrets::get(&text("name"))?.sign(b"data")?.len()),
        "run" => command(config).run().map(|code| json!({ "code": code }))?,
        "spawn" => spawn(config)?,
        "abandon" => abandon(config)?,
        "capture" => json!({ "digest": trees::capture(&text("dir"))? }),
        "restore" => json!(trees::restore(&(text("digest") + &text("tail")), &text("dir"))?),
        "round" => round(&text("dir"), &text("to"))?,
        "hosts" => on_host(config)?,
        "cluster" => json!(kubernetes::start("prod", "shop", "GET", "/api/v1/namespaces/shop/pods").map(drop)?),
        "registry" => json!(registry::find("127.0.0.1:1/acme/shop", "latest")?),
        "tag" => json!(registry::tag("127.0.0.1:1/acme/shop", &format!("sha256:{}", "0".repeat(64)), "latest", false)?),
        #[cfg(feature = "world-0-2")]
        "find-fault" => find_fault(config),
        other => return Err(Error::Other(format!("I cannot {other}"))),
    };
    Ok(if value.is_object() { value } else { json!({ "value": value }) })
}

#[cfg(feature = "world-0-2")]
fn find_fault(config: &Value) -> Value {
    use crate::relrun::plugin0_2_0::findings;
    let text = |name: &str| config[name].as_str().unwrap_or_default();
    findings::report(findings::Severity::Warning, text("text"), Some(text("path")), Some(12));
    findings::report(findings::Severity::Note, "of no place", None, None);
    json!({})
}

/// Asks as a component does that knows nothing of relrun: through WASI's own interface.
fn wasi_http(config: &Value) -> Value {
    use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};
    let text = |name: &str| config[name].as_str().unwrap_or_default();
    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_scheme(Some(&Scheme::Http)).is_ok()
        && request.set_authority(Some(text("authority"))).is_ok()
        && request.set_path_with_query(Some("/wasi?q")).is_ok()
        && request.set_method(&if text("method") == "POST" { Method::Post } else { Method::Get }).is_ok();
    assert!(set, "the request is well formed");
    let future = match wasip2::http::outgoing_handler::handle(request, None) {
        Ok(future) => future,
        Err(code) => return json!({ "refused": format!("{code:?}") }),
    };
    future.subscribe().block();
    match future.get().expect("it is ready").expect("it is taken once") {
        Ok(response) => json!({ "status": response.status() }),
        Err(code) => json!({ "refused": format!("{code:?}") }),
    }
}

pub(crate) fn forever() -> ! {
    let mut n = 0u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn all_context() -> Value {
    json!({
        "package": context::package_name(), "version": context::version(), "release": context::release(), "step": context::step(),
        "attempt": context::attempt(), "key": context::idempotency_key(), "environment": context::environment(),
        "deployment": context::deployment(), "labels": context::labels(), "who": context::setting("who"), "previous": context::previous(), "unfinished": context::unfinished(),
        "started": context::started_at(),
    })
}

fn say(text: &str) -> Value {
    log::write(log::Level::Warn, text);
    log::progress("saying", 1, Some(2));
    print!("out {text}");
    std::io::stdout().flush().expect("flushes");
    eprintln!("err");
    json!({})
}

/// Waits in a host call until it is told to stop, and then cleans up.
fn wait_for_stop() -> Value {
    loop {
        match checkpoint::save("{}") {
            Ok(()) => std::thread::sleep(std::time::Duration::from_millis(5)),
            Err(error) => {
                let cleaned = checkpoint::save("{\"clean\":true}").is_ok();
                return json!({ "told": format!("{error:?}"), "cleaned": cleaned });
            }
        }
    }
}

fn memory() -> Value {
    let mut all = Vec::new();
    loop {
        all.push(vec![1u8; 1 << 20]);
    }
}

#[expect(unconditional_recursion, reason = "that is the deed")]
fn recurse(n: u64) -> u64 {
    let room = std::hint::black_box([n; 64]);
    recurse(n + 1) + room[3]
}

fn fill(path: &str) -> Value {
    let mut file = std::fs::File::create(path).expect("creates");
    loop {
        file.write_all(&[7; 64 << 10]).expect("writes");
    }
}

fn write(path: &str, text: &str) -> Value {
    match std::fs::write(path, text) {
        Ok(()) => json!("written"),
        Err(error) => json!(format!("refused: {error}")),
    }
}

/// Tries to write where nothing may be written.
fn escape(config: &Value) -> Result<Value, Error> {
    let paths = config["argv"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let tried: Vec<String> = paths
        .map(|path| match std::fs::write(path, "escaped") {
            Ok(()) => format!("{path}: written"),
            Err(error) => format!("{path}: {}", error.kind()),
        })
        .collect();
    Err(Error::Other(tried.join(", ")))
}

/// A string that is none.
pub(crate) fn broken_text() -> String {
    // SAFETY: there is none; the host must not believe it.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, b'b']) }
}

fn open_many() -> Value {
    let mut files = Vec::new();
    loop {
        match std::fs::File::create(format!("/tmp/{}", files.len())) {
            Ok(file) => files.push(file),
            Err(error) => return json!(format!("{}: {error}", files.len())),
        }
    }
}

fn chance() -> Value {
    let random: Vec<u64> = (0..3).map(|_| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1)).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("later").as_secs();
    let began = std::time::Instant::now();
    json!({ "random": random, "now": now, "later": began.elapsed().as_nanos() > 0 })
}

fn fetch(config: &Value) -> Result<Value, Error> {
    let request = http::Request::new(config["method"].as_str().unwrap_or("GET"), config["url"].as_str().unwrap_or_default());
    if let Some(name) = config["secret"].as_str() {
        request.secret_header("authorization", "Bearer ", &secrets::get(name)?);
    }
    let response = request.send()?;
    let body = response.read(1 << 20)?;
    Ok(json!({ "status": response.status(), "body": String::from_utf8_lossy(&body), "again": request.send().is_ok() }))
}

fn reveal(name: &str) -> Result<Value, Error> {
    let secret = secrets::get(name)?;
    let bytes = secret.reveal()?;
    log::write(log::Level::Info, &format!("the secret is {bytes}"));
    Ok(json!({ "name": secret.name(), "length": bytes.len() }))
}

/// Uses a secret in every way there is without being shown it, and then looks through its own memory for what it is told in disguise.
fn use_and_search(config: &Value) -> Result<Value, Error> {
    let url = config["url"].as_str().unwrap_or_default();
    let mut answers = Vec::new();
    for way in ["header", "basic"] {
        let request = http::Request::new("GET", url);
        let secret = secrets::get("token")?;
        if way == "header" {
            request.secret_header("authorization", "Bearer ", &secret);
        } else {
            request.basic_auth("user", &secret);
        }
        let response = request.send()?;
        answers.push(format!("{:?}", response.headers()));
        while let piece @ [_, ..] = response.read(7)?.as_slice() {
            answers.push(String::from_utf8_lossy(piece).into_owned());
        }
    }
    let secret = secrets::get("token")?;
    let signed = secret.sign(b"data")?;
    for argv in [["sh", "-c", "echo \"it is $TOKEN\"; echo $TOKEN >&2"], ["cat", "-", "/dev/null"]] {
        let command = process::Command::new(argv[0], &argv[1..].iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        if argv[0] == "sh" {
            command.secret_env("TOKEN", &secret);
        }
        let child = command.spawn()?;
        for stream in [process::Output::Stdout, process::Output::Stderr] {
            while let piece @ [_, ..] = child.read(stream, 9)?.as_slice() {
                answers.push(String::from_utf8_lossy(piece).into_owned());
            }
        }
        child.wait()?;
    }
    if config["reveal"].as_bool() == Some(true) {
        answers.push(secret.reveal()?);
    }
    let found: Vec<usize> = config["disguised"].as_array().into_iter().flatten().map(occurrences).collect();
    Ok(json!({ "found": found, "heard": answers.concat().contains("***"), "signed": signed.len() }))
}

/// Counts how often a text stands in this guest's memory. It comes disguised, so that looking for it does not put it there.
fn occurrences(disguised: &Value) -> usize {
    let wanted: Vec<u8> = disguised.as_array().into_iter().flatten().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    let end = std::arch::wasm32::memory_size(0) * (64 << 10);
    // SAFETY: every address up to the end is this guest's own, and nothing else runs in it.
    let byte = |at: usize| unsafe { std::ptr::without_provenance::<u8>(at).read_volatile() };
    let is_at = |at: usize| wanted.iter().enumerate().all(|(offset, &disguised)| byte(at + offset) ^ 0x55 == disguised);
    (1..end.saturating_sub(wanted.len())).filter(|&at| is_at(at)).count()
}

fn command(config: &Value) -> process::Command {
    let words: Vec<String> = config["argv"].as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    let command = process::Command::new(&words[0], &words[1..]);
    for (name, value) in config["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap_or_default());
    }
    if let Some(dir) = config["dir"].as_str() {
        command.dir(dir);
    }
    if let Some(host) = config["host"].as_str() {
        command.on_host(host);
    }
    if let Some(text) = config["stdin"].as_str() {
        command.stdin(text.as_bytes());
    }
    command
}

fn spawn(config: &Value) -> Result<Value, Error> {
    let child = command(config).spawn()?;
    let mut out = Vec::new();
    loop {
        let piece = child.read(process::Output::Stdout, 16)?;
        if piece.is_empty() {
            break;
        }
        out.extend(piece);
    }
    Ok(json!({ "out": String::from_utf8_lossy(&out), "code": child.wait()? }))
}

/// Starts a command, waits for its first words, and lets go of it: by a drop, by a kill, without a word, or by a trap.
fn abandon(config: &Value) -> Result<Value, Error> {
    let child = command(config).spawn()?;
    child.read(process::Output::Stdout, 16)?;
    match config["by"].as_str().unwrap_or_default() {
        "drop" => drop(child),
        "kill" => {
            child.kill();
            std::mem::forget(child);
        }
        "trap" => std::arch::wasm32::unreachable(),
        _ => std::mem::forget(child),
    }
    Ok(json!({}))
}

fn round(dir: &str, to: &str) -> Result<Value, Error> {
    let digest = trees::capture(dir)?;
    trees::restore(&digest, to)?;
    Ok(json!({ "digest": digest, "same": trees::capture(to)? == digest }))
}

fn on_host(config: &Value) -> Result<Value, Error> {
    let text = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
    let (host, path, to) = (text("host"), text("path"), text("to"));
    Ok(match text("call").as_str() {
        "names" => json!(hosts::names()),
        "labels" => json!(hosts::labels_of(&host)),
        "upload" => json!(hosts::upload(&host, &(text("digest") + &text("tail")), &path)?),
        "read-dir" => json!(hosts::read_dir(&host, &path)?.into_iter().map(|entry| (entry.name, entry.target)).collect::<Vec<_>>()),
        "stat" => json!(hosts::stat(&host, &path)?.map(|entry| format!("{:?}", entry.file_type))),
        "make-dir" => json!(hosts::make_dir(&host, &path)?),
        "symlink" => json!(hosts::symlink(&host, &to, &path)?),
        "rename" => json!(hosts::rename(&host, &path, &to)?),
        "read-file" => json!(String::from_utf8_lossy(&hosts::read_file(&host, &path)?)),
        "write-file" => json!(hosts::write_file(&host, &path, text("text").as_bytes())?),
        "remove" => json!(hosts::remove(&host, &path)?),
        "claim" => json!(hosts::claim(&host, &path)?),
        "disclaim" => json!(hosts::disclaim(&host, &path)?),
        other => return Err(Error::Other(format!("hosts have no {other}"))),
    })
}

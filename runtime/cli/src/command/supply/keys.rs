//! Keys: made, read from wherever they are kept, and opened with a passphrase that is asked for or stands in a variable.

use crate::args::{Cli, Format, KeyArg, KeyCommand, TrustArg};
use crate::show;
use relrun_engine::{EngineError, Exit};
use relrun_supply::{KeyFile, KeyPair, SigningKey, TrustedKey, key_id};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variable that says where the secret key is.
const KEY: &str = "RELRUN_PLUGIN_KEY";
/// The variable that holds its passphrase.
const PASSPHRASE: &str = "RELRUN_KEY_PASSPHRASE";

pub(super) fn dispatch(cli: &Cli, command: &KeyCommand) -> Result<Exit, EngineError> {
    match command {
        KeyCommand::New { file, no_passphrase } => new(cli, file, *no_passphrase),
        KeyCommand::Id { key } => {
            let key = public_key(key)?;
            let id = key_id(&key).unwrap_or_default();
            if show::format(cli) == Format::Json {
                show::print_json(&serde_json::json!({ "id": id, "key": key }))?;
            } else {
                show::print(&format!("{id}\n"))?;
            }
            Ok(Exit::Done)
        }
    }
}

fn new(cli: &Cli, file: &Path, no_passphrase: bool) -> Result<Exit, EngineError> {
    let passphrase = if no_passphrase { None } else { Some(new_passphrase()?) };
    let pair = KeyPair::new(passphrase.as_ref().map(|passphrase| passphrase.as_str()))?;
    let public = beside(file, "pub");
    write_new(file, pair.file.as_bytes(), 0o600)?;
    let id = key_id(&pair.public).unwrap_or_default();
    let text = format!("untrusted comment: minisign public key {id}\n{}\n", pair.public);
    write_new(&public, text.as_bytes(), 0o644)?;
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "id": id, "key": pair.public, "secret": file, "public": public }))?;
        return Ok(Exit::Done);
    }
    show::print(&format!(
        "{} is secret; {} is what others may know\nid   {id}\nhint: policy trusts it with `trust \"NAME\" {{ key \"{}\" }}`\n",
        file.display(),
        public.display(),
        pair.public
    ))?;
    Ok(Exit::Done)
}

/// Writes a file that is not there yet: a key that is written over is lost.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), EngineError> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    match opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(EngineError::input(format!("{} is there already", path.display()), "name another file, or move that one away"))
        }
        Err(error) => Err(EngineError::io(format!("write {}", path.display()), error)),
    }
}

/// Reads and opens the key that signs.
pub(super) fn signing_key(argument: &KeyArg) -> Result<SigningKey, EngineError> {
    let named = argument.key.clone().or_else(|| std::env::var(KEY).ok().filter(|value| !value.is_empty()));
    let named = named.ok_or_else(|| {
        EngineError::input("no key is named", format!("say `--key FILE`, or set {KEY}; `relrun plugin key new FILE` makes one"))
    })?;
    let file = KeyFile::read(secret(&named)?)?;
    if !file.is_encrypted() {
        return Ok(file.open(None)?);
    }
    let passphrase = match std::env::var(PASSPHRASE) {
        Ok(passphrase) => Some(Zeroizing::new(passphrase)),
        Err(_) if std::io::stderr().is_terminal() && std::io::stdin().is_terminal() => Some(asked(&format!("passphrase of {named}: "))?),
        Err(_) => None,
    };
    Ok(file.open(passphrase.as_ref().map(|passphrase| passphrase.as_str()))?)
}

/// Reads the text of a secret key: a file's, or from where the manifest's secrets can come from too.
fn secret(named: &str) -> Result<Zeroizing<String>, EngineError> {
    let failed =
        |why: String| EngineError::input(format!("the key {named} cannot be read: {why}"), "name a file, `env:NAME`, `cmd:…` or `stdin`");
    let text = if let Some(name) = named.strip_prefix("env:") {
        std::env::var(name).map_err(|_| failed("the variable is not set".to_owned()))?
    } else if named == "stdin" {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(std::io::stdin().lock(), 1 << 16), &mut text)
            .map_err(|error| failed(error.to_string()))?;
        text
    } else if let Some(command) = named.strip_prefix("cmd:") {
        let mut words = command.split_whitespace();
        let program = words.next().ok_or_else(|| failed("no command is named".to_owned()))?;
        let output = std::process::Command::new(program).args(words).stdin(std::process::Stdio::null()).output();
        let output = output.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(format!("{program} ended with {}", output.status)));
        }
        String::from_utf8(output.stdout).map_err(|_| failed(format!("{program} printed no UTF-8")))?
    } else {
        std::fs::read_to_string(named.strip_prefix("file:").unwrap_or(named)).map_err(|error| failed(error.to_string()))?
    };
    Ok(Zeroizing::new(text))
}

fn new_passphrase() -> Result<Zeroizing<String>, EngineError> {
    if let Ok(passphrase) = std::env::var(PASSPHRASE) {
        return not_empty(Zeroizing::new(passphrase));
    }
    if !std::io::stdin().is_terminal() {
        return Err(EngineError::input(
            "a key needs a passphrase, and nobody can be asked",
            format!("set {PASSPHRASE}, or say `--no-passphrase`"),
        ));
    }
    let (first, second) = (asked("passphrase: ")?, asked("once more: ")?);
    if first == second { not_empty(first) } else { Err(EngineError::input("the two passphrases differ", "type the same one twice")) }
}

fn not_empty(passphrase: Zeroizing<String>) -> Result<Zeroizing<String>, EngineError> {
    if passphrase.is_empty() {
        return Err(EngineError::input("the passphrase is empty", "type one, or say `--no-passphrase`"));
    }
    Ok(passphrase)
}

fn asked(prompt: &str) -> Result<Zeroizing<String>, EngineError> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|source| EngineError::io("ask for the passphrase", source))
}

/// Reads the keys that are named.
pub(super) fn trusted(argument: &TrustArg) -> Result<Vec<TrustedKey>, EngineError> {
    argument.keys.iter().map(|key| Ok(TrustedKey { key: public_key(key)?, from: None, until: None })).collect()
}

/// Reads a public key: itself, or the file that holds it on its second line.
fn public_key(named: &str) -> Result<String, EngineError> {
    if key_id(named).is_some() {
        return Ok(named.to_owned());
    }
    let text = std::fs::read_to_string(named).unwrap_or_default();
    let found = text.lines().map(str::trim).find(|line| key_id(line).is_some());
    found.map(str::to_owned).ok_or_else(|| {
        EngineError::input(
            format!("`{named}` is no public key"),
            "name 56 letters that begin with `RW`, or the `.pub` file that holds them",
        )
    })
}

/// Returns a path with something more behind it.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

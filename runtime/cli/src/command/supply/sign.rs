//! `plugin push`, `plugin sign`, `plugin verify`.

use super::keys::{beside, signing_key, trusted};
use crate::args::{Cli, Format, KeyArg, TrustArg};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::{EngineError, Exit, command};
use relrun_registry::{Client, Reference, wasm};
use relrun_supply::{Facts, LARGEST_COMPONENT, Minisign, Origin, Scheme, Signed, push_component, push_signature};
use std::path::Path;

/// Returns whether an argument names an artifact, and not a file.
fn is_reference(text: &str) -> bool {
    text.starts_with("oci://") || text.starts_with("oci-layout:")
}

pub(super) fn scratch() -> Result<tempfile::TempDir, EngineError> {
    tempfile::tempdir().map_err(|source| EngineError::io("make a folder for the time being", source))
}

/// Opens a client with what the project says of registries.
pub(super) fn client(cli: &Cli) -> Result<Client, EngineError> {
    let root = open::root(cli, Path::new("release.kdl"))?;
    let project = relrun_engine::project(&root, &[])?;
    let supply = open::supply(cli, &root, &project, Access::Look);
    if supply.options.offline {
        return Err(EngineError::input("the network may not be used", "leave out `--offline`"));
    }
    Ok(Client::new(supply.options.registries)?)
}

pub(super) async fn push(
    cli: &Cli,
    component: &Path,
    to: &str,
    (facts, moves): (Option<&Path>, bool),
    key: &KeyArg,
) -> Result<Exit, EngineError> {
    let bytes = read(component)?;
    let reference: Reference = to.parse()?;
    let tag = reference
        .tag
        .clone()
        .ok_or_else(|| EngineError::input(format!("{to} has no tag"), format!("say under which it is pushed, such as `{to}:1.0.0`")))?;
    let facts = facts_of(component, facts)?;
    let wanted = key.key.is_some() || std::env::var_os("RELRUN_PLUGIN_KEY").is_some_and(|value| !value.is_empty());
    // Before anything is sent: a key that does not open should leave nothing behind.
    let key = if wanted { Some(signing_key(key)?) } else { None };
    let (client, folder) = (client(cli)?, scratch()?);
    let repository = client.open(&reference.place).await?;
    let manifest = push_component(&*repository, bytes.clone().into(), &facts, &tag, moves, folder.path()).await?;
    if let Some(key) = &key {
        let signature = key.sign(&bytes, &reference.to_string(), jiff::Timestamp::now())?;
        push_signature(&*repository, &manifest, &signature, folder.path()).await?;
    }
    let component = relrun_ledger::Digest::of(&bytes);
    if show::format(cli) == Format::Json {
        let said = serde_json::json!({
            "reference": reference.to_string(), "digest": manifest.digest().to_string(), "component": component, "signed": key.is_some(),
        });
        show::print_json(&said)?;
    } else {
        let signed = if key.is_some() { ", signed" } else { "" };
        show::print(&format!("pushed {reference}{signed}\n  digest     {}\n  component  blake3:{component}\n", manifest.digest()))?;
    }
    Ok(Exit::Done)
}

/// What is said of a component: by the `plugin.kdl` that is named, or that lies where it was built.
fn facts_of(component: &Path, named: Option<&Path>) -> Result<Facts, EngineError> {
    let near =
        || component.canonicalize().ok()?.ancestors().skip(1).take(3).map(|folder| folder.join("plugin.kdl")).find(|file| file.is_file());
    let Some(file) = named.map(Path::to_path_buf).or_else(near) else { return Ok(Facts::default()) };
    let text =
        std::fs::read_to_string(&file).map_err(|error| EngineError::input(format!("{}: {error}", file.display()), "name a plugin.kdl"))?;
    Ok(Facts::of_plugin_kdl(&file.display().to_string(), &text)?)
}

fn read(component: &Path) -> Result<Vec<u8>, EngineError> {
    let failed =
        |why: String| EngineError::input(format!("{}: {why}", component.display()), "name a component, as `relrun plugin build` writes it");
    let size = std::fs::metadata(component).map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST_COMPONENT {
        return Err(failed(format!("it is larger than {LARGEST_COMPONENT} bytes")));
    }
    std::fs::read(component).map_err(|error| failed(error.to_string()))
}

pub(super) async fn sign(cli: &Cli, what: &str, key: &KeyArg) -> Result<Exit, EngineError> {
    let key = signing_key(key)?;
    let now = jiff::Timestamp::now();
    let place = if is_reference(what) {
        let reference: Reference = what.parse()?;
        let (client, folder) = (client(cli)?, scratch()?);
        let repository = client.open(&reference.place).await?;
        let pulled = wasm::pull(&*repository, &reference.name()?, LARGEST_COMPONENT).await?;
        let signature = key.sign(&pulled.bytes, &reference.to_string(), now)?;
        push_signature(&*repository, &pulled.manifest, &signature, folder.path()).await?;
        format!("{}@{}", reference.place, pulled.digest)
    } else {
        let path = Path::new(what);
        let bytes = read(path)?;
        let name = path.file_name().map_or_else(|| what.to_owned(), |name| name.to_string_lossy().into_owned());
        let signature = key.sign(&bytes, &name, now)?;
        let to = beside(path, Minisign.extension());
        std::fs::write(&to, signature).map_err(|source| EngineError::io(format!("write {}", to.display()), source))?;
        to.display().to_string()
    };
    let id = relrun_supply::key_id(&key.public()?).unwrap_or_default();
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "key": id, "signature": place }))?;
    } else {
        show::print(&format!("signed with key {id}: {place}\n"))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn check(cli: &Cli, what: &str, trust: &TrustArg) -> Result<Exit, EngineError> {
    let keys = trusted(trust)?;
    let place = open::place(cli, Path::new("release.kdl"), Access::Look)?;
    let (bytes, signatures, origin) = if is_reference(what) {
        let reference: Reference = what.parse()?;
        let repository = client(cli)?.open(&reference.place).await?;
        let pulled = wasm::pull(&*repository, &reference.name()?, LARGEST_COMPONENT).await?;
        let signatures = relrun_supply::attached(&*repository, &pulled.digest).await?;
        (pulled.bytes.to_vec(), signatures, Origin::Oci(Box::new(reference)).to_string())
    } else {
        let path = Path::new(what);
        let signature = std::fs::read_to_string(beside(path, Minisign.extension())).ok();
        (read(path)?, signature.into_iter().collect(), format!("file:{what}"))
    };
    let signed = command::who_vouches(&place.workspace, &origin, &bytes, &signatures, &keys)?;
    say_signed(cli, &origin, &signed)?;
    Ok(Exit::Done)
}

pub(super) fn say_signed(cli: &Cli, what: &str, signed: &Signed) -> Result<(), EngineError> {
    let Signed { key, at, comment } = signed;
    if show::format(cli) == Format::Json {
        return show::print_json(&serde_json::json!({ "what": what, "key": key, "at": at.map(|at| at.to_string()), "comment": comment }));
    }
    let at = at.map_or_else(String::new, |at| format!(" at {at}"));
    show::print(&format!("{what} is signed with key {key}{at}\n"))
}

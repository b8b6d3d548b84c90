//! The state of a project as one file, and out of it again: the ledger at one moment, and the content that it names.
//!
//! The file is a tar whose first entry lists all others with their digests; the same state gives the same bytes. What comes in is checked before it is
//! kept, and nothing that is there gets lost.

use crate::{EngineError, Workspace};
use relrun_ledger::{Digest, Outcome, Record, Release, ReleaseId, StepState, Summary};
use relrun_store::{LedgerCopy, StoreError, StreamCopy, StreamId, Tree};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// The version of the file's form.
const FORMAT: u32 = 1;
const INDEX: &str = "relrun-state.json";
/// How long the first entry may be.
const INDEX_BYTES: u64 = 256 << 20;

/// What a file of a project's state says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    format: u32,
    /// The ledger's own id.
    ledger: String,
    /// The last fence that it gave.
    last_fence: u64,
    /// The last release id of each package.
    packages: BTreeMap<String, u32>,
    /// Every other entry of the file, by its name.
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    blake3: Digest,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many releases.
    pub releases: usize,
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes these have.
    pub bytes: u64,
}

/// Writes the whole state, as it is at one moment; releases may run meanwhile.
pub fn export(workspace: &Workspace, out: &mut dyn Write) -> Result<Moved, EngineError> {
    let copy = workspace.runs.copy()?;
    let mut texts = BTreeMap::new();
    let mut blobs = BTreeMap::new();
    for (id, stream) in &copy.streams {
        texts.insert(name_of("events", id), lines(&stream.records));
        if !stream.log.is_empty() {
            texts.insert(name_of("logs", id), lines(&stream.log));
        }
        gather(workspace, &fold(id, &stream.records)?, &mut blobs)?;
    }
    let entry = |text: &String| Entry { size: text.len() as u64, blake3: Digest::of(text.as_bytes()) };
    let mut entries: BTreeMap<String, Entry> = texts.iter().map(|(name, text)| (name.clone(), entry(text))).collect();
    entries.extend(blobs.iter().map(|(digest, size)| (format!("blobs/{digest}"), Entry { size: *size, blake3: *digest })));
    let index = Index { format: FORMAT, ledger: copy.ledger_id, last_fence: copy.last_fence, packages: copy.packages, entries };
    let index = serde_json::to_vec_pretty(&index).map_err(|error| broken(&error.to_string()))?;
    let mut tar = tar::Builder::new(out);
    append(&mut tar, INDEX, &index)?;
    for (name, text) in &texts {
        append(&mut tar, name, text.as_bytes())?;
    }
    for digest in blobs.keys() {
        append(&mut tar, &format!("blobs/{digest}"), &workspace.blobs.get(*digest)?)?;
    }
    tar.finish().map_err(|source| EngineError::io("write the state", source))?;
    Ok(Moved { releases: copy.streams.len(), blobs: blobs.len(), bytes: blobs.values().sum() })
}

fn append(tar: &mut tar::Builder<&mut dyn Write>, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, name, bytes).map_err(|source| EngineError::io(format!("write {name} of the state"), source))
}

fn name_of(kind: &str, id: &StreamId) -> String {
    format!("{kind}/{}/{}.ndjson", id.package, id.release)
}

fn lines(texts: &[String]) -> String {
    texts.iter().flat_map(|text| [text.as_str(), "\n"]).collect()
}

fn fold(id: &StreamId, records: &[String]) -> Result<Release, EngineError> {
    let parsed = records.iter().map(|text| serde_json::from_str::<Record>(text));
    let parsed: Vec<Record> = parsed.collect::<Result<_, _>>().map_err(|error| broken(&format!("{id}: {error}")))?;
    Release::fold(&parsed)?
        .filter(|release| release.start.package == id.package && release.start.release == id.release)
        .ok_or_else(|| broken(&format!("what stands under {id} is another release")))
}

/// Gathers the blobs that a release names, and those that these name. What a pure step could make again need not be there.
fn gather(workspace: &Workspace, release: &Release, blobs: &mut BTreeMap<Digest, u64>) -> Result<(), EngineError> {
    let must = [release.start.manifest, release.start.lock];
    let mut due: Vec<Digest> = named(workspace, release)?.into_iter().collect();
    while let Some(digest) = due.pop() {
        if blobs.contains_key(&digest) {
            continue;
        }
        if !workspace.blobs.has(digest)? {
            if must.contains(&digest) {
                return Err(StoreError::Missing { digest }.into());
            }
            continue;
        }
        let bytes = workspace.blobs.get(digest)?;
        due.extend(references(&bytes));
        blobs.insert(digest, bytes.len() as u64);
    }
    Ok(())
}

/// Returns what a release names in the blob store: manifest, lock, components, configs, artifacts.
pub fn named(workspace: &Workspace, release: &Release) -> Result<BTreeSet<Digest>, EngineError> {
    let mut named = BTreeSet::from([release.start.manifest, release.start.lock]);
    named.extend(release.start.files.as_ref().map(|files| files.tree));
    named.extend(release.start.environments);
    named.extend(components(&workspace.blobs.get(release.start.lock)?));
    for step in &release.steps {
        named.extend(step.config);
        let outcome = match &step.state {
            StepState::Succeeded(outcome) => Some(outcome),
            _ => step.outcome.as_ref(),
        };
        named.extend(outcome.into_iter().flat_map(|outcome| outcome.artifacts.values().copied()));
    }
    Ok(named)
}

fn components(lock: &[u8]) -> Vec<Digest> {
    let json: serde_json::Value = serde_json::from_slice(lock).unwrap_or_default();
    let plugins = json["plugins"].as_object().cloned().unwrap_or_default();
    plugins.values().filter_map(|plugin| plugin["digest"].as_str()?.parse().ok()).collect()
}

/// Returns what a blob or a remembered value refers to: a tree its files, an outcome its artifacts.
pub fn references(bytes: &[u8]) -> Vec<Digest> {
    if let Ok(tree) = Tree::decode(bytes) {
        return tree.blobs().collect();
    }
    serde_json::from_slice::<Outcome>(bytes).map(|outcome| outcome.artifacts.into_values().collect()).unwrap_or_default()
}

/// Takes a state in: into an empty project, or into an earlier state of the very ledger.
pub fn import(workspace: &Workspace, file: &mut dyn Read) -> Result<Moved, EngineError> {
    let mut tar = tar::Archive::new(file);
    let mut entries = tar.entries().map_err(unreadable)?;
    let index = match entries.next() {
        Some(first) => read_index(first.map_err(unreadable)?)?,
        None => return Err(broken("it is empty")),
    };
    let mut copy = LedgerCopy { ledger_id: index.ledger, last_fence: index.last_fence, packages: index.packages, ..LedgerCopy::default() };
    let mut due = index.entries;
    let mut moved = Moved::default();
    for entry in entries {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let said = due.remove(&name).ok_or_else(|| broken(&format!("its list does not name {name}, or it is there twice")))?;
        let mut bytes = Vec::new();
        (&mut entry).take(said.size + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != said.size || Digest::of(&bytes) != said.blake3 {
            return Err(broken(&format!("{name} is not what its list says")));
        }
        match name.split_once('/') {
            Some(("blobs", digest)) if digest == said.blake3.to_string() => {
                workspace.blobs.put(&bytes)?;
                moved.blobs += 1;
                moved.bytes += said.size;
            }
            Some((kind @ ("events" | "logs"), id)) => take_lines(&mut copy, kind, id, bytes)?,
            _ => return Err(broken(&format!("{name} is no part of a state"))),
        }
    }
    if let Some(name) = due.keys().next() {
        return Err(broken(&format!("{name} is missing: the file is cut off")));
    }
    for (id, stream) in &mut copy.streams {
        let summary = Summary::of(&fold(id, &stream.records)?);
        stream.summary = serde_json::to_string(&summary).map_err(|error| broken(&error.to_string()))?;
    }
    moved.releases = copy.streams.len();
    workspace.blobs.sync()?;
    match workspace.runs.take_in(&copy)? {
        Ok(()) => Ok(moved),
        Err(differences) => Err(EngineError::input(
            format!("what is here would get lost: {}", differences.join("; ")),
            "import into an empty project, or into one that has an earlier state of the same ledger and in which nothing runs",
        )),
    }
}

fn read_index(mut entry: tar::Entry<'_, &mut dyn Read>) -> Result<Index, EngineError> {
    if entry.path_bytes() != INDEX.as_bytes() {
        return Err(broken(&format!("it does not begin with {INDEX}")));
    }
    let mut bytes = Vec::new();
    (&mut entry).take(INDEX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| broken(&error.to_string()))?;
    if json["format"] != FORMAT {
        return Err(EngineError::input(
            format!("this state has format {}, and this relrun knows {FORMAT}", json["format"]),
            "use the relrun that wrote it, or a newer one",
        ));
    }
    serde_json::from_value(json).map_err(|error| broken(&error.to_string()))
}

fn take_lines(copy: &mut LedgerCopy, kind: &str, id: &str, bytes: Vec<u8>) -> Result<(), EngineError> {
    let text = String::from_utf8(bytes).map_err(|_| broken(&format!("{kind}/{id} is no text")))?;
    let stream = id.strip_suffix(".ndjson").and_then(|id| id.rsplit_once('/'));
    let stream = stream.and_then(|(package, release)| Some((package.to_owned(), release.parse::<ReleaseId>().ok()?)));
    let (package, release) = stream.ok_or_else(|| broken(&format!("{kind}/{id} names no release")))?;
    let into: &mut StreamCopy = copy.streams.entry(StreamId { package, release }).or_default();
    let lines = text.lines().map(str::to_owned).collect();
    *(if kind == "events" { &mut into.records } else { &mut into.log }) = lines;
    Ok(())
}

fn broken(why: &str) -> EngineError {
    EngineError::input(format!("this is no whole state of a project: {why}"), "export it again: `relrun state export FILE`")
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn unreadable(error: std::io::Error) -> EngineError {
    broken(&error.to_string())
}

//! What an identity was made from, kept so that the next command can look at all of it again without reading the manifest or asking a plugin.
//!
//! A witness is believed only after each thing that it names was looked at and found the same: every file that a step reads, every component,
//! every program, every variable, and in the ledger what was set and what stood by another release. What it does not name it is filed under:
//! the program's version, the manifest, the project's settings, the request. Where anything differs, or cannot be looked at, there is no
//! witness, and the long way says what is wrong.

use crate::command::{Applied, ApplyRequest, Sought};
use crate::given::Given;
use crate::inputs::Sets;
use crate::look::{self, Globs};
use crate::{Source, Workspace};
use relrun_host::ComponentBytes;
use relrun_ledger::{Digest, Summary};
use relrun_manifest::{Capability, Namespace};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The kind under which witnesses are kept in the project's cache.
const KIND: &str = "witness";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Witness {
    sought: Sought,
    files: Vec<(Globs, Digest)>,
    components: BTreeMap<PathBuf, Digest>,
    programs: BTreeMap<String, String>,
    /// What `relrun env set` set.
    set: Digest,
    /// The digests of their values: what a variable holds is nobody else's business.
    variables: BTreeMap<String, Option<Digest>>,
}

/// Keeps what a request's identity was made from.
pub(crate) fn keep(workspace: &Workspace, applied: &Applied, request: &ApplyRequest) {
    let components = applied.prepared.plugins.values().filter_map(|plugin| match &plugin.source.bytes {
        ComponentBytes::File(path) => Some((path.clone(), plugin.source.digest)),
        ComponentBytes::Static(_) | ComponentBytes::Memory(_) => None,
    });
    let witness = Witness {
        sought: applied.sought.clone(),
        files: applied.survey.looked().to_vec(),
        components: components.collect(),
        programs: applied.survey.programs(),
        set: digest_of_sets(&applied.prepared.inputs.set),
        variables: variables(applied).into_iter().map(|name| (name.clone(), digest_of(workspace, &name))).collect(),
    };
    let loaded = &applied.prepared.loaded;
    if let (Some(key), Ok(bytes)) = (key(workspace, loaded.digest, &loaded.directory, request), postcard::to_stdvec(&witness)) {
        workspace.cache.put(KIND, key, &bytes);
    }
}

/// Returns which release a request means, where everything that said so is as it was, and the releases that there are.
pub(crate) fn recall(workspace: &Workspace, source: &Source, request: &ApplyRequest) -> Option<(Sought, Vec<Summary>)> {
    let key = key(workspace, source.digest, &source.directory, request)?;
    let witness: Witness = postcard::from_bytes(&workspace.cache.get(KIND, key)?).ok()?;
    let is_variable = |(name, digest): (&String, &Option<Digest>)| digest_of(workspace, name) == *digest;
    let is_program = |(name, digest): (&String, &String)| look::program(workspace, name) == *digest;
    let is_component = |(path, digest): (&PathBuf, &Digest)| workspace.stats().digest_file(path).is_ok_and(|found| found == *digest);
    let (package, deployment) = (&witness.sought.package, request.deployment.as_deref());
    let summaries = crate::command::summaries(workspace, package).ok()?;
    let stands = witness.sought.still_stands(&summaries, deployment)
        && digest_of_sets(&crate::command::settings_standing(&summaries, package, deployment)) == witness.set
        && witness.variables.iter().all(is_variable)
        && witness.programs.iter().all(is_program)
        && witness.components.iter().all(is_component)
        && are_files(workspace, &source.directory, &witness.files);
    stands.then_some((witness.sought, summaries))
}

fn are_files(workspace: &Workspace, directory: &Path, expected: &[(Globs, Digest)]) -> bool {
    let groups: Vec<&Globs> = expected.iter().map(|(globs, _)| globs).collect();
    let found = look::files(workspace, look::Below { root: &workspace.root, directory }, &groups);
    found.is_ok_and(|found| found.iter().zip(expected).all(|(files, (_, digest))| files.digest == *digest))
}

fn variables(applied: &Applied) -> BTreeSet<String> {
    let prepared = &applied.prepared;
    let granted = prepared.nodes.iter().flat_map(|node| &node.capabilities).filter_map(|capability| match capability {
        Capability::Env(name) => Some(name.clone()),
        _ => None,
    });
    let steps = prepared.loaded.manifest.phases.iter().flat_map(|phase| &phase.steps);
    let named = steps.flat_map(relrun_manifest::Step::references).filter(|reference| reference.namespace == Namespace::Env);
    granted.chain(named.filter_map(|reference| reference.path.first().cloned())).collect()
}

fn digest_of(workspace: &Workspace, variable: &str) -> Option<Digest> {
    workspace.variables.get(variable).map(|value| Digest::of(value.as_bytes()))
}

fn digest_of_sets(set: &Sets) -> Digest {
    // Names are sorted, so that the text is one and the same for the same values.
    Digest::of(&serde_json::to_vec(set).unwrap_or_default())
}

/// Everything that an identity depends on and a witness does not name.
#[derive(Serialize)]
struct Key<'a> {
    version: &'a str,
    bundled: Vec<Digest>,
    manifest: Digest,
    directory: &'a Path,
    root: &'a Path,
    project: &'a relrun_manifest::Project,
    environments: &'a [String],
    phases: &'a [String],
    inputs: &'a Given,
    deployment: Option<&'a str>,
    /// What `relrun.lock` beside the manifest says.
    lock: Option<Digest>,
}

fn key(workspace: &Workspace, manifest: Digest, directory: &Path, request: &ApplyRequest) -> Option<Vec<u8>> {
    let key = Key {
        version: env!("CARGO_PKG_VERSION"),
        bundled: workspace.bundled.iter().map(|plugin| plugin.digest).collect(),
        manifest,
        directory,
        root: &workspace.root,
        project: &workspace.project,
        environments: &request.environments,
        phases: &request.phases,
        inputs: &request.inputs,
        deployment: request.deployment.as_deref(),
        lock: std::fs::read(directory.join("relrun.lock")).ok().map(|text| Digest::of(&text)),
    };
    postcard::to_stdvec(&key).ok()
}

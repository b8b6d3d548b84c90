//! What every step is made from: staged inputs looked at, fingerprints made, and the release's identity over all of them.
//!
//! Two digests a step. The *static* one is known before anything runs: a reference to another step stands for that step's own static digest.
//! The release's identity is made of these. The *fingerprint* is over real content, known once all that the step refers to is: the cache's key.

use crate::fingerprint::{Parts, canonical};
use crate::look::{self, Files, Globs};
use crate::prepare::{LockFile, Prepared};
use crate::values::Known;
use crate::{EngineError, Workspace};
use relrun_graph::NodeId;
use relrun_ledger::{Digest, Failure, FailureKind, Outcome, Release, StepId, StepKind, StepState};
use relrun_manifest::{Capability, Namespace, Reads, ReadsFrom, Reference, Template};
use relrun_store::{Entry, Tree};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// What stands under `/in/NAME`.
#[derive(Clone, Debug)]
pub enum JobInput {
    /// Files of the work tree.
    Files(Files),
    /// An artifact in the store.
    Artifact(Digest),
    /// An artifact that is one file: the folder holds it under the artifact's own name.
    File {
        /// The artifact.
        artifact: Digest,
        /// The folder, and its digest: it tells the name too.
        folder: (Arc<Tree>, Digest),
    },
}

/// What a step is made from, once all is known.
#[derive(Clone, Debug)]
pub struct Made {
    /// The config, every reference resolved.
    pub config: Value,
    /// The fingerprint's parts.
    pub parts: Parts,
    /// What is staged, by name.
    pub inputs: Vec<(String, JobInput)>,
}

/// What the steps are made from, as far as it is known before anything runs.
pub struct Survey {
    files: Vec<BTreeMap<String, Files>>,
    statics: Vec<Digest>,
    programs: Mutex<BTreeMap<String, String>>,
    looked: Vec<(Globs, Digest)>,
    included: Option<Digest>,
}

impl Survey {
    /// Looks at what the wanted steps stage.
    pub fn new(workspace: &Workspace, prepared: &Prepared, wanted: &dyn Fn(NodeId) -> bool) -> Result<Self, EngineError> {
        Self::with(workspace, prepared, wanted, &|_| None)
    }

    /// Looks at what bound steps stage; the others are what they are in a record, whose sources may be long gone.
    pub fn beside(workspace: &Workspace, prepared: &Prepared, record: &Release) -> Result<Self, EngineError> {
        let is_bound = |node: NodeId| prepared.environment(node).is_some();
        let recorded = |node: NodeId| {
            let name = &prepared.step(node).name.value;
            record.find(name, None).map(|step| record.start.steps[step.index()].fingerprint)
        };
        Self::with(workspace, prepared, &is_bound, &recorded)
    }

    fn with(
        workspace: &Workspace,
        prepared: &Prepared,
        wanted: &dyn Fn(NodeId) -> bool,
        recorded: &dyn Fn(NodeId) -> Option<Digest>,
    ) -> Result<Self, EngineError> {
        let mut survey = Self {
            files: vec![BTreeMap::new(); prepared.nodes.len()],
            statics: vec![Digest([0; 32]); prepared.nodes.len()],
            programs: Mutex::default(),
            looked: Vec::new(),
            included: None,
        };
        survey.look(workspace, prepared, wanted)?;
        for node in prepared.graph.topological() {
            if wanted(node) {
                survey.statics[node.index()] = survey.static_digest(workspace, prepared, node);
            } else if let Some(digest) = recorded(node) {
                survey.statics[node.index()] = digest;
            }
        }
        Ok(survey)
    }

    /// Looks at what the package's `include` names: it is a part of what is released, though no step reads it.
    pub(crate) fn look_at_included(&mut self, workspace: &Workspace, prepared: &Prepared) -> Result<(), EngineError> {
        let globs: Globs = prepared.loaded.manifest.package.include.iter().map(|glob| glob.value.clone()).collect();
        if globs.is_empty() {
            return Ok(());
        }
        for files in look::files(workspace, prepared.loaded.below(workspace), std::slice::from_ref(&globs))? {
            self.included = Some(files.digest);
            self.looked.push((globs.clone(), files.digest));
        }
        Ok(())
    }

    /// Returns what each set of globs matched, as a digest.
    pub(crate) fn looked(&self) -> &[(Globs, Digest)] {
        &self.looked
    }

    /// Returns the digests of the programs that steps may run, by name.
    pub(crate) fn programs(&self) -> BTreeMap<String, String> {
        self.programs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns a step's part of the identity.
    pub fn static_of(&self, node: NodeId) -> Digest {
        self.statics[node.index()]
    }

    /// Returns the digest of manifest, lock, inputs and all static digests.
    pub fn identity(&self, prepared: &Prepared, lock: &LockFile) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 release identity v1");
        hasher.update(&prepared.loaded.digest.0);
        let lock = serde_json::to_value(lock).map(|lock| canonical(&lock)).unwrap_or_default();
        let inputs: Value = prepared.inputs.free.clone().into_iter().collect::<serde_json::Map<_, _>>().into();
        let bound: Value = prepared
            .inputs
            .bound
            .iter()
            .map(|(name, values)| (name.clone(), Value::Object(values.clone().into_iter().collect())))
            .collect::<serde_json::Map<_, _>>()
            .into();
        for text in [lock, canonical(&inputs), canonical(&bound)] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        for digest in self.statics.iter().chain(&self.included) {
            hasher.update(&digest.0);
        }
        // Under another name it is another deployment, and so another release; under the package's own it is what it always was.
        let package = &prepared.loaded.manifest.package.name.value.name;
        if let Some(name) = prepared.deployment().filter(|name| name != package) {
            hasher.update(name.as_bytes());
        }
        hasher.finalize().into()
    }

    /// Makes a step's fingerprint, now that all it refers to is known.
    pub fn make(
        &self,
        workspace: &Workspace,
        prepared: &Prepared,
        node: NodeId,
        config: Value,
        artifact: &dyn Fn(&Template) -> Option<Digest>,
    ) -> Result<Made, Failure> {
        let step = prepared.step(node);
        let mut inputs = Vec::new();
        for reads in &step.reads {
            let input = match &reads.from {
                ReadsFrom::Files(_) => JobInput::Files(self.files[node.index()][&reads.name.value].clone()),
                ReadsFrom::Artifact(template) => {
                    JobInput::of_artifact(workspace, artifact(template).ok_or_else(|| no_artifact(reads))?, template)
                }
            };
            inputs.push((reads.name.value.clone(), input));
        }
        let digests = inputs.iter().map(|(name, input)| (name.clone(), input.digest().to_string())).collect();
        let parts = self.parts(workspace, prepared, node, &config, digests);
        Ok(Made { config, parts, inputs })
    }

    fn parts(&self, workspace: &Workspace, prepared: &Prepared, node: NodeId, config: &Value, inputs: BTreeMap<String, String>) -> Parts {
        let plugin = prepared.plugin(node);
        let at = &prepared.nodes[node.index()];
        let mut parts = Parts {
            component: format!("{} {}", plugin.source.digest, plugin.description.world),
            config: canonical(config),
            inputs,
            outputs: prepared.step(node).writes.iter().map(|writes| writes.name.value.clone()).collect(),
            ..Parts::default()
        };
        for capability in &at.capabilities {
            match capability {
                Capability::Env(name) => {
                    parts.variables.insert(name.clone(), workspace.variables.get(name).cloned().unwrap_or_default());
                }
                Capability::Run(run) => {
                    if let Some(relrun_manifest::ArgPattern::Glob(program)) = run.argv.first() {
                        parts.programs.insert(program.clone(), self.program(workspace, program));
                    }
                }
                _ => {}
            }
            parts.capabilities.push(capability.to_string());
        }
        parts
    }

    fn program(&self, workspace: &Workspace, name: &str) -> String {
        let mut programs = self.programs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        programs.entry(name.to_owned()).or_insert_with(|| look::program(workspace, name)).clone()
    }

    /// Looks at the files that the wanted steps read, each set of globs once.
    fn look(&mut self, workspace: &Workspace, prepared: &Prepared, wanted: &dyn Fn(NodeId) -> bool) -> Result<(), EngineError> {
        let mut places: HashMap<Globs, Vec<(NodeId, &str)>> = HashMap::new();
        let mut groups: Vec<Globs> = Vec::new();
        for node in prepared.graph.topological().filter(|&node| wanted(node)) {
            for reads in &prepared.step(node).reads {
                let ReadsFrom::Files(globs) = &reads.from else { continue };
                let globs: Globs = globs.iter().map(|glob| glob.value.clone()).collect();
                let users = places.entry(globs).or_insert_with_key(|globs| {
                    groups.push(globs.clone());
                    Vec::new()
                });
                users.push((node, &reads.name.value));
            }
        }
        let looked = look::files(workspace, prepared.loaded.below(workspace), &groups)?;
        for (globs, files) in groups.into_iter().zip(looked) {
            for (node, name) in &places[&globs] {
                self.files[node.index()].insert((*name).to_owned(), files.clone());
            }
            self.looked.push((globs, files.digest));
        }
        Ok(())
    }

    fn static_digest(&self, workspace: &Workspace, prepared: &Prepared, node: NodeId) -> Digest {
        let step = prepared.step(node);
        let environment = prepared.environment(node);
        let name = environment.map(|environment| environment.name.value.as_str());
        let symbol = |step: &str, path: &[String]| {
            let other = prepared.meant(step, name)?;
            Some(Value::String(format!("{} {}", self.statics[other.index()], path.join("."))))
        };
        let known = Known {
            inputs: prepared.inputs.of(name),
            environment,
            deployment: prepared.nodes[node.index()].deployment.as_deref(),
            package: &prepared.loaded.manifest.package.name.value,
            release: None,
            variables: &workspace.variables,
            steps: &symbol,
            previous: None,
            dependencies: None,
        };
        let at = &prepared.nodes[node.index()];
        let config = if at.complete {
            at.config.clone()
        } else {
            relrun_manifest::shape(&step.config, &prepared.plugin(node).description.config_schema, &|reference| known.resolve(reference))
                .json
        };
        let inputs = step
            .reads
            .iter()
            .map(|reads| {
                let digest = match &reads.from {
                    ReadsFrom::Files(_) => self.files[node.index()][&reads.name.value].digest.to_string(),
                    ReadsFrom::Artifact(template) => {
                        template.references().filter_map(|reference| symbolic(reference, &known)).collect::<String>()
                    }
                };
                (reads.name.value.clone(), digest)
            })
            .collect();
        self.parts(workspace, prepared, node, &config, inputs).digest()
    }
}

fn symbolic(reference: &Reference, known: &Known<'_>) -> Option<String> {
    debug_assert_eq!(reference.namespace, Namespace::Step, "the parser takes no other artifact");
    known.resolve(reference).and_then(|value| value.as_str().map(str::to_owned))
}

fn no_artifact(reads: &Reads) -> Failure {
    Failure {
        kind: FailureKind::Missing,
        message: format!("the artifact for /in/{} is not there: the step it names captured none", reads.name.value),
    }
}

impl JobInput {
    fn of_artifact(workspace: &Workspace, artifact: Digest, template: &Template) -> Self {
        let name = template.references().next().and_then(|reference| reference.path.last());
        // One that is not there is found missing when it is staged; a step that the cache knows needs none.
        let file = Tree::get(&*workspace.blobs, artifact).ok().filter(Tree::is_file);
        let folder = name
            .zip(file)
            .and_then(|(name, tree)| Tree::new(tree.entries.into_iter().map(|entry| Entry { path: name.clone(), ..entry }).collect()).ok());
        match folder {
            Some(tree) => Self::File { artifact, folder: (Arc::new(tree.clone()), tree.digest()) },
            None => Self::Artifact(artifact),
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Files(files) => files.digest,
            Self::Artifact(digest) | Self::File { folder: (_, digest), .. } => *digest,
        }
    }

    /// Returns the tree of it that is no blob of its own, and its digest.
    fn tree(&self) -> Option<(&Arc<Tree>, Digest)> {
        match self {
            Self::Files(files) => Some((&files.tree, files.digest)),
            Self::File { folder: (tree, digest), .. } => Some((tree, *digest)),
            Self::Artifact(_) => None,
        }
    }

    /// Returns the artifact, where it is one.
    pub(crate) fn artifact(&self) -> Option<Digest> {
        match self {
            Self::Files(_) => None,
            Self::Artifact(digest) | Self::File { artifact: digest, .. } => Some(*digest),
        }
    }
}

/// Recalls what a fingerprint gave, where every blob of it is still there.
pub(crate) fn recall(workspace: &Workspace, fingerprint: Digest) -> Result<Option<Outcome>, EngineError> {
    let Some(bytes) = workspace.blobs.recall(fingerprint)? else { return Ok(None) };
    let Ok(outcome) = serde_json::from_slice::<Outcome>(&bytes) else { return Ok(None) };
    Ok(if is_kept(workspace, &outcome)? { Some(outcome) } else { None })
}

/// Returns whether all that an outcome captured is in the store still: what is found to be damaged is set aside.
pub(crate) fn is_kept(workspace: &Workspace, outcome: &Outcome) -> Result<bool, EngineError> {
    for digest in outcome.artifacts.values() {
        let Ok(tree) = Tree::get(&*workspace.blobs, *digest) else { return Ok(false) };
        for blob in tree.blobs() {
            if !workspace.blobs.has(blob)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Returns whether a step is done and needs no run: an effect that succeeded, and a pure step of which nothing was lost.
pub(crate) fn is_done(workspace: &Workspace, release: &Release, step: StepId) -> Result<bool, EngineError> {
    match &release.step(step).state {
        StepState::Succeeded(outcome) => Ok(release.start.steps[step.index()].kind == StepKind::Effect || is_kept(workspace, outcome)?),
        _ => Ok(false),
    }
}

/// Remembers what a fingerprint gave, and its parts for `why`.
pub(crate) fn remember(workspace: &Workspace, label: &str, package: &str, parts: &Parts, outcome: &Outcome) -> Result<Digest, EngineError> {
    let fingerprint = parts.digest();
    let bytes =
        serde_json::to_vec(outcome).map_err(|error| EngineError::input(error.to_string(), "this is a fault of relrun; report it"))?;
    workspace.blobs.remember(fingerprint, &bytes)?;
    if let Ok(bytes) = serde_json::to_vec(parts) {
        let key = format!("{package} {label}");
        workspace.cache.put("parts", key.as_bytes(), &bytes);
    }
    Ok(fingerprint)
}

/// Says what changed since the step last ran here; one line where it never did.
pub(crate) fn why(workspace: &Workspace, prepared: &Prepared, node: NodeId, made: &Made) -> Vec<String> {
    match last_parts(workspace, prepared, node) {
        None => vec!["it has not run here before".to_owned()],
        Some(before) => changes(workspace, &before, made),
    }
}

/// Says what changed, and of inputs which files did, where both trees are at hand.
pub(crate) fn changes(workspace: &Workspace, before: &Parts, made: &Made) -> Vec<String> {
    made.parts.changes_since(before, &|old, new| {
        let trees = made.inputs.iter().filter_map(|(_, input)| input.tree());
        let staged = trees.into_iter().find(|(_, digest)| digest.to_string() == new).map(|(tree, _)| Arc::clone(tree));
        let after = staged.or_else(|| tree_of(workspace, new).map(Arc::new))?;
        Some(crate::text::differing(&tree_of(workspace, old)?, &after))
    })
}

/// Keeps what files a step was made from, so that it can be said later which of them changed.
pub(crate) fn keep_trees(workspace: &Workspace, inputs: &[(String, JobInput)]) {
    for (_, input) in inputs {
        if let Some((tree, digest)) = input.tree() {
            workspace.cache.put("tree", digest.to_string().as_bytes(), &tree.encode());
        }
    }
}

fn tree_of(workspace: &Workspace, digest: &str) -> Option<Tree> {
    let kept = workspace.cache.get("tree", digest.as_bytes()).and_then(|bytes| Tree::decode(&bytes).ok());
    kept.or_else(|| Tree::get(&*workspace.blobs, digest.parse().ok()?).ok())
}

/// Returns what the step was made from when it last ran here.
pub(crate) fn last_parts(workspace: &Workspace, prepared: &Prepared, node: NodeId) -> Option<Parts> {
    let key = format!("{} {}", prepared.loaded.manifest.package.name.value, prepared.nodes[node.index()].label);
    workspace.cache.get("parts", key.as_bytes()).and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

//! A new release: an id, a version, and its first event.

use super::same::made;
use super::{Taken, Tools};
use crate::dependency::{Needed, Uses};
use crate::journal::Journal;
use crate::locks::{Locks, deployment_key, release_key};
use crate::prepare::{LockFile, Prepared};
use crate::survey::Survey;
use crate::{EngineError, Workspace};
use relrun_ledger::{
    DeploymentKey, Digest, Event, Files, Git, OnFailure, Origin, Outcome, PackageDigest, Release, ReleaseId, ReleaseKind, RunKind, Start,
    Status, StepDecl, StepId, StepState, Summary, Verdict,
};
use relrun_manifest::{Version, VersionRule};
use relrun_store::{LockKey, StreamId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A release that does not exist yet.
pub(super) struct Draft<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) survey: &'a Survey,
    pub(super) kind: ReleaseKind,
    pub(super) lock: LockFile,
    pub(super) identity: relrun_ledger::Digest,
    pub(super) steps: Option<BTreeSet<StepId>>,
    /// The record that a rollback brings back: all of it that is bound to no environment is taken from there.
    pub(super) record: Option<&'a Release>,
    /// A rollback keeps its version.
    pub(super) version: Option<String>,
    pub(super) description: Option<String>,
    pub(super) made_of: MadeOf,
    pub(super) needed: Needed,
}

/// What a release is made of, beside its manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct MadeOf {
    pub(super) git: Option<Git>,
    pub(super) files: Option<Files>,
    pub(super) taken_from: Option<PackageDigest>,
    /// Versions that are taken elsewhere: in the registry that it will be pushed to.
    pub(super) taken: Vec<Version>,
    /// What stood at the target already.
    pub(super) adopted: Vec<Adopted>,
}

/// An outcome that stood before its release, and for a step that a person says is done the config that it would have run with.
#[derive(Clone, Debug)]
pub(super) struct Adopted {
    pub(super) step: StepId,
    pub(super) outcome: Outcome,
    pub(super) by_word: Option<Digest>,
}

impl MadeOf {
    /// Returns what a record was made of.
    pub(super) fn of(record: &Release) -> Self {
        let Start { git, files, taken_from, .. } = &record.start;
        Self { git: git.clone(), files: files.clone(), taken_from: taken_from.clone(), taken: Vec::new(), adopted: Vec::new() }
    }
}

impl Draft<'_> {
    /// Takes the locks, an id and a version, and writes the release's first events, all or none: a release that does not say what it is to
    /// carry would carry everything when it is taken up. Where another process made a release of this identity
    /// beside the `seen` ones while the locks were waited for, its effects must not run again.
    pub(super) fn begin(self, tools: &Tools<'_>, seen: usize) -> Result<Taken, EngineError> {
        let workspace = &tools.workspace;
        let package = self.prepared.loaded.manifest.package.name.value.to_string();
        let patience = &tools.options.patience();
        let mut locks = Locks::new(workspace);
        let package_lock = LockKey::Package(package.clone());
        locks.take(workspace, &package_lock, None, patience)?;
        let places = self.places();
        for place in &places {
            locks.take(workspace, &deployment_key(&package, &place.environment, &place.deployment), None, patience)?;
        }
        let summaries = super::summaries(workspace, &package)?;
        if made(&summaries, self.identity) > seen {
            let message = "another process made a release of this very manifest, inputs and files while this one waited";
            return Err(EngineError::input(message, "type the same command again"));
        }
        super::check_blocked(&summaries, &places, None)?;
        if self.version.is_none() && seen != usize::MAX {
            check_is_new(&self.prepared.loaded.manifest.package.version.value, self.identity, &summaries)?;
        }
        let (mut journal, stream) = self.write(tools, &mut locks, &summaries)?;
        journal.flush_with_summary()?;
        locks.give_back(&package_lock)?;
        let release: Release = journal.release().clone();
        Ok(Taken { release, stream, steps: self.steps, locks, begun: Some(journal), found: BTreeMap::new(), uses: Uses::new() })
    }

    /// Records the release and carries nothing of it: it waits to be promoted. Nothing that is deployed is touched, so that it needs no lock there.
    pub(super) fn stage(self, tools: &Tools<'_>) -> Result<ReleaseId, EngineError> {
        let workspace = &tools.workspace;
        let package = self.prepared.loaded.manifest.package.name.value.to_string();
        let mut locks = Locks::new(workspace);
        locks.take(workspace, &LockKey::Package(package.clone()), None, &tools.options.patience())?;
        let summaries = super::summaries(workspace, &package)?;
        let (mut journal, stream) = self.write(tools, &mut locks, &summaries)?;
        journal.note(Event::RunEnded { verdict: Verdict::Staged })?;
        journal.flush_with_summary()?;
        Ok(stream.release)
    }

    /// Takes an id and a version, and notes the release's first events.
    fn write(&self, tools: &Tools<'_>, locks: &mut Locks, summaries: &[Summary]) -> Result<(Journal, StreamId), EngineError> {
        let workspace = &tools.workspace;
        let package = self.prepared.loaded.manifest.package.name.value.to_string();
        let id = workspace.runs.claim(&package)?;
        let stream = StreamId { package: package.clone(), release: id };
        let fence = locks.take(workspace, &release_key(&stream), Some(id), &tools.options.patience())?;
        let version = match &self.version {
            Some(version) => version.clone(),
            None => next_version(&self.prepared.loaded.manifest.package.version.value, summaries, &self.made_of.taken),
        };
        let start = self.start(workspace, &package, id, version)?;
        let guard = (release_key(&stream), fence);
        let mut journal = Journal::begin(Arc::clone(&workspace.runs), stream.clone(), guard, Event::ReleaseStarted(Box::new(start)))?;
        let steps = self.steps.as_ref().map(|steps| steps.iter().copied().collect());
        journal.note(Event::RunStarted { run: RunKind::Apply, actor: workspace.actor.clone(), steps })?;
        for (name, version) in &self.needed.locked {
            journal.note(Event::DependencyLocked { name: name.clone(), version: version.clone() })?;
        }
        for Adopted { step, outcome, by_word } in self.made_of.adopted.iter().cloned() {
            let origin = match by_word {
                Some(config) => {
                    journal.note(Event::StepStarted { step, attempt: 1, config })?;
                    Origin::Ran { fingerprint: None }
                }
                None => Origin::Adopted,
            };
            journal.note(Event::StepSucceeded { step, outcome, origin })?;
        }
        if let Some(record) = self.record {
            copy_outcomes(&mut journal, &self.kind, record)?;
        }
        Ok((journal, stream))
    }

    fn places(&self) -> BTreeSet<DeploymentKey> {
        let wanted = |id: StepId| self.steps.as_ref().is_none_or(|steps| steps.contains(&id));
        self.prepared
            .graph
            .topological()
            .filter(|node| wanted(StepId(node.0)))
            .filter_map(|node| {
                let environment = self.prepared.environment(node)?.name.value.clone();
                let deployment = self.prepared.nodes[node.index()].deployment.clone()?;
                Some(DeploymentKey { environment, deployment })
            })
            .collect()
    }

    fn start(&self, workspace: &Workspace, package: &str, id: ReleaseId, version: String) -> Result<Start, EngineError> {
        let loaded = &self.prepared.loaded;
        let lock = serde_json::to_vec(&self.lock)
            .map_err(|error| EngineError::input(format!("the lock cannot be written: {error}"), "this is a fault of relrun; report it"))?;
        let environments = serde_json::to_vec(&loaded.environments).map_err(|error| {
            EngineError::input(format!("the environments cannot be written: {error}"), "this is a fault of relrun; report it")
        })?;
        keep_components(workspace, self.prepared)?;
        Ok(Start {
            release: id,
            package: package.to_owned(),
            version,
            kind: self.kind.clone(),
            identity: self.identity,
            manifest: workspace.blobs.put(loaded.text.as_bytes())?,
            lock: workspace.blobs.put(&lock)?,
            environments: Some(workspace.blobs.put(&environments)?),
            given: self.prepared.inputs.given.clone(),
            inputs: self.prepared.inputs.free.clone(),
            settings: self.prepared.inputs.bound.clone(),
            set: self
                .prepared
                .inputs
                .set
                .iter()
                .filter(|(_, values)| !values.is_empty())
                .map(|(name, set)| (name.clone(), set.clone()))
                .collect(),
            steps: self.prepared.graph.topological().map(|node| self.decl(node)).collect(),
            description: self.description.clone(),
            actor: workspace.actor.clone(),
            git: self.made_of.git.clone(),
            files: self.made_of.files.clone(),
            taken_from: self.made_of.taken_from.clone(),
            requires: self.needed.requires.clone(),
            part_of: self.needed.part_of.clone(),
        })
    }

    fn decl(&self, node: relrun_graph::NodeId) -> StepDecl {
        let at = &self.prepared.nodes[node.index()];
        let step = self.prepared.step(node);
        StepDecl {
            name: step.name.value.clone(),
            phase: self.prepared.phase(node).name.value.clone(),
            environment: self.prepared.environment(node).map(|environment| environment.name.value.clone()),
            // An errand makes no deployment: it runs against one.
            deployment: at.deployment.clone().filter(|_| !matches!(self.kind, ReleaseKind::Errand { .. })),
            kind: at.kind,
            idempotent: at.needs.idempotent,
            on_failure: match step.on_failure {
                relrun_manifest::OnFailure::Undo => OnFailure::Undo,
                relrun_manifest::OnFailure::Stop => OnFailure::Stop,
            },
            fingerprint: self.survey.static_of(node),
        }
    }
}

/// Takes everything that is bound to no environment from the record.
fn copy_outcomes(journal: &mut Journal, kind: &ReleaseKind, record: &Release) -> Result<(), EngineError> {
    let steps: Vec<StepId> = journal.release().step_ids().collect();
    for step in steps {
        let decl = &journal.release().start.steps[step.index()];
        if decl.environment.is_some() {
            continue;
        }
        let there = record.find(&decl.name, None);
        let Some(StepState::Succeeded(outcome)) = there.map(|there| &record.step(there).state) else { continue };
        let origin = match kind {
            ReleaseKind::Package { .. } => Origin::Packaged,
            _ => Origin::Copied { release: record.start.release },
        };
        journal.note(Event::StepSucceeded { step, outcome: outcome.clone(), origin })?;
    }
    Ok(())
}

/// Keeps the components, so that what this release did can be undone when the plugins have moved on.
fn keep_components(workspace: &Workspace, prepared: &Prepared) -> Result<(), EngineError> {
    for plugin in prepared.plugins.values() {
        if workspace.blobs.has(plugin.source.digest)? {
            continue;
        }
        match &plugin.source.bytes {
            relrun_host::ComponentBytes::Static(bytes) => drop(workspace.blobs.put(bytes)?),
            relrun_host::ComponentBytes::Memory(bytes) => drop(workspace.blobs.put(bytes)?),
            relrun_host::ComponentBytes::File(path) => drop(workspace.blobs.put_file(path)?),
        }
    }
    Ok(())
}

/// Returns the version that a rule gives, beside those that this ledger gave and those that are taken elsewhere.
fn next_version(rule: &VersionRule, summaries: &[Summary], elsewhere: &[Version]) -> String {
    let own = summaries.iter().filter_map(|summary| Version::parse(&summary.version).ok());
    let taken: Vec<Version> = own.chain(elsewhere.iter().cloned()).collect();
    rule.next(&taken).to_string()
}

/// Refuses to give an exact version to something else than what was released as it. What came to nothing gave its version to nobody.
fn check_is_new(rule: &VersionRule, identity: relrun_ledger::Digest, summaries: &[Summary]) -> Result<(), EngineError> {
    let VersionRule::Exact(version) = rule else { return Ok(()) };
    let text = version.to_string();
    let was_released = |summary: &&Summary| {
        let deployed = summary.environments.values().any(|there| there.deployed_at.is_some());
        summary.kind.is_made() && summary.version == text && (deployed || summary.status == Status::Ended(Verdict::Succeeded))
    };
    let Some(other) = summaries.iter().rev().find(was_released).filter(|other| other.identity != identity) else { return Ok(()) };
    let message = format!("version {version} was released already, as {}, of another manifest, inputs or files", other.release);
    let help = format!(
        "write `version=\"{}\"`, or `version=\"{}.{}.@\"` for the next free one; `--force` makes another release of {version}",
        relrun_manifest::following(version),
        version.major,
        version.minor,
    );
    Err(EngineError::input(message, help))
}

//! `package` and `push`: a release that was built, as an artifact, and where it is sent.
//!
//! What is packed is what the ledger says, never what the work tree is now. A version is pushed once: this room never replaces one.

use super::bring::built_as;
use super::{Taken, find, read};
use crate::locks::{Locks, Patience};
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_ledger::{Event, PackageDigest, Release, ReleaseId, StepId, StepState, Summary};
use relrun_manifest::Namespace;
use relrun_package::{Built, Contents, Envelope, PackageRecord, PackedStep, version_tag};
use relrun_registry::{Artifact, Name, PushAs, Repository, Tag, Transfer};
use relrun_store::LockKey;
use std::collections::BTreeSet;
use std::time::Duration;

/// A release, packed. Its files lie in a folder that goes with it.
pub struct Packed {
    /// The release that was built: a promotion or a rollback stands for the one that it brought.
    pub release: ReleaseId,
    /// What the package says of itself.
    pub record: PackageRecord,
    /// The package.
    pub artifact: Artifact,
    /// What is attached to it: its bill of materials and its provenance.
    pub attached: Vec<Artifact>,
    made: Box<Release>,
    scratch: tempfile::TempDir,
}

impl Packed {
    /// Returns its digest.
    pub fn digest(&self) -> String {
        self.artifact.manifest.digest().to_string()
    }

    /// Returns the tag of its version.
    pub fn tag(&self) -> Result<Tag, EngineError> {
        Ok(version_tag(&self.record.version).parse::<Tag>()?)
    }
}

/// Packs a release: the one named, or the last that was made here. `repository` is where the source's repository is, where it says so; `key` is a
/// private key in OpenSSH's form that the provenance is signed with.
pub fn package(
    workspace: &Workspace,
    loaded: &Loaded,
    id: Option<ReleaseId>,
    repository: Option<&str>,
    key: Option<&str>,
) -> Result<Packed, EngineError> {
    let name = loaded.manifest.package.name.value.to_string();
    let summaries = super::summaries(workspace, &name)?;
    // Without a name the last one that was made here is meant, whatever was brought somewhere since.
    let made = summaries.iter().rev().find(|summary| summary.kind.is_made()).map(|summary| summary.release);
    let id = find(workspace, &name, id.or(made))?;
    let release = read(workspace, &name, built_as(&summaries, id))?;
    if let Some(digest) = &release.start.taken_from {
        let message = format!("{id} was not made here: it was taken from the package {digest}");
        return Err(EngineError::input(message, "push it from where it was made, or copy that package"));
    }
    let record = record_of(workspace, &release)?;
    let scratch = scratch(workspace)?;
    let (artifact, bill) = relrun_package::pack(&Contents { record: &record, blobs: &*workspace.blobs, scratch: scratch.path() })
        .map_err(EngineError::from)?;
    let ledger = workspace.runs.ledger_id()?;
    let source = relrun_package::Source { git: release.start.git.as_ref(), repository };
    let built = Built { release: &release, ledger: &ledger };
    let provenance = match key {
        None => relrun_package::provenance(&record, &artifact, built, source)?,
        Some(key) => {
            let statement = relrun_package::statement(&record, &artifact, built, source)?;
            let (keyid, signature) = crate::approval::sign_bytes(key, &relrun_package::signed_bytes(&statement)).map_err(|why| {
                EngineError::input(format!("this key does not sign: {why}"), "make one: `ssh-keygen -t ed25519 -N '' -f FILE`")
            })?;
            relrun_package::attach_envelope(&artifact, &Envelope::new(&statement, keyid, &signature))?
        }
    };
    Ok(Packed { release: release.start.release, record, artifact, attached: vec![bill, provenance], made: Box::new(release), scratch })
}

/// Makes a folder for the layers of one package.
pub(super) fn scratch(workspace: &Workspace) -> Result<tempfile::TempDir, EngineError> {
    let folder = workspace.scratch();
    let failed = |source| EngineError::io(format!("make a folder in {}", folder.display()), source);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    tempfile::Builder::new().prefix("package-").tempdir_in(&folder).map_err(failed)
}

fn record_of(workspace: &Workspace, release: &Release) -> Result<PackageRecord, EngineError> {
    let start = &release.start;
    let text = String::from_utf8_lossy(&workspace.blobs.get(start.manifest)?).into_owned();
    let then = Loaded::new(workspace, Source::new("release.kdl".to_owned(), workspace.root.clone(), text))?;
    let lock = serde_json::from_slice(&workspace.blobs.get(start.lock)?).map_err(|error| {
        EngineError::input(format!("the lock of {} cannot be read: {error}", start.release), "restore the ledger from a backup")
    })?;
    let travels = |name: &String| then.manifest.inputs.iter().any(|input| *input.name == *name && input.release);
    let given = start.given.iter().filter(|(name, _)| travels(name)).map(|(name, value)| (name.clone(), value.clone()));
    Ok(PackageRecord {
        description: then.manifest.package.description.clone(),
        inputs: start.inputs.clone(),
        given: given.collect(),
        steps: packed_steps(release, &referred(&then))?,
        files: start.files.clone(),
        locked: release.locked.clone(),
        ..PackageRecord::new(start.package.clone(), start.version.clone(), start.manifest, lock)
    })
}

/// Returns what steps of environments refer to: a step, and its output or artifact.
fn referred(loaded: &Loaded) -> BTreeSet<(String, String)> {
    let bound = loaded.manifest.phases.iter().filter(|phase| phase.environments.is_some()).flat_map(|phase| &phase.steps);
    let steps = bound.flat_map(relrun_manifest::Step::references).filter(|reference| reference.namespace == Namespace::Step);
    steps.filter_map(|reference| Some((reference.path.first()?.clone(), reference.path.get(1)?.clone()))).collect()
}

/// Returns what was built. What was left out on purpose is missing, where nothing that is deployed refers to it.
fn packed_steps(release: &Release, referred: &BTreeSet<(String, String)>) -> Result<Vec<PackedStep>, EngineError> {
    let mut steps = Vec::new();
    let mut missing = Vec::new();
    for id in release.step_ids() {
        let decl = &release.start.steps[id.index()];
        if decl.environment.is_some() {
            continue;
        }
        match &release.step(id).state {
            StepState::Succeeded(outcome) => {
                let mut outcome = outcome.clone();
                outcome.artifacts.retain(|name, _| referred.contains(&(decl.name.clone(), name.clone())));
                steps.push(PackedStep { name: decl.name.clone(), phase: decl.phase.clone(), kind: decl.kind, outcome });
            }
            _ if !is_left_out(release, id) || referred.iter().any(|(step, _)| *step == decl.name) => missing.push(id),
            _ => {}
        }
    }
    if missing.is_empty() {
        return Ok(steps);
    }
    let labels: Vec<String> =
        missing.iter().map(|id| format!("{} is {}", release.start.steps[id.index()].label(), release.step(*id).state)).collect();
    let id = release.start.release;
    let message = format!("{id} is not built whole: {}", crate::text::join(&labels));
    Err(EngineError::input(message, format!("type `relrun retry {id}`, or name a release that was built: `relrun releases list`")))
}

fn is_left_out(release: &Release, id: StepId) -> bool {
    release.step(id).state == StepState::Waiting && !release.is_wanted(id)
}

/// What is asked of `push`.
#[derive(Clone, Debug, Default)]
pub struct PushRequest {
    /// `--tag`: tags that move.
    pub tags: Vec<Tag>,
    /// `--force`: a dirty work tree and a commit that was pushed before are no obstacles. Another content is.
    pub force: bool,
    /// How long to wait for another that pushes or releases.
    pub lock_wait: Duration,
}

/// Sends a package under its version, which never changes there, and points tags at it.
pub async fn push(
    workspace: &Workspace,
    packed: &Packed,
    to: &dyn Repository,
    request: &PushRequest,
) -> Result<PackageDigest, EngineError> {
    let package = &packed.record.package;
    let mut locks = Locks::new(workspace);
    locks.take(workspace, &LockKey::Package(package.clone()), Some(packed.release), &Patience::from(request.lock_wait))?;
    if !request.force {
        check_source(workspace, packed)?;
    }
    let transfer = Transfer::new(packed.scratch.path());
    let tag = packed.tag()?;
    let delivery = transfer.push(to, &packed.artifact, &PushAs::Immutable(tag.clone())).await?;
    for about in &packed.attached {
        transfer.push(to, about, &PushAs::ByDigest).await?;
    }
    for moved in &request.tags {
        to.tag(&delivery.digest, moved).await?;
    }
    let digest = PackageDigest(delivery.digest.to_string());
    note(workspace, packed, &format!("{}:{tag}", to.place()), &digest)?;
    Ok(digest)
}

/// Puts a package into a local layout, under its version.
pub async fn keep(packed: &Packed, into: &dyn Repository) -> Result<(), EngineError> {
    let transfer = Transfer::new(packed.scratch.path());
    transfer.push(into, &packed.artifact, &PushAs::Tagged(packed.tag()?)).await?;
    for about in &packed.attached {
        transfer.push(into, about, &PushAs::ByDigest).await?;
    }
    Ok(())
}

/// Refuses what cannot be made again of a commit, and a commit that has a version already.
fn check_source(workspace: &Workspace, packed: &Packed) -> Result<(), EngineError> {
    let Some(git) = &packed.made.start.git else { return Ok(()) };
    let id = packed.release;
    if git.dirty {
        let message = format!("{id} was made of a work tree that differs from its commit {}", short(&git.commit));
        return Err(EngineError::input(message, "commit, make a new release with `relrun apply`, and push that; or say `--force`"));
    }
    match published_of(workspace, &packed.record.package, &git.commit, Some(id))? {
        Some(other) if other.version != packed.record.version => {
            let message = format!("the commit {} was pushed already, as {} ({})", short(&git.commit), other.version, other.release);
            Err(EngineError::input(message, format!("deploy that one; or, to have it as {} too, say `--force`", packed.record.version)))
        }
        _ => Ok(()),
    }
}

/// Returns the release of a commit that was pushed, where there is one.
pub(super) fn published_of(
    workspace: &Workspace,
    package: &str,
    commit: &str,
    except: Option<ReleaseId>,
) -> Result<Option<Summary>, EngineError> {
    let summaries = super::summaries(workspace, package)?;
    for summary in summaries.into_iter().rev() {
        let fits = summary.commit.as_deref() == Some(commit) && Some(summary.release) != except;
        if fits && !read(workspace, package, summary.release)?.published.is_empty() {
            return Ok(Some(summary));
        }
    }
    Ok(None)
}

pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Records that a release was pushed; once for each place and digest.
fn note(workspace: &Workspace, packed: &Packed, reference: &str, digest: &PackageDigest) -> Result<(), EngineError> {
    let taken = Taken::hold(workspace, &packed.record.package, packed.release)?;
    if taken.release.published.get(reference) == Some(digest) {
        return Ok(());
    }
    let mut journal = taken.resume(workspace);
    let event = Event::Published { reference: reference.to_owned(), digest: digest.clone(), actor: workspace.actor.clone() };
    journal.note(event)?;
    journal.flush_with_summary()
}

/// Returns the name of a package's version in a repository.
pub(super) fn named(tag: &str) -> Result<Name, EngineError> {
    Ok(Name::Tag(tag.parse()?))
}

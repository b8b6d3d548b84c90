//! `apply PACKAGE@VERSION`: what a package holds, deployed. No source is looked at, and nothing is built.
//!
//! A package becomes a record as the ledger has them, and is brought to an environment as any other record is: with the settings and gates of
//! this project, and with what was built as it is.

use super::bring::{Bringing, bring};
use super::package::{named, scratch};
use super::promote::check_environment;
use super::{Tools, prepared_from, read};
use crate::given::Given;
use crate::inputs::Inputs;
use crate::prepare::LockFile;
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_graph::Selection;
use relrun_ledger::{
    DeploymentKey, Deployments, Digest, Event, OnFailure, Origin, PackageDigest, Record, Release, ReleaseId, ReleaseKind, RunKind, Start,
    StepDecl, StepId, Summary,
};
use relrun_manifest::{PackageReference, Version, VersionSelector, Wanted};
use relrun_package::{Package, PackageLimits, version_tag};
use relrun_registry::{Layout, Name, PushAs, Repository, Transfer};
use relrun_report::{RunFinished, RunVerdict};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Returns the layout directory in which a project keeps a package.
pub fn kept(workspace: &Workspace, package: &str) -> PathBuf {
    workspace.root.join(".relrun").join("packages").join(package)
}

/// Finds which version in a repository is meant; none where none is.
pub async fn choose(from: &dyn Repository, wanted: &Wanted) -> Result<Option<Name>, EngineError> {
    let tag = match wanted {
        Wanted::Tag(tag) => tag.clone(),
        Wanted::Version(VersionSelector::Exact(version)) => version_tag(&version.to_string()),
        Wanted::Version(selector) => {
            let versions = versions(from).await?;
            let Some(version) = selector.choose(&versions) else { return Ok(None) };
            version_tag(&version.to_string())
        }
    };
    let name = named(&tag)?;
    Ok(from.find(&name).await?.map(Name::Digest))
}

/// Returns the versions that a repository has, the highest last.
pub async fn versions(from: &dyn Repository) -> Result<Vec<Version>, EngineError> {
    let tags = match from.list_tags().await {
        Err(error) if error.is_not_found() => Vec::new(),
        tags => tags?,
    };
    let mut versions: Vec<Version> = tags.iter().filter_map(|tag| Version::parse(&tag.as_str().replace('_', "+")).ok()).collect();
    versions.sort();
    Ok(versions)
}

/// Brings a package with what is attached to it into this project, and all that it holds into the store. One that is here already is only read.
pub async fn pull(workspace: &Workspace, from: &dyn Repository, name: &Name, asked: &PackageReference) -> Result<Package, EngineError> {
    let limits = PackageLimits::default();
    let package = Package::open(from, name, limits).await?;
    check_is_asked(&package, asked)?;
    let digest = Name::Digest(package.manifest.digest().clone());
    let layout = Layout::at(kept(workspace, &package.record.package));
    let own: &dyn Repository = &layout;
    let scratch = scratch(workspace)?;
    if from.place() != own.place() {
        let transfer = Transfer::new(scratch.path());
        let tag = version_tag(&package.record.version).parse()?;
        // A version that was pulled from one place is not replaced by what another place calls so.
        transfer.copy(from, &digest, own, &PushAs::Immutable(tag)).await?;
        for about in from.referrers(package.manifest.digest()).await? {
            transfer.copy(from, &Name::Digest(about.digest().clone()), own, &PushAs::ByDigest).await?;
        }
    }
    package.unpack(own, &*workspace.blobs, scratch.path(), limits).await?;
    Ok(package)
}

/// A registry may say anything: what came must be what was asked for.
fn check_is_asked(package: &Package, asked: &PackageReference) -> Result<(), EngineError> {
    let record = &package.record;
    let fits = Version::parse(&record.version).is_ok_and(|version| match &asked.wanted {
        Wanted::Version(selector) => selector.takes(&version),
        Wanted::Tag(_) => true,
    });
    if fits && record.package == asked.name.to_string() {
        return Ok(());
    }
    let message = format!("what stands there for {asked} is {}@{}", record.package, record.version);
    Err(EngineError::input(message, "correct the registry in relrun.kdl, or `--from`"))
}

/// What is asked of `apply PACKAGE@VERSION`.
#[derive(Clone, Debug, Default)]
pub struct DeliverRequest {
    /// How the package was asked for.
    pub reference: String,
    /// `-e`.
    pub environment: String,
    /// `-i`.
    pub inputs: Given,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--force`: deploy it though it stands there.
    pub force: bool,
}

/// Reads the manifest of a package that was pulled, with the environments of this project.
pub fn manifest_of(workspace: &Workspace, package: &Package) -> Result<Loaded, EngineError> {
    let record = &package.record;
    let text = String::from_utf8_lossy(&workspace.blobs.get(record.manifest)?).into_owned();
    let name = format!("{}@{}", record.package, record.version);
    Loaded::new(workspace, Source::new(name, workspace.root.clone(), text))
}

/// Reads the manifest of a package's last release, for a project that has no manifest of its own.
pub fn manifest_on_record(workspace: &Workspace, package: &str) -> Result<Loaded, EngineError> {
    let last = read(workspace, package, super::find(workspace, package, None)?)?;
    let text = String::from_utf8_lossy(&workspace.blobs.get(last.start.manifest)?).into_owned();
    Loaded::new(workspace, Source::new(format!("{package} {}", last.start.release), workspace.root.clone(), text))
}

/// Deploys what a package that was pulled holds.
pub async fn deliver(tools: Tools<'_>, loaded: Loaded, package: &Package, request: &DeliverRequest) -> Result<RunFinished, EngineError> {
    check_environment(&loaded, &request.environment)?;
    let name = package.record.package.clone();
    let record = record_of(&tools.workspace, package, request)?;
    let set = super::settings::standing(&super::summaries(&tools.workspace, &name)?, &name, request.deployment.as_deref())
        .remove(&request.environment)
        .unwrap_or_default();
    let inputs = Inputs::delivered(&loaded, &record.start, &request.environment, set, &request.inputs)?;
    let selection = Selection { deployment: request.deployment.clone(), ..Selection::default() };
    let prepared = prepared_from(&tools.workspace, &record, &loaded, &selection, |_| inputs).await?;
    if !request.force
        && let Some(there) = active(&tools.workspace, &name, &prepared.loaded, request)?
    {
        let stands = read(&tools.workspace, &name, there.release)?.start;
        let same = stands.taken_from == record.start.taken_from
            && stands.settings.get(&request.environment) == prepared.inputs.bound.get(&request.environment);
        if same {
            return Ok(RunFinished {
                package: name,
                release: Some(there.release.to_string()),
                version: Some(there.version),
                verdict: RunVerdict::NothingToDo,
                ..RunFinished::default()
            });
        }
    }
    let bringing = Bringing {
        kind: ReleaseKind::Package { reference: request.reference.clone() },
        environment: &request.environment,
        description: format!("package {name}@{}", record.start.version),
        command: "apply",
    };
    bring(tools, &loaded, prepared, &record, bringing).await
}

fn active(workspace: &Workspace, package: &str, loaded: &Loaded, request: &DeliverRequest) -> Result<Option<Summary>, EngineError> {
    let deployment = request.deployment.clone().unwrap_or_else(|| loaded.manifest.package.name.value.name.clone());
    let key = DeploymentKey { environment: request.environment.clone(), deployment };
    let summaries = super::summaries(workspace, package)?;
    let active = Deployments::of(&summaries).active(&key).map(|active| active.release);
    Ok(active.and_then(|id| summaries.into_iter().find(|summary| summary.release == id)))
}

/// Makes a record of a package, in the ledger's own terms and by its own rules: what may not be copied from a record is refused here too.
fn record_of(workspace: &Workspace, package: &Package, request: &DeliverRequest) -> Result<Release, EngineError> {
    let packed = &package.record;
    let unreadable = |error: serde_json::Error| {
        EngineError::input(format!("the lock of {} cannot be read: {error}", request.reference), "push the package again")
    };
    // The lock is written as the ledger writes it, so that its digest is the same everywhere.
    let lock: LockFile = serde_json::from_value(packed.lock.clone()).map_err(unreadable)?;
    let lock = workspace.blobs.put(&serde_json::to_vec(&lock).map_err(unreadable)?)?;
    let digest = package.digest();
    let decl = |step: &relrun_package::PackedStep| StepDecl {
        name: step.name.clone(),
        phase: step.phase.clone(),
        environment: None,
        deployment: None,
        kind: step.kind,
        idempotent: false,
        on_failure: OnFailure::Stop,
        fingerprint: Digest([0; 32]),
    };
    let start = Start {
        release: ReleaseId(0),
        package: packed.package.clone(),
        version: packed.version.clone(),
        kind: ReleaseKind::Package { reference: request.reference.clone() },
        identity: Digest::of(digest.as_bytes()),
        manifest: packed.manifest,
        lock,
        environments: None,
        given: packed.given.clone(),
        inputs: packed.inputs.clone(),
        set: BTreeMap::new(),
        settings: BTreeMap::new(),
        steps: packed.steps.iter().map(decl).collect(),
        description: None,
        actor: workspace.actor.clone(),
        git: None,
        files: packed.files.clone(),
        taken_from: Some(PackageDigest(digest)),
    };
    let begun = Event::RunStarted { run: RunKind::Apply, actor: workspace.actor.clone(), steps: None };
    let done = packed.steps.iter().zip(0..).map(|(step, at)| Event::StepSucceeded {
        step: StepId(at),
        outcome: step.outcome.clone(),
        origin: Origin::Packaged,
    });
    let events = [Event::ReleaseStarted(Box::new(start)), begun].into_iter().chain(done);
    let at = jiff::Timestamp::now();
    let records: Vec<Record> = events.zip(0..).map(|(event, seq)| Record { seq, at, event }).collect();
    Release::fold(&records)?.ok_or_else(|| EngineError::input(format!("{} holds nothing", request.reference), "push the package again"))
}

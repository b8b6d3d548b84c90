//! `apply PACKAGE@VERSION`: what a package holds, deployed. No source is looked at, and nothing is built.
//!
//! A package becomes a record as the ledger has them, and is brought to an environment as any other record is: with the settings and gates of
//! this project, and with what was built as it is.

use super::bring::{Bringing, bring};
use super::package::{named, scratch};
use super::promote::check_environment;
use super::{Tools, prepared_from, read};
use crate::dependency::{self, Needed, Part, Uses, Wiring};
use crate::given::Given;
use crate::inputs::Inputs;
use crate::prepare::{LockFile, Prepared};
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
use std::collections::{BTreeMap, BTreeSet};
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

/// Brings a package, which must be the one that was `asked` for by its name where it was, with what is attached to it into this project, and all that it holds into the store. One that is here already is only read.
pub async fn pull(
    workspace: &Workspace,
    from: &dyn Repository,
    name: &Name,
    asked: Option<&PackageReference>,
) -> Result<Package, EngineError> {
    let limits = PackageLimits::default();
    let package = Package::open(from, name, limits).await?;
    asked.map_or(Ok(()), |asked| check_is_asked(&package, asked))?;
    let signed_by = super::signed::check(workspace, from, &package).await?;
    if !signed_by.is_empty() {
        tracing::info!(
            package = package.record.package,
            version = package.record.version,
            ?signed_by,
            "the package is signed as policy asks"
        );
    }
    let digest = Name::Digest(package.manifest.digest().clone());
    let layout = Layout::at(kept(workspace, &package.record.package));
    let own: &dyn Repository = &layout;
    let scratch = scratch(workspace)?;
    if from.place() != own.place() {
        let transfer = Transfer::new(scratch.path());
        let tag = version_tag(&package.record.version).parse()?;
        // A version that was pulled from one place is not replaced by what another place calls so.
        transfer.copy(from, &digest, own, &PushAs::Immutable(tag)).await?;
        relrun_package::copy_attached(from, &package.manifest, own, scratch.path()).await?;
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
    /// `-e`: one or more.
    pub environments: Vec<String>,
    /// `-i`.
    pub inputs: Given,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// `--force`: deploy it though it stands there.
    pub force: bool,
    /// The identity of the saved plan that is carried: another is refused.
    pub planned: Option<Digest>,
    /// `--use`: the providers that are meant.
    pub uses: Uses,
    /// Of which deployment it is a part.
    pub part: Option<Part>,
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

/// A package, ready to be brought to environments.
pub(crate) struct Delivery {
    /// The package's manifest, with the values and environments that count here.
    pub(crate) prepared: Prepared,
    /// The package, as a record.
    pub(crate) record: Release,
    /// What it needs of others.
    pub(super) needed: Needed,
    /// What meets that now.
    pub(crate) wiring: Wiring,
    /// Where it does not stand yet, in the order of their names.
    pub(crate) due: Vec<String>,
    /// Where it stands already, and by which release.
    pub(crate) standing: BTreeMap<String, Summary>,
}

/// Prepares a package for the environments that were asked for.
pub(crate) async fn delivery(
    workspace: &Workspace,
    loaded: &Loaded,
    package: &Package,
    request: &DeliverRequest,
) -> Result<Delivery, EngineError> {
    request.environments.iter().try_for_each(|name| check_environment(loaded, name))?;
    let name = package.record.package.clone();
    let record = record_of(workspace, loaded, package, request)?;
    let mut sets = super::settings::standing(&super::summaries(workspace, &name)?, &name, request.deployment.as_deref());
    if let Some(part) = &request.part {
        let set = Inputs::of_part(loaded, part)?;
        sets = request.environments.iter().map(|name| (name.clone(), set.clone())).collect();
    }
    let sets = request.environments.iter().map(|name| (name.clone(), sets.remove(name).unwrap_or_default())).collect();
    let inputs = Inputs::delivered(loaded, &record.start, sets, &request.inputs)?;
    let selection = Selection { deployment: request.deployment.clone(), ..Selection::default() };
    let prepared = prepared_from(workspace, &record, loaded, &selection, |_| inputs).await?;
    let needed = Needed::of_record(&prepared.loaded, &record, request.part.as_ref().map(|part| part.of.clone()), &request.uses)?;
    let looked = needed.look(workspace, &prepared, &request.environments.iter().cloned().collect())?;
    let mut delivery = Delivery { prepared, record, needed, wiring: looked.wiring, due: Vec::new(), standing: BTreeMap::new() };
    for environment in BTreeSet::from_iter(&request.environments) {
        match delivery.stands_in(workspace, environment, request)?.filter(|_| !looked.outdated.contains(environment)) {
            Some(there) => _ = delivery.standing.insert(environment.clone(), there),
            None => delivery.due.push(environment.clone()),
        }
    }
    Ok(delivery)
}

impl Delivery {
    /// Returns the release by which this package stands in an environment, with the very settings that it would get.
    fn stands_in(&self, workspace: &Workspace, environment: &String, request: &DeliverRequest) -> Result<Option<Summary>, EngineError> {
        if request.force {
            return Ok(None);
        }
        let package = &self.record.start.package;
        let own = &self.prepared.loaded.manifest.package.name.value.name;
        let deployment = request.deployment.clone().unwrap_or_else(|| own.clone());
        let key = DeploymentKey { environment: environment.clone(), deployment };
        let summaries = super::summaries(workspace, package)?;
        let Some(active) = Deployments::of(&summaries).active(&key).map(|active| active.release) else { return Ok(None) };
        let stands = read(workspace, package, active)?.start;
        let same = stands.taken_from == self.record.start.taken_from
            && stands.settings.get(environment) == self.prepared.inputs.bound.get(environment);
        Ok(summaries.into_iter().find(|summary| same && summary.release == active))
    }
}

/// Deploys what a package that was pulled holds, as one release over all environments that do not have it yet.
pub async fn deliver(tools: Tools<'_>, loaded: Loaded, package: &Package, request: &DeliverRequest) -> Result<RunFinished, EngineError> {
    let Delivery { prepared, record, needed, due, standing, .. } = delivery(&tools.workspace, &loaded, package, request).await?;
    let name = record.start.package.clone();
    if let Some(there) = standing.into_values().max_by_key(|there| there.release).filter(|_| due.is_empty()) {
        return Ok(RunFinished {
            package: name,
            release: Some(there.release.to_string()),
            version: Some(there.version),
            verdict: RunVerdict::NothingToDo,
            ..RunFinished::default()
        });
    }
    let bringing = Bringing {
        kind: ReleaseKind::Package { reference: request.reference.clone() },
        environments: &due,
        planned: request.planned,
        needed,
        description: format!("package {name}@{}", record.start.version),
        command: "apply",
    };
    bring(tools, &loaded, prepared, &record, bringing).await
}

/// Makes a record of a package, in the ledger's own terms and by its own rules: what may not be copied from a record is refused here too.
fn record_of(workspace: &Workspace, loaded: &Loaded, package: &Package, request: &DeliverRequest) -> Result<Release, EngineError> {
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
        requires: dependency::requirements(loaded, &Uses::new())?,
        part_of: None,
    };
    let begun = Event::RunStarted { run: RunKind::Apply, actor: workspace.actor.clone(), steps: None };
    let done = packed.steps.iter().zip(0..).map(|(step, at)| Event::StepSucceeded {
        step: StepId(at),
        outcome: step.outcome.clone(),
        origin: Origin::Packaged,
    });
    let locked = packed.locked.iter().map(|(name, version)| Event::DependencyLocked { name: name.clone(), version: version.clone() });
    let events = [Event::ReleaseStarted(Box::new(start)), begun].into_iter().chain(locked).chain(done);
    let at = jiff::Timestamp::now();
    let records: Vec<Record> = events.zip(0..).map(|(event, seq)| Record { seq, at, event }).collect();
    Release::fold(&records)?.ok_or_else(|| EngineError::input(format!("{} holds nothing", request.reference), "push the package again"))
}

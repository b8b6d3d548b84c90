//! The commands: each finds its release, checks that it may, takes the locks, and hands it to the carrier.

mod adopt;
mod again;
mod apply;
mod approve;
mod back;
mod bring;
mod bundles;
mod cascade;
mod converge;
mod deliver;
mod due;
mod errand;
mod package;
mod parts;
mod plugins;
mod promote;
mod prune;
mod rehearse;
mod resume;
mod rollback;
mod same;
mod settings;
mod settle;
mod signed;
mod start;
mod sweep;
mod taken;

pub use adopt::{AdoptRequest, adopt};
pub use apply::{Applied, ApplyRequest, apply, check, identity_of, is_done};
pub use approve::{ApprovalRequest, Proof, TokenFrom, approval_text, approve};
pub use back::{BackRequest, destroy, undo};
pub(crate) use bring::{brought, steps_of};
pub use bundles::{BundleLine, add_bundle, build_signed_bundle, bundle_lines, who_signed, who_vouches};
pub use cascade::cascade;
pub use converge::{ConvergeRequest, Converged, Wish, converge, wishes};
pub use deliver::{DeliverRequest, choose, deliver, kept, manifest_of, manifest_on_record, pull, versions};
pub(crate) use deliver::{Delivery, delivery};
pub use due::{Gone, gone};
pub use errand::{ErrandRequest, errand};
pub use package::{Packed, PushRequest, keep, package, push};
pub use plugins::{PluginLine, PluginUpdate, add_plugin, plugin_lines, prefetch_plugins, update_plugins};
pub(crate) use promote::is_built;
pub use promote::{PromoteRequest, Promotion, promote, promotion};
pub use prune::prune;
pub use rehearse::{RehearseRequest, Skip, rehearse};
pub use resume::{Resume, cancel, resume, retry_with};
pub use rollback::{RollbackRequest, rollback};
pub use same::Sought;
pub(crate) use settings::standing as settings_standing;
pub use settings::{Setting, SettingFrom, SettingsEdit, list as list_settings, stage};
pub use settle::{Word, mark, settle};
pub use sweep::{SweptPackage, sweep_packages};

pub use crate::dependency::{Part, Uses};

use taken::{Taken, lock_run};

use crate::carry::{Carried, Carrier, CarryOptions, Secrecy, Stop};
use crate::inputs::Inputs;
use crate::locks::Patience;
use crate::prepare::{LockFile, Prepared};
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_graph::{Errands, Selection};
use relrun_ledger::{DeploymentKey, Deployments, Release, ReleaseId, ReleaseKind, Requirement, RunKind, Status, StepState, Summary};
use relrun_manifest::{Environment, PackageName, VersionSelector};
use relrun_package::Package;
use relrun_store::StreamId;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How any command runs.
#[derive(Clone)]
pub struct RunOptions {
    /// How many steps run at once, at most.
    pub jobs: usize,
    /// Pure steps run though the cache has their outcome.
    pub no_cache: bool,
    /// A stranger's mark at a target is replaced.
    pub adopt: bool,
    /// How long to wait for a lock.
    pub lock_wait: Duration,
    /// Why it deploys though policy freezes the place: the glass is broken.
    pub break_glass: Option<String>,
    /// How it is asked to end early.
    pub stop: watch::Receiver<Stop>,
}

impl RunOptions {
    fn patience(&self) -> Patience {
        Patience::stoppable(self.lock_wait, &self.stop)
    }

    fn carry(&self, command: &'static str) -> CarryOptions {
        CarryOptions { jobs: self.jobs.max(1), no_cache: self.no_cache, adopt: self.adopt, stop: self.stop.clone(), command }
    }
}

/// Returns the summaries of a package's releases, oldest first. Those of releases that a process holds or left are folded anew: theirs were
/// written when it took them up.
pub fn summaries(workspace: &Workspace, package: &str) -> Result<Vec<Summary>, EngineError> {
    let mut summaries = workspace.runs.summaries(package)?;
    for summary in summaries.iter_mut().filter(|summary| summary.status == Status::Running) {
        *summary = Summary::of(&read(workspace, package, summary.release)?);
    }
    Ok(summaries)
}

/// Finds a release: the one named, or the package's last.
pub fn find(workspace: &Workspace, package: &str, id: Option<ReleaseId>) -> Result<ReleaseId, EngineError> {
    let summaries = workspace.runs.summaries(package)?;
    let Some(last) = summaries.last() else {
        return Err(EngineError::input(format!("{package} has no release yet"), "make one: `relrun apply`"));
    };
    match id {
        None => Ok(last.release),
        Some(id) if summaries.iter().any(|summary| summary.release == id) => Ok(id),
        Some(id) => {
            let message = format!("{package} has no release {id}; its last is {}", last.release);
            Err(EngineError::input(message, "type `relrun releases list`"))
        }
    }
}

/// Like [`find`], among the releases of one deployment where it is named.
pub fn find_of(workspace: &Workspace, package: &str, id: Option<ReleaseId>, deployment: Option<&str>) -> Result<ReleaseId, EngineError> {
    let Some(name) = deployment else { return find(workspace, package, id) };
    let summaries = workspace.runs.summaries(package)?;
    let is_of = |summary: &&Summary| summary.environments.values().any(|there| there.deployments.contains(name));
    let known: Vec<ReleaseId> = summaries.iter().filter(is_of).map(|summary| summary.release).collect();
    match (id, known.last()) {
        (_, None) => {
            let message = format!("{package} has no release under the name \"{name}\"");
            Err(EngineError::input(message, format!("make one: `relrun apply --deployment {name}`")))
        }
        (None, Some(last)) => Ok(*last),
        (Some(id), Some(_)) if known.contains(&id) => Ok(id),
        (Some(id), Some(_)) => {
            let id = find(workspace, package, Some(id))?;
            Err(EngineError::input(format!("{id} is no release of the deployment \"{name}\""), "type `relrun releases list`"))
        }
    }
}

/// Reads and folds a release.
pub fn read(workspace: &Workspace, package: &str, id: ReleaseId) -> Result<Release, EngineError> {
    let stream = StreamId { package: package.to_owned(), release: id };
    let records = workspace.runs.read(&stream, 0)?;
    Release::fold(&records)?.ok_or_else(|| EngineError::input(format!("{package} has no release {id}"), "type `relrun releases list`"))
}

/// Loads the manifest that a release was made with, and prepares it with the components that it was made with.
pub async fn snapshot(workspace: &Workspace, release: &Release, from: &Loaded) -> Result<Prepared, EngineError> {
    let errands = match &release.start.kind {
        ReleaseKind::Errand { name, .. } => Errands::One(name.clone()),
        _ => Errands::None,
    };
    let selection = Selection { deployment: deployment_of(release), errands, ..Selection::default() };
    let sources = if release.start.kind.record().is_some() { Sources::Record } else { Sources::WorkTree };
    prepared(workspace, release, from, &selection, sources, |loaded| Inputs::recorded(loaded, &release.start)).await
}

/// Where the files lie that steps of environments read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sources {
    /// In the work tree, which is looked at whether it is as it was.
    WorkTree,
    /// On record.
    Record,
}

/// Returns the name under which a release is deployed.
fn deployment_of(release: &Release) -> Option<String> {
    release.start.steps.iter().find_map(|step| step.deployment.clone())
}

/// Prepares a record that is to be brought somewhere, with other values or under another name: all that it reads is what it read then.
async fn prepared_from(
    workspace: &Workspace,
    record: &Release,
    now: &Loaded,
    selection: &Selection,
    inputs: impl FnOnce(&Loaded) -> Inputs,
) -> Result<Prepared, EngineError> {
    prepared(workspace, record, now, selection, Sources::Record, inputs).await
}

/// Environments are what they are now; one that is gone is what it was then.
async fn prepared(
    workspace: &Workspace,
    release: &Release,
    now: &Loaded,
    selection: &Selection,
    sources: Sources,
    inputs: impl FnOnce(&Loaded) -> Inputs,
) -> Result<Prepared, EngineError> {
    let bytes = workspace.blobs.get(release.start.manifest)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut loaded = Loaded::new(workspace, Source::new(now.name.clone(), now.directory.clone(), text))?;
    loaded.take_environments(now, recorded_environments(workspace, release)?);
    let start = &release.start;
    if start.taken_from.is_some() || (sources == Sources::Record && start.files.is_some()) {
        crate::travel::lay_out(workspace, &mut loaded, start.files.as_ref())?;
    }
    if let Some(sources) = loaded.sources.as_ref().filter(|_| start.taken_from.is_some()) {
        // There is no work tree that it was made of.
        loaded.directory.clone_from(&sources.directory);
    }
    let lock: LockFile = serde_json::from_slice(&workspace.blobs.get(release.start.lock)?).map_err(|error| {
        EngineError::input(format!("the lock of {} cannot be read: {error}", release.start.release), "restore the ledger from a backup")
    })?;
    let inputs = inputs(&loaded);
    Prepared::new(workspace, loaded, inputs, Some(&lock), selection).await
}

/// Returns the environments as they were when a release was made: what is gone since was there.
fn recorded_environments(workspace: &Workspace, release: &Release) -> Result<Vec<Environment>, EngineError> {
    let Some(digest) = release.start.environments else { return Ok(Vec::new()) };
    serde_json::from_slice(&workspace.blobs.get(digest)?).map_err(|error| {
        EngineError::input(
            format!("the environments of {} cannot be read: {error}", release.start.release),
            "restore the ledger from a backup",
        )
    })
}

/// Returns whether a step of a release is still to be carried.
fn is_left(prepared: &Prepared, release: &Release, node: relrun_graph::NodeId) -> bool {
    let environment = prepared.environment(node).map(|environment| environment.name.value.as_str());
    let Some(step) = release.find(&prepared.step(node).name.value, environment) else { return false };
    release.is_selected(step) && !matches!(release.step(step).state, StepState::Succeeded(_))
}

/// Returns, for each of these deployments' environments, the release that stands there now.
fn standing(
    workspace: &Workspace,
    package: &str,
    places: &BTreeSet<DeploymentKey>,
    except: ReleaseId,
) -> Result<BTreeMap<String, Option<Release>>, EngineError> {
    let summaries = summaries(workspace, package)?;
    let deployments = Deployments::of(&summaries);
    let mut standing = BTreeMap::new();
    for place in places {
        let active = deployments.history(place).iter().rev().find(|deployed| deployed.release != except);
        let release = active.map(|deployed| read(workspace, package, deployed.release)).transpose()?;
        standing.insert(place.environment.clone(), release);
    }
    Ok(standing)
}

/// Refuses to work in an environment that another release left in doubt or could not leave.
fn check_blocked(summaries: &[Summary], places: &BTreeSet<DeploymentKey>, mine: Option<ReleaseId>) -> Result<(), EngineError> {
    use relrun_ledger::EnvironmentState as State;
    for place in places {
        for summary in summaries.iter().filter(|summary| Some(summary.release) != mine) {
            let Some(there) = summary.environments.get(&place.environment) else { continue };
            if !there.deployments.contains(&place.deployment) {
                continue;
            }
            let (id, environment) = (summary.release, &place.environment);
            let (what, next) = match there.state {
                State::UndoFailed => ("could not be undone", format!("relrun undo {id} -e {environment}")),
                State::Unknown => ("is in doubt", format!("relrun continue {id}")),
                State::Half if summary.status == Status::Running => ("was left in the middle", format!("relrun continue {id}")),
                State::Half => ("is half deployed", format!("relrun retry {id}`, or `relrun undo {id} -e {environment}")),
                State::Working => ("was left in the middle", format!("relrun continue {id}")),
                State::Untouched | State::Deployed | State::Undone | State::Destroyed => continue,
            };
            return Err(EngineError::input(format!("{environment} is blocked: {id} {what} there"), format!("type `{next}`")));
        }
    }
    Ok(())
}

/// What every run needs beside its release.
pub struct Tools<'a> {
    /// Where it works.
    pub workspace: Arc<Workspace>,
    /// How it runs.
    pub options: RunOptions,
    /// Where packages are found that are not on record.
    pub packages: Arc<dyn PackageSource>,
    /// Where watchers hear of it.
    pub emit: crate::carry::Emit<'a>,
    /// The parts that this command brought already, each for a release in an environment.
    brought: BTreeSet<(StreamId, String, String)>,
    /// Whether this command deploys again what uses the outputs that change: then nobody has to be told of it.
    cascades: bool,
}

/// A package that was looked for; none where there is none.
pub type FoundPackage<'a> = Pin<Box<dyn Future<Output = Result<Option<Package>, EngineError>> + 'a>>;

/// Where packages are found that are not on record.
pub trait PackageSource {
    /// Finds the version that is meant, and brings it into this project.
    fn find<'a>(&'a self, package: &'a PackageName, version: &'a VersionSelector) -> FoundPackage<'a>;
}

impl<'a> Tools<'a> {
    /// Returns the tools of one command.
    pub fn new(workspace: Arc<Workspace>, options: RunOptions, packages: Arc<dyn PackageSource>, emit: crate::carry::Emit<'a>) -> Self {
        Self { workspace, options, packages, emit, brought: BTreeSet::new(), cascades: false }
    }
}

impl Tools<'_> {
    /// Returns the same tools, for one run of several.
    fn again(&mut self) -> Tools<'_> {
        let (workspace, packages) = (Arc::clone(&self.workspace), Arc::clone(&self.packages));
        let (options, brought, cascades) = (self.options.clone(), self.brought.clone(), self.cascades);
        Tools { workspace, packages, options, emit: &mut *self.emit, brought, cascades }
    }

    /// Finds a package that is not on record.
    pub(crate) async fn find_package(&self, package: &str, version: &VersionSelector) -> Result<Option<Package>, EngineError> {
        match package.parse() {
            Ok(package) => self.packages.find(&package, version).await,
            Err(_) => Ok(None),
        }
    }

    /// Tells the watchers how a run ended that is not the last.
    fn tell(&mut self, finished: relrun_report::RunFinished) {
        (self.emit)(relrun_report::ReportEvent::RunFinished(Box::new(finished)));
    }

    /// Says something to the watchers.
    fn say(&mut self, level: relrun_report::LineLevel, text: String) {
        (self.emit)(relrun_report::ReportEvent::Notice { level, text });
    }

    /// Says what was deployed with other values than a package's deployments give now.
    fn say_outdated(&mut self, loaded: &Loaded) -> Result<(), EngineError> {
        let manifest = &loaded.manifest;
        if manifest.outputs.is_empty() && manifest.provides.is_empty() {
            return Ok(());
        }
        let packages = BTreeSet::from([manifest.package.name.value.to_string()]);
        for (user, by) in crate::dependency::Board::read(&self.workspace)?.outdated(&packages) {
            let text = format!("{} was deployed with what {by} gave before: `relrun apply --cascade` deploys it again", user.words());
            self.say(relrun_report::LineLevel::Warn, text);
        }
        Ok(())
    }

    /// Refuses to go forward where policy freezes one of these environments now.
    fn check_freeze(&self, loaded: &Loaded, environments: &BTreeSet<String>) -> Result<(), EngineError> {
        crate::freeze::check(&self.workspace, loaded, environments, self.options.break_glass.as_deref())
    }

    /// Carries a release, and what belongs to it: the parts that it waits for are brought, and those of what went back go with it. A run is a
    /// large future; it lives on the heap.
    fn carry<'s>(
        mut self,
        prepared: Prepared,
        survey: crate::survey::Survey,
        taken: Taken,
        secrecy: Arc<Secrecy>,
        run: (RunKind, crate::carry::Aim, &'static str),
    ) -> Pin<Box<dyn Future<Output = Result<relrun_report::RunFinished, EngineError>> + 's>>
    where
        Self: 's,
    {
        Box::pin(async move {
            let (loaded, stream) = (prepared.loaded.clone(), taken.stream.clone());
            let has_parts = taken.release.start.requires.values().any(|requirement| matches!(requirement, Requirement::Package { .. }));
            let is_part = taken.release.start.part_of.is_some();
            let carried = Box::pin(self.again().carry_alone(prepared, survey, taken, secrecy, run)).await?;
            // What a part is a part of is carried on next, with what the part gives now.
            if carried.finished.verdict == relrun_report::RunVerdict::Succeeded && !is_part && !self.cascades {
                self.say_outdated(&loaded)?;
            }
            if has_parts { Box::pin(parts::follow(self, loaded, &stream, carried)).await } else { Ok(carried.finished) }
        })
    }

    async fn carry_alone(
        self,
        prepared: Prepared,
        survey: crate::survey::Survey,
        mut taken: Taken,
        secrecy: Arc<Secrecy>,
        run: (RunKind, crate::carry::Aim, &'static str),
    ) -> Result<Carried, EngineError> {
        let previous = match &taken.release.start.kind {
            // What an errand refers to is what it runs against.
            ReleaseKind::Errand { of, environment, .. } => {
                BTreeMap::from([(environment.clone(), Some(read(&self.workspace, &taken.stream.package, *of)?))])
            }
            _ => standing(&self.workspace, &taken.stream.package, &taken.places(), taken.stream.release)?,
        };
        let mut journal = match taken.begun.take() {
            Some(journal) => journal,
            None => taken.journal(&self.workspace, run.0)?,
        };
        if run.1 == crate::carry::Aim::Forward
            && let Some(event) =
                crate::freeze::broken(&self.workspace, &prepared.loaded, journal.release(), self.options.break_glass.as_deref())
        {
            journal.note(event)?;
            journal.flush_with_summary()?;
        }
        let wiring = match run.1 {
            crate::carry::Aim::Forward => {
                crate::dependency::wiring_of(&self.workspace, &prepared, journal.release(), &previous, &taken.uses)?
            }
            crate::carry::Aim::Undo | crate::carry::Aim::Destroy => crate::dependency::Wiring::new(),
        };
        let carrier = Carrier::new(crate::carry::Cargo {
            wiring,
            prepared: Arc::new(prepared),
            survey,
            journal,
            locks: taken.locks,
            secrecy,
            previous,
            found: taken.found,
            options: self.options.carry(run.2),
            aim: run.1,
            emit: self.emit,
            workspace: self.workspace,
        })?;
        carrier.run().await
    }
}

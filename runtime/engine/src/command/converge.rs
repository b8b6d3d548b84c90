//! `converge`: what the environments say should stand in them, brought there from the releases on record.
//!
//! Each deployment is a promotion of its own, so that whatever a promotion keeps to, this does. What failed rests a while before it is tried
//! again, and how long is read from the ledger: no other memory is kept. It goes on with what does not depend on the failure.

mod order;

use super::bring::built_as;
use super::deliver::{DeliverRequest, deliver, manifest_of};
use super::due::gone;
use super::promote::{PromoteRequest, promote, promotion};
use super::resume::{Resume, resume};
use super::{Tools, read, recorded_environments};
use crate::dependency::{Part, Uses, choose};
use crate::error::Exit;
use crate::{EngineError, Loaded, Source, Workspace};
use order::Ordered;
use relrun_ledger::{DeploymentKey, Deployments, EnvironmentState, Release, ReleaseId, ReleaseKind, Status, Summary, Timestamp, Verdict};
use relrun_manifest::{Version, VersionSelector};
use relrun_package::Package;
use relrun_report::{RunFinished, RunVerdict};
use std::time::Duration;

/// What is asked of `converge`.
#[derive(Clone, Debug, Default)]
pub struct ConvergeRequest {
    /// `-e`; all where it is empty.
    pub environments: Vec<String>,
    /// `--now`: what failed is tried again at once.
    pub now: bool,
}

/// What an environment says should stand in it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where.
    pub place: DeploymentKey,
    /// Of which package.
    pub package: String,
    /// Which version.
    pub version: VersionSelector,
}

/// What became of a wish.
#[derive(Debug)]
pub enum Converged {
    /// It is so already.
    Stands(RunFinished),
    /// It was carried, however that ended.
    Carried(RunFinished),
    /// It waits for a person.
    Waits(ReleaseId, Vec<String>),
    /// It failed before, and is not tried again before this time.
    Rests {
        /// Which release failed last.
        release: ReleaseId,
        /// How often in a row.
        failures: usize,
        /// When it is tried again.
        until: Timestamp,
    },
    /// There is no such version on record.
    Missing,
    /// It uses what another wish should bring, and that did not come about.
    Blocked {
        /// The other one's package.
        package: String,
        /// The other one's place.
        place: DeploymentKey,
    },
    /// It could not be tried.
    Refused(EngineError),
}

impl Converged {
    /// Returns the exit code that it means.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Stands(_) => Exit::Done,
            Self::Carried(finished) => match finished.verdict {
                RunVerdict::Succeeded | RunVerdict::NothingToDo | RunVerdict::Destroyed => Exit::Done,
                RunVerdict::Waiting => Exit::Waiting,
                RunVerdict::Cancelled => Exit::Interrupted,
                RunVerdict::Failed | RunVerdict::Undone => Exit::StepFailed,
            },
            Self::Waits(..) | Self::Rests { .. } | Self::Blocked { .. } => Exit::Waiting,
            Self::Missing => Exit::Input,
            Self::Refused(error) => error.exit(),
        }
    }
}

/// Returns what the environments say, in the order of the file.
pub fn wishes(loaded: &Loaded, only: &[String]) -> Result<Vec<Wish>, EngineError> {
    for name in only {
        super::promote::check_environment(loaded, name)?;
    }
    let asked = |name: &str| only.is_empty() || only.iter().any(|asked| asked == name);
    let environments = loaded.environments.iter().filter(|environment| asked(&environment.name));
    let wishes = environments.flat_map(|environment| {
        environment.deployments.iter().map(|wanted| Wish {
            place: DeploymentKey { environment: environment.name.value.clone(), deployment: wanted.name.value.clone() },
            package: wanted.package.value.to_string(),
            version: wanted.version.value.clone(),
        })
    });
    Ok(wishes.collect())
}

/// Brings every deployment to where it should be: from the releases on record, or from a package where `fetch` finds a higher version. Tells how it went with each as soon as it is known.
///
/// # Errors
/// Only where nothing can go on: a store or the machine failed.
pub async fn converge(mut tools: Tools<'_>, loaded: &Loaded, request: &ConvergeRequest) -> Result<Vec<(Wish, Converged)>, EngineError> {
    tools.cascades = true;
    let mut all: Vec<(Wish, Converged)> = Vec::new();
    for Ordered { wish, after, circle } in order::order(&tools, loaded, wishes(loaded, &request.environments)?).await? {
        let failed = after.iter().map(|other| &all[*other]).find(|(_, converged)| converged.exit() != Exit::Done);
        let converged = match failed {
            _ if circle => Converged::Refused(in_a_circle(&wish)),
            Some((other, _)) => Converged::Blocked { package: other.package.clone(), place: other.place.clone() },
            None => {
                let trying = Trying { now: request.now, part: None };
                match Box::pin(one(tools.again(), loaded, &wish, &trying)).await {
                    Ok(converged) => converged,
                    Err(error) if matches!(error.exit(), Exit::Machine | Exit::Interrupted) => return Err(error),
                    Err(error) => Converged::Refused(error),
                }
            }
        };
        if let Converged::Carried(finished) = &converged {
            tools.tell(finished.clone());
        }
        let stop = converged.exit() == Exit::Interrupted;
        all.push((wish, converged));
        if stop {
            return Ok(all);
        }
    }
    if request.environments.is_empty() {
        leave(tools, loaded, &mut all).await?;
    }
    Ok(all)
}

fn in_a_circle(wish: &Wish) -> EngineError {
    let message = format!("{} needs what in turn needs it in {}", wish.package, wish.place.environment);
    EngineError::input(message, "let one of them go without the other: one must be there first")
}

/// Destroys what stands in environments that are declared no longer.
async fn leave(mut tools: Tools<'_>, loaded: &Loaded, all: &mut Vec<(Wish, Converged)>) -> Result<(), EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    for gone in gone(&tools.workspace, loaded)? {
        let request = super::BackRequest {
            environments: vec![gone.place.environment.clone()],
            deployment: Some(gone.place.deployment.clone()),
            ..super::BackRequest::default()
        };
        let finished = Box::pin(super::destroy(tools.again(), loaded.clone(), &request)).await?;
        tools.tell(finished.clone());
        let wish = Wish { place: gone.place, package: package.clone(), version: VersionSelector::Latest };
        all.push((wish, Converged::Carried(finished)));
    }
    Ok(())
}

/// How a wish is tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Trying {
    /// What failed is tried again at once.
    pub(super) now: bool,
    /// Of which deployment it is a part.
    pub(super) part: Option<Part>,
}

/// Brings one deployment to where it should be.
pub(super) async fn one(tools: Tools<'_>, loaded: &Loaded, wish: &Wish, trying: &Trying) -> Result<Converged, EngineError> {
    let summaries = super::summaries(&tools.workspace, &wish.package)?;
    let chosen = choose(&tools.workspace, &summaries, &wish.package, &wish.version)?;
    let is_enough = chosen.is_some() && matches!(wish.version, VersionSelector::Exact(_));
    let package = if is_enough { None } else { tools.find_package(&wish.package, &wish.version).await? };
    if let Some(package) = package.filter(|package| is_higher(package, &summaries, chosen)) {
        return from_package(tools, loaded, wish, trying, &package).await;
    }
    let Some(chosen) = chosen else { return Ok(Converged::Missing) };
    let record = read(&tools.workspace, &wish.package, chosen)?;
    let loaded = record_loaded(&tools.workspace, loaded, &record)?;
    let deployments = Deployments::of(&summaries);
    let stands = deployments.active(&wish.place).is_some_and(|active| built_as(&summaries, active.release) == chosen);
    let is_of = |summary: &Summary| {
        summary.release == chosen
            || (matches!(summary.kind, ReleaseKind::Promote { .. }) && built_as(&summaries, summary.release) == chosen)
    };
    let tries = tries(&tools.workspace, &summaries, wish, &is_of)?;
    if let Some(waiting) = tries.waiting {
        let Status::Ended(Verdict::Waiting { on }) = &waiting.status else { return Ok(Converged::Missing) };
        if on.iter().any(|what| what != "continue") {
            return Ok(Converged::Waits(waiting.release, on.clone()));
        }
        return Ok(Converged::Carried(resume(tools, loaded, Some(waiting.release), Resume::Continue, &Uses::new()).await?));
    }
    if let Some(rests) = tries.rest().filter(|_| !stands && !trying.now) {
        return Ok(rests);
    }
    let request = PromoteRequest {
        release: Some(chosen),
        to: wish.place.environment.clone(),
        deployment: Some(wish.place.deployment.clone()),
        part: trying.part.clone(),
        ..PromoteRequest::default()
    };
    let promotion = promotion(&tools.workspace, &loaded, &request)?;
    let finished = promote(tools, loaded, &promotion).await?;
    Ok(if finished.verdict == RunVerdict::NothingToDo { Converged::Stands(finished) } else { Converged::Carried(finished) })
}

/// Whether a package has a higher version than the release that was chosen on record.
fn is_higher(package: &Package, summaries: &[Summary], chosen: Option<ReleaseId>) -> bool {
    let version = |text: &str| Version::parse(text).ok();
    let there = chosen.and_then(|id| summaries.iter().find(|summary| summary.release == id)).and_then(|summary| version(&summary.version));
    version(&package.record.version) > there
}

/// Deploys a package that is not on record yet.
async fn from_package(
    tools: Tools<'_>,
    loaded: &Loaded,
    wish: &Wish,
    trying: &Trying,
    package: &Package,
) -> Result<Converged, EngineError> {
    let summaries = super::summaries(&tools.workspace, &wish.package)?;
    let version = &package.record.version;
    let is_of = |summary: &Summary| matches!(summary.kind, ReleaseKind::Package { .. }) && summary.version == *version;
    if let Some(rests) = tries(&tools.workspace, &summaries, wish, &is_of)?.rest().filter(|_| !trying.now) {
        return Ok(rests);
    }
    let mut of_package = manifest_of(&tools.workspace, package)?;
    of_package.take_environments(loaded, Vec::new());
    let request = DeliverRequest {
        reference: format!("{}@{version}", wish.package),
        environments: vec![wish.place.environment.clone()],
        deployment: Some(wish.place.deployment.clone()),
        part: trying.part.clone(),
        ..DeliverRequest::default()
    };
    deliver(tools, of_package, package, &request).await.map(Converged::Carried)
}

/// Half a minute after the first failure, twice as long after each that follows, an hour at most.
fn rest(failures: usize) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(7);
    Duration::from_secs(30).saturating_mul(1 << doublings).min(Duration::from_hours(1))
}

/// What was tried before of a record at a place.
struct Tries<'a> {
    /// The one that waits for a person.
    waiting: Option<&'a Summary>,
    /// Those that failed since it last went well, the last one first.
    failed: Vec<&'a Summary>,
}

impl Tries<'_> {
    /// Says that it rests, where it does.
    fn rest(&self) -> Option<Converged> {
        let last = self.failed.first()?;
        let until = last.created + rest(self.failed.len());
        (Timestamp::now() < until).then_some(Converged::Rests { release: last.release, failures: self.failed.len(), until })
    }
}

fn tries<'a>(
    workspace: &Workspace,
    summaries: &'a [Summary],
    wish: &Wish,
    is_of: &dyn Fn(&Summary) -> bool,
) -> Result<Tries<'a>, EngineError> {
    let mut tries = Tries { waiting: None, failed: Vec::new() };
    for summary in summaries.iter().rev().filter(|summary| is_of(summary)) {
        let release = read(workspace, &wish.package, summary.release)?;
        if !is_for(&release, &wish.place) {
            continue;
        }
        match &summary.status {
            Status::Ended(Verdict::Waiting { .. }) if tries.failed.is_empty() => {
                tries.waiting = Some(summary);
                return Ok(tries);
            }
            Status::Ended(Verdict::Failed | Verdict::Undone) => tries.failed.push(summary),
            _ if release.environment(&wish.place.environment) == EnvironmentState::Untouched => {}
            _ => break,
        }
    }
    Ok(tries)
}

fn is_for(release: &Release, place: &DeploymentKey) -> bool {
    release.step_ids().filter(|&step| release.is_wanted(step)).any(|step| {
        let decl = &release.start.steps[step.index()];
        decl.environment.as_ref() == Some(&place.environment) && decl.deployment.as_ref() == Some(&place.deployment)
    })
}

/// Returns the manifest of a record's package, with the environments of today.
pub(super) fn record_loaded(workspace: &Workspace, now: &Loaded, record: &Release) -> Result<Loaded, EngineError> {
    if now.manifest.package.name.value.to_string() == record.start.package {
        return Ok(now.clone());
    }
    let text = String::from_utf8_lossy(&workspace.blobs.get(record.start.manifest)?).into_owned();
    let name = format!("{} {}", record.start.package, record.start.release);
    let mut loaded = Loaded::new(workspace, Source::new(name, now.directory.clone(), text))?;
    loaded.take_environments(now, recorded_environments(workspace, record)?);
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::rest;
    use std::time::Duration;

    #[test]
    fn it_rests_longer_after_each_failure_and_an_hour_at_most() {
        let seconds = |failures| rest(failures).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(7)], [30, 60, 120, 1920]);
        assert_eq!(rest(8), Duration::from_hours(1));
        assert_eq!(rest(usize::MAX), Duration::from_hours(1));
    }
}

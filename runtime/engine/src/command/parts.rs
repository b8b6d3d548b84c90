//! The parts of a deployment: what it depends on, brought before its own steps begin and gone with it.
//!
//! A part is a release of its own, of its own package, so that whatever a promotion keeps to, this does. It is brought once the gates of
//! what it is a part of are passed and everything that is bound to no environment is done, and never while that release is being carried.

use super::converge::{Converged, Trying, Wish, one, record_loaded};
use super::{BackRequest, Resume, Taken, Tools, deployment_of, destroy, read, resume, summaries, undo};
use crate::carry::Carried;
use crate::dependency::{Part, Uses, locked_of, part_name};
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{DeploymentKey, Deployments, EnvironmentState, Event, PartOf, Release, ReleaseId, Requirement, Status, Verdict};
use relrun_manifest::{Version, VersionSelector};
use relrun_report::{RunFinished, RunVerdict};
use relrun_store::StreamId;

/// Goes on after a run: brings the parts that it waits for and takes it up again, and takes back the parts of what went back.
pub(super) async fn follow(mut tools: Tools<'_>, loaded: Loaded, stream: &StreamId, carried: Carried) -> Result<RunFinished, EngineError> {
    let Carried { finished, parts } = carried;
    let release = read(&tools.workspace, &stream.package, stream.release)?;
    match take_back(&mut tools, &loaded, &release).await {
        Ok(None) => {}
        Ok(Some(failed)) => {
            tools.tell(finished);
            return Ok(failed);
        }
        Err(error) => {
            tools.tell(finished);
            return Err(error);
        }
    }
    let mut failed = None;
    let mut brought = false;
    for (environment, name) in parts {
        // Each is tried once in a command, however often the release is taken up again.
        if finished.verdict != RunVerdict::Waiting || !tools.brought.insert((stream.clone(), environment.clone(), name.clone())) {
            continue;
        }
        match Box::pin(bring(tools.again(), &loaded, &release, &environment, &name)).await {
            Ok(Brought::Stands) => brought = true,
            Ok(Brought::Absent) => {}
            Ok(Brought::Failed(end)) => failed = Some(end),
            Err(error) => {
                tools.tell(finished);
                return Err(error);
            }
        }
    }
    let finished = if brought {
        Box::pin(resume(tools.again(), loaded, Some(stream.release), Resume::Continue, &Uses::new())).await?
    } else {
        finished
    };
    let Some(mut failed) = failed else { return Ok(finished) };
    tools.tell(finished);
    failed.next = Some(format!("relrun continue {} -m {}", stream.release, stream.package));
    Ok(*failed)
}

/// What became of a part.
enum Brought {
    /// It stands as it should.
    Stands,
    /// There is nothing to bring, or it waits for a person.
    Absent,
    /// It could not be brought.
    Failed(Box<RunFinished>),
}

async fn bring(mut tools: Tools<'_>, loaded: &Loaded, release: &Release, environment: &str, name: &str) -> Result<Brought, EngineError> {
    let Some(requirement @ Requirement::Package { package, set, .. }) = release.start.requires.get(name) else {
        return Ok(Brought::Absent);
    };
    check_no_circle(&tools.workspace, release, package)?;
    let version = match release.locked.get(name) {
        Some(version) => version.clone(),
        None => match locked_of(&tools, requirement).await? {
            Some(version) => keep_lock(&tools.workspace, release, name, version)?,
            None => return Ok(Brought::Absent),
        },
    };
    let Ok(exact) = Version::parse(&version) else { return Ok(Brought::Absent) };
    let deployment = deployment_of(release).unwrap_or_default();
    let wish = Wish {
        place: DeploymentKey { environment: environment.to_owned(), deployment: part_name(&deployment, name) },
        package: package.clone(),
        version: VersionSelector::Exact(exact),
    };
    let of = PartOf { package: release.start.package.clone(), deployment, release: release.start.release, name: name.to_owned() };
    let converged = if let Some((id, how)) = begun(&tools.workspace, &wish, &of)? {
        // A process that died, or a failure that could not be undone, left it in the middle.
        let of_part = record_loaded(&tools.workspace, loaded, &read(&tools.workspace, package, id)?)?;
        Converged::Carried(Box::pin(resume(tools.again(), of_part, Some(id), how, &Uses::new())).await?)
    } else {
        let trying = Trying { now: true, part: Some(Part { of, set: set.clone() }) };
        Box::pin(one(tools.again(), loaded, &wish, &trying)).await?
    };
    Ok(match converged {
        Converged::Stands(_) => Brought::Stands,
        Converged::Carried(end) if converged_well(end.verdict) => {
            tools.tell(end);
            Brought::Stands
        }
        Converged::Carried(end) if end.verdict == RunVerdict::Waiting => {
            tools.tell(end);
            Brought::Absent
        }
        Converged::Carried(end) => Brought::Failed(Box::new(end)),
        Converged::Refused(error) => return Err(error),
        Converged::Waits(..) | Converged::Rests { .. } | Converged::Missing | Converged::Blocked { .. } => Brought::Absent,
    })
}

/// Returns the release by which a part was begun and not ended, and how it is taken up again.
fn begun(workspace: &Workspace, wish: &Wish, of: &PartOf) -> Result<Option<(ReleaseId, Resume)>, EngineError> {
    let is_it = |summary: &&relrun_ledger::Summary| {
        summary.part_of.as_ref().is_some_and(|part| part.package == of.package && part.deployment == of.deployment)
            && summary
                .environments
                .get(&wish.place.environment)
                .is_some_and(|there| matches!(there.state, EnvironmentState::Half | EnvironmentState::Working | EnvironmentState::Unknown))
    };
    let summaries = summaries(workspace, &wish.package)?;
    Ok(summaries.iter().rev().find(is_it).map(|summary| match summary.status {
        Status::Ended(Verdict::Failed | Verdict::Undone | Verdict::Destroyed) => (summary.release, Resume::Retry),
        _ => (summary.release, Resume::Continue),
    }))
}

fn converged_well(verdict: RunVerdict) -> bool {
    matches!(verdict, RunVerdict::Succeeded | RunVerdict::NothingToDo)
}

/// Records which version was chosen, so that the release keeps to it.
fn keep_lock(workspace: &Workspace, release: &Release, name: &str, version: String) -> Result<String, EngineError> {
    let held = Taken::hold(workspace, &release.start.package, release.start.release)?;
    let mut journal = held.resume(workspace);
    journal.note(Event::DependencyLocked { name: name.to_owned(), version: version.clone() })?;
    journal.flush_with_summary()?;
    Ok(version)
}

/// A package that is brought as a part of itself would be brought for ever.
fn check_no_circle(workspace: &Workspace, release: &Release, package: &str) -> Result<(), EngineError> {
    let mut chain = vec![release.start.package.clone()];
    let mut above = release.start.part_of.clone();
    while let Some(part) = above {
        if chain.contains(&part.package) {
            break;
        }
        chain.push(part.package.clone());
        above = read(workspace, &part.package, part.release)?.start.part_of;
    }
    if !chain.iter().any(|above| above == package) {
        return Ok(());
    }
    chain.reverse();
    let way = chain.iter().map(String::as_str).chain([package]).collect::<Vec<_>>().join(" → ");
    Err(EngineError::input(
        format!("{package} is a part of itself: {way}"),
        "let one of them say `consumes` in place of `depends`, or leave a dependency out",
    ))
}

/// Takes back the parts of what went back: those that were brought for a release that was undone, and all parts of what was destroyed.
/// Returns how it ended where one could not be taken back.
async fn take_back(tools: &mut Tools<'_>, loaded: &Loaded, release: &Release) -> Result<Option<RunFinished>, EngineError> {
    for environment in release.environments() {
        let state = release.environment(environment);
        if !matches!(state, EnvironmentState::Undone | EnvironmentState::Destroyed) {
            continue;
        }
        for (name, requirement) in &release.start.requires {
            let Requirement::Package { package, .. } = requirement else { continue };
            let Some(id) = left_behind(&tools.workspace, release, environment, name, package)? else { continue };
            let request = BackRequest {
                release: Some(id),
                environments: vec![environment.to_owned()],
                deployment: Some(part_name(&deployment_of(release).unwrap_or_default(), name)),
                ..BackRequest::default()
            };
            let of_part = record_loaded(&tools.workspace, loaded, &read(&tools.workspace, package, id)?)?;
            let ended = match state {
                EnvironmentState::Destroyed => Box::pin(destroy(tools.again(), of_part, &request)).await?,
                _ => Box::pin(undo(tools.again(), of_part, &request)).await?,
            };
            if !matches!(ended.verdict, RunVerdict::Undone | RunVerdict::Destroyed) {
                return Ok(Some(ended));
            }
            tools.tell(ended);
        }
    }
    Ok(None)
}

/// Returns the release of a part that stands though what it is a part of went back.
fn left_behind(
    workspace: &Workspace,
    release: &Release,
    environment: &str,
    name: &str,
    package: &str,
) -> Result<Option<ReleaseId>, EngineError> {
    let deployment = deployment_of(release).unwrap_or_default();
    let (start, own) = (&release.start, summaries(workspace, &release.start.package)?);
    let key = |deployment: String| DeploymentKey { environment: environment.to_owned(), deployment };
    let of_package = summaries(workspace, package)?;
    let stands = Deployments::of(&of_package).active(&key(part_name(&deployment, name))).map(|active| active.release);
    let summary = stands.and_then(|id| of_package.iter().find(|summary| summary.release == id));
    let Some((id, part)) = summary.and_then(|summary| Some((summary.release, summary.part_of.as_ref()?))) else { return Ok(None) };
    let is_ours = part.package == start.package && part.deployment == deployment;
    let is_left = match release.environment(environment) {
        EnvironmentState::Destroyed => Deployments::of(&own).active(&key(deployment)).is_none(),
        _ => part.release == start.release,
    };
    Ok((is_ours && is_left).then_some(id))
}

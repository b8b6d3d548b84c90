//! `retry`, `continue`, `cancel`: a release that was begun, taken up again from its own record.

use super::apply::apply_with;
use super::back::BackRequest;
use super::{ApplyRequest, Taken, Tools, find, read, snapshot};
use crate::carry::Aim;
use crate::dependency::{Needed, Uses};
use crate::given::Given;
use crate::inputs::Inputs;
use crate::prepare::Prepared;
use crate::survey::Survey;
use crate::{EngineError, Loaded, Source, Workspace};
use relrun_ledger::{EnvironmentState, Release, ReleaseId, RunKind, Status, StepId, StepKind, StepState, Verdict};
use relrun_report::{RunFinished, RunVerdict};
use relrun_store::StreamId;
use std::collections::BTreeSet;

/// Which way a release is taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// After a failure: failed and undone steps and all behind them run again.
    Retry,
    /// After a wait, an interruption or a crash: what was not begun goes on.
    Continue,
}

impl Resume {
    fn command(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Continue => "continue",
        }
    }

    /// Returns what the run is to do: `continue` goes on with what the last one did, be it the way back.
    fn run(self, release: &Release) -> (RunKind, Aim) {
        match (self, release.run) {
            (Self::Retry, _) => (RunKind::Retry, Aim::Forward),
            (Self::Continue, Some(RunKind::Undo)) => (RunKind::Undo, Aim::Undo),
            (Self::Continue, Some(RunKind::Destroy)) => (RunKind::Destroy, Aim::Destroy),
            (Self::Continue, _) => (RunKind::Continue, Aim::Forward),
        }
    }
}

/// Takes a release up again: the one named, or the last. `uses` are the providers that a person names for it.
pub async fn resume(
    mut tools: Tools<'_>,
    loaded: Loaded,
    id: Option<ReleaseId>,
    how: Resume,
    uses: &Uses,
) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let id = find(&tools.workspace, &package, id)?;
    let mut release = read(&tools.workspace, &package, id)?;
    if how == Resume::Retry {
        if let Some(still_blocked) = undo_what_could_not_be(&mut tools, &loaded, &release).await? {
            return Ok(still_blocked);
        }
        release = read(&tools.workspace, &package, id)?;
    }
    if let Some(done) = nothing_left(&release) {
        return Ok(done);
    }
    check_fits(&release, how)?;
    let prepared = snapshot(&tools.workspace, &release, &loaded).await?;
    let selected = release.selected.clone();
    let (run, aim) = how.run(&release);
    if aim == Aim::Forward {
        tools.check_freeze(&prepared.loaded, &crate::freeze::unfinished(&release))?;
        check_needs(&tools, &prepared, &release, uses)?;
    }
    let survey = match aim {
        Aim::Forward => survey_rest(&tools.workspace, &prepared, &release)?,
        // The way back stages nothing, so that it does not matter what has changed.
        Aim::Undo | Aim::Destroy => Survey::new(&tools.workspace, &prepared, &|_| false)?,
    };
    let secrecy = crate::secrets::read(&tools.workspace, &prepared, &|node| super::is_left(&prepared, &release, node))?;
    let mut taken = Taken::take_up(&tools.workspace, &package, id, selected, &tools.options.patience())?;
    if aim == Aim::Forward {
        check_goes_forward(&taken.release, how)?;
    }
    taken.uses.clone_from(uses);
    tools.carry(prepared, survey, taken, secrecy, (run, aim, how.command())).await
}

/// Goes back first where that failed the last time: a host that was away then may be there now. Returns how it ended where it did not go well.
async fn undo_what_could_not_be(tools: &mut Tools<'_>, loaded: &Loaded, release: &Release) -> Result<Option<RunFinished>, EngineError> {
    let blocked = release.environments().into_iter().filter(|name| release.environment(name) == EnvironmentState::UndoFailed);
    let environments: Vec<String> = blocked.map(str::to_owned).collect();
    if environments.is_empty() || release.status == Status::Running {
        return Ok(None);
    }
    let request = BackRequest { release: Some(release.start.release), environments, ..BackRequest::default() };
    let ended = Box::pin(super::back::undo(tools.again(), loaded.clone(), &request)).await?;
    if ended.verdict != RunVerdict::Undone {
        return Ok(Some(ended));
    }
    tools.tell(ended);
    Ok(None)
}

/// `retry -i K=V`: the next release, of the same manifest with other inputs. What the change does not reach comes from the cache.
pub async fn retry_with(
    tools: Tools<'_>,
    loaded: Loaded,
    id: Option<ReleaseId>,
    (given, uses): (&Given, &Uses),
) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let id = find(&tools.workspace, &package, id)?;
    let release = read(&tools.workspace, &package, id)?;
    if release.start.taken_from.is_some() {
        let message = format!("{id} was taken from a package, and its sources are elsewhere");
        return Err(EngineError::input(
            message,
            "deploy the package with the new value: `relrun apply PACKAGE@VERSION -e ENV -i NAME=VALUE`",
        ));
    }
    let text = String::from_utf8_lossy(&tools.workspace.blobs.get(release.start.manifest)?).into_owned();
    let loaded = Loaded::new(&tools.workspace, Source::new(loaded.name, loaded.directory, text))?;
    let environments: BTreeSet<String> = release
        .step_ids()
        .filter(|&step| release.is_selected(step))
        .filter_map(|step| release.start.steps[step.index()].environment.clone())
        .collect();
    let narrowed = release.selected.is_some();
    let request = ApplyRequest {
        environments: if narrowed { environments.into_iter().collect() } else { Vec::new() },
        deployment: release.start.steps.iter().find_map(|step| step.deployment.clone()),
        follows: Some(id),
        uses: uses.clone(),
        ..ApplyRequest::default()
    };
    let (typed, set) = (release.start.given.clone(), release.start.set.clone());
    let inputs = Inputs::settle(&loaded, typed, given, set, &request.environments)?;
    apply_with(tools, loaded, inputs, &request).await
}

/// `cancel`: asks the process that carries the release to stop and undo; where none does, does so itself.
pub async fn cancel(tools: Tools<'_>, loaded: Loaded, id: Option<ReleaseId>) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let id = find(&tools.workspace, &package, id)?;
    let release = read(&tools.workspace, &package, id)?;
    if matches!(release.status, Status::Ended(Verdict::Succeeded | Verdict::Undone | Verdict::Destroyed)) {
        let message = format!("{id} is not under way: it {}", crate::words::status(&release.status));
        return Err(EngineError::input(message, format!("to take it back, type `relrun undo {id}`")));
    }
    let stream = StreamId { package: package.clone(), release: id };
    let steps = bound_steps(&release);
    match Taken::take_up(&tools.workspace, &package, id, Some(steps), &std::time::Duration::ZERO.into()) {
        Ok(taken) => {
            let prepared = snapshot(&tools.workspace, &release, &loaded).await?;
            let survey = Survey::new(&tools.workspace, &prepared, &|_| false)?;
            let secrecy = crate::secrets::read(&tools.workspace, &prepared, &|node| prepared.environment(node).is_some())?;
            tools.carry(prepared, survey, taken, secrecy, (RunKind::Undo, Aim::Undo, "cancel")).await
        }
        Err(EngineError::Locked(lock)) => {
            tools.workspace.runs.request_cancel(&stream, &tools.workspace.actor)?;
            wait_for_end(&tools, &package, id, &lock).await
        }
        Err(error) => Err(error),
    }
}

/// Waits, bounded, until the process that carries the release has let it go.
async fn wait_for_end(tools: &Tools<'_>, package: &str, id: ReleaseId, lock: &relrun_store::Lock) -> Result<RunFinished, EngineError> {
    let mut stop = tools.options.stop.clone();
    for _ in 0..600 {
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {}
            _ = stop.changed() => break,
        }
        let release = read(&tools.workspace, package, id)?;
        if release.status != Status::Running {
            return Ok(RunFinished {
                package: package.to_owned(),
                release: Some(id.to_string()),
                version: Some(release.start.version.clone()),
                verdict: RunVerdict::Cancelled,
                ..RunFinished::default()
            });
        }
    }
    Err(EngineError::Locked(Box::new(lock.clone())))
}

pub(super) fn bound_steps(release: &Release) -> BTreeSet<StepId> {
    release.step_ids().filter(|step| release.start.steps[step.index()].environment.is_some()).collect()
}

/// Refuses where a person must say what meets a need of an environment that is still to begin.
fn check_needs(tools: &Tools<'_>, prepared: &Prepared, release: &Release, uses: &Uses) -> Result<(), EngineError> {
    let is_open = |environment: &&str| release.may_be_met_anew(environment);
    let environments = release.environments().into_iter().filter(is_open).map(str::to_owned).collect();
    crate::dependency::check(&Needed::of_release(release, uses)?.look(&tools.workspace, prepared, &environments)?.wiring)
}

fn nothing_left(release: &Release) -> Option<RunFinished> {
    let done = release.step_ids().all(|id| !release.is_selected(id) || matches!(release.step(id).state, StepState::Succeeded(_)));
    (done && release.status == Status::Ended(Verdict::Succeeded)).then(|| RunFinished {
        package: release.start.package.clone(),
        release: Some(release.start.release.to_string()),
        version: Some(release.start.version.clone()),
        verdict: RunVerdict::NothingToDo,
        ..RunFinished::default()
    })
}

fn check_fits(release: &Release, how: Resume) -> Result<(), EngineError> {
    let id = release.start.release;
    let failed = matches!(release.status, Status::Ended(Verdict::Failed | Verdict::Undone | Verdict::Destroyed));
    if how == Resume::Continue && failed {
        let message = format!("{id} does not wait: it {}", crate::words::status(&release.status));
        return Err(EngineError::input(message, format!("type `relrun retry {id}`")));
    }
    if let Some(step) = release.step_ids().find(|&step| matches!(release.step(step).state, StepState::Unknown(_))) {
        let label = release.start.steps[step.index()].label();
        let message = format!("nobody can tell whether {label} was done");
        return Err(EngineError::Waiting {
            message,
            help: Some(format!("look, then type `relrun settle {id} {label} --done` or `--not-done`")),
        });
    }
    Ok(())
}

/// Refuses to go forward where a way back did not end. Asked under the release's lock, so that nobody carries it.
fn check_goes_forward(release: &Release, how: Resume) -> Result<(), EngineError> {
    let id = release.start.release;
    if how == Resume::Retry && release.status == Status::Running {
        return Err(EngineError::input(
            format!("{id} was left in the middle by a process that died"),
            format!("type `relrun continue {id}`"),
        ));
    }
    let mut places = release.step_ids().filter(|&step| release.is_selected(step)).filter_map(|step| {
        let decl = &release.start.steps[step.index()];
        decl.environment.as_deref()
    });
    match places.find(|name| release.environment(name) == EnvironmentState::UndoFailed) {
        None => Ok(()),
        Some(environment) => Err(EngineError::input(
            format!("{environment} is blocked: {id} could not be undone there"),
            format!("type `relrun undo {id} -e {environment}`"),
        )),
    }
}

/// Looks at what the steps that are still to run stage, and refuses where it is no longer what the release was begun with.
pub(super) fn survey_rest(workspace: &Workspace, prepared: &Prepared, release: &Release) -> Result<Survey, EngineError> {
    // The sources of what came in a package, or was brought from a record, are elsewhere, or are something else by now.
    if release.start.taken_from.is_some() || release.start.kind.record().is_some() {
        return Survey::beside(workspace, prepared, release);
    }
    let survey = Survey::new(workspace, prepared, &|_| true)?;
    let mut changed = Vec::new();
    for node in prepared.graph.topological() {
        let environment = prepared.environment(node).map(|environment| environment.name.value.clone());
        let name = &prepared.step(node).name.value;
        let step = release.step_ids().find(|step| {
            let decl = &release.start.steps[step.index()];
            decl.name == *name && decl.environment == environment
        });
        let Some(step) = step else { continue };
        let decl = &release.start.steps[step.index()];
        let differs = decl.kind == StepKind::Pure && decl.fingerprint != survey.static_of(node);
        if differs && !crate::survey::is_done(workspace, release, step)? {
            changed.push(decl.label());
        }
    }
    if changed.is_empty() {
        return Ok(survey);
    }
    let id = release.start.release;
    let names: Vec<&str> = changed.iter().map(String::as_str).take(5).collect();
    let half = release.environments().into_iter().find(|name| {
        use EnvironmentState as State;
        matches!(release.environment(name), State::Half | State::Working | State::Unknown | State::UndoFailed)
    });
    // What is half deployed keeps every other release out, so that it must go first.
    let help = match half {
        Some(environment) => format!("type `relrun undo {id} -e {environment}`, then `relrun apply`, or bring back what it read"),
        None => "type `relrun apply`: it makes a new release of what is there now".to_owned(),
    };
    let message = format!("what {} reads has changed since {id} began, so {id} cannot go on as it was", crate::text::join(&names));
    Err(EngineError::input(message, help))
}

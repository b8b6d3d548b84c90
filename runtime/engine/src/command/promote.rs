//! `promote`: the very release that is active in one environment, deployed to another with the other's settings and gates.

use super::bring::{Bringing, bring, built_as};
use super::resume::{Resume, resume};
use super::{Tools, prepared_from, read};
use crate::dependency::{Needed, Part, Uses};
use crate::inputs::Inputs;
use crate::{EngineError, Loaded, Workspace};
use relrun_graph::Selection;
use relrun_ledger::{DeploymentKey, Deployments, Mark, Release, ReleaseId, ReleaseKind, Status, StepState, Summary, Verdict};
use relrun_report::{RunFinished, RunVerdict};
use std::collections::BTreeSet;

/// What is asked of `promote`.
#[derive(Clone, Debug, Default)]
pub struct PromoteRequest {
    /// The release; absent: what is active in `from`.
    pub release: Option<ReleaseId>,
    /// `--from`.
    pub from: Option<String>,
    /// `--to`.
    pub to: String,
    /// `--deployment`.
    pub deployment: Option<String>,
    /// One line about it; by default where it comes from.
    pub description: Option<String>,
    /// `--use`: the providers that are meant.
    pub uses: Uses,
    /// Of which deployment it is a part.
    pub part: Option<Part>,
}

/// Both sides of a promotion, for a person to look at.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// What is promoted.
    pub release: Summary,
    /// What stands at the target, where something does.
    pub replaces: Option<Summary>,
    /// Whether the target has that very record already.
    pub is_there: bool,
    request: PromoteRequest,
    record: Box<Release>,
}

impl Promotion {
    /// Whether something newer stands there: another build, or settings that were changed since.
    pub fn goes_back(&self) -> bool {
        let is_newer = |there: &Summary| there.created > self.release.created;
        (self.is_settings() || !self.is_there) && self.replaces.as_ref().is_some_and(is_newer)
    }

    /// Whether it is settings of that very environment: then they count, and not those that stand there.
    fn is_settings(&self) -> bool {
        matches!(&self.release.kind, ReleaseKind::Settings { environment, .. } if *environment == self.request.to)
    }
}

/// Says what a promotion would do, and refuses what may not be promoted.
pub fn promotion(workspace: &Workspace, loaded: &Loaded, request: &PromoteRequest) -> Result<Promotion, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let summaries = super::summaries(workspace, &package)?;
    let deployments = Deployments::of(&summaries);
    let name = deployment(workspace, &package, loaded, request)?;
    let key = |environment: &str| DeploymentKey { environment: environment.to_owned(), deployment: name.clone() };
    for environment in request.from.iter().chain([&request.to]) {
        check_environment(loaded, environment)?;
    }
    let id = match (request.release, &request.from) {
        (Some(id), _) => super::find(workspace, &package, Some(id))?,
        (None, Some(from)) if *from == request.to => {
            return Err(EngineError::input(format!("{from} is promoted to itself"), "name two environments: `--from` and `--to`"));
        }
        (None, Some(from)) => {
            deployments.active(&key(from)).map(|active| active.release).ok_or_else(|| nothing_in(&package, &key(from)))?
        }
        (None, None) => {
            return Err(EngineError::input(
                "what is to be promoted?",
                "type `relrun promote --from ENV --to ENV`, or `relrun promote rN --to ENV`",
            ));
        }
    };
    let of = |id: ReleaseId| summaries.iter().find(|summary| summary.release == id).cloned();
    let release = of(id).ok_or_else(|| nothing_in(&package, &key(&request.to)))?;
    check_good(&summaries, id)?;
    let record = read(workspace, &package, id)?;
    if !is_built(&record) {
        let message = format!("{id} is not built whole: not every step of it that is bound to no environment is done");
        return Err(EngineError::input(message, format!("type `relrun releases show {id}`")));
    }
    let active = deployments.active(&key(&request.to));
    let is_there = active.is_some_and(|active| built_as(&summaries, active.release) == built_as(&summaries, id));
    Ok(Promotion {
        release,
        replaces: active.and_then(|active| of(active.release)),
        is_there,
        request: PromoteRequest { deployment: Some(name), ..request.clone() },
        record: Box::new(record),
    })
}

/// Deploys what [`promotion`] showed.
pub async fn promote(tools: Tools<'_>, loaded: Loaded, promotion: &Promotion) -> Result<RunFinished, EngineError> {
    let package = loaded.manifest.package.name.value.to_string();
    let (id, to) = (promotion.release.release, &promotion.request.to);
    let record = &promotion.record;
    if promotion.is_settings() && promotion.release.status == Status::Ended(Verdict::Staged) {
        return resume(tools, loaded, Some(id), Resume::Continue, &promotion.request.uses).await;
    }
    let mut sets = if promotion.is_settings() {
        record.start.set.clone()
    } else {
        super::settings::standing(&super::summaries(&tools.workspace, &package)?, &package, promotion.request.deployment.as_deref())
    };
    let part = promotion.request.part.clone();
    let set = match &part {
        Some(part) => Inputs::of_part(&loaded, part)?,
        None => sets.remove(to).unwrap_or_default(),
    };
    let selection = Selection { deployment: promotion.request.deployment.clone(), ..Selection::default() };
    let prepared =
        prepared_from(&tools.workspace, record, &loaded, &selection, |then| Inputs::promoted(then, &record.start, to, set)).await?;
    let has_same_settings = || {
        let there = promotion.replaces.as_ref().map(|there| read(&tools.workspace, &package, there.release)).transpose()?;
        Ok::<_, EngineError>(there.is_some_and(|there| there.start.settings.get(to) == prepared.inputs.bound.get(to)))
    };
    let needed = Needed::of_record(&prepared.loaded, record, part.map(|part| part.of), &promotion.request.uses)?;
    if promotion.is_there
        && has_same_settings()?
        && needed.look(&tools.workspace, &prepared, &BTreeSet::from([to.clone()]))?.outdated.is_empty()
    {
        return Ok(RunFinished {
            package,
            release: promotion.replaces.as_ref().map(|there| there.release.to_string()),
            version: Some(promotion.release.version.clone()),
            verdict: RunVerdict::NothingToDo,
            ..RunFinished::default()
        });
    }
    let from = promotion.request.from.clone();
    let bringing = Bringing {
        description: promotion.request.description.clone().unwrap_or_else(|| match &from {
            Some(from) => format!("promotion of {id} from {from}"),
            None => format!("promotion of {id}"),
        }),
        kind: ReleaseKind::Promote { of: id, from },
        environments: std::slice::from_ref(to),
        planned: None,
        needed,
        command: "promote",
    };
    bring(tools, &loaded, prepared, record, bringing).await
}

/// Whether all is done that is bound to no environment: only that can be brought elsewhere without being built.
pub(crate) fn is_built(record: &Release) -> bool {
    let free = record.step_ids().filter(|step| record.start.steps[step.index()].environment.is_none());
    free.into_iter().all(|step| matches!(record.step(step).state, StepState::Succeeded(_)))
}

/// Refuses a release that was marked bad, or that brought one that was.
pub(super) fn check_good(summaries: &[Summary], id: ReleaseId) -> Result<(), EngineError> {
    let chain = [id, built_as(summaries, id)];
    let Some(bad) = summaries.iter().find(|summary| chain.contains(&summary.release) && is_bad(summary)) else { return Ok(()) };
    let message = format!("{} was marked bad", bad.release);
    Err(EngineError::input(message, format!("take the mark away first: `relrun releases mark {} bad --remove`", bad.release)))
}

fn is_bad(summary: &Summary) -> bool {
    summary.marks.contains(&Mark::Bad)
}

pub(super) fn check_environment(loaded: &Loaded, name: &str) -> Result<(), EngineError> {
    if loaded.environment(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = loaded.environments.iter().map(|environment| environment.name.value.as_str()).collect();
    let help = match relrun_manifest::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there are {}", known.join(", ")),
    };
    Err(EngineError::input(format!("there is no environment \"{name}\""), help))
}

/// Returns the deployment's name: the one asked for, else that under which the release was made, else the package's.
fn deployment(workspace: &Workspace, package: &str, loaded: &Loaded, request: &PromoteRequest) -> Result<String, EngineError> {
    let of_release = match (&request.deployment, request.release) {
        (None, Some(id)) => super::deployment_of(&read(workspace, package, super::find(workspace, package, Some(id))?)?),
        _ => None,
    };
    Ok(request.deployment.clone().or(of_release).unwrap_or_else(|| loaded.manifest.package.name.value.name.clone()))
}

fn nothing_in(package: &str, key: &DeploymentKey) -> EngineError {
    let place = crate::words::place(package, &key.environment, Some(&key.deployment));
    EngineError::input(format!("nothing of {package} stands in {place}"), "type `relrun status` to see what is where")
}

//! Brings a record to an environment, as a release of its own: nothing is built, and what is bound to no environment is copied from the record.
//!
//! Both `rollback` and `promote` end here. It must never look at the work tree's sources, and never at the health of what it replaces.

use super::Tools;
use super::start::{Draft, MadeOf};
use crate::carry::Aim;
use crate::dependency::{self, Needed};
use crate::prepare::{LockFile, Prepared};
use crate::survey::Survey;
use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{Digest, Release, ReleaseId, ReleaseKind, RunKind, StepId, Summary};
use relrun_report::RunFinished;
use std::collections::BTreeSet;

/// What is brought where.
pub(super) struct Bringing<'a> {
    pub(super) kind: ReleaseKind,
    pub(super) environments: &'a [String],
    /// The identity of the plan that is carried, where one is.
    pub(super) planned: Option<Digest>,
    pub(super) description: String,
    pub(super) command: &'static str,
    pub(super) needed: Needed,
}

/// Makes a release from a record and deploys it. `now` is the manifest as it is now, `prepared` the record's with the values that count.
pub(super) async fn bring(
    tools: Tools<'_>,
    now: &Loaded,
    prepared: Prepared,
    record: &Release,
    bringing: Bringing<'_>,
) -> Result<RunFinished, EngineError> {
    let Bringing { kind, environments, planned, description, command, needed } = bringing;
    if let Some(environment) = environments.iter().find(|name| now.environment(name).is_none()) {
        let message = format!("environment \"{environment}\" is not declared");
        return Err(EngineError::input(message, "declare it in relrun.kdl or in the manifest"));
    }
    let steps = steps_of(&prepared, record, environments)?;
    tools.check_freeze(&prepared.loaded, &environments.iter().cloned().collect())?;
    dependency::check(&needed.look(&tools.workspace, &prepared, &environments.iter().cloned().collect())?.wiring)?;
    let survey = Survey::beside(&tools.workspace, &prepared, record)?;
    let identity = brought(&tools.workspace, &prepared, &survey, record, (command, environments))?;
    if planned.is_some_and(|planned| planned != identity) {
        return Err(EngineError::input(
            "what the plan saw has changed since: an environment, a setting, or a release in between",
            "make a new plan: `relrun plan PACKAGE@WHICH -e ENV --out FILE`",
        ));
    }
    let secrecy = crate::secrets::read(&tools.workspace, &prepared, &|node| steps.contains(&StepId(node.0)))?;
    let draft = Draft {
        prepared: &prepared,
        survey: &survey,
        kind,
        lock: LockFile::of(&prepared.plugins),
        identity,
        steps: Some(steps),
        record: Some(record),
        version: Some(record.start.version.clone()),
        description: Some(description),
        made_of: MadeOf::of(record),
        needed,
    };
    let taken = draft.begin(&tools, usize::MAX)?;
    tools.carry(prepared, survey, taken, secrecy, (RunKind::Apply, Aim::Forward, command)).await
}

/// Returns the steps that are carried in the environments, of which each must have one.
pub(crate) fn steps_of(prepared: &Prepared, record: &Release, environments: &[String]) -> Result<BTreeSet<StepId>, EngineError> {
    let mut steps = BTreeSet::new();
    for environment in environments {
        let here = steps_in(prepared, environment);
        if here.is_empty() {
            let message = format!("{} has no step that is bound to {environment}", record.start.release);
            return Err(EngineError::input(message, "a phase says with `environments=\"LABEL=VALUE\"` where its steps are carried"));
        }
        steps.extend(here);
    }
    Ok(steps)
}

/// Returns the identity of a record that is brought to environments now: of the same things, and after the same releases, it is the same.
pub(crate) fn brought(
    workspace: &Workspace,
    prepared: &Prepared,
    survey: &Survey,
    record: &Release,
    (command, environments): (&str, &[String]),
) -> Result<Digest, EngineError> {
    let made_of = survey.identity(prepared, &LockFile::of(&prepared.plugins)).to_string();
    let what: Vec<&str> = [command, &made_of].into_iter().chain(environments.iter().map(String::as_str)).collect();
    Ok(identity(record, &what, workspace.runs.summaries(&record.start.package)?.len()))
}

pub(super) fn steps_in(prepared: &Prepared, environment: &str) -> BTreeSet<StepId> {
    let here = |node: &relrun_graph::NodeId| prepared.environment(*node).is_some_and(|found| *found.name == *environment);
    prepared.graph.topological().filter(here).map(|node| StepId(node.0)).collect()
}

/// Returns the identity of a release that is made from a record: each is one of its own, even the same thing twice. `what` tells one kind from
/// another, `count` is how many releases the package has.
pub(super) fn identity(record: &Release, what: &[&str], count: usize) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("relrun 2026 identity of a release made from a record v1");
    hasher.update(&record.start.identity.0).update(&(count as u64).to_le_bytes());
    for text in what {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    hasher.finalize().into()
}

/// Returns the release that was built: a rollback or a promotion stands for the record that it brought.
pub(super) fn built_as(summaries: &[Summary], id: ReleaseId) -> ReleaseId {
    origin(summaries, id, ReleaseKind::record)
}

/// Returns the release whose build and settings stand: a rollback has both from its record, a promotion has settings of its own.
pub(super) fn stood_as(summaries: &[Summary], id: ReleaseId) -> ReleaseId {
    origin(summaries, id, |kind| if let ReleaseKind::Rollback { to } = kind { Some(*to) } else { None })
}

fn origin(summaries: &[Summary], id: ReleaseId, older: impl Fn(&ReleaseKind) -> Option<ReleaseId>) -> ReleaseId {
    let mut at = id;
    // Each points to an older release, so this ends.
    while let Some(earlier) = summaries.iter().find(|summary| summary.release == at).and_then(|summary| older(&summary.kind)) {
        at = earlier;
    }
    at
}

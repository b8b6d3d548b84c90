//! `apply --cascade`: what uses what a deployment gives, deployed again where that changed. Nothing is built: each is its own record, with the
//! settings that stand there, and the new values.

use super::bring::built_as;
use super::converge::record_loaded;
use super::promote::{PromoteRequest, promote, promotion};
use super::{Tools, read, summaries};
use crate::dependency::{Board, Part, User};
use crate::error::Exit;
use crate::{EngineError, Loaded};
use relrun_report::{LineLevel, RunFinished, RunVerdict};
use std::collections::BTreeSet;

/// Deploys again what was deployed with other values than a package's deployments give now, and then what uses those, each at most once.
/// `before` is how the package's own run ended. What does not depend on a failure goes on.
pub async fn cascade(mut tools: Tools<'_>, loaded: &Loaded, before: RunFinished) -> Result<RunFinished, EngineError> {
    if !is_well(&before) {
        return Ok(before);
    }
    let mut packages = BTreeSet::from([loaded.manifest.package.name.value.to_string()]);
    let mut done: BTreeSet<User> = BTreeSet::new();
    tools.cascades = true;
    let (mut last, mut is_told) = (before, false);
    let mut failed = None;
    loop {
        let outdated = Board::read(&tools.workspace)?.outdated(&packages);
        let is_done = |user: &User| done.iter().any(|other| other.package == user.package && other.place == user.place);
        let Some((user, by)) = outdated.into_iter().find(|(user, _)| !is_done(user)) else { break };
        if !is_told {
            tools.tell(last.clone());
        }
        tools.say(LineLevel::Info, format!("{} used what {by} gave before: it is deployed again", user.words()));
        is_told = true;
        match Box::pin(again(tools.again(), loaded, &user, &by)).await {
            Ok(ended) => {
                if !is_well(&ended) {
                    failed.get_or_insert(Ok(ended.clone()));
                }
                (last, is_told) = (ended, false);
            }
            Err(error) if matches!(error.exit(), Exit::Machine | Exit::Interrupted) => return Err(error),
            Err(error) => {
                tools.say(LineLevel::Warn, format!("{} is not deployed again: {error}", user.words()));
                failed.get_or_insert(Err(error));
            }
        }
        packages.insert(user.package.clone());
        done.insert(user);
    }
    match failed {
        None => Ok(last),
        // The last one failed itself, and is told by whoever called.
        Some(Ok(_)) if !is_told && !is_well(&last) => Ok(last),
        // A later one that went well must not hide it.
        Some(failed) => {
            if !is_told {
                tools.tell(last);
            }
            failed
        }
    }
}

fn is_well(finished: &RunFinished) -> bool {
    matches!(finished.verdict, RunVerdict::Succeeded | RunVerdict::NothingToDo)
}

async fn again(tools: Tools<'_>, loaded: &Loaded, user: &User, by: &str) -> Result<RunFinished, EngineError> {
    let all = summaries(&tools.workspace, &user.package)?;
    let active = read(&tools.workspace, &user.package, user.release)?;
    let record = built_as(&all, user.release);
    let loaded = record_loaded(&tools.workspace, loaded, &read(&tools.workspace, &user.package, record)?)?;
    let (environment, deployment) = user.place.clone();
    let set = active.start.set.get(&environment).cloned().unwrap_or_default();
    let request = PromoteRequest {
        release: Some(record),
        to: environment,
        description: Some(format!("{record} with what {by} gives now")),
        deployment: Some(deployment),
        part: active.start.part_of.map(|of| Part { of, set }),
        ..PromoteRequest::default()
    };
    let promotion = promotion(&tools.workspace, &loaded, &request)?;
    promote(tools, loaded, &promotion).await
}

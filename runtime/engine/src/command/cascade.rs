//! `apply --cascade`: what uses what a deployment gives, deployed again where that changed. Nothing is built: each is its own record, with the
//! settings that stand there, and the new values.

use super::bring::built_as;
use super::converge::record_loaded;
use super::promote::{PromoteRequest, promote, promotion};
use super::{Tools, read, summaries};
use crate::EngineError;
use crate::Loaded;
use crate::dependency::{Board, Part, User};
use relrun_report::{LineLevel, ReportEvent, RunFinished, RunVerdict};
use std::collections::BTreeSet;

/// Deploys again what was deployed with other values than a package's deployments give now, and then what uses those, each at most once.
/// `before` is how the package's own run ended. What does not depend on a failure goes on.
pub async fn cascade(mut tools: Tools<'_>, loaded: &Loaded, before: RunFinished) -> Result<RunFinished, EngineError> {
    if !is_well(&before) {
        return Ok(before);
    }
    let mut packages = BTreeSet::from([loaded.manifest.package.name.value.to_string()]);
    let mut done: BTreeSet<User> = BTreeSet::new();
    let mut ended = before;
    let mut failed = None;
    loop {
        let outdated = Board::read(&tools.workspace)?.outdated(&packages);
        let Some((user, by)) =
            outdated.into_iter().find(|(user, _)| !done.iter().any(|other| other.package == user.package && other.place == user.place))
        else {
            break;
        };
        done.insert(user.clone());
        packages.insert(user.package.clone());
        tools.tell(ended);
        (tools.emit)(ReportEvent::Notice {
            level: LineLevel::Info,
            text: format!("{} used what {by} gave before: it is deployed again", user.words()),
        });
        ended = Box::pin(again(tools.again(), loaded, &user, &by)).await?;
        if !is_well(&ended) {
            failed = Some(ended.clone());
        }
    }
    match failed {
        // A later one that went well must not hide it.
        Some(failed) if is_well(&ended) => {
            tools.tell(ended);
            Ok(failed)
        }
        _ => Ok(ended),
    }
}

/// Says what was deployed with other values than a package's deployments give now.
pub(super) fn say_outdated(tools: &mut Tools<'_>, loaded: &Loaded) -> Result<(), EngineError> {
    let manifest = &loaded.manifest;
    if manifest.outputs.is_empty() && manifest.provides.is_empty() {
        return Ok(());
    }
    let packages = BTreeSet::from([manifest.package.name.value.to_string()]);
    for (user, by) in Board::read(&tools.workspace)?.outdated(&packages) {
        let text = format!("{} was deployed with what {by} gave before: `relrun apply --cascade` deploys it again", user.words());
        (tools.emit)(ReportEvent::Notice { level: LineLevel::Warn, text });
    }
    Ok(())
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

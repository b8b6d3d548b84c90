//! Whether policy lets anything be deployed now. It holds whatever goes forward; a way back is never frozen.

use crate::{EngineError, Loaded, Workspace};
use relrun_ledger::{Event, Release, StepState, Timestamp};
use std::collections::BTreeSet;

/// An environment in which nothing is deployed now.
struct Frozen<'a> {
    environment: &'a str,
    until: Timestamp,
    reason: Option<&'a str>,
}

/// Refuses to go forward where policy freezes an environment now, unless somebody broke the glass.
pub(crate) fn check(workspace: &Workspace, loaded: &Loaded, names: &BTreeSet<String>, glass: Option<&str>) -> Result<(), EngineError> {
    let frozen = frozen(workspace, loaded, names);
    let (Some(first), None) = (frozen.first(), glass) else { return Ok(()) };
    let places: Vec<&str> = frozen.iter().map(|one| one.environment).collect();
    let verb = if frozen.len() == 1 { "is" } else { "are" };
    let until = frozen.iter().map(|one| one.until).max().unwrap_or(first.until).strftime("%Y-%m-%d %H:%M:%SZ");
    let reason = first.reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let free = names.iter().find(|name| !places.contains(&name.as_str()));
    let elsewhere = free.map_or_else(String::new, |name| format!("; `-e {name}` deploys there alone"));
    Err(EngineError::input(
        format!("{} {verb} frozen until {until}{reason}", crate::text::join(&places)),
        format!("wait, or say why it must be now with `--break-glass \"WHY\"`, which is recorded{elsewhere}"),
    ))
}

/// Returns what the ledger keeps of a glass that was broken; nothing where nothing is frozen.
pub(crate) fn broken(workspace: &Workspace, loaded: &Loaded, release: &Release, glass: Option<&str>) -> Option<Event> {
    let reason = glass?.to_owned();
    let environments: Vec<String> = frozen(workspace, loaded, &unfinished(release)).iter().map(|one| one.environment.to_owned()).collect();
    (!environments.is_empty()).then(|| Event::BrokeGlass { environments, reason, actor: workspace.actor.clone() })
}

/// Returns the environments in which a run on a release would still do something.
pub(crate) fn unfinished(release: &Release) -> BTreeSet<String> {
    let open = release.step_ids().filter(|&step| release.is_selected(step) && !matches!(release.step(step).state, StepState::Succeeded(_)));
    open.filter_map(|step| release.start.steps[step.index()].environment.clone()).collect()
}

fn frozen<'a>(workspace: &'a Workspace, loaded: &Loaded, names: &'a BTreeSet<String>) -> Vec<Frozen<'a>> {
    let freezes = &workspace.project.policy.freezes;
    let one = |name: &'a String| {
        let here = freezes.iter().filter(|freeze| {
            let environment = loaded.environment(name);
            freeze.environments.as_ref().is_none_or(|selector| environment.is_some_and(|environment| selector.selects(environment)))
        });
        let ends = here.filter_map(|freeze| freeze.window.end(workspace.now).map(|until| (until, freeze.reason.as_deref())));
        ends.max_by_key(|(until, _)| *until).map(|(until, reason)| Frozen { environment: name, until, reason })
    };
    names.iter().filter_map(one).collect()
}

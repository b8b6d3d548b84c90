//! `policy`: what the platform lets this project do, and by which line of which file.

use super::run::request;
use crate::args::{Cli, Format, PolicyCommand, Target};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::policy::{Explained, explain};
use relrun_engine::{EngineError, Exit, Loaded, Source, command};
use relrun_manifest::Policy;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) async fn dispatch(cli: &Cli, command: &PolicyCommand) -> Result<Exit, EngineError> {
    match command {
        PolicyCommand::Check { target } => check(cli, target).await,
        PolicyCommand::Explain { step, target } => show_step(cli, step, target).await,
    }
}

async fn check(cli: &Cli, target: &Target) -> Result<Exit, EngineError> {
    let (files, explained) = explained(cli, target, None).await?;
    if show::format(cli) == Format::Json {
        let passes = explained.iter().all(|one| one.passes);
        let steps: Vec<_> = explained.iter().map(json).collect();
        show::print_json(&serde_json::json!({ "files": files, "passes": passes, "steps": steps }))?;
        return Ok(if passes { Exit::Done } else { Exit::Input });
    }
    if files.is_empty() {
        show::print("no policy holds here: what the manifest grants is granted\n")?;
    } else {
        show::print(&format!("policy: {}\n", files.join(", ")))?;
    }
    let refused: Vec<&Explained> = explained.iter().filter(|one| !one.passes).collect();
    for one in &refused {
        show::print(&words(one))?;
    }
    let count = explained.len();
    let plural = if count == 1 { "" } else { "s" };
    show::print(&format!("{} of {count} step{plural} let through\n", count - refused.len()))?;
    Ok(if refused.is_empty() { Exit::Done } else { Exit::Input })
}

async fn show_step(cli: &Cli, step: &str, target: &Target) -> Result<Exit, EngineError> {
    let (_, explained) = explained(cli, target, Some(step)).await?;
    if show::format(cli) == Format::Json {
        show::print_json(&explained.iter().map(json).collect::<Vec<_>>())?;
    } else {
        for one in &explained {
            show::print(&words(one))?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the files that hold, and what they make of the steps that are meant; of all, where none is named.
async fn explained(cli: &Cli, target: &Target, step: Option<&str>) -> Result<(Vec<String>, Vec<Explained>), EngineError> {
    let mut place = open::place(cli, &target.manifest, Access::Look)?;
    // The manifest is prepared without any policy: what one refuses is to be explained, and would end it here.
    let policy = Arc::get_mut(&mut place.workspace).map(|workspace| std::mem::take(&mut workspace.project.policy)).unwrap_or_default();
    let loaded = Loaded::new(&place.workspace, Source::read(&target.manifest)?)?;
    let names: Vec<String> = loaded.manifest.phases.iter().flat_map(|phase| &phase.steps).map(|step| step.name.value.clone()).collect();
    let prepared = command::check(&place.workspace, loaded, &request(target)).await?.prepared;
    let wanted: BTreeSet<&str> = step.map_or_else(|| names.iter().map(String::as_str).collect(), |step| BTreeSet::from([step]));
    let mut explained: Vec<Explained> = Vec::new();
    for step in wanted {
        explained.extend(explain(&place.workspace, &prepared, &policy, step).await);
    }
    if let (Some(step), true) = (step, explained.is_empty()) {
        let help = relrun_manifest::nearest(step, names.iter().map(String::as_str))
            .map_or_else(|| format!("there are {}", names.join(", ")), |near| format!("did you mean \"{near}\"?"));
        return Err(EngineError::input(format!("there is no step \"{step}\" in what would be applied"), help));
    }
    Ok((files(&policy), explained))
}

/// Returns the files that say something, each once.
fn files(policy: &Policy) -> Vec<String> {
    let allow = policy.allow.iter().map(|bound| &bound.from);
    let plugins = policy.plugins.iter().map(|bound| &bound.from);
    let limits = policy.limits.iter().map(|bound| &bound.from);
    let bundles = policy.bundles.iter().map(|bound| &bound.from).chain(policy.revoked.iter().map(|bound| &bound.from));
    let refused = policy.refuse_unconfined.iter().chain(&policy.refuse_in_place);
    let all: BTreeSet<&String> = allow.chain(plugins).chain(limits).chain(refused).chain(bundles).collect();
    all.into_iter().cloned().collect()
}

fn words(explained: &Explained) -> String {
    let mut text = format!("{} {}\n", explained.step, if explained.passes { "is let through" } else { "is refused" });
    for line in &explained.lines {
        let sign = if line.passes { "+" } else { "-" };
        text.push_str(&format!("  {sign} {}: {}\n", line.what, line.why));
    }
    text
}

fn json(explained: &Explained) -> serde_json::Value {
    let line = |line: &relrun_engine::policy::Line| serde_json::json!({ "what": line.what, "passes": line.passes, "why": line.why });
    let lines: Vec<_> = explained.lines.iter().map(line).collect();
    serde_json::json!({ "step": explained.step, "passes": explained.passes, "lines": lines })
}

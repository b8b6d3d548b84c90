//! `converge`: what the environments say should stand in them.

use super::run::{Opened, may_destroy, refuse_to_deploy_in_ci, watch};
use crate::args::{Cli, Format, ManifestArg, Run};
use crate::show;
use relrun_engine::command::{self, ConvergeRequest, Converged, Wish};
use relrun_engine::{EngineError, Exit, words};
use relrun_report::{RunFinished, RunVerdict};

pub(super) async fn converge(cli: &Cli, manifest: &ManifestArg, request: &ConvergeRequest, run: &Run) -> Result<Exit, EngineError> {
    let opened = Opened::any(cli, &manifest.path)?;
    refuse_to_deploy_in_ci(&opened)?;
    let wishes = command::wishes(&opened.loaded, &request.environments)?;
    if wishes.is_empty() {
        let message = "no environment says what should stand in it";
        return Err(EngineError::input(
            message,
            "write it into the environment's block: `deployment \"shop\" package=\"acme/shop\" version=\"1.4.@\"`",
        ));
    }
    let gone = if request.environments.is_empty() { command::gone(&opened.workspace, &opened.loaded)? } else { Vec::new() };
    if !gone.is_empty() && !may_destroy(&opened, &gone, run)? {
        return Ok(Exit::Declined);
    }
    let (all, mut reporter) =
        watch(cli, opened, run, false, async |tools, loaded| command::converge(tools, &loaded, request).await).await?;
    if let Err(error) = reporter.finish() {
        tracing::debug!(%error, "the reporter could not end");
    }
    report(cli, &all)?;
    Ok(exit(&all))
}

/// A failure counts most, then what is wrong, then what waits.
fn exit(all: &[(Wish, Converged)]) -> Exit {
    let order = [Exit::Interrupted, Exit::StepFailed, Exit::Input, Exit::Locked, Exit::Waiting];
    let exits: Vec<Exit> = all.iter().map(|(_, converged)| converged.exit()).collect();
    order.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

fn report(cli: &Cli, all: &[(Wish, Converged)]) -> Result<(), EngineError> {
    if show::format(cli) == Format::Json {
        return all.iter().try_for_each(|(wish, converged)| {
            show::print_json(&serde_json::json!({
                "environment": wish.place.environment, "deployment": wish.place.deployment, "package": wish.package,
                "version": wish.version.to_string(), "outcome": outcome(wish, converged), "exit": converged.exit().code(),
            }))
        });
    }
    let row = |(wish, converged): &(Wish, Converged)| {
        let place = &wish.place;
        let wanted = format!("{}@{}", wish.package, wish.version);
        vec![place.environment.clone(), place.deployment.clone(), wanted, outcome(wish, converged)]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    show::print(&format!("\n{}", show::table(&["ENVIRONMENT", "DEPLOYMENT", "WANTED", "OUTCOME"], &rows)))?;
    for hint in all.iter().filter_map(|(wish, converged)| hint(wish, converged)) {
        show::print(&format!("hint: {hint}\n"))?;
    }
    Ok(())
}

fn release(finished: &RunFinished) -> String {
    [finished.release.as_deref(), finished.version.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn outcome(wish: &Wish, converged: &Converged) -> String {
    match converged {
        Converged::Stands(finished) => format!("stands already: {}", release(finished)),
        Converged::Carried(finished) => match finished.verdict {
            RunVerdict::Succeeded | RunVerdict::NothingToDo => format!("brought there: {}", release(finished)),
            RunVerdict::Destroyed => format!("destroyed: {}", release(finished)),
            RunVerdict::Waiting => format!("waits: {}", finished.waiting_on.join(", ")),
            RunVerdict::Cancelled => format!("interrupted: {}", release(finished)),
            RunVerdict::Failed | RunVerdict::Undone => format!("failed: {}", release(finished)),
        },
        Converged::Waits(release, on) => format!("waits: {release} for {}", on.join(", ")),
        Converged::Rests { release, failures, until } => {
            let times = if *failures == 1 { "once".to_owned() } else { format!("{failures} times") };
            format!("failed {times}, last with {release}: not tried again before {}", super::inspect::time(*until))
        }
        Converged::Blocked { package, place } => {
            format!("not tried: it needs {package} in {}", words::place(package, &place.environment, Some(&place.deployment)))
        }
        Converged::Missing => format!("there is no good release of {}@{} on record", wish.package, wish.version),
        Converged::Refused(error) => format!("refused: {error}"),
    }
}

/// What to type where a person has to.
fn hint(wish: &Wish, converged: &Converged) -> Option<String> {
    match converged {
        Converged::Carried(finished) => finished.next.as_ref().map(|next| format!("type `{next}`")),
        Converged::Waits(release, on) => {
            on.first().and_then(|on| on.strip_prefix("approve ")).map(|gate| format!("type `relrun approve {release} {gate}`"))
        }
        Converged::Rests { release, .. } => Some(format!("`relrun releases show {release}` says why; `relrun converge --now` tries again")),
        Converged::Refused(error) => miette::Diagnostic::help(error).map(|help| help.to_string()),
        Converged::Missing => {
            let place = words::place(&wish.package, &wish.place.environment, Some(&wish.place.deployment));
            Some(format!("make one of {} and deploy it anywhere before {place}: `relrun apply`", wish.package))
        }
        Converged::Stands(_) | Converged::Blocked { .. } => None,
    }
}

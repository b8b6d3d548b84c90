//! `why`, `status`, `logs`: questions that change nothing.

use super::run::{Opened, request};
use crate::args::{Cli, Format, ManifestArg, Target};
use crate::open::Access;
use crate::show;
use relrun_engine::query::Why;
use relrun_engine::{EngineError, Exit, command, query, words};
use relrun_ledger::{
    DeploymentKey, Deployments, EnvironmentState, EnvironmentSummary, Release, ReleaseId, ReleaseKind, Status, StepState, Summary,
};
use relrun_store::{Lock, LockKey, StreamId};

pub(super) async fn why(cli: &Cli, step: &str, target: &Target) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &target.manifest, Access::Write)?;
    let answers = query::why(&opened.workspace, opened.loaded, step, &request(target)).await?;
    if show::format(cli) == Format::Json {
        let json = |(label, why): &(String, Why)| serde_json::json!({ "step": label, "why": sentence(why), "changes": changes(why) });
        show::print_json(&answers.iter().map(json).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for (label, why) in &answers {
        show::print(&format!("{label} {}\n", sentence(why)))?;
        for line in changes(why) {
            show::print(&format!("  {line}\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn sentence(why: &Why) -> String {
    match why {
        Why::Cached { parts } => {
            format!("comes from the cache: nothing that it is made from changed (fingerprint {})", parts.digest().short())
        }
        Why::Runs { before: false, .. } => "would run: it has not run here before".to_owned(),
        Why::Runs { changes, .. } if changes.is_empty() => "would run: what it gave is no longer in the store".to_owned(),
        Why::Runs { .. } => "would run, because since it last ran".to_owned(),
        Why::Effect => "is an effect: it is never served from the cache; the ledger says whether it is done".to_owned(),
        Why::KnownAfter(step) => format!("is known after {step}"),
    }
}

fn changes(why: &Why) -> Vec<String> {
    match why {
        Why::Runs { changes, .. } => changes.clone(),
        _ => Vec::new(),
    }
}

/// What there is to say where no release was made.
pub(super) const NOTHING: &str = "nothing has been released yet\nhint: type `relrun plan`, then `relrun apply`\n";

/// Which deployments are meant: all, those of an environment, those of a name.
#[derive(Clone, Copy)]
pub(super) struct Only<'a> {
    pub(super) environment: Option<&'a str>,
    pub(super) deployment: Option<&'a str>,
}

impl Only<'_> {
    pub(super) fn is(self, key: &DeploymentKey) -> bool {
        self.environment.is_none_or(|name| key.environment == name) && self.deployment.is_none_or(|name| key.deployment == name)
    }

    /// Whether a release in an environment is meant.
    fn means(self, environment: &str, there: &EnvironmentSummary) -> bool {
        self.environment.is_none_or(|name| environment == name) && self.deployment.is_none_or(|name| there.deployments.contains(name))
    }
}

pub(super) fn status(cli: &Cli, only: Only<'_>, manifest: &ManifestArg) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Look)?;
    check_environment(&opened, only.environment)?;
    let package = opened.package();
    let summaries = command::summaries(&opened.workspace, &package)?;
    let deployments = Deployments::of(&summaries);
    let rows: Vec<Vec<String>> = deployments
        .all()
        .filter(|(key, _)| only.is(key))
        .map(|(key, active)| {
            let version = summaries.iter().find(|summary| summary.release == active.release).map(|summary| summary.version.clone());
            vec![key.environment.clone(), key.deployment.clone(), active.release.to_string(), version.unwrap_or_default(), time(active.at)]
        })
        .collect();
    let locks = opened.workspace.runs.locks()?;
    let held = |release: ReleaseId| {
        let key = LockKey::Release(StreamId { package: package.clone(), release });
        locks.iter().any(|lock| lock.key == key && is_alive(lock))
    };
    let open: Vec<Vec<String>> = summaries.iter().filter_map(|summary| unfinished(summary, only, held(summary.release))).collect();
    if show::format(cli) == Format::Json {
        let active = rows.iter().map(
            |row| serde_json::json!({ "environment": row[0], "deployment": row[1], "release": row[2], "version": row[3], "at": row[4] }),
        );
        let open = open.iter().map(|row| serde_json::json!({ "release": row[0], "status": row[1], "where": row[2], "next": row[3] }));
        show::print_json(&serde_json::json!({
            "package": package, "active": active.collect::<Vec<_>>(), "unfinished": open.collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{package}\n\n");
    text += &if summaries.is_empty() {
        NOTHING.to_owned()
    } else if rows.is_empty() {
        "nothing is deployed\n".to_owned()
    } else {
        show::table(&["ENVIRONMENT", "DEPLOYMENT", "ACTIVE", "VERSION", "SINCE"], &rows)
    };
    if !open.is_empty() {
        text += &format!("\n{}", show::table(&["UNFINISHED", "STATUS", "WHERE", "NEXT"], &open));
    }
    show::print(&text)?;
    Ok(Exit::Done)
}

/// Refuses an environment that nothing declares.
pub(super) fn check_environment(opened: &Opened, environment: Option<&str>) -> Result<(), EngineError> {
    let Some(name) = environment.filter(|name| opened.loaded.environment(name).is_none()) else { return Ok(()) };
    let known: Vec<&str> = opened.loaded.environments.iter().map(|environment| environment.name.value.as_str()).collect();
    let help = relrun_manifest::nearest(name, known.iter().copied())
        .map_or_else(|| format!("there are {}", known.join(", ")), |near| format!("did you mean \"{near}\"?"));
    Err(EngineError::input(format!("there is no environment \"{name}\""), help))
}

/// Whether the holder of a lock still lives: a process of this machine that is there, or one of another that renewed it lately.
fn is_alive(lock: &Lock) -> bool {
    let here = nix::unistd::gethostname().is_ok_and(|name| name.to_string_lossy() == lock.holder.actor.host);
    if here {
        return std::path::Path::new("/proc").join(lock.holder.actor.pid.to_string()).exists();
    }
    relrun_ledger::Timestamp::now().duration_since(lock.holder.renewed).as_secs() < 30
}

/// A release that needs something: its status, where it stands in the middle, and what to type. `held` says whether a process carries it now.
fn unfinished(summary: &Summary, only: Only<'_>, held: bool) -> Option<Vec<String>> {
    use relrun_ledger::Verdict;
    let id = summary.release;
    let troubled = |state: EnvironmentState| {
        matches!(state, EnvironmentState::Half | EnvironmentState::Unknown | EnvironmentState::UndoFailed | EnvironmentState::Working)
    };
    let places: Vec<String> = summary
        .environments
        .iter()
        .filter(|(name, there)| only.means(name, there) && troubled(there.state))
        .map(|(name, there)| match there.state {
            EnvironmentState::Working if !held => format!("{name}: left in the middle"),
            state => format!("{name}: {}", words::environment_state(state)),
        })
        .collect();
    if let (Status::Ended(Verdict::Staged), ReleaseKind::Settings { environment, .. }) = (&summary.status, &summary.kind) {
        let next = format!("relrun promote {id} --to {environment}");
        let is_meant = summary.environments.get(environment).is_some_and(|there| only.means(environment, there));
        return is_meant.then(|| vec![id.to_string(), words::status(&summary.status).to_owned(), environment.clone(), next]);
    }
    let blocked = summary.environments.iter().find(|(_, there)| there.state == EnvironmentState::UndoFailed).map(|(name, _)| name);
    let next = match (&summary.status, blocked) {
        (_, Some(environment)) => format!("relrun undo {id} -e {environment}"),
        (Status::Ended(Verdict::Waiting { on }), _) => match on.first().and_then(|on| on.split_once(' ')) {
            Some(("settle", step)) => format!("relrun settle {id} {step} --done|--not-done"),
            Some(("approve", gate)) => format!("relrun approve {id} {gate}"),
            _ => format!("relrun continue {id}"),
        },
        (Status::Running | Status::Ended(Verdict::Cancelled), _) => format!("relrun continue {id}"),
        (Status::Ended(Verdict::Failed), _) if !places.is_empty() => format!("relrun retry {id}"),
        // An undo or a destroy of one environment may leave another half deployed.
        (Status::Ended(_), _) if !places.is_empty() => format!("relrun retry {id}, or relrun undo {id}"),
        _ => return None,
    };
    let status = if summary.status == Status::Running && !held { "interrupted" } else { words::status(&summary.status) };
    let next = if held { format!("relrun cancel {id}, to stop it") } else { next };
    Some(vec![id.to_string(), status.to_owned(), places.join(", "), next])
}

pub(super) fn time(at: relrun_ledger::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

pub(super) fn logs(
    cli: &Cli,
    release: Option<&str>,
    step: Option<&str>,
    events: bool,
    manifest: &ManifestArg,
) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Read)?;
    let package = opened.package();
    // `logs r7 web`, `logs r7`, `logs web`.
    let (id, step) = match (release, step) {
        (Some(word), None) if word.parse::<ReleaseId>().is_err() => (None, Some(word)),
        (Some(word), step) => {
            let id = word.parse::<ReleaseId>().map_err(|error| EngineError::input(error.to_string(), "type `relrun releases list`"))?;
            (Some(id), step)
        }
        (None, step) => (None, step),
    };
    let id = command::find(&opened.workspace, &package, id)?;
    let folded = command::read(&opened.workspace, &package, id)?;
    let labels: Vec<String> = folded.start.steps.iter().map(relrun_ledger::StepDecl::label).collect();
    let wanted = |at: usize| step.is_none_or(|step| labels[at] == step || folded.start.steps[at].name == step);
    if let Some(step) = step.filter(|_| !(0..labels.len()).any(wanted)) {
        let help = relrun_manifest::nearest(step, labels.iter().map(String::as_str))
            .map_or_else(|| format!("its steps are {}", labels.join(", ")), |near| format!("did you mean \"{near}\"?"));
        return Err(EngineError::input(format!("{id} has no step \"{step}\""), help));
    }
    let stream = StreamId { package, release: id };
    if events {
        let records = opened.workspace.runs.read(&stream, 0)?;
        super::events::list(cli, &records, step.is_some().then_some(&wanted))?;
        return Ok(Exit::Done);
    }
    let lines = opened.workspace.runs.read_log(&stream, None)?;
    for line in lines.iter().filter(|line| wanted(line.step.index())) {
        if show::format(cli) == Format::Json {
            show::print_json(&serde_json::json!({
                "step": labels[line.step.index()], "attempt": line.attempt, "at": line.at, "source": line.source, "text": line.text,
            }))?;
        } else {
            show::print(&format!("{} | {}\n", labels[line.step.index()], line.text))?;
        }
    }
    if show::format(cli) != Format::Json {
        failures(&folded, &labels, &wanted)?;
    }
    Ok(Exit::Done)
}

fn failures(release: &Release, labels: &[String], wanted: &dyn Fn(usize) -> bool) -> Result<(), EngineError> {
    for (at, step) in release.steps.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        if let StepState::Failed(failure) | StepState::UndoFailed(failure) | StepState::DestroyFailed(failure) = &step.state {
            show::print(&format!("{} | {}: {}\n", labels[at], step.state, failure.message))?;
        } else if let Some(failure) = &step.failure {
            show::print(&format!("{} | failed, then {}: {}\n", labels[at], step.state, failure.message))?;
        }
    }
    Ok(())
}

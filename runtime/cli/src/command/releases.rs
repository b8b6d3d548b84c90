//! `releases`: the records.

use super::inspect::time;
use super::run::Opened;
use crate::args::{Cli, Format, ManifestArg, MarkWord, Release as At, ReleasesCommand};
use crate::open::Access;
use crate::show;
use relrun_engine::{EngineError, Exit, command, words};
use relrun_ledger::{
    Actor, DeploymentKey, Deployments, Mark, Origin, Release, ReleaseId, ReleaseKind, Status, StepState, Summary, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn dispatch(cli: &Cli, asked: &ReleasesCommand) -> Result<Exit, EngineError> {
    match asked {
        ReleasesCommand::List { manifest } => list(cli, manifest)?,
        ReleasesCommand::Show { at } => show_one(cli, at)?,
        ReleasesCommand::Manifest { at } => manifest_of(cli, at)?,
        ReleasesCommand::Diff { from, to, manifest } => diff(cli, manifest, *from, *to)?,
        ReleasesCommand::Mark { release, mark, remove, manifest } => set_mark(cli, manifest, *release, *mark, !*remove)?,
        ReleasesCommand::Prune { keep, dry_run, manifest } => prune(cli, manifest, *keep, *dry_run)?,
    }
    Ok(Exit::Done)
}

fn list(cli: &Cli, manifest: &ManifestArg) -> Result<(), EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Look)?;
    let package = opened.package();
    let mut summaries = command::summaries(&opened.workspace, &package)?;
    let deployments = Deployments::of(&summaries);
    summaries.reverse();
    if show::format(cli) == Format::Json {
        return summaries.iter().try_for_each(|summary| {
            let active = active_in(&deployments, &package, summary.release);
            let mut json = serde_json::to_value(summary).unwrap_or_default();
            json["active"] = active.into();
            show::print_json(&json)
        });
    }
    if summaries.is_empty() {
        return show::print(super::inspect::NOTHING);
    }
    let has_metadata = summaries.iter().any(|summary| !summary.metadata.is_empty());
    let row = |summary: &Summary| {
        let marks = summary.marks.iter().map(|mark| match mark {
            Mark::Bad => "bad",
            Mark::Pinned => "pinned",
        });
        let glass = summary.broke_glass.then_some("break-glass");
        let words = std::iter::once(words::status(&summary.status)).chain(marks).chain(glass).collect::<Vec<_>>().join(", ");
        let metadata = has_metadata.then(|| pairs(&summary.metadata));
        let row = vec![
            summary.release.to_string(),
            summary.version.clone(),
            words,
            active_in(&deployments, &package, summary.release).join(" "),
            time(summary.created),
            who(&summary.actor),
            summary.description.clone().unwrap_or_default(),
        ];
        row.into_iter().chain(metadata).collect()
    };
    let rows: Vec<Vec<String>> = summaries.iter().map(row).collect();
    let header = ["RELEASE", "VERSION", "STATUS", "ACTIVE IN", "CREATED", "BY", "DESCRIPTION", "METADATA"];
    show::print(&show::table(&header[..header.len() - usize::from(!has_metadata)], &rows))
}

/// Says what a release's metadata is.
pub(super) fn pairs(metadata: &BTreeMap<String, serde_json::Value>) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    metadata.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(" ")
}

fn active_in(deployments: &Deployments, package: &str, release: ReleaseId) -> Vec<String> {
    let here = deployments.all().filter(|(_, active)| active.release == release);
    let place = |key: &DeploymentKey| {
        let is_own = package.rsplit('/').next() == Some(key.deployment.as_str());
        if is_own { key.environment.clone() } else { format!("{}/{}", key.environment, key.deployment) }
    };
    here.map(|(key, _)| place(key)).collect::<BTreeSet<_>>().into_iter().collect()
}

fn one(opened: &Opened, id: Option<ReleaseId>, deployment: Option<&str>) -> Result<Release, EngineError> {
    let package = opened.package();
    let id = command::find_of(&opened.workspace, &package, id, deployment)?;
    command::read(&opened.workspace, &package, id)
}

fn show_one(cli: &Cli, at: &At) -> Result<(), EngineError> {
    let opened = Opened::new(cli, &at.manifest.path, Access::Read)?;
    let release = one(&opened, at.id, at.deployment.as_deref())?;
    let start = &release.start;
    let rows: Vec<Vec<String>> = start
        .steps
        .iter()
        .zip(&release.steps)
        .map(|(decl, step)| {
            let origin = match step.origin {
                Some(Origin::Cached { .. }) => "cache".to_owned(),
                Some(Origin::Copied { release }) => release.to_string(),
                Some(Origin::Packaged) => "package".to_owned(),
                Some(Origin::Adopted) => "adopted".to_owned(),
                Some(Origin::Ran { .. }) => "ran".to_owned(),
                None => String::new(),
            };
            let summary = match &step.state {
                StepState::Failed(failure) | StepState::UndoFailed(failure) | StepState::DestroyFailed(failure) => failure.message.clone(),
                StepState::Unknown(reason) => reason.clone(),
                _ if step.failure.is_some() => failed(step),
                _ => step.outcome.as_ref().map(|outcome| outcome.summary.clone()).unwrap_or_default(),
            };
            vec![decl.label(), decl.phase.clone(), step.state.to_string(), origin, step.attempts.to_string(), summary]
        })
        .collect();
    if show::format(cli) == Format::Json {
        let steps = start.steps.iter().zip(&release.steps).map(|(decl, step)| {
            serde_json::json!({
                "step": decl.label(), "phase": decl.phase, "kind": decl.kind, "state": step.state.to_string(), "attempts": step.attempts,
                "outcome": step.outcome, "failure": step.failure, "receipt": step.receipt,
            })
        });
        return show::print_json(&serde_json::json!({
            "release": start, "status": release.status, "steps": steps.collect::<Vec<_>>(), "approvals": approvals_json(&release),
            "broken_glass": release.broken_glass, "metadata": release.metadata,
        }));
    }
    let mut text = format!("{} {} {}\n", start.package, start.version, start.release);
    for (name, value) in [
        ("made by", made_by(&start.kind)),
        ("status", words::status(&release.status).to_owned()),
        ("created", format!("{} by {}", time(release.created), who(&start.actor))),
        ("about", start.description.clone().unwrap_or_default()),
        ("commit", commit(start.git.as_ref())),
        ("package", start.taken_from.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("pushed", release.published.iter().map(|(place, digest)| format!("{place} {digest}")).collect::<Vec<_>>().join(" ")),
        ("identity", start.identity.to_string()),
        ("metadata", pairs(&release.metadata)),
        ("inputs", start.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")),
    ] {
        if !value.is_empty() {
            text += &format!("  {name:<9} {value}\n");
        }
    }
    let first = start.steps.iter().zip(&release.steps).find(|(_, step)| step.failure.is_some());
    if let Some((decl, step)) = first {
        text += &format!("  {:<9} {}: {}\n", "failed", decl.label(), step.failure.as_ref().map_or("", |failure| &failure.message));
    }
    for name in release.environments() {
        text += &format!("  {name:<9} {}\n", words::environment_state(release.environment(name)));
    }
    text += &decisions(&release);
    text += &format!("\n{}", show::table(&["STEP", "PHASE", "STATE", "FROM", "TRIES", "SUMMARY"], &rows));
    show::print(&text)
}

/// Says how a release came to be.
pub(super) fn made_by(kind: &ReleaseKind) -> String {
    match kind {
        ReleaseKind::Apply => "apply".to_owned(),
        ReleaseKind::Retry { of } => format!("retry of {of} with other inputs"),
        ReleaseKind::Rollback { to } => format!("rollback to {to}"),
        ReleaseKind::Promote { of, from: Some(from) } => format!("promotion of {of} from {from}"),
        ReleaseKind::Promote { of, from: None } => format!("promotion of {of}"),
        ReleaseKind::Errand { of, environment, name } => format!("errand {name} in {environment}, on {of}"),
        ReleaseKind::Package { reference } => format!("package {reference}"),
        ReleaseKind::Settings { of, environment } => format!("settings of {environment}, on {of}"),
    }
}

/// Says who did something: the user, the machine, and the CI job where there is one.
pub(super) fn who(actor: &Actor) -> String {
    let job = actor.job.as_ref().map_or_else(String::new, |job| format!(" ({job})"));
    format!("{}@{}{job}", actor.user, actor.host)
}

/// Who passed which gate, and who broke the glass.
fn decisions(release: &Release) -> String {
    let said = |comment: &Option<String>| comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
    let approvals = release.approved.iter().map(|(gate, approval)| {
        let signed = approval.signature.as_ref().map_or_else(String::new, |one| format!(", signed by {} ({})", one.principal, one.key));
        let signed =
            approval.claims.as_ref().map_or(signed, |one| format!(", as {} of {} ({})", one.principal, one.issuer, pairs(&one.claims)));
        let plan = approval
            .plan
            .map_or_else(String::new, |plan| format!(", for the plan {}", plan.to_string().chars().take(12).collect::<String>()));
        format!(
            "  {:<9} {gate} at {} by {}{signed}{plan}{}\n",
            "approved",
            time(approval.at),
            who(&approval.actor),
            said(&approval.comment)
        )
    });
    let glass = release.broken_glass.iter().map(|glass| {
        let (at, by) = (time(glass.at), who(&glass.actor));
        format!("  {:<9} the freeze of {} at {at} by {by}: {}\n", "broke", glass.environments.join(", "), glass.reason)
    });
    approvals.chain(glass).collect()
}

fn approvals_json(release: &Release) -> Vec<serde_json::Value> {
    let one = |(gate, approval): (&String, &relrun_ledger::Approval)| {
        let mut json = serde_json::to_value(approval).unwrap_or_default();
        json["gate"] = gate.as_str().into();
        json
    };
    release.approved.iter().map(one).collect()
}

fn commit(git: Option<&relrun_ledger::Git>) -> String {
    git.map_or_else(String::new, |git| format!("{}{}", git.commit, if git.dirty { ", with changes" } else { "" }))
}

/// Why a step failed that was undone since.
fn failed(step: &relrun_ledger::StepRecord) -> String {
    step.failure.as_ref().map_or_else(String::new, |failure| format!("failed: {}", failure.message))
}

fn manifest_of(cli: &Cli, at: &At) -> Result<(), EngineError> {
    let opened = Opened::new(cli, &at.manifest.path, Access::Read)?;
    let release = one(&opened, at.id, at.deployment.as_deref())?;
    let text = opened.workspace.blobs.get(release.start.manifest)?;
    show::print(&String::from_utf8_lossy(&text))
}

/// Returns the last release that is staged, and what is active where it would go.
fn staged(opened: &Opened) -> Result<(ReleaseId, ReleaseId), EngineError> {
    let summaries = command::summaries(&opened.workspace, &opened.package())?;
    let staged = summaries.iter().rev().find(|summary| summary.status == Status::Ended(Verdict::Staged));
    let Some((staged, ReleaseKind::Settings { environment, .. })) = staged.map(|summary| (summary, &summary.kind)) else {
        return Err(EngineError::input("no settings are staged", "name two releases: `relrun releases diff r1 r2`"));
    };
    let deployments = Deployments::of(&summaries);
    let there =
        summaries.iter().find(|summary| summary.release == staged.release).and_then(|summary| summary.environments.get(environment));
    let is_there =
        |key: &DeploymentKey| key.environment == *environment && there.is_some_and(|there| there.deployments.contains(&key.deployment));
    let active = deployments.all().find(|(key, _)| is_there(key)).map(|(_, active)| active.release);
    let active = active.ok_or_else(|| EngineError::input(format!("nothing stands in {environment}"), "name two releases"))?;
    Ok((active, staged.release))
}

fn diff(cli: &Cli, manifest: &ManifestArg, from: Option<ReleaseId>, to: Option<ReleaseId>) -> Result<(), EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Read)?;
    let (from, to) = match from {
        Some(from) => (from, to),
        None => staged(&opened).map(|(active, staged)| (active, Some(staged)))?,
    };
    let before = one(&opened, Some(from), None)?;
    let after = one(&opened, to, None)?;
    let mut lines = Vec::new();
    if before.start.version != after.start.version {
        lines.push(format!("version: {} → {}", before.start.version, after.start.version));
    }
    lines.extend(map_diff("input", &before.start.inputs, &after.start.inputs));
    let environments = before.environments().into_iter().filter(|name| after.environments().contains(name));
    for name in environments {
        let settings = |release: &Release| release.start.settings.get(name).cloned().unwrap_or_default();
        lines.extend(map_diff(&format!("{name}:"), &settings(&before), &settings(&after)));
    }
    let fingerprints = |release: &Release| -> BTreeMap<String, relrun_ledger::Digest> {
        release.start.steps.iter().map(|step| (step.label(), step.fingerprint)).collect()
    };
    lines.extend(map_diff("step", &fingerprints(&before), &fingerprints(&after)));
    if before.start.manifest != after.start.manifest {
        let read = |release: &Release| {
            opened.workspace.blobs.get(release.start.manifest).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let (old, new) = (read(&before)?, read(&after)?);
        let diff = similar::TextDiff::from_lines(&old, &new);
        lines.push("manifest:".to_owned());
        lines.push(diff.unified_diff().context_radius(2).header(&from.to_string(), &after.start.release.to_string()).to_string());
    }
    if lines.is_empty() {
        lines.push("nothing differs".to_owned());
    }
    show::print(&(lines.join("\n").trim_end().to_owned() + "\n"))
}

fn map_diff<V: PartialEq + ToString>(what: &str, before: &BTreeMap<String, V>, after: &BTreeMap<String, V>) -> Vec<String> {
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name)).map(|(name, _)| format!("{what} {name}: gone"));
    let short = |value: &V| value.to_string().chars().take(60).collect::<String>();
    let new = after.iter().filter_map(|(name, value)| match before.get(name) {
        None => Some(format!("{what} {name}: new")),
        Some(old) if old != value && what == "step" => Some(format!("{what} {name}: made from something else")),
        Some(old) if old != value => Some(format!("{what} {name}: {} → {}", short(old), short(value))),
        Some(_) => None,
    });
    gone.chain(new).collect()
}

fn set_mark(cli: &Cli, manifest: &ManifestArg, id: ReleaseId, word: MarkWord, set: bool) -> Result<(), EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    let (mark, name) = match word {
        MarkWord::Bad => (Mark::Bad, "bad"),
        MarkWord::Pinned => (Mark::Pinned, "pinned"),
    };
    command::mark(&opened.workspace, &opened.package(), id, mark, set)?;
    let verb = if set { "is" } else { "is no longer" };
    show::print(&format!("{id} {verb} marked {name}\n"))
}

/// Forgets releases that nothing needs.
fn prune(cli: &Cli, manifest: &ManifestArg, keep: usize, dry_run: bool) -> Result<(), EngineError> {
    let opened = Opened::new(cli, &manifest.path, Access::Write)?;
    let gone = command::prune(&opened.workspace, &opened.package(), keep, dry_run)?;
    let verb = if dry_run { "would forget" } else { "forgot" };
    let mut lines = String::new();
    for id in &gone {
        lines += &format!("{verb} {id}\n");
    }
    let hint = if gone.is_empty() { "nothing to forget\n" } else { "hint: `relrun cache gc` frees what only they needed\n" };
    show::print(&(lines + hint))
}

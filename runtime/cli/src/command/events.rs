//! `logs --events`: who did what to a release, and when. Every event of the ledger, in the order in which it came to be.

use super::inspect::time;
use super::releases::who;
use crate::args::{Cli, Format};
use crate::show;
use relrun_engine::EngineError;
use relrun_engine::words;
use relrun_ledger::{Actor, Cause, Event, Finding, Mark, Origin, Record, ReleaseKind, RunKind, Start, Status, acts};

/// Shows the events of a release: all, or those of the steps that are wanted.
pub(super) fn list(cli: &Cli, records: &[Record], wanted: Option<&dyn Fn(usize) -> bool>) -> Result<(), EngineError> {
    let Some(Event::ReleaseStarted(start)) = records.first().map(|record| &record.event) else { return Ok(()) };
    let is_wanted = |record: &Record| wanted.is_none_or(|wanted| record.event.step().is_some_and(|step| wanted(step.index())));
    let chosen = acts(records).filter(|(record, _)| is_wanted(record));
    if show::format(cli) == Format::Json {
        return chosen.into_iter().try_for_each(|(record, actor)| show::print_json(&json(start, record, actor)));
    }
    let row = |(record, actor): (&Record, Option<&Actor>)| {
        vec![time(record.at), actor.map(who).unwrap_or_default(), words_of(start, &record.event)]
    };
    let rows: Vec<Vec<String>> = chosen.map(row).collect();
    show::print(&show::table(&["WHEN", "WHO", "WHAT"], &rows))
}

fn json(start: &Start, record: &Record, actor: Option<&Actor>) -> serde_json::Value {
    let step = record.event.step().and_then(|step| start.steps.get(step.index())).map(relrun_ledger::StepDecl::label);
    serde_json::json!({
        "package": start.package, "release": start.release.to_string(), "seq": record.seq, "at": record.at, "actor": actor, "step": step,
        "event": record.event,
    })
}

/// Says in one line what happened.
fn words_of(start: &Start, event: &Event) -> String {
    let step = event.step().and_then(|step| start.steps.get(step.index())).map(relrun_ledger::StepDecl::label).unwrap_or_default();
    let line = match event {
        Event::ReleaseStarted(start) => format!("made {} {}{}", start.release, start.version, made(&start.kind)),
        Event::RunStarted { run, .. } => format!("took it up to {}", run_words(*run)),
        Event::StepStarted { attempt, .. } if *attempt > 1 => format!("{step}: began, try {attempt}"),
        Event::StepStarted { .. } => format!("{step}: began"),
        Event::Checkpoint { .. } => format!("{step}: noted what it is about to change"),
        Event::StepSucceeded { outcome, origin, .. } => format!("{step}: done{}: {}", origin_words(origin), outcome.summary),
        Event::StepFailed { failure, .. } => format!("{step}: failed: {}", failure.message),
        Event::StepRecovered { finding, by, .. } => format!("{step}: found {}{}", finding_words(finding), cause_words(*by)),
        Event::UndoStarted { .. } => format!("{step}: began to undo"),
        Event::UndoFinished { summary, .. } => format!("{step}: undone: {summary}"),
        Event::UndoFailed { failure, .. } => format!("{step}: the undo failed: {}", failure.message),
        Event::DestroyStarted { .. } => format!("{step}: began to destroy"),
        Event::DestroyFinished { summary, .. } => format!("{step}: destroyed: {summary}"),
        Event::DestroyFailed { failure, .. } => format!("{step}: the destroy failed: {}", failure.message),
        Event::CancelAsked { .. } => "asked for it to be cancelled".to_owned(),
        Event::Approved { gate, comment, signature, claims, .. } => {
            let signed = signature.as_ref().map_or_else(String::new, |one| format!(", signed by {}", one.principal));
            let signed = claims.as_ref().map_or(signed, |one| format!(", as {} of {}", one.principal, one.issuer));
            format!("approved {gate}{signed}{}", comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}")))
        }
        Event::BrokeGlass { environments, reason, .. } => format!("passed the freeze of {}: {reason}", environments.join(", ")),
        Event::Described { metadata } => format!("described it: {}", super::releases::pairs(metadata)),
        Event::Notified { to, about, failure: None, .. } => format!("told {to} that it {about}"),
        Event::Notified { to, about, failure: Some(failure), .. } => format!("could not tell {to} that it {about}: {failure}"),
        Event::DependencyLocked { name, version } => format!("chose {version} for {name}"),
        Event::DependencyMet { environment, name, provider } => {
            let place = words::place(&provider.package, environment, Some(&provider.deployment));
            format!("took {} {} ({} in {place}) for {name}", provider.package, provider.version, provider.release)
        }
        Event::Offered { environment, offer } => {
            let outputs: Vec<&str> = offer.outputs.keys().map(String::as_str).collect();
            let interfaces: Vec<&str> = offer.interfaces.keys().map(String::as_str).collect();
            match (outputs.is_empty(), interfaces.is_empty()) {
                (_, true) => format!("gives {} in {environment}", outputs.join(", ")),
                (true, false) => format!("provides {} in {environment}", interfaces.join(", ")),
                (false, false) => format!("provides {} and gives {} in {environment}", interfaces.join(", "), outputs.join(", ")),
            }
        }
        Event::Capability { capability, denied, detail, .. } => {
            let verb = if *denied { "was refused" } else { "used" };
            format!("{step}: {verb} {capability}{}", detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})")))
        }
        Event::RunEnded { verdict } => format!("let it go: {}", words::status(&Status::Ended(verdict.clone()))),
        Event::Published { reference, digest, .. } => format!("pushed it to {reference} as {digest}"),
        Event::Marked { mark, set, .. } => {
            let name = match mark {
                Mark::Bad => "bad",
                Mark::Pinned => "pinned",
            };
            if *set { format!("marked it {name}") } else { format!("took the mark {name} away") }
        }
    };
    line.lines().next().unwrap_or_default().to_owned()
}

/// Says how a release was made, where it is not just an `apply`.
fn made(kind: &ReleaseKind) -> String {
    match kind {
        ReleaseKind::Apply => String::new(),
        other => format!(", {}", super::releases::made_by(other)),
    }
}

fn run_words(run: RunKind) -> &'static str {
    match run {
        RunKind::Apply => "carry it",
        RunKind::Retry => "retry it",
        RunKind::Continue => "continue it",
        RunKind::Undo => "undo it",
        RunKind::Destroy => "destroy it",
        RunKind::Settle => "record a word on it",
    }
}

fn origin_words(origin: &Origin) -> String {
    match origin {
        Origin::Ran { .. } => String::new(),
        Origin::Cached { .. } => " from the cache".to_owned(),
        Origin::Copied { release } => format!(" by {release}"),
        Origin::Packaged => " in its package".to_owned(),
        Origin::Adopted => " by what stood there".to_owned(),
    }
}

fn finding_words(finding: &Finding) -> String {
    match finding {
        Finding::NotDone => "not to be done".to_owned(),
        Finding::Done { outcome } => format!("to be done ({})", outcome.summary),
        Finding::Partly { .. } => "to be done in part".to_owned(),
        Finding::Unknown { reason } => format!("no answer ({reason})"),
    }
}

fn cause_words(by: Cause) -> &'static str {
    match by {
        Cause::Plugin => ", by its plugin",
        Cause::Rule => ", by rule",
        Cause::Person => ", by a person's word",
    }
}

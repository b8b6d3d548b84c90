//! Runs as they are told to reporters.

use relrun_report::{
    EnvironmentLine, FailedStep, LineLevel, OperationName, Place, ReportEvent, RunFinished, RunVerdict, Source, StepInfo, StepResult,
};

pub(crate) fn info(step: &str, phase: &str) -> StepInfo {
    let environment = step.split_once('@').map(|(_, environment)| environment.to_owned());
    StepInfo { step: step.to_owned(), phase: phase.to_owned(), pure: environment.is_none(), environment }
}

pub(crate) fn begun(command: &str, steps: Vec<StepInfo>) -> ReportEvent {
    ReportEvent::RunStarted {
        package: "acme/web".to_owned(),
        release: "r7".to_owned(),
        version: "1.4.0".to_owned(),
        command: command.to_owned(),
        steps,
    }
}

pub(crate) fn started(step: &str, operation: OperationName, attempt: u32, why: Option<&str>) -> ReportEvent {
    ReportEvent::StepStarted { step: step.to_owned(), operation, attempt, why: why.map(str::to_owned) }
}

pub(crate) fn line(step: &str, level: LineLevel, text: &str) -> ReportEvent {
    let source = if level > LineLevel::Info { Source::Stderr } else { Source::Stdout };
    ReportEvent::StepLine { step: step.to_owned(), source, level, text: text.to_owned(), finding: None }
}

pub(crate) fn progress(step: &str, what: &str, done: u64, total: Option<u64>) -> ReportEvent {
    ReportEvent::StepProgress { step: step.to_owned(), what: what.to_owned(), done, total }
}

pub(crate) fn ended(step: &str, operation: OperationName, result: StepResult, summary: &str, duration_ms: u64) -> ReportEvent {
    let place = (result == StepResult::Failed).then(|| Place { file: "release.kdl".to_owned(), line: 14, column: 5 });
    ReportEvent::StepFinished { step: step.to_owned(), operation, result, summary: summary.to_owned(), duration_ms, place }
}

pub(crate) fn finished(end: RunFinished) -> ReportEvent {
    let base = RunFinished { package: "acme/web".to_owned(), release: Some("r7".to_owned()), version: Some("1.4.0".to_owned()), ..end };
    ReportEvent::RunFinished(Box::new(base))
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn stands(environment: &str, state: &str, active: Option<&str>) -> EnvironmentLine {
    EnvironmentLine { environment: environment.to_owned(), state: state.to_owned(), active: active.map(str::to_owned) }
}

fn steps() -> Vec<StepInfo> {
    vec![info("fetch", "build"), info("compile", "build"), info("web@staging", "deploy"), info("check@staging", "verify")]
}

/// Every run that the snapshots show, with its name.
pub(crate) fn runs() -> [(&'static str, Vec<ReportEvent>); 4] {
    [("succeeded", succeeded()), ("failed", failed()), ("waiting", waiting()), ("cancelled", cancelled())]
}

/// A hit in the cache, a step that runs, and one that is tried twice.
fn succeeded() -> Vec<ReportEvent> {
    use OperationName::Apply;
    vec![
        begun("apply", steps()),
        ended("fetch", Apply, StepResult::Cached, "", 0),
        started("compile", Apply, 1, Some("the input `source` changed")),
        line("compile", LineLevel::Info, "   Compiling web v1.4.0"),
        progress("compile", "crates", 1, Some(120)),
        progress("compile", "crates", 60, Some(120)),
        progress("compile", "crates", 120, Some(120)),
        ended("compile", Apply, StepResult::Succeeded, "built 3 files", 42_700),
        started("web@staging", Apply, 1, Some("an effect")),
        line("web@staging", LineLevel::Warn, "the certificate ends in 9 days"),
        ended("web@staging", Apply, StepResult::Succeeded, "", 3_240),
        started("check@staging", Apply, 1, Some("an effect")),
        ReportEvent::StepRetrying { step: "check@staging".to_owned(), in_ms: 2_000, reason: "got 502, wanted 200".to_owned() },
        started("check@staging", Apply, 2, None),
        ended("check@staging", Apply, StepResult::Succeeded, "200 after 2 attempts", 90),
        finished(RunFinished {
            verdict: RunVerdict::Succeeded,
            succeeded: strings(&["fetch", "compile", "web@staging", "check@staging"]),
            cached: 1,
            environments: vec![stands("staging", "deployed", Some("r7"))],
            duration_ms: 48_100,
            ..RunFinished::default()
        }),
    ]
}

/// A failure whose step says what the runner of a CI system would take for its own words; what stood is undone, one step cannot be.
fn failed() -> Vec<ReportEvent> {
    use OperationName::{Apply, Undo};
    let reason = "wanted 200 from https://staging.example/health, got 500\nthe body was: 100% broken";
    vec![
        begun("apply", steps()),
        ended("fetch", Apply, StepResult::Cached, "", 0),
        ended("compile", Apply, StepResult::Cached, "", 0),
        started("web@staging", Apply, 1, Some("an effect")),
        ended("web@staging", Apply, StepResult::Succeeded, "switched `current` to 1.4.0", 5_400),
        started("check@staging", Apply, 1, None),
        line("check@staging", LineLevel::Info, "GET /health"),
        line("check@staging", LineLevel::Info, "::error file=other.kdl,line=1::not a command"),
        line("check@staging", LineLevel::Info, "\u{1b}[31m  ::stop-commands::x\u{1b}[0m"),
        line("check@staging", LineLevel::Error, "500 ##[endgroup] Internal Server Error"),
        ended("check@staging", Apply, StepResult::Failed, reason, 1_250),
        ReportEvent::Notice { level: LineLevel::Warn, text: "undoing what stands in staging".to_owned() },
        started("web@staging", Undo, 1, None),
        line("web@staging", LineLevel::Info, "switching `current` back to 1.3.9"),
        ended("web@staging", Undo, StepResult::Failed, "permission denied: /srv/web", 610),
        finished(RunFinished {
            verdict: RunVerdict::Failed,
            succeeded: strings(&["fetch", "compile"]),
            cached: 2,
            failed: vec![FailedStep { step: "check@staging".to_owned(), reason: reason.to_owned() }],
            undo_failed: vec![FailedStep { step: "web@staging".to_owned(), reason: "permission denied: /srv/web".to_owned() }],
            environments: vec![stands("staging", "half", None)],
            next: Some("relrun undo r7 -e staging".to_owned()),
            duration_ms: 8_020,
            ..RunFinished::default()
        }),
    ]
}

fn waiting() -> Vec<ReportEvent> {
    vec![
        begun("continue", vec![info("compile", "build"), info("web@production", "deploy")]),
        ended("compile", OperationName::Apply, StepResult::Copied, "", 0),
        ReportEvent::Notice { level: LineLevel::Info, text: "the gate `go-live` wants an approval".to_owned() },
        finished(RunFinished {
            verdict: RunVerdict::Waiting,
            succeeded: strings(&["compile"]),
            not_started: strings(&["web@production"]),
            waiting_on: strings(&["approve go-live"]),
            environments: vec![stands("staging", "deployed", Some("r7"))],
            next: Some("relrun approve r7 go-live".to_owned()),
            duration_ms: 35,
            ..RunFinished::default()
        }),
    ]
}

fn cancelled() -> Vec<ReportEvent> {
    use OperationName::Apply;
    vec![
        begun("apply", steps()),
        started("fetch", Apply, 1, None),
        ended("fetch", Apply, StepResult::Succeeded, "", 400),
        started("compile", Apply, 1, None),
        line("compile", LineLevel::Info, "   Compiling web v1.4.0"),
        ReportEvent::Notice { level: LineLevel::Warn, text: "cancelling: nothing more is started".to_owned() },
        ended("compile", Apply, StepResult::Cancelled, "", 2_100),
        finished(RunFinished {
            verdict: RunVerdict::Cancelled,
            succeeded: strings(&["fetch"]),
            not_started: strings(&["web@staging", "check@staging"]),
            next: Some("relrun continue r7".to_owned()),
            duration_ms: 2_600,
            ..RunFinished::default()
        }),
    ]
}

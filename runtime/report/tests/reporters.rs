//! What each reporter makes of the same runs.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod common;

use common::{begun, ended, info, line, progress, runs, started};
use indicatif::InMemoryTerm;
use relrun_report::{
    Colour, Github, Glyphs, Human, Json, LineLevel, Look, OperationName, Plain, ProgressDrawTarget, ReportEvent, Reporter, StepResult,
};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Somewhere to write that can be read meanwhile.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn show(mut reporter: impl Reporter, events: &[ReportEvent]) -> impl Reporter {
    for event in events {
        reporter.event(event).unwrap();
    }
    reporter.finish().unwrap();
    reporter
}

/// A terminal, and a reporter that moves only when something happens.
fn terminal(look: Look, rows: u16) -> (InMemoryTerm, Human) {
    let term = InMemoryTerm::new(rows, look.width);
    let human = Human::new(ProgressDrawTarget::term_like(Box::new(term.clone())), look);
    (term, human)
}

fn still() -> Look {
    Look { tick: None, ..Look::default() }
}

#[test]
fn plain_writes_lines() {
    for (name, events) in runs() {
        let out = Out::default();
        show(Plain::new(out.clone()), &events);
        insta::assert_snapshot!(format!("plain-{name}"), out.text());
    }
}

#[test]
fn json_writes_the_events() {
    for (name, events) in runs() {
        let out = Out::default();
        show(Json::new(out.clone()), &events);
        assert_eq!(out.text().lines().count(), events.len());
        insta::assert_snapshot!(format!("json-{name}"), out.text());
    }
}

#[test]
fn github_writes_commands_and_a_page() {
    let graph = "flowchart LR\n  compile --> web";
    for (name, events) in runs() {
        let out = Out::default();
        let reporter = show(Github::new(out.clone()), &events);
        // Made visible: it is what keeps a line from being a command.
        insta::assert_snapshot!(format!("github-{name}"), out.text().replace('\u{200b}', "{U+200B}"));
        insta::assert_snapshot!(format!("page-{name}"), reporter.page(Some(graph)).unwrap());
    }
}

#[test]
fn only_the_reporter_gives_commands() {
    let evil = [
        "::error::x",
        "\t::add-mask::x",
        "\u{a0}::x::",
        "##[endgroup]",
        "a ##[error]b",
        "\u{1b}[0m::group::x",
        ":\u{1b}[0m:group::x",
        "a\r::error::b",
        "#\u{7}#[error]b",
        "\u{feff}::error::b",
        "x\n::error::y",
        "\u{200e}::debug::b",
        "a%0A::error::b",
    ];
    for evil in evil {
        let events = [
            begun(evil, vec![info(evil, evil)]),
            started(evil, OperationName::Apply, 1, Some(evil)),
            line(evil, LineLevel::Info, evil),
            line(evil, LineLevel::Warn, evil),
            progress(evil, evil, 1, None),
            ReportEvent::StepRetrying { step: evil.to_owned(), in_ms: 1, reason: evil.to_owned() },
            ended(evil, OperationName::Apply, StepResult::Failed, evil, 1),
            ReportEvent::Notice { level: LineLevel::Info, text: evil.to_owned() },
            ReportEvent::Notice { level: LineLevel::Error, text: evil.to_owned() },
            common::finished(relrun_report::RunFinished { next: Some(evil.to_owned()), ..relrun_report::RunFinished::default() }),
        ];
        let out = Out::default();
        show(Github::new(out.clone()), &events);
        let text = out.text();
        assert!(!text.contains("##["), "{text}");
        let commands: Vec<&str> = text.split(['\n', '\r']).map(str::trim_start).filter(|line| line.starts_with("::")).collect();
        let names: Vec<&str> = commands.iter().map(|line| line[2..].split([':', ' ']).next().unwrap()).collect();
        assert_eq!(names, ["group", "endgroup", "warning", "error", "error"], "{evil:?}: {text}");
    }
}

#[test]
fn github_holds_a_bounded_part_of_a_log() {
    let out = Out::default();
    let mut github = Github::new(out.clone());
    github.event(&started("noisy", OperationName::Apply, 1, None)).unwrap();
    for number in 0..40_000 {
        github.event(&line("noisy", LineLevel::Info, &format!("{number} {}", "x".repeat(60)))).unwrap();
    }
    github.finish().unwrap();
    let text = out.text();
    assert!(text.len() < (1 << 20) + 200, "{}", text.len());
    assert!(text.contains("lines are left out here"), "{}", &text[..200]);
    assert!(text.contains("\n39999 x"));
}

#[test]
fn a_terminal_keeps_what_ended() {
    for (name, events) in runs() {
        let (term, human) = terminal(still(), 60);
        show(human, &events);
        insta::assert_snapshot!(format!("human-{name}"), term.contents());
    }
}

#[test]
fn what_runs_is_alive() {
    let (term, mut human) = terminal(still(), 30);
    let steps = ["fetch", "compile", "test"].map(|step| info(step, "build")).into_iter().chain([info("web@staging", "deploy")]);
    let apply = OperationName::Apply;
    let events = [
        begun("apply", steps.collect()),
        started("web@staging", apply, 1, Some("an effect")),
        started("compile", apply, 1, None),
        line("compile", LineLevel::Info, "   Compiling a crate with a name that is far too long for the rest of this line"),
        progress("compile", "crates", 1_204, Some(3_000)),
        started("fetch", apply, 2, None),
    ];
    for event in &events {
        human.event(event).unwrap();
    }
    insta::assert_snapshot!("live-running", spinning(&term));
    human.event(&ended("compile", apply, StepResult::Failed, "exit code 1", 9_000)).unwrap();
    human.event(&ended("fetch", apply, StepResult::Succeeded, "", 400)).unwrap();
    insta::assert_snapshot!("live-one-failed", spinning(&term));
    human.finish().unwrap();
    assert!(!term.contents().contains("running"), "{}", term.contents());
}

#[test]
fn rows_that_move_leave_nothing_behind() {
    for (_, events) in runs() {
        let shown = |tick: Option<Duration>| {
            let (term, mut human) = terminal(Look { tick, ..still() }, 60);
            for event in &events {
                human.event(event).unwrap();
                if let Some(tick) = tick {
                    std::thread::sleep(tick * 4);
                }
            }
            human.finish().unwrap();
            term.contents()
        };
        assert_eq!(shown(Some(Duration::from_millis(2))), shown(None));
    }
}

/// What a terminal shows, whatever the spinner's place.
fn spinning(term: &InMemoryTerm) -> String {
    term.contents().chars().map(|sign| if ('\u{2800}'..='\u{28ff}').contains(&sign) { '*' } else { sign }).collect()
}

#[test]
fn a_narrow_terminal_has_one_line_a_step() {
    let (term, mut human) = terminal(Look { width: 24, glyphs: Glyphs::Ascii, ..still() }, 20);
    let step = "a-step-with-quite-a-long-name@production";
    human.event(&begun("apply", vec![info(step, "build")])).unwrap();
    human.event(&started(step, OperationName::Apply, 1, None)).unwrap();
    human.event(&line(step, LineLevel::Info, "世界 a line that has no room here")).unwrap();
    insta::assert_snapshot!(term.contents(), @r"
    acme/web 1.4.0 r7: apply
    , 1 step
    / a-step-with~ 世界 a li
    0 of 1, 1 running
    ");
}

#[test]
fn many_cached_steps_are_one_line() {
    let shown = |number: usize| {
        let (term, mut human) = terminal(still(), 60);
        let names: Vec<String> = (0..number).map(|number| format!("s{number}")).collect();
        human.event(&begun("apply", names.iter().map(|name| info(name, "build")).collect())).unwrap();
        for name in &names {
            human.event(&ended(name, OperationName::Apply, StepResult::Cached, "", 0)).unwrap();
        }
        human.finish().unwrap();
        term.contents()
    };
    let few = shown(20);
    assert_eq!(few.lines().filter(|line| line.ends_with("cached")).count(), 20, "{few}");
    let many = shown(1_204);
    assert_eq!(many, "acme/web 1.4.0 r7: apply, 1,204 steps\n✓ 1,204 steps cached");
}

#[test]
fn colour_is_only_there_when_it_is_wanted() {
    let coloured = |colour| {
        let (term, human) = terminal(Look { colour, ..still() }, 60);
        show(human, &runs()[1].1);
        let painted = term.contents_formatted().windows(4).any(|bytes| bytes == b"[31;" || bytes == b";31m");
        (term.contents(), painted)
    };
    let (with, painted) = coloured(Colour::Always);
    let (without, plain) = coloured(Colour::Never);
    assert_eq!(with, without);
    assert!(painted && !plain);
}

#[test]
fn a_finding_marks_its_line_and_one_of_no_line_its_file() {
    let found = |level, file: &str, line, message: &str| ReportEvent::StepLine {
        step: "lint".to_owned(),
        source: relrun_report::Source::Plugin,
        level,
        text: format!("{file}: {message}"),
        finding: Some(relrun_report::FoundAt { file: file.to_owned(), line, message: message.to_owned() }),
    };
    let events = [
        started("lint", OperationName::Apply, 1, None),
        found(LineLevel::Warn, "src/a,b.c", Some(12), "unused\nvariable"),
        found(LineLevel::Info, "README.md", None, "no title"),
        found(LineLevel::Error, "x::y", Some(1), "100% wrong"),
        ended("lint", OperationName::Apply, StepResult::Succeeded, "linted", 1),
    ];
    let out = Out::default();
    show(Github::new(out.clone()), &events);
    let text = out.text();
    for line in [
        "::warning file=src/a%2Cb.c,line=12,title=lint::unused variable",
        "::notice file=README.md,title=lint::no title",
        "::error file=x%3A%3Ay,line=1,title=lint::100%25 wrong",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

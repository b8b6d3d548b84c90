//! What must have come of a call, compared with what did.

use super::Fault;
use super::call::{Answer, Called};
use super::commands::{Ran, fits};
use super::http::Sent;
use super::look;
use super::scene::Scene;
use crate::record::Record;
use relrun_host::{Change, Health, Recovery, Reply};
use relrun_ledger::StepKind;
use relrun_manifest::case::{CaseCall, Expect, TextRule};
use relrun_manifest::{Capability, Span};
use serde_json::Value;
use std::fs;

/// Returns everything that did not come as the call says.
pub(super) fn check(call: &CaseCall, called: &Called, scene: &Scene) -> Vec<Fault> {
    let (sent, ran) = scene.reached();
    let mut checker = Checker { called, scene, sent, ran, lines: 0, checkpoints: 0, sends: 0, runs: 0, faults: Vec::new() };
    let wants_error = call.expects.iter().any(|expect| matches!(expect.value, Expect::Error(..)));
    if let (Some(failure), false) = (called.failure(), wants_error) {
        let message = format!("`{}` failed: {}", call.operation.word(), look::failure(failure));
        // What else is missing follows from that.
        return vec![Fault { span: call.span, message, detail: checker.said() }];
    }
    if called.answer == Answer::Crashed && call.stopped.is_none() {
        checker.fault(call.span, "the call was cut off", "");
    }
    for expect in &call.expects {
        checker.one(&expect.value, expect.span);
    }
    checker.faults
}

struct Checker<'c> {
    called: &'c Called,
    scene: &'c Scene,
    sent: Vec<Sent>,
    ran: Vec<Ran>,
    /// How far the ordered ones have come.
    lines: usize,
    checkpoints: usize,
    sends: usize,
    runs: usize,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, span: Span, message: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault { span, message: message.into(), detail: detail.into() });
    }

    /// What the plugin said, for where something is missing.
    fn said(&self) -> String {
        let lines = self.log();
        if lines.is_empty() { String::new() } else { format!("it said:\n{}", look::shortened(&lines.join("\n"))) }
    }

    fn log(&self) -> Vec<String> {
        let line =
            |record: &Record| if let Record::Line(level, text) = record { Some(format!("{}: {text}", look::level(*level))) } else { None };
        self.called.records.iter().filter_map(line).collect()
    }

    fn text(&mut self, span: Span, what: &str, rule: &TextRule, found: &str) {
        if let Some(detail) = self.differs(rule, found) {
            self.fault(span, format!("{what} is not as it should be"), detail);
        }
    }

    /// Says how a text differs from its rule; nothing where it does not.
    fn differs(&self, rule: &TextRule, found: &str) -> Option<String> {
        let values = self.scene.values();
        match rule {
            TextRule::Any => None,
            TextRule::Is(wanted) => {
                let wanted = values.text(wanted);
                (wanted != found).then(|| look::difference(&wanted, found))
            }
            TextRule::Contains(wanted) => {
                let wanted = values.text(wanted);
                (!found.contains(&wanted)).then(|| format!("it should hold {wanted:?}\nfound  {}", look::shortened(&format!("{found:?}"))))
            }
            TextRule::Json(wanted) => {
                let wanted = values.fill(wanted.clone());
                match serde_json::from_str::<Value>(found) {
                    Ok(found) if found == wanted => None,
                    Ok(found) => Some(look::difference(&look::pretty(&wanted), &look::pretty(&found))),
                    Err(error) => {
                        Some(format!("it should be JSON, and is not: {error}\nfound  {}", look::shortened(&format!("{found:?}"))))
                    }
                }
            }
        }
    }

    fn value(&mut self, span: Span, what: &str, wanted: &Value, found: &Value) {
        let wanted = self.scene.values().fill(wanted.clone());
        if wanted != *found {
            self.fault(span, format!("{what} is not as it should be"), look::difference(&look::pretty(&wanted), &look::pretty(found)));
        }
    }

    fn one(&mut self, expect: &Expect, span: Span) {
        match expect {
            Expect::Name(_) | Expect::Version(_) | Expect::Summary(_) => self.described(expect, span),
            Expect::Kind(_) | Expect::Idempotent(_) | Expect::Need(..) | Expect::NoNeed => self.needs(expect, span),
            Expect::Outputs(_) | Expect::Output(..) | Expect::OutputText(..) | Expect::Receipt(_) => self.outcome(expect, span),
            Expect::Error(kind, rule) => self.error(span, kind, rule),
            Expect::Change(..) | Expect::NoChange | Expect::Health(_) | Expect::Recovery(_) => self.found(expect, span),
            Expect::Log(..) | Expect::NoLog(_) | Expect::Checkpoint(_) | Expect::Refused(_) => self.recorded(expect, span),
            Expect::Sent(_) | Expect::NoSent | Expect::Ran(_) | Expect::NoRan => self.reached(expect, span),
            _ => self.files(expect, span),
        }
    }

    fn described(&mut self, expect: &Expect, span: Span) {
        let described = if let Answer::Described(found) = &self.called.answer { Some(found.clone()) } else { None };
        let summary =
            described.as_ref().map(|found| found.summary.clone()).or_else(|| self.called.outcome().map(|found| found.summary.clone()));
        match (expect, described) {
            (Expect::Name(wanted), Some(found)) => self.text(span, "the name", &TextRule::Is(wanted.clone()), &found.name),
            (Expect::Version(wanted), Some(found)) => self.text(span, "the version", &TextRule::Is(wanted.clone()), &found.version),
            (Expect::Summary(rule), _) => match summary {
                Some(summary) => self.text(span, "the summary", rule, &summary),
                None => self.fault(span, "there is no summary", ""),
            },
            _ => self.fault(span, "only `describe` says that", ""),
        }
    }

    fn needs(&mut self, expect: &Expect, span: Span) {
        let Answer::Needs(needs) = &self.called.answer else { return self.fault(span, "only `resolve` says that", "") };
        let asked: Vec<String> = needs.requests.iter().map(|request| request.capability.to_string()).collect();
        match expect {
            Expect::Kind(wanted) => {
                let found = if needs.kind == StepKind::Pure { "pure" } else { "effect" };
                self.text(span, "the kind", &TextRule::Is(wanted.clone()), found);
            }
            Expect::Idempotent(wanted) if *wanted != needs.idempotent => {
                self.fault(span, if *wanted { "it is not idempotent" } else { "it is idempotent" }, "");
            }
            Expect::Need(capability, rule) => {
                let wanted =
                    Capability::parse(&self.scene.values().text(capability)).map_or_else(|_| capability.clone(), |found| found.to_string());
                match needs.requests.iter().find(|request| request.capability.to_string() == wanted) {
                    Some(request) => {
                        let reason = request.reason.clone();
                        self.text(span, "the reason", rule, &reason);
                    }
                    None => self.fault(span, format!("it does not ask for `{wanted}`"), format!("it asks for:\n{}", asked.join("\n"))),
                }
            }
            Expect::NoNeed if !asked.is_empty() => self.fault(span, "it asks for something", asked.join("\n")),
            _ => {}
        }
    }

    fn outcome(&mut self, expect: &Expect, span: Span) {
        let partly =
            if let Answer::Reply(Reply::Recovery(Recovery::Partly(receipt))) = &self.called.answer { Some(receipt.clone()) } else { None };
        if let (Expect::Receipt(wanted), Some(receipt)) = (expect, partly) {
            return self.value(span, "the receipt", wanted, &receipt);
        }
        let Some(outcome) = self.called.outcome().cloned() else { return self.fault(span, "there is no outcome", "") };
        let output = |name: &str| outcome.outputs.get(name).cloned();
        match expect {
            Expect::Outputs(wanted) => self.value(span, "what it gives", wanted, &Value::Object(outcome.outputs.clone())),
            Expect::Receipt(wanted) => self.value(span, "the receipt", wanted, &outcome.receipt.unwrap_or_default()),
            Expect::Output(name, _) | Expect::OutputText(name, _) if output(name).is_none() => {
                let names: Vec<&str> = outcome.outputs.keys().map(String::as_str).collect();
                self.fault(span, format!("there is no output `{name}`"), format!("there are: {}", names.join(", ")));
            }
            Expect::Output(name, wanted) => self.value(span, &format!("the output `{name}`"), wanted, &output(name).unwrap_or_default()),
            Expect::OutputText(name, rule) => match output(name) {
                Some(Value::String(found)) => self.text(span, &format!("the output `{name}`"), rule, &found),
                found => self.text(span, &format!("the output `{name}`"), rule, &found.unwrap_or_default().to_string()),
            },
            _ => {}
        }
    }

    fn error(&mut self, span: Span, kind: &str, rule: &TextRule) {
        let Some(failure) = self.called.failure().cloned() else {
            return self.fault(span, format!("it did not fail, and should with `{kind}`"), self.said());
        };
        if look::kind(failure.kind) != kind {
            return self.fault(span, format!("it failed otherwise than with `{kind}`"), look::failure(&failure));
        }
        self.text(span, "the message", rule, &failure.message);
    }

    fn found(&mut self, expect: &Expect, span: Span) {
        let changes: Option<&[Change]> = match &self.called.answer {
            Answer::Reply(Reply::Changes(changes) | Reply::Health(Health::Drifted(changes))) => Some(changes),
            _ => None,
        };
        let shown = |changes: &[Change]| {
            let lines = changes.iter().map(|change| match &change.detail {
                Some(detail) => format!("{:?} {:?}", change.summary, look::shortened(detail)),
                None => format!("{:?}", change.summary),
            });
            format!("there are:\n{}", lines.collect::<Vec<_>>().join("\n"))
        };
        match (expect, changes) {
            (Expect::Change(summary, detail), Some(changes)) => {
                let fits = |change: &Change| {
                    self.differs(summary, &change.summary).is_none()
                        && (*detail == TextRule::Any || change.detail.as_deref().is_some_and(|found| self.differs(detail, found).is_none()))
                };
                if !changes.iter().any(fits) {
                    let text = shown(changes);
                    self.fault(span, "there is no such change", text);
                }
            }
            (Expect::NoChange, Some(changes)) if !changes.is_empty() => {
                let text = shown(changes);
                self.fault(span, "there are changes", text);
            }
            (Expect::Change(..), None) => self.fault(span, "there are no changes", ""),
            (Expect::Health(wanted), _) => {
                let found = match &self.called.answer {
                    Answer::Reply(Reply::Health(Health::Intact)) => "intact",
                    Answer::Reply(Reply::Health(Health::Drifted(_))) => "drifted",
                    Answer::Reply(Reply::Health(Health::Gone)) => "gone",
                    _ => "none",
                };
                self.text(span, "the health", &TextRule::Is(wanted.clone()), found);
            }
            (Expect::Recovery(wanted), _) => {
                let found = match &self.called.answer {
                    Answer::Reply(Reply::Recovery(Recovery::NotDone)) => "not-done",
                    Answer::Reply(Reply::Recovery(Recovery::Done(_))) => "done",
                    Answer::Reply(Reply::Recovery(Recovery::Partly(_))) => "partly",
                    _ => "none",
                };
                self.text(span, "what it recovered", &TextRule::Is(wanted.clone()), found);
            }
            _ => {}
        }
    }

    fn recorded(&mut self, expect: &Expect, span: Span) {
        match expect {
            Expect::Log(level, rule) => {
                let lines = self.log();
                let prefix = format!("{level}: ");
                let fits = |line: &String| line.strip_prefix(&prefix).is_some_and(|text| self.differs(rule, text).is_none());
                match lines.iter().skip(self.lines).position(fits) {
                    Some(at) => self.lines += at + 1,
                    None => self.fault(span, "there is no such line of log, or not in this place", self.said()),
                }
            }
            Expect::NoLog(text) => {
                if let Some(line) = self.log().into_iter().find(|line| line.contains(text)) {
                    self.fault(span, format!("a line of log holds {text:?}"), line);
                }
            }
            Expect::Checkpoint(wanted) => {
                let wanted = self.scene.values().fill(wanted.clone());
                let saved = self.called.checkpoints();
                if let Some(at) = saved.iter().skip(self.checkpoints).position(|found| **found == wanted) {
                    self.checkpoints += at + 1;
                } else {
                    let saved: Vec<String> = saved.iter().map(ToString::to_string).collect();
                    self.fault(span, "there is no such checkpoint, or not in this place", format!("it saved:\n{}", saved.join("\n")));
                }
            }
            Expect::Refused(rule) => {
                let denied: Vec<&String> = self
                    .called
                    .records
                    .iter()
                    .filter_map(|record| if let Record::Denied(found) = record { Some(found) } else { None })
                    .collect();
                if !denied.iter().any(|found| self.differs(rule, found).is_none()) {
                    let detail = format!("it was refused:\n{}", denied.into_iter().cloned().collect::<Vec<_>>().join("\n"));
                    self.fault(span, "no such capability was refused", detail);
                }
            }
            _ => {}
        }
    }

    fn reached(&mut self, expect: &Expect, span: Span) {
        match expect {
            Expect::Sent(wanted) => {
                let url = self.scene.values().text(&wanted.url);
                let at = self.sent.iter().skip(self.sends).position(|sent| sent.method == wanted.method && sent.url == url);
                let Some(at) = at.map(|at| at + self.sends) else {
                    let sent: Vec<String> = self.sent.iter().map(|sent| format!("{} {}", sent.method, sent.url)).collect();
                    let message = format!("{} {url} was not sent, or not in this place", wanted.method);
                    return self.fault(span, message, format!("it sent:\n{}", sent.join("\n")));
                };
                self.sends = at + 1;
                let found = self.sent[at].clone();
                for (name, rule) in &wanted.headers {
                    match found.headers.iter().find(|(header, _)| header == name) {
                        Some((_, value)) => self.text(span, &format!("the header `{name}`"), rule, value),
                        None => self.fault(span, format!("it has no header `{name}`"), ""),
                    }
                }
                self.text(span, "the body", &wanted.body, &String::from_utf8_lossy(&found.body));
            }
            Expect::NoSent if !self.sent.is_empty() => {
                let sent: Vec<String> = self.sent.iter().map(|sent| format!("{} {}", sent.method, sent.url)).collect();
                self.fault(span, "it sent a request", sent.join("\n"));
            }
            Expect::Ran(wanted) => {
                let words: Vec<String> = wanted.words.iter().map(|word| self.scene.values().text(word)).collect();
                let Some(at) = self.ran.iter().skip(self.runs).position(|ran| fits(&words, &ran.words)).map(|at| at + self.runs) else {
                    let ran: Vec<String> = self.ran.iter().map(|ran| ran.words.join(" ")).collect();
                    let message = format!("`{}` was not run, or not in this place", words.join(" "));
                    return self.fault(span, message, format!("it ran:\n{}", ran.join("\n")));
                };
                self.runs = at + 1;
                let found = self.ran[at].clone();
                for (name, value) in &wanted.env {
                    if !found.env.iter().any(|(found, is)| found == name && is == value) {
                        self.fault(span, format!("it does not have {name}={value}"), format!("{:?}", found.env));
                    }
                }
                self.text(span, "what it reads", &wanted.stdin, &String::from_utf8_lossy(&found.stdin));
                if let Some(dir) = &wanted.dir {
                    self.text(span, "where it starts", &TextRule::Is(dir.clone()), found.dir.as_deref().unwrap_or_default());
                }
            }
            Expect::NoRan if !self.ran.is_empty() => {
                let ran: Vec<String> = self.ran.iter().map(|ran| ran.words.join(" ")).collect();
                self.fault(span, "it ran a command", ran.join("\n"));
            }
            _ => {}
        }
    }

    fn files(&mut self, expect: &Expect, span: Span) {
        match expect {
            Expect::File(path, rule) => match self.scene.output(path).map(fs::read) {
                Some(Ok(bytes)) => self.text(span, path, rule, &String::from_utf8_lossy(&bytes)),
                Some(Err(error)) => self.fault(span, format!("{path} cannot be read"), error.to_string()),
                None => self.fault(span, format!("there is no file {path}"), self.said()),
            },
            Expect::NoFile(path) if self.scene.output(path).is_some() => self.fault(span, format!("there is a file {path}"), ""),
            Expect::HostFile(host, path, rule) => match self.scene.on_host(host, path).map(fs::read) {
                Some(Ok(bytes)) => self.text(span, &format!("{path} on {host}"), rule, &String::from_utf8_lossy(&bytes)),
                _ => self.fault(span, format!("there is no file {path} on {host}"), self.said()),
            },
            Expect::HostLink(host, path, target) => match self.scene.on_host(host, path).map(fs::read_link) {
                Some(Ok(found)) => {
                    self.text(span, &format!("{path} on {host}"), &TextRule::Is(target.clone()), &found.display().to_string());
                }
                _ => self.fault(span, format!("there is no link {path} on {host}"), self.said()),
            },
            Expect::NoHostFile(host, path) if self.scene.on_host(host, path).is_some_and(|path| path.symlink_metadata().is_ok()) => {
                self.fault(span, format!("there is something at {path} on {host}"), "");
            }
            _ => {}
        }
    }
}

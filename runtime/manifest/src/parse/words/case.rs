//! The words of a plugin's test cases.

use super::Children::{No, Of};
use super::Kind::{Any, Bool, Count, Text};
use super::Repeat::{Many, Once};
use super::{CONFIG, GRANT, LABEL, MANY, NONE, Prop, WRITES, Word, args, must, one, prop, word};

/// The top of a case file.
pub(crate) static CASES: &[&Word] = &[&CASE];

static CASE: Word =
    word("case", Many, one("what it shows"), &[], Of(CASE_CHILDREN), r#"case "greets the world" { config { who "World" }; apply }"#);
static CASE_CHILDREN: &[&Word] = &[
    &CONFIG, &CONTEXT, &SECRET, &ENV, &READS, &WRITES, &ARTIFACT, &VALUE, &HOST, &GRANT, &HTTP, &COMMAND, &SNAPSHOT, &DESCRIBE, &RESOLVE,
    &PLAN, &APPLY, &RECOVER, &VERIFY, &UNDO, &DESTROY,
];

static CONTEXT: Word = word(
    "context",
    Once,
    NONE,
    &[],
    Of(&[&PACKAGE, &VERSION, &RELEASE, &STEP, &ATTEMPT, &ENVIRONMENT, &DEPLOYMENT, &LABEL, &SET, &PREVIOUS, &UNFINISHED, &STARTED_AT]),
    r#"context { release "r7"; environment "production" }"#,
);
static PACKAGE: Word = word("package", Once, one("a name"), &[], No, r#"package "acme/shop""#);
static VERSION: Word = word("version", Once, one("a version"), &[], No, r#"version "1.4.2""#);
static RELEASE: Word = word("release", Once, one("an id"), &[], No, r#"release "r7""#);
static STEP: Word = word("step", Once, one("a name"), &[], No, r#"step "web""#);
static ATTEMPT: Word = word("attempt", Once, args(1, 1, Count, "a number"), &[], No, "attempt 2");
static ENVIRONMENT: Word = word("environment", Once, args(1, 1, Any, "a name, or `#null`"), &[], No, r#"environment "production""#);
static DEPLOYMENT: Word = word("deployment", Once, args(1, 1, Any, "a name, or `#null`"), &[], No, r#"deployment "shop""#);
static SET: Word = word("set", Many, args(2, 2, Text, "a name and its value"), &[], No, r#"set "who" "Stage""#);
static PREVIOUS: Word = word("previous", Once, one("JSON"), &[], No, r##"previous #"{"id": 7}"#"##);
static UNFINISHED: Word = word("unfinished", Once, one("JSON"), &[], No, r##"unfinished #"{"id": 7}"#"##);
static STARTED_AT: Word = word("started-at", Once, args(1, 1, Count, "seconds since 1970"), &[], No, "started-at 1700000000");

static SECRET: Word = word("secret", Many, args(2, 2, Text, "its name and its value"), &[], No, r#"secret "token" "hunter2""#);
static ENV: Word = word("env", Many, args(2, 2, Text, "its name and its value"), &[], No, r#"env "LANG" "C""#);
static READS: Word = word("reads", Many, one("the name in `/in`"), &[], Of(CONTENT), r#"reads "work" { file "a.txt" "text" }"#);
static ARTIFACT: Word =
    word("artifact", Many, one("a reference"), &[], Of(CONTENT), r#"artifact "step.site.dist" { file "index.html" "hello" }"#);
static VALUE: Word =
    word("value", Many, args(2, 2, Any, "a reference and its value"), &[prop("repeat", Count)], No, r#"value "input.who" "World""#);
static CONTENT: &[&Word] = &[&FILE_THERE, &LINK_THERE, &COPY];
static FILE_THERE: Word = word("file", Many, args(1, 2, Text, "a path and a text"), &[], No, r#"file "index.html" "hello""#);
static LINK_THERE: Word = word("link", Many, args(2, 2, Text, "a path and where it points"), &[], No, r#"link "current" "releases/1""#);
static COPY: Word = word("copy", Many, one("a directory beside this file"), &[], No, r#"copy "fixtures/site""#);
static HOST: Word = word(
    "host",
    Many,
    one("its name"),
    &[],
    Of(&[&LABEL, &SET, &FILE_THERE, &LINK_THERE, &COPY]),
    r#"host "web1" { file "/etc/motd" "hello" }"#,
);

static HTTP: Word = word(
    "http",
    Many,
    args(2, 2, Text, "a method and an address"),
    &[],
    Of(&[&STATUS, &HEADER, &BODY, &TIMES, &BROKEN, &AFTER]),
    r#"http "GET" "https://api.example.com/x" { status 200; body "ok" }"#,
);
static STATUS: Word = word("status", Once, args(1, 1, Count, "a number"), &[], No, "status 201");
static HEADER: Word = word("header", Many, args(2, 2, Text, "a name and a value"), &[], No, r#"header "content-type" "text/plain""#);
static BODY: Word = word("body", Once, one("a text"), &[prop("repeat", Count)], No, r#"body "ok""#);
static TIMES: Word = word("times", Once, args(1, 1, Count, "a number"), &[], No, "times 1");
static BROKEN: Word = word("broken", Once, NONE, &[], No, "broken");
static AFTER: Word = word("after", Once, one("a time"), &[], No, r#"after "200ms""#);

static COMMAND: Word = word(
    "command",
    Many,
    args(1, MANY, Text, "a program and its arguments"),
    &[],
    Of(&[&EXIT, &STDOUT, &STDERR, &FILE_THERE, &LINK_THERE, &COPY, &TIMES, &AFTER]),
    r#"command "git" "log" "**" { stdout "…" }"#,
);
static EXIT: Word = word("exit", Once, args(1, 1, Count, "an exit code"), &[], No, "exit 1");
static STDOUT: Word = word("stdout", Once, one("a text"), &[], No, r#"stdout "done""#);
static STDERR: Word = word("stderr", Once, one("a text"), &[], No, r#"stderr "fatal: …""#);

static SNAPSHOT: Word = word("snapshot", Once, NONE, &[], No, "snapshot");

const fn operation(name: &'static str, children: &'static [&'static Word], example: &'static str) -> Word {
    word(name, Many, NONE, &[], Of(children), example)
}

static DESCRIBE: Word = operation("describe", &[&NAME, &VERSION, &SUMMARY, &SNAPSHOT], r#"describe { name "greet" }"#);
static RESOLVE: Word = operation("resolve", &[&KIND, &IDEMPOTENT, &NEED, &NO_NEED, &ERROR, &SNAPSHOT], r#"resolve { kind "pure" }"#);
static PLAN: Word = operation(
    "plan",
    &[&CANCEL, &CHANGE, &NO_CHANGE, &ERROR, &LOG, &NO_LOG, &SENT, &NO_SENT, &RAN, &NO_RAN, &REFUSED, &SNAPSHOT],
    r#"plan { change "it would write a.txt" }"#,
);
static APPLY: Word = operation("apply", OUTCOME, r#"apply { summary "done" }"#);
static UNDO: Word = operation("undo", OUTCOME, r#"undo { summary "taken back" }"#);
static DESTROY: Word = operation("destroy", OUTCOME, r#"destroy { summary "removed" }"#);
static RECOVER: Word = operation("recover", OUTCOME, r#"recover { recovery "not-done" }"#);
static VERIFY: Word = operation("verify", OUTCOME, r#"verify { health "intact" }"#);
static OUTCOME: &[&Word] = &[
    &GIVEN,
    &CANCEL,
    &CRASH,
    &SUMMARY,
    &OUTPUTS,
    &OUTPUT,
    &RECEIPT,
    &ERROR,
    &CHANGE,
    &NO_CHANGE,
    &HEALTH,
    &RECOVERY,
    &LOG,
    &NO_LOG,
    &CHECKPOINT,
    &SENT,
    &NO_SENT,
    &RAN,
    &NO_RAN,
    &REFUSED,
    &FILE,
    &NO_FILE,
    &HOST_FILE,
    &HOST_LINK,
    &NO_HOST_FILE,
    &SNAPSHOT,
];

/// How a text may be compared.
static RULES: &[Prop] = &[prop("contains", Text), prop("json", Text)];

const fn text(name: &'static str, repeat: super::Repeat, min: usize, what: &'static str, example: &'static str) -> Word {
    word(name, repeat, args(min, min + 1, Text, what), RULES, No, example)
}

static GIVEN: Word = word("given", Once, args(1, 1, Any, "JSON, or `#null`"), &[], No, r##"given #"{"id": 7}"#"##);
static CANCEL: Word = word("cancel", Once, NONE, &[prop("checkpoint", Count), prop("log", Text)], No, "cancel checkpoint=1");
static CRASH: Word = word("crash", Once, NONE, &[prop("checkpoint", Count), prop("log", Text)], No, "crash checkpoint=1");
static NAME: Word = word("name", Once, one("a name"), &[], No, r#"name "greet""#);
static SUMMARY: Word = text("summary", Once, 0, "a text", r#"summary "greeted World""#);
static KIND: Word = word("kind", Once, one("`pure` or `effect`"), &[], No, r#"kind "effect""#);
static IDEMPOTENT: Word = word("idempotent", Once, args(1, 1, Bool, "`#true` or `#false`"), &[], No, "idempotent #true");
static NEED: Word = text("need", Many, 1, "a capability, and perhaps the reason", r##"need #"run "git" "log" readonly=#true"#"##);
static NO_NEED: Word = word("no-need", Once, NONE, &[], No, "no-need");
static OUTPUTS: Word = word("outputs", Once, one("JSON"), &[], No, r##"outputs #"{"bytes": 13}"#"##);
static OUTPUT: Word = word("output", Many, args(1, 2, Any, "its name and its value"), RULES, No, r#"output "bytes" 13"#);
static RECEIPT: Word = word("receipt", Once, args(1, 1, Any, "JSON, or `#null`"), &[], No, r##"receipt #"{"id": 7}"#"##);
static ERROR: Word = text("error", Once, 1, "a kind, and perhaps the message", r#"error "invalid" contains="who""#);
static CHANGE: Word = word(
    "change",
    Many,
    args(0, 2, Text, "a summary, and perhaps a detail"),
    &[prop("contains", Text), prop("json", Text)],
    No,
    r#"change "it would write a.txt""#,
);
static NO_CHANGE: Word = word("no-change", Once, NONE, &[], No, "no-change");
static HEALTH: Word = word("health", Once, one("`intact`, `drifted` or `gone`"), &[], No, r#"health "intact""#);
static RECOVERY: Word = word("recovery", Once, one("`not-done`, `done` or `partly`"), &[], No, r#"recovery "partly""#);
static LOG: Word = text("log", Many, 1, "a level, and perhaps the line", r#"log "info" "greeting World""#);
static NO_LOG: Word = word("no-log", Many, NONE, &[must("contains", Text)], No, r#"no-log contains="hunter2""#);
static CHECKPOINT: Word = word("checkpoint", Many, one("JSON"), &[], No, r##"checkpoint #"{"id": 7}"#"##);
static SENT: Word = word(
    "sent",
    Many,
    args(2, 2, Text, "a method and an address"),
    &[],
    Of(&[&SENT_HEADER, &SENT_BODY]),
    r#"sent "POST" "https://api.example.com/x" { body json="{}" }"#,
);
static SENT_HEADER: Word = text("header", Many, 1, "a name, and perhaps its value", r#"header "authorization" "Bearer hunter2""#);
static SENT_BODY: Word = text("body", Once, 0, "a text", r#"body contains="hello""#);
static NO_SENT: Word = word("no-sent", Once, NONE, &[], No, "no-sent");
static RAN: Word =
    word("ran", Many, args(1, MANY, Text, "a program and its arguments"), &[], Of(&[&ENV, &STDIN, &DIR]), r#"ran "git" "log" "--oneline""#);
static STDIN: Word = text("stdin", Once, 0, "a text", r#"stdin "hello""#);
static DIR: Word = word("dir", Once, one("a path"), &[], No, r#"dir "docs""#);
static NO_RAN: Word = word("no-ran", Once, NONE, &[], No, "no-ran");
static REFUSED: Word = text("refused", Many, 0, "a capability", r#"refused contains="http""#);
static FILE: Word = text("file", Many, 1, "a path in `/out`, and perhaps its text", r#"file "site/index.html" contains="hello""#);
static NO_FILE: Word = word("no-file", Many, one("a path in `/out`"), &[], No, r#"no-file "site/draft.html""#);
static HOST_FILE: Word = text("host-file", Many, 2, "a host, a path, and perhaps its text", r#"host-file "web1" "/etc/motd" "hello""#);
static HOST_LINK: Word = word(
    "host-link",
    Many,
    args(3, 3, Text, "a host, a path and where it points"),
    &[],
    No,
    r#"host-link "web1" "/srv/current" "releases/1""#,
);
static NO_HOST_FILE: Word = word("no-host-file", Many, args(2, 2, Text, "a host and a path"), &[], No, r#"no-host-file "web1" "/srv/old""#);

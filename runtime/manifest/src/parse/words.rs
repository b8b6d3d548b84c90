//! The manifest's words: which nodes there are, and what each may carry. One table drives the check of the shape and every "did you mean".

pub(crate) mod author;
pub(crate) mod case;

use Children::{Free, No, Of};
use Kind::{Any, Bool, Count, Text};
use Repeat::{Many, Once, Required};

/// What a node may carry.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) args: Args,
    pub(crate) props: &'static [Prop],
    pub(crate) children: Children,
    pub(crate) repeat: Repeat,
    /// A line that is right, for help.
    pub(crate) example: &'static str,
}

/// How many arguments a node has, and of which kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) kind: Kind,
    /// What they are, for messages.
    pub(crate) what: &'static str,
}

/// A property that a node may have.
#[derive(Debug)]
pub(crate) struct Prop {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool,
    /// A whole number from 0.
    Count,
    Any,
}

/// Which children a node may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Children {
    No,
    Of(&'static [&'static Word]),
    /// Whatever the plugin's schema says.
    Free,
}

/// How often a node may stand in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Once,
    Many,
    Required,
}

const MANY: usize = usize::MAX;

const fn args(min: usize, max: usize, kind: Kind, what: &'static str) -> Args {
    Args { min, max, kind, what }
}

const NONE: Args = args(0, 0, Any, "");

const fn one(what: &'static str) -> Args {
    args(1, 1, Text, what)
}

const fn prop(name: &'static str, kind: Kind) -> Prop {
    Prop { name, kind, required: false }
}

const fn must(name: &'static str, kind: Kind) -> Prop {
    Prop { name, kind, required: true }
}

const fn word(name: &'static str, repeat: Repeat, args: Args, props: &'static [Prop], children: Children, example: &'static str) -> Word {
    Word { name, args, props, children, repeat, example }
}

/// The top of `release.kdl`.
pub(crate) static MANIFEST: &[&Word] =
    &[&PACKAGE, &PLUGIN, &INPUT, &SECRET, &ENVIRONMENT, &PHASE, &STEP, &DEPLOY, &ERRAND, &NOTIFY, &OUTPUT, &PROVIDES, &CONSUMES, &DEPENDS];
/// The top of `relrun.kdl`.
pub(crate) static PROJECT: &[&Word] = &[&ENVIRONMENT, &REGISTRY_PLACE, &STATE, &POLICY, &NOTIFY];
/// The top of a `policy.kdl`, and the lines of a `policy` block.
pub(crate) static POLICY_LINES: &[&Word] =
    &[&PLUGIN_RULE, &TRUST, &BUNDLE_RULE, &REVOKE, &ALLOW, &REFUSE, &BOUNDS, &APPROVERS, &PACKAGES, &FREEZE];
/// The lines of a `grant` block.
pub(crate) static CAPABILITIES: &[&Word] = &[&RUN, &HTTP, &READ, &WRITE, &ENV, &SECRET_GRANT, &HOST_GRANT, &KUBERNETES, &REGISTRY];

static PACKAGE: Word = word(
    "package",
    Required,
    one("the name, `owner/name`"),
    &[must("version", Text)],
    Of(&[&DESCRIPTION, &INCLUDE, &PUBLISH, &METADATA]),
    r#"package "acme/shop" version="1.4.@""#,
);
static DESCRIPTION: Word = word("description", Once, one("one line of text"), &[], No, r#"description "The shop's web front end""#);
static INCLUDE: Word = word("include", Many, args(1, MANY, Text, "globs"), &[], No, r#"include "release.kdl" "deploy/**""#);
static METADATA: Word =
    word("metadata", Many, args(2, 2, Any, "its name and its value"), &[], No, r#"metadata "commit" "${step.site.commit}""#);
static PUBLISH: Word = word("publish", Once, one("where it is pushed"), &[], No, r#"publish "oci://registry.example.com/acme/shop""#);

static OUTPUT: Word = word("output", Many, args(2, 2, Any, "its name and its value"), &[], No, r#"output "url" "${step.server.url}""#);
static PROVIDES: Word = word("provides", Many, one("an interface"), &[], Of(&[&OUTPUT]), r#"provides "postgres""#);
static CONSUMES: Word =
    word("consumes", Many, one("an interface"), &[prop("as", Text), prop("from", Text)], No, r#"consumes "postgres" as="db""#);
static DEPENDS: Word = word(
    "depends",
    Many,
    one("a package, `owner/name`"),
    &[prop("version", Text), prop("as", Text)],
    Of(&[&SET]),
    r#"depends "acme/database" version="2.@" as="db""#,
);

static PLUGIN: Word = word(
    "plugin",
    Many,
    one("its name"),
    &[must("from", Text), prop("digest", Text)],
    No,
    r#"plugin "notify" from="./plugins/notify.wasm""#,
);

static INPUT: Word = word(
    "input",
    Many,
    one("its name"),
    &[prop("type", Text), prop("default", Any), prop("help", Text), prop("release", Bool)],
    Of(&[&DEFAULT, &ALLOWED]),
    r#"input "who" type="string" default="World" help="Whom the site greets""#,
);
static DEFAULT: Word = word("default", Once, args(0, MANY, Any, "values"), &[], No, r#"default "de" "fr""#);
static ALLOWED: Word = word("allowed", Once, args(1, MANY, Any, "values"), &[], No, r#"allowed "small" "large""#);

static SECRET: Word = word("secret", Many, one("its name"), &[must("from", Text)], No, r#"secret "token" from="env:TOKEN""#);

static ENVIRONMENT: Word = word(
    "environment",
    Many,
    one("its name"),
    &[],
    Of(&[&LABEL, &SET, &HOST, &APPROVAL, &DEPLOYMENT]),
    r#"environment "staging" { label "tier" "test" }"#,
);
static DEPLOYMENT: Word = word(
    "deployment",
    Many,
    one("its name"),
    &[must("package", Text), prop("version", Text)],
    No,
    r#"deployment "shop" package="acme/shop" version="1.4.@""#,
);
static LABEL: Word = word("label", Many, args(2, 2, Text, "its key and its value"), &[], No, r#"label "tier" "test""#);
static SET: Word = word("set", Many, args(1, MANY, Any, "an input's name and its value"), &[], No, r#"set "who" "Stage""#);
static HOST: Word = word(
    "host",
    Many,
    args(2, 2, Text, "its name and its address"),
    &[],
    Of(&[&LABEL, &HOST_SET]),
    r#"host "web1" "ssh://deploy@10.0.0.4""#,
);
static HOST_SET: Word = word("set", Many, args(2, 2, Text, "a name and its value"), &[], No, r#"set "root" "/srv/www/shop""#);
static APPROVAL: Word =
    word("approval", Many, one("the gate's name"), &[prop("not-author", Bool)], No, r#"approval "release-managers" not-author=#true"#);

static PHASE: Word = word(
    "phase",
    Many,
    one("its name"),
    &[prop("environments", Text), prop("after", Text)],
    Of(&[&AFTER, &APPROVAL, &STEP, &DEPLOY]),
    r#"phase "roll-out" environments="tier=test" { … }"#,
);
static AFTER: Word = word("after", Once, args(1, MANY, Text, "phases"), &[], No, r#"after "build""#);

static STEP: Word = word("step", Many, one("its name"), STEP_PROPS, Of(STEP_CHILDREN), r#"step "site" plugin="build" { … }"#);
static DEPLOY: Word = word("deploy", Many, one("its name"), STEP_PROPS, Of(STEP_CHILDREN), r#"deploy "web" plugin="symlink-swap" { … }"#);
static ERRAND: Word = word(
    "errand",
    Many,
    one("its name"),
    &[must("plugin", Text), must("environments", Text), prop("on-failure", Text)],
    Of(STEP_CHILDREN),
    r#"errand "migrate" plugin="deploy" environments="*" { … }"#,
);
static STEP_PROPS: &[Prop] = &[must("plugin", Text), prop("on-failure", Text)];
static STEP_CHILDREN: &[&Word] = &[&READS, &WRITES, &GRANT, &CONFIG, &NEEDS, &RETRY, &TIMEOUT, &LIMITS, &ON_FAILURE];
static READS: Word =
    word("reads", Many, args(1, MANY, Text, "globs, or one artifact"), &[prop("as", Text)], No, r#"reads "src/**" "Makefile""#);
static WRITES: Word = word("writes", Many, args(1, MANY, Text, "names"), &[prop("to", Text)], No, r#"writes "dist""#);
static GRANT: Word = word("grant", Many, NONE, &[], Of(CAPABILITIES), r#"grant { run "make" }"#);
static CONFIG: Word = word("config", Once, args(0, MANY, Any, "values"), &[], Free, r#"config { command "make" }"#);
static NEEDS: Word = word("needs", Many, args(1, MANY, Text, "steps"), &[], No, r#"needs "site""#);
static RETRY: Word = word("retry", Once, NONE, &[must("attempts", Count), prop("backoff", Text)], No, r#"retry attempts=3 backoff="1s""#);
static TIMEOUT: Word = word("timeout", Once, one("a duration"), &[], No, r#"timeout "5m""#);
static LIMITS: Word = word(
    "limits",
    Once,
    NONE,
    &[prop("memory", Any), prop("cpu", Text), prop("log", Any), prop("output", Any)],
    No,
    r#"limits memory="512MiB" cpu="1m" log="1MiB" output="1GiB""#,
);
static ON_FAILURE: Word = word("on-failure", Once, one("`stop` or `undo`"), &[], No, r#"on-failure "stop""#);

static RUN: Word = word(
    "run",
    Many,
    args(1, MANY, Text, "a program, then one pattern an argument"),
    &[prop("on", Text), prop("in-place", Bool), prop("confine", Text), prop("readonly", Bool), prop("network", Bool)],
    No,
    r#"run "npm" "run" "*""#,
);
static HTTP: Word = word(
    "http",
    Many,
    one("an origin"),
    &[prop("methods", Text), prop("private", Bool), prop("ca", Text), prop("cert", Text), prop("key", Text)],
    No,
    r#"http "https://api.example.com" methods="GET POST""#,
);
static READ: Word = word("read", Many, one("a path"), &[], No, r#"read "path""#);
static WRITE: Word = word("write", Many, one("a path"), &[], No, r#"write "path""#);
static ENV: Word = word("env", Many, one("a variable's name"), &[], No, r#"env "NAME""#);
static SECRET_GRANT: Word = word(
    "secret",
    Many,
    one("a secret's name"),
    &[prop("to", Text), prop("to-command", Text), prop("env", Text), prop("sign", Bool), prop("reveal", Bool)],
    No,
    r#"secret "token" to="https://registry.example.com""#,
);
static HOST_GRANT: Word = word("host", Many, one("a pattern of host names"), &[], No, r#"host "web*""#);
static KUBERNETES: Word =
    word("kubernetes", Many, NONE, &[must("context", Text), must("namespace", Text)], No, r#"kubernetes context="prod" namespace="shop""#);
static REGISTRY: Word = word("registry", Many, one("a repository"), &[], No, r#"registry "registry.example.com/shop""#);

static REGISTRY_PLACE: Word = word(
    "registry",
    Many,
    one("a registry"),
    &[prop("ca", Text), prop("plain-http", Bool)],
    No,
    r#"registry "oci://registry.example.com""#,
);
static STATE: Word = word("state", Once, one("`local` or a folder"), &[], No, r#"state "local""#);
static POLICY: Word = word("policy", Once, NONE, &[], Of(POLICY_LINES), r#"policy { refuse "unconfined" }"#);
static PLUGIN_RULE: Word = word(
    "plugin",
    Many,
    one("where it comes from"),
    &[prop("signers", Text), prop("signed-by", Text), prop("bundle", Text)],
    No,
    r#"plugin "oci://registry.example.com/platform/*" signed-by="platform""#,
);
static TRUST: Word = word(
    "trust",
    Many,
    one("a name for these keys"),
    &[],
    Of(&[&TRUSTED_KEY]),
    r#"trust "platform" { key "RWQf6LRCGA9i…" until="2027-01-01" }"#,
);
static TRUSTED_KEY: Word =
    word("key", Many, one("a public key"), &[prop("from", Text), prop("until", Text)], No, r#"key "RWQf6LRCGA9i…" until="2027-01-01""#);
static BUNDLE_RULE: Word = word(
    "bundle",
    Many,
    one("the bundle's name"),
    &[must("signed-by", Text), prop("at-least", Count)],
    No,
    r#"bundle "platform" signed-by="platform" at-least=7"#,
);
static REVOKE: Word = word(
    "revoke",
    Many,
    args(1, MANY, Text, "keys, or components"),
    &[prop("reason", Text)],
    No,
    r#"revoke "E7620F1842B4E81F" reason="the laptop was stolen""#,
);
static BOUNDS: Word = word(
    "limits",
    Once,
    NONE,
    &[prop("timeout", Text), prop("memory", Any), prop("cpu", Text), prop("log", Any), prop("output", Any)],
    No,
    r#"limits timeout="30m" memory="1GiB""#,
);
static ALLOW: Word = word("allow", Once, NONE, &[], Of(CAPABILITIES), r#"allow { run "make" "**" }"#);
static REFUSE: Word = word("refuse", Many, args(1, MANY, Text, "`unconfined`, `in-place`"), &[], No, r#"refuse "unconfined" "in-place""#);
static APPROVERS: Word = word(
    "approvers",
    Many,
    one("a gate"),
    &[prop("signers", Text)],
    Of(&[&PRINCIPAL, &TOKEN]),
    r#"approvers "release-managers" signers="ops/allowed_signers""#,
);
static PACKAGES: Word = word(
    "packages",
    Many,
    one("which packages"),
    &[must("signers", Text)],
    Of(&[&PRINCIPAL]),
    r#"packages "acme/*" signers="ops/package_signers""#,
);
static PRINCIPAL: Word = word("principal", Many, args(1, MANY, Text, "principals"), &[], No, r#"principal "ana@example.com""#);
static TOKEN: Word = word(
    "token",
    Many,
    one("who issues it"),
    &[must("audience", Text), prop("keys", Text), prop("ca", Text), prop("as", Text)],
    Of(&[&CLAIM]),
    r#"token "https://token.actions.githubusercontent.com" audience="relrun" as="actor" { claim "repository" "acme/shop" }"#,
);
static CLAIM: Word =
    word("claim", Many, args(2, MANY, Text, "its name and what it may be"), &[], No, r#"claim "ref" "refs/heads/main" "refs/tags/v*""#);
static FREEZE: Word = word(
    "freeze",
    Many,
    args(2, 2, Text, "when it begins and when it ends"),
    &[prop("timezone", Text), prop("environments", Text), prop("reason", Text)],
    No,
    r#"freeze "Fri 16:00" "Mon 08:00" timezone="Europe/Berlin" environments="tier=live" reason="the weekend""#,
);
static NOTIFY: Word = word(
    "notify",
    Many,
    one("an address"),
    &[prop("on", Text), prop("secret", Text), prop("private", Bool)],
    No,
    r#"notify "https://hooks.example.com/x" on="waiting failed" secret="env:HOOK_KEY""#,
);

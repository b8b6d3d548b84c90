//! Capabilities: what covers what, what a step gets, and that each is printed as the line that grants it.

use proptest::prelude::*;
use relrun_manifest::{Bound, Capability, Confine, MissingBecause, Origin, Policy, effective};

fn cap(line: &str) -> Capability {
    Capability::parse(line).unwrap_or_else(|error| panic!("{error}"))
}

fn covers(granted: &str, asked: &str) -> bool {
    cap(granted).covers(&cap(asked))
}

fn run_matches(grant: &str, line: &[&str]) -> bool {
    let Capability::Run(run) = cap(grant) else { panic!("{grant}") };
    run.matches(None, line[0], &line[1..].iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_pattern_stands_for_one_argument() {
    assert!(run_matches(r#"run "npm" "run" "*""#, &["npm", "run", "test"]));
    assert!(!run_matches(r#"run "npm" "run" "*""#, &["npm", "run"]));
    assert!(!run_matches(r#"run "npm" "run" "*""#, &["npm", "run", "test", "more"]));
    assert!(!run_matches(r#"run "npm""#, &["npx"]));
    assert!(run_matches(r#"run "npm" "test-*-all""#, &["npm", "test-unit-all"]));
    assert!(run_matches(r#"run "npm" "*""#, &["npm", "a b;c"]));
}

#[test]
fn a_star_lets_no_option_through() {
    assert!(!run_matches(r#"run "npm" "*""#, &["npm", "--prefix=/"]));
    assert!(!run_matches(r#"run "npm" "*x""#, &["npm", "-x"]));
    assert!(run_matches(r#"run "npm" "-*""#, &["npm", "-x"]));
    assert!(run_matches(r#"run "npm" "**""#, &["npm", "--prefix=/", "-x"]));
}

#[test]
fn only_a_final_double_star_matches_the_rest() {
    assert!(run_matches(r#"run "npm" "run" "**""#, &["npm", "run"]));
    assert!(!run_matches(r#"run "npm" "run" "**""#, &["npm"]));
    assert!(Capability::parse(r#"run "npm" "**" "x""#).is_err());
}

#[test]
fn command_lines_cover_narrower_ones() {
    assert!(covers(r#"run "npm" "**""#, r#"run "npm" "run" "*""#));
    assert!(covers(r#"run "npm" "**""#, r#"run "npm" "--x" "**""#));
    assert!(!covers(r#"run "npm" "run" "**""#, r#"run "npm" "**""#));
    assert!(!covers(r#"run "npm" "*""#, r#"run "npm" "**""#));
    assert!(!covers(r#"run "npm" "*""#, r#"run "npm" "-*""#));
    assert!(covers(r#"run "npm" "a*""#, r#"run "npm" "ab*c""#));
    assert!(!covers(r#"run "npm" "ab*""#, r#"run "npm" "a*""#));
    assert!(!covers(r#"run "make""#, r#"run "make" network=#true"#));
    assert!(covers(r#"run "make" in-place=#true confine="none" network=#true readonly=#true"#, r#"run "make""#));
}

#[test]
fn a_command_is_for_this_machine_or_for_hosts() {
    assert!(covers(r#"run "make" on="web*""#, r#"run "make" on="web1""#));
    assert!(!covers(r#"run "make" on="web1""#, r#"run "make" on="web*""#));
    assert!(!covers(r#"run "make" on="*""#, r#"run "make""#), "here is no host");
    assert!(!covers(r#"run "make""#, r#"run "make" on="web1""#), "what may run here may not run there");
    let Capability::Run(run) = cap(r#"run "make" on="web*""#) else { panic!("a command") };
    assert_eq!([Some("web1"), Some("db1"), None].map(|host| run.matches(host, "make", &[])), [true, false, false]);
    assert!(Capability::parse(r#"run "make" on="*" in-place=#true"#).is_err());
    assert!(Capability::parse(r#"run "make" on="""#).is_err());
}

#[test]
fn other_certificates_are_more_than_the_usual() {
    let with = r#"http "https://a.example" ca="own.pem""#;
    assert!(covers(with, r#"http "https://a.example""#) && covers(with, with));
    assert!(!covers(r#"http "https://a.example""#, with));
}

#[test]
fn origins_take_one_form() {
    let origin = |text: &str| Origin::parse(text).unwrap().to_string();
    assert_eq!(origin("https://API.Example.com"), "https://api.example.com");
    assert_eq!(origin("https://api.example.com:443/"), "https://api.example.com");
    assert_eq!(origin("http://[0:0::1]:8080"), "http://[::1]:8080");
    assert_eq!(origin("http://0x7f.1"), "http://127.0.0.1");
    assert_eq!(origin("https://*.example.com:8443"), "https://*.example.com:8443");
    for bad in [
        "example.com",
        "https://",
        "https://*.",
        "https://*.127.0.0.1",
        "https://a*.example.com",
        "https://h/p",
        "https://h?q",
        "ws://h",
        "https://u@h",
    ] {
        assert!(Origin::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn other_capabilities_cover_what_lies_below_them() {
    assert!(covers(r#"http "https://*.example.com" methods="GET POST""#, r#"http "https://api.example.com" methods="post""#));
    assert!(!covers(r#"http "https://api.example.com""#, r#"http "https://api.example.com" methods="POST""#));
    assert!(!covers(r#"http "https://api.example.com""#, r#"http "https://api.example.com" private=#true"#));
    assert!(covers(r#"read "src""#, r#"read "./src//lib/""#));
    assert!(!covers(r#"read "src""#, r#"read "srcs""#));
    assert!(covers(r#"read ".""#, r#"read "src""#));
    assert!(!covers(r#"read ".""#, r#"read "/etc""#));
    assert!(covers(r#"write "out""#, r#"read "out/x""#));
    assert!(!covers(r#"read "out""#, r#"write "out""#));
    assert!(covers(r#"host "web*""#, r#"host "web1""#));
    assert!(!covers(r#"host "web1""#, r#"host "web*""#));
    assert!(!covers(r#"env "A""#, r#"env "B""#));
    assert!(covers(r#"secret "t" to="https://*.example.com""#, r#"secret "t" to="https://a.example.com""#));
    assert!(!covers(r#"secret "t" to-command="npm" env="T""#, r#"secret "t" to-command="npm""#));
    assert!(!covers(r#"secret "t" reveal=#true"#, r#"secret "t" sign=#true"#));
    assert!(!covers(r#"registry "r.example/shop""#, r#"registry "r.example/shopping""#));
}

#[test]
fn a_step_gets_what_it_asks_for_held_as_the_grant_says() {
    let grants = [cap(r#"run "make" "**" in-place=#true"#), cap(r#"http "https://*.example.com" methods="GET POST" private=#true"#)];
    let requests = [cap(r#"run "make" "dist""#), cap(r#"http "https://a.example.com" methods="POST""#)];
    let held = effective(&requests, &grants, &Policy::default()).unwrap();
    let lines: Vec<_> = held.iter().map(ToString::to_string).collect();
    assert_eq!(lines, [r#"run "make" "dist" in-place=#true"#, r#"http "https://a.example.com" methods="POST" private=#true"#]);
    assert_eq!(effective(&[], &grants, &Policy::default()), Ok(Vec::new()));
}

#[test]
fn every_missing_capability_is_named_with_its_line() {
    let requests = [cap(r#"run "make""#), cap(r#"env "A""#), cap(r#"http "https://a.example""#)];
    let missing = effective(&requests, &[cap(r#"env "A""#)], &Policy::default()).unwrap_err();
    let helps: Vec<_> = missing.iter().map(relrun_manifest::Missing::help).collect();
    assert_eq!(helps, [r#"add `grant { run "make" }` to the step"#, r#"add `grant { http "https://a.example" }` to the step"#]);
}

#[test]
fn a_policy_bounds_what_is_granted() {
    let because = |policy: &Policy, grants: &[Capability]| {
        effective(&[cap(r#"run "make""#)], grants, policy).map_err(|missing| missing[0].because.clone())
    };
    let from = || "policy.kdl".to_owned();
    let allowed = |says: Vec<Capability>| Policy { allow: vec![Bound { from: from(), says }], ..Policy::default() };
    let unconfined = Policy { refuse_unconfined: Some(from()), refuse_in_place: Some(from()), ..Policy::default() };
    assert_eq!(because(&unconfined, &[cap(r#"run "make" confine="none""#)]), Err(MissingBecause::Unconfined(from())));
    assert_eq!(because(&unconfined, &[cap(r#"run "make" in-place=#true"#)]), Err(MissingBecause::InPlace(from())));
    let allow = allowed(vec![cap(r#"run "make""#)]);
    assert_eq!(because(&allow, &[cap(r#"run "make" network=#true"#)]), Err(MissingBecause::NotAllowed(from())));
    let both = [cap(r#"run "make" network=#true"#), cap(r#"run "make" "**""#)];
    assert_eq!(because(&allow, &both), Ok(vec![cap(r#"run "make""#)]));
    assert_eq!(because(&allowed(Vec::new()), &both), Err(MissingBecause::NotAllowed(from())));
    assert_eq!(because(&allow.clone().and(allowed(Vec::new())), &both), Err(MissingBecause::NotAllowed(from())), "the strictest wins");
}

#[test]
fn what_is_no_capability_says_why() {
    let why = |line: &str| Capability::parse(line).unwrap_err().to_string();
    insta::assert_snapshot!(why(r#"runs "make""#), @"`runs \"make\"` is no capability: its first word names none");
    insta::assert_snapshot!(why(r#"run "make"; run "x""#), @"`run \"make\"; run \"x\"` is no capability: one line is one capability");
    insta::assert_snapshot!(why(r#"http "x""#), @"`http \"x\"` is no capability: `x` is no origin: it has no scheme");
    assert!(Capability::parse("").is_err());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,3}", "[ab*-]{0,4}", ".{0,6}"]
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[ab*-]{0,4}", text()].prop_filter("`**` stands alone at the end", |text| !text.contains("**"))
}

fn run_line() -> impl Strategy<Value = Capability> {
    (prop::collection::vec(pattern(), 0..3), prop::option::of("[ab*]{1,3}"), any::<[bool; 5]>()).prop_map(
        |(args, on, [rest, in_place, readonly, network, confined])| {
            let glob = |text: String| relrun_manifest::ArgPattern::Glob(text);
            let mut argv: Vec<_> = std::iter::once(glob("make".to_owned())).chain(args.into_iter().map(glob)).collect();
            if rest {
                argv.push(relrun_manifest::ArgPattern::Rest);
            }
            let confine = if confined { Confine::Full } else { Confine::None };
            Capability::Run(relrun_manifest::RunGrant { argv, in_place: in_place && on.is_none(), on, confine, readonly, network })
        },
    )
}

fn other() -> impl Strategy<Value = Capability> {
    let line = prop_oneof![
        ("(\\*\\.)?[ab](\\.[ab]){1,2}", prop_oneof![Just(""), Just(" methods=\"POST\""), Just(" private=#true")])
            .prop_map(|(host, rest)| format!("http \"https://{host}\"{rest}")),
        ("(read|write)", "/?[ab](/[ab]){0,2}").prop_map(|(word, path)| format!("{word} \"{path}\"")),
        "[ab*]{1,4}".prop_map(|host| format!("host \"{host}\"")),
        "[AB]".prop_map(|name| format!("env \"{name}\"")),
        (
            "[ab]",
            prop_oneof![
                Just("sign=#true"),
                Just("reveal=#true"),
                Just("to=\"https://*.a\""),
                Just("to=\"https://b.a\""),
                Just("to-command=\"x\" env=\"Y\"")
            ]
        )
            .prop_map(|(name, rest)| format!("secret \"{name}\" {rest}")),
        "[ab]".prop_map(|name| format!("registry \"r.example/{name}\"")),
        "[ab]".prop_map(|name| format!("kubernetes context=\"{name}\" namespace=\"n\"")),
    ];
    line.prop_map(|line| cap(&line))
}

fn capability() -> impl Strategy<Value = Capability> {
    prop_oneof![run_line(), other()]
}

proptest! {
    #[test]
    fn each_covers_itself(a in capability()) {
        prop_assert!(a.covers(&a));
    }

    #[test]
    fn covering_is_transitive(a in other(), b in other(), c in other()) {
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
    }

    #[test]
    fn covering_is_transitive_for_commands(a in run_line(), b in run_line(), c in run_line()) {
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
    }

    #[test]
    fn what_is_covered_never_matches_more(a in run_line(), b in run_line(), host in prop::option::of("[ab]{1,2}"), args in prop::collection::vec("[ab*-]{0,4}", 0..4)) {
        let host = host.as_deref();
        let (Capability::Run(wide), Capability::Run(narrow)) = (&a, &b) else { unreachable!() };
        prop_assert!(!(a.covers(&b) && narrow.matches(host, "make", &args)) || wide.matches(host, "make", &args));
    }

    #[test]
    fn a_step_never_gets_more_than_grant_and_policy(asked in capability(), grants in prop::collection::vec(capability(), 0..4), bounds in prop::collection::vec(capability(), 0..4)) {
        let policy = Policy { allow: vec![Bound { from: "policy.kdl".to_owned(), says: bounds.clone() }], ..Policy::default() };
        if let Ok(held) = effective(std::slice::from_ref(&asked), &grants, &policy) {
            prop_assert!(grants.iter().any(|grant| grant.covers(&held[0])));
            prop_assert!(bounds.iter().any(|bound| bound.covers(&held[0])));
        }
    }

    #[test]
    fn the_printed_line_is_read_back(a in capability()) {
        prop_assert_eq!(Capability::parse(&a.to_string()), Ok(a));
    }

    #[test]
    fn no_line_panics(line in ".{0,60}") {
        let _ = Capability::parse(&line);
        let _ = Origin::parse(&line);
    }
}

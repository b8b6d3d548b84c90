use super::*;
use proptest::prelude::*;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn next(rule: &str, taken: &[&str]) -> String {
    let taken: Vec<Version> = taken.iter().map(|text| version(text)).collect();
    rule.parse::<VersionRule>().unwrap().next(&taken).to_string()
}

fn chosen(selector: &str, there: &[&str]) -> Option<String> {
    let there: Vec<Version> = there.iter().map(|text| version(text)).collect();
    selector.parse::<VersionSelector>().unwrap().choose(&there).map(Version::to_string)
}

#[test]
fn a_rule_gives_the_next_free_number_and_the_first_is_0() {
    assert_eq!(next("1.4.2", &["1.4.2"]), "1.4.2");
    assert_eq!(next("1.4.@", &[]), "1.4.0");
    assert_eq!(next("1.4.@", &["1.4.0", "1.4.10", "1.4.9", "1.5.77", "1.4.11-rc.1"]), "1.4.11");
    assert_eq!(next("1.@", &[]), "1.0.0");
    assert_eq!(next("1.@", &["1.4.7", "1.10.0", "2.0.0"]), "1.11.0");
    assert_eq!(next("2.0.0-rc.@", &[]), "2.0.0-rc.0");
    assert_eq!(next("2.0.0-rc.@", &["2.0.0-rc.3", "2.0.0", "2.0.0-beta.9"]), "2.0.0-rc.4");
}

#[test]
fn a_selector_chooses_the_highest_and_no_pre_release_by_accident() {
    let there = ["1.4.2", "1.4.10", "1.5.0-rc.1", "1.0.0", "2.0.0-rc.2", "2.0.0-rc.10"];
    assert_eq!(chosen("latest", &there).unwrap(), "1.4.10");
    assert_eq!(chosen("1.4.@", &there).unwrap(), "1.4.10");
    assert_eq!(chosen("1.@", &there).unwrap(), "1.4.10");
    assert_eq!(chosen("2.0.0-rc.@", &there).unwrap(), "2.0.0-rc.10");
    assert_eq!(chosen("1.4.2", &there).unwrap(), "1.4.2");
    assert_eq!(chosen("2.@", &there), None);
}

#[test]
fn what_is_neither_a_version_nor_a_line_is_refused() {
    for text in ["", "@", "1", "1.4", "1.4@", "v1.4.@", "1.4.2.@", "1.4.x", "01.@", "1.4.0+b.@", "a.@", "1..@", "-1.@"] {
        assert_eq!(text.parse::<VersionRule>(), Err(BadVersion), "{text}");
    }
    assert_eq!("latest".parse::<VersionRule>(), Err(BadVersion));
}

#[test]
fn one_follows_another() {
    assert_eq!(following(&version("1.4.2")).to_string(), "1.4.3");
    assert_eq!(following(&version("2.0.0-rc.1")).to_string(), "2.0.0");
}

fn any_version() -> impl Strategy<Value = Version> {
    let pre = prop_oneof![Just(String::new()), (0_u64..4).prop_map(|number| format!("-rc.{number}"))];
    (0_u64..3, 0_u64..4, 0_u64..4, pre).prop_map(|(major, minor, patch, pre)| version(&format!("{major}.{minor}.{patch}{pre}")))
}

fn any_line() -> impl Strategy<Value = VersionLine> {
    prop_oneof![
        (0_u64..3).prop_map(|major| VersionLine::Minor { major }),
        (0_u64..3, 0_u64..4).prop_map(|(major, minor)| VersionLine::Patch { major, minor }),
        (0_u64..3).prop_map(|major| VersionLine::Pre(format!("{major}.0.0-rc."))),
    ]
}

proptest! {
    #[test]
    fn what_comes_next_is_of_its_line_free_and_above_all_of_it(line in any_line(), taken in proptest::collection::vec(any_version(), 0..20)) {
        let next = line.next(&taken);
        prop_assert!(line.has(&next));
        prop_assert!(!taken.contains(&next));
        prop_assert!(taken.iter().filter(|version| line.has(version)).all(|version| *version < next));
    }

    #[test]
    fn what_is_chosen_is_there_fits_and_is_the_highest(line in any_line(), there in proptest::collection::vec(any_version(), 0..20)) {
        let selector = VersionSelector::Highest(line.clone());
        let chosen = selector.choose(&there);
        prop_assert_eq!(chosen.is_some(), there.iter().any(|version| line.has(version)));
        for version in there.iter().filter(|version| line.has(version)) {
            prop_assert!(Some(version) <= chosen);
        }
    }

    #[test]
    fn what_is_written_is_read_again(line in any_line(), exact in any_version()) {
        prop_assert_eq!(line.to_string().parse::<VersionRule>(), Ok(VersionRule::Next(line)));
        prop_assert_eq!(exact.to_string().parse::<VersionSelector>(), Ok(VersionSelector::Exact(exact)));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,20}") {
        let _ = text.parse::<VersionSelector>();
    }
}

//! Whole manifests: good ones give the model, bad ones give every mistake at once, as a person reads it.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_manifest::{Diagnostics, HostAddress, Manifest, Namespace, Scalar, Selector, VersionRule, parse};
use std::time::Duration;

const BUNDLED: [&str; 4] = ["build", "deploy", "symlink-swap", "http-check"];

/// The report as a terminal of 100 columns without colour shows it.
fn render(diagnostics: &Diagnostics) -> String {
    let mut out = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .with_links(false)
        .render_report(&mut out, diagnostics)
        .unwrap();
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn good(text: &str) -> Manifest {
    parse("release.kdl", text, &BUNDLED).unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics)))
}

#[test]
fn the_contracts_example_gives_the_model() {
    let manifest = good(include_str!("good/shop.kdl"));
    assert_eq!(manifest.package.name.to_string(), "acme/shop");
    assert_eq!(manifest.package.version.value, VersionRule::Next("1.4.@".parse().unwrap()));
    assert_eq!(manifest.plugins.len(), 2);
    assert_eq!(manifest.environments[0].settings[0].name.value, "who");
    assert_eq!(manifest.environments[1].gates[0].name.value, "release-managers");
    assert_eq!(manifest.environments[1].hosts[0].address.value, HostAddress::Ssh("ssh://deploy@10.0.1.4".to_owned()));
    let [build, roll_out, live] = manifest.phases.as_slice() else { panic!("{:?}", manifest.phases) };
    assert!(build.environments.is_none() && live.after.is_none());
    let Some(Selector::Labels(labels)) = roll_out.environments.as_ref().map(|selector| &selector.value) else { panic!("{roll_out:?}") };
    assert_eq!(labels["tier"], "test");
    let web = &roll_out.steps[0];
    assert_eq!((web.retry.attempts, web.retry.backoff), (3, Duration::from_secs(1)));
    assert_eq!(web.timeout, Some(Duration::from_mins(5)));
    let names: Vec<_> = web.references().map(|reference| (reference.namespace, reference.path.join("."))).collect();
    assert_eq!(names, [(Namespace::Step, "site.dist".to_owned()), (Namespace::Input, "who".to_owned())]);
    let Scalar::String(source) = &web.config.children[0].args[0].value else { panic!("{:?}", web.config) };
    assert!(source.single().is_some());
}

#[test]
fn a_reference_points_at_its_own_place() {
    let text = include_str!("good/shop.kdl");
    let manifest = good(text);
    let found: Vec<_> = manifest.phases[1].steps[0]
        .references()
        .map(|reference| &text[reference.span.start as usize..][..reference.span.len as usize])
        .collect();
    assert_eq!(found, ["${step.site.dist}", "${input.who}"]);
}

/// Every file of a folder, with the report that its mistakes give in a snapshot beside it.
fn reports(folder: &str, parse: impl Fn(&str, &str) -> Option<Diagnostics>) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut names: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| std::path::Path::new(name).extension().is_some_and(|extension| extension == "kdl"));
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        let text = std::fs::read_to_string(directory.join(&name)).unwrap();
        let diagnostics = parse(&name, &text).unwrap_or_else(|| panic!("{name} was accepted"));
        insta::with_settings!({ snapshot_path => folder, prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.trim_end_matches(".kdl"), render(&diagnostics));
        });
    }
}

#[test]
fn bad_manifests_give_every_mistake_at_once() {
    reports("bad", |name, text| parse(name, text, &BUNDLED).err());
}

#[test]
fn bad_projects_give_every_mistake_at_once() {
    reports("bad-projects", |name, text| relrun_manifest::parse_project(name, text).err());
}

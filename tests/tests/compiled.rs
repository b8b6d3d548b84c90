//! The compile cache is swept with the rest of what relrun keeps.

use relrun_tests::Sandbox;
use std::fs;

#[test]
fn machine_code_of_another_version_is_listed_and_removed_and_the_rest_stays() {
    let mut sandbox = Sandbox::new();
    let cache = sandbox.root().join("cache");
    sandbox.set("XDG_CACHE_HOME", cache.to_str().unwrap());
    sandbox.write(
        "release.kdl",
        r#"package "acme/shop" version="1.4.2"
step "list" plugin="build" { grant { run "true" }; config { command "true" } }"#,
    );
    let ran = sandbox.relrun(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.output);
    let compiled = cache.join("relrun/compiled");
    let code = || -> Vec<String> {
        let paths = fs::read_dir(&compiled).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).map(|path| path.display().to_string()).collect()
    };
    let current = code();
    assert_eq!(current.len(), 1, "{current:?}");
    fs::write(compiled.join("0123456789abcdef-old.cwasm"), "code").unwrap();

    let listed = sandbox.relrun(&["cache", "gc", "--dry-run"]);
    assert_eq!(listed.code, 0, "{}", listed.output);
    assert!(
        listed.output.contains("would remove machine code 0123456789abcdef-old.cwasm (4 bytes): of another version"),
        "{}",
        listed.output
    );
    assert_eq!(code().len(), 2);
    let swept = sandbox.relrun(&["cache", "gc"]);
    assert!(swept.code == 0 && swept.output.contains("removed machine code 0123456789abcdef-old.cwasm"), "{}", swept.output);
    assert_eq!(code(), current);
    let swept = sandbox.relrun(&["cache", "gc", "--keep-for", "0s"]);
    assert!(swept.code == 0 && swept.output.contains("not used for long"), "{}", swept.output);
    assert!(code().is_empty());
    assert_eq!(sandbox.relrun(&["check"]).code, 0);
}

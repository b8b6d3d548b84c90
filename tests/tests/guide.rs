//! The plugin guide, followed to the letter: its first crate is built from what the page shows, and its manifest is released.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::Sandbox;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Returns the first block of a language on a page.
fn block(page: &str, language: &str) -> String {
    let begin = format!("```{language}\n");
    let (_, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no block of {language}"));
    rest.split_once("```").unwrap().0.to_owned()
}

/// Writes the crate as `relrun plugin new` does, with the page's code and the SDK of this checkout.
fn crate_of(page: &str, folder: &Path) {
    let manifest = fs::read_to_string(checkout().join("sdk/rust/template/Cargo.toml")).unwrap().replace("{{name}}", "greet");
    let sdk = "vendor/relrun-sdk";
    assert!(manifest.contains(sdk), "{manifest}");
    let manifest = manifest.replace(sdk, &checkout().join("sdk/rust").display().to_string());
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/lib.rs"), block(page, "rust")).unwrap();
    // Everything that it needs is here already, because the bundled plugins need it too.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let locked = Command::new(cargo).args(["generate-lockfile", "--offline"]).current_dir(folder).output().unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
}

#[test]
fn the_first_plugin_of_the_guide_is_built_and_released() {
    let page = fs::read_to_string(checkout().join("docs/plugins.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    crate_of(&page, folder.path());
    let machine = relrun_guest_build::Machine::new(std::env::vars_os()).unwrap();
    let toolchain = relrun_guest_build::ensure(&machine, &mut std::io::sink()).unwrap();
    let target_dir = folder.path().join("target");
    let build =
        relrun_guest_build::GuestBuild { workspace: folder.path(), packages: &["greet"], target_dir: &target_dir, checkout: folder.path() };
    let mut said = Vec::new();
    let built = relrun_guest_build::build(&machine, &toolchain, build, &mut said);
    let built = built.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said))).remove(0);

    let sandbox = Sandbox::new();
    sandbox.write("release.kdl", &block(&page, "kdl"));
    let place = sandbox.path("greet/build/greet.wasm");
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(built, place).unwrap();
    let first = sandbox.relrun(&["apply"]);
    assert!(first.code == 0 && first.output.contains("hello | done"), "{}", first.output);
    let again = sandbox.relrun(&["apply", "--force"]);
    assert!(again.code == 0 && again.output.contains("hello | cached: greeted"), "{}", again.output);
}

//! Lists what of `sdk/` the program carries: of each language the SDK's sources and the template, and the plugin world.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What stands in an SDK's folder and is no part of it.
const OWN: &[&str] = &["template", "example", "conformance", "tests", "unit", "wit"];
/// What tools leave behind.
const LEFT: &[&str] = &["target", "node_modules", "build", "dist", "__pycache__", "Cargo.lock", "package-lock.json"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let checkout = here.ancestors().nth(2).ok_or("this crate lies in runtime/plugin-build of a checkout")?.canonicalize()?;
    println!("cargo::rerun-if-changed={}", checkout.join("wit").display());
    let mut table = String::from("&[\n");
    // TypeScript is written with JavaScript's SDK, and has a template of its own.
    for (language, folder, template) in [
        ("rust", "rust", "template"),
        ("go", "go", "template"),
        ("python", "python", "template"),
        ("js", "js", "template"),
        ("ts", "js", "template-ts"),
        ("c", "c", "template"),
    ] {
        let sdk = checkout.join("sdk").join(folder);
        println!("cargo::rerun-if-changed={}", sdk.display());
        list(&sdk, &sdk, &|name| OWN.contains(&name) || name.starts_with("template"), &format!("{language:?}, Part::Sdk"), &mut table)?;
        let template = sdk.join(template);
        list(&template, &template, &|_| false, &format!("{language:?}, Part::Template"), &mut table)?;
    }
    table.push_str("]\n");
    fs::write(out.join("sources.rs"), table)?;
    Ok(())
}

/// Lists the files below a folder, in order; none where there is no such folder. `without` says what is left out at the top.
fn list(top: &Path, folder: &Path, without: &dyn Fn(&str) -> bool, of: &str, table: &mut String) -> Result<(), Box<dyn Error>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file of the SDK has a name that is no text")?;
        // A template's lock file is written for its author; the SDK's own is for this repository.
        let is_lock = !of.ends_with("Sdk") && name == "package-lock.json";
        let left = (LEFT.contains(&name) && !is_lock) || name.starts_with('.') || path.extension().is_some_and(|kind| kind == "pyc");
        if left || (folder == top && without(name)) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            list(top, &path, without, of, table)?;
            continue;
        }
        let relative = path.strip_prefix(top)?.to_str().ok_or("a path is no text")?;
        let whole = path.to_str().ok_or("a path is no text")?;
        writeln!(table, "    ({of}, {relative:?}, include_bytes!({whole:?})),")?;
    }
    Ok(())
}

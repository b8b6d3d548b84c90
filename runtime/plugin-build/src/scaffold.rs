//! `plugin new`: a folder that builds and passes its tests as it is.

use crate::sources;
use relrun_manifest::{Language, is_plugin_name};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no new folder.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ScaffoldError {
    /// The name cannot stand in every language.
    #[error("`{0}` is no name for a plugin")]
    #[diagnostic(code(relrun::plugin::name), help("write lower-case letters, digits and single `-`, a letter first: `release-notes`"))]
    Name(String),
    /// Something is there.
    #[error("{} is there already, and not empty", .0.display())]
    #[diagnostic(code(relrun::plugin::exists), help("name another folder with `--dir`, or remove what is in it"))]
    Exists(PathBuf),
    /// The machine failed.
    #[error("failed to write {}: {source}", path.display())]
    #[diagnostic(code(relrun::plugin::io))]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes the folder of a new plugin, and returns the paths of its files in it, those of the SDK not among them.
///
/// # Errors
/// Where the name is none, something is there, or it cannot be written. What was begun is left, so that nothing of the user's is removed.
pub fn new(folder: &Path, name: &str, language: Language) -> Result<Vec<String>, ScaffoldError> {
    if !is_plugin_name(name) {
        return Err(ScaffoldError::Name(name.to_owned()));
    }
    let taken = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() == io::ErrorKind::NotADirectory,
    };
    if taken {
        return Err(ScaffoldError::Exists(folder.to_owned()));
    }
    let mut written = Vec::new();
    for (path, bytes) in sources::template(language) {
        let path = fill(&undotted(path), name);
        let text = std::str::from_utf8(bytes).map_or_else(|_| bytes.to_vec(), |text| fill(text, name).into_bytes());
        write(&folder.join(&path), &text)?;
        written.push(path);
    }
    vendor(folder, language)?;
    Ok(written)
}

/// Writes the SDK of a language below a plugin's folder.
///
/// # Errors
/// Where it cannot be written.
pub fn vendor(folder: &Path, language: Language) -> Result<(), ScaffoldError> {
    let sdk = folder.join(relrun_manifest::PluginProject::SDK);
    sources::sdk(language).try_for_each(|(path, bytes)| write(&sdk.join(path), bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ScaffoldError> {
    let write = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)
    };
    write().map_err(|source| ScaffoldError::Io { path: path.to_owned(), source })
}

/// A template's `_gitignore` is `.gitignore` where it is written: with its own name it would hide files of this repository.
fn undotted(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or((None, path), |(folder, name)| (Some(folder), name));
    // Python's own files begin so too.
    let name = name.strip_prefix('_').filter(|rest| !rest.starts_with('_')).map_or_else(|| name.to_owned(), |rest| format!(".{rest}"));
    folder.map_or_else(|| name.clone(), |folder| format!("{folder}/{name}"))
}

fn fill(text: &str, name: &str) -> String {
    let pascal: String = name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
    text.replace("{{name}}", name).replace("{{name_snake}}", &name.replace('-', "_")).replace("{{NamePascal}}", &pascal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_each_form() {
        assert_eq!(fill("{{name}} {{name_snake}} {{NamePascal}}", "release-notes"), "release-notes release_notes ReleaseNotes");
        assert_eq!(undotted("a/_gitignore"), "a/.gitignore");
        assert_eq!(undotted("__init__.py"), "__init__.py");
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "precious").unwrap();
        assert!(matches!(new(folder.path(), "greet", Language::Rust), Err(ScaffoldError::Exists(_))));
        assert!(matches!(new(&folder.path().join("mine"), "greet", Language::Rust), Err(ScaffoldError::Exists(_))));
        assert!(matches!(new(&folder.path().join("new"), "../greet", Language::Rust), Err(ScaffoldError::Name(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_language_has_a_project_file_a_case_and_the_world() {
        for language in Language::ALL {
            let folder = tempfile::tempdir().unwrap();
            let written = new(folder.path(), "release-notes", language).unwrap();
            let text = fs::read_to_string(folder.path().join("plugin.kdl")).unwrap_or_else(|_| panic!("{language} has no plugin.kdl"));
            let project = relrun_manifest::parse_plugin_project("plugin.kdl", &text).unwrap();
            assert_eq!((project.name.as_str(), project.language), ("release-notes", language));
            assert!(written.iter().any(|path| path == ".gitignore"), "{language}: {written:?}");
            let is_case = |path: &&String| path.starts_with("tests/") && Path::new(path).extension().is_some_and(|kind| kind == "kdl");
            let cases: Vec<&String> = written.iter().filter(is_case).collect();
            assert!(!cases.is_empty(), "{language}: {written:?}");
            for case in cases {
                relrun_manifest::parse_cases(case, &fs::read_to_string(folder.path().join(case)).unwrap()).unwrap();
            }
            assert!(folder.path().join("vendor/relrun-sdk/wit/plugin.wit").is_file());
            for path in written {
                let text = fs::read_to_string(folder.path().join(&path)).unwrap();
                assert!(!text.contains("{{name") && !path.contains("{{"), "{language}: {path}");
            }
        }
    }
}

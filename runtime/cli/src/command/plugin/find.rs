//! Which component is meant: a file, what a plugin's folder builds, a plugin of the manifest, or a bundled one.

use crate::open;
use relrun_engine::{EngineError, Source};
use relrun_host::{ComponentBytes, ComponentSource};
use relrun_ledger::Digest;
use relrun_manifest::{PluginProject, PluginSource};
use std::path::{Path, PathBuf};

/// No component is longer. A Python one has 18 MB.
const LONGEST: u64 = 512 << 20;

/// A component that was found.
pub(crate) struct Found {
    /// Where it came from, for people.
    pub(crate) from: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The same, for the host.
    pub(crate) source: ComponentSource,
}

impl Found {
    fn new(from: String, bytes: Vec<u8>, at: impl FnOnce(&[u8]) -> ComponentBytes) -> Self {
        let source = ComponentSource { digest: Digest::of(&bytes), bytes: at(&bytes) };
        Self { from, bytes, source }
    }

    /// Reads a component's file.
    pub(crate) fn file(path: &Path) -> Result<Self, EngineError> {
        let reading = |source| EngineError::io(format!("read {}", path.display()), source);
        let length = std::fs::metadata(path).map_err(reading)?.len();
        if length > LONGEST {
            let message = format!("{} has {length} bytes, and no component has more than {LONGEST}", path.display());
            return Err(EngineError::input(message, "name the component that `relrun plugin build` made"));
        }
        let bytes = std::fs::read(path).map_err(reading)?;
        Ok(Self::new(path.display().to_string(), bytes, |_| ComponentBytes::File(path.to_owned())))
    }
}

/// Reads the `plugin.kdl` of a folder.
pub(crate) fn project(folder: &Path) -> Result<PluginProject, EngineError> {
    let path = folder.join("plugin.kdl");
    let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            EngineError::input(format!("there is no plugin.kdl in {}", folder.display()), "name the folder of a plugin")
        }
        std::io::ErrorKind::InvalidData => EngineError::input(format!("{} is no UTF-8 text", path.display()), "save it as UTF-8"),
        _ => EngineError::io(format!("read {}", path.display()), source),
    })?;
    relrun_manifest::parse_plugin_project(&path.display().to_string(), &text).map_err(|wrong| EngineError::Manifest(Box::new(wrong)))
}

/// Returns the component of a path: a file, or what the folder of a plugin builds.
pub(crate) fn at(path: &Path) -> Result<Found, EngineError> {
    if path.is_dir() {
        let output = path.join(project(path)?.output);
        if !output.is_file() {
            let message = format!("{} is not built yet", output.display());
            return Err(EngineError::input(message, format!("type `relrun plugin build {}`", path.display())));
        }
        return Found::file(&output);
    }
    if !path.exists() {
        return Err(EngineError::input(format!("there is no file {}", path.display()), "name a component, or the folder of a plugin"));
    }
    Found::file(path)
}

/// Returns the component that a word stands for.
pub(crate) fn named(word: &str, manifest: &Path) -> Result<Found, EngineError> {
    let path = Path::new(word);
    if path.exists() {
        return at(path);
    }
    let mut names: Vec<String> = Vec::new();
    if manifest.exists() {
        for (name, from) in declared(manifest)? {
            match from {
                PluginSource::File(file) if name == word => return at(&beside(manifest, &file)),
                PluginSource::Oci(_) | PluginSource::Https(_) | PluginSource::Bundle(_) if name == word => {
                    let message = format!("the plugin \"{name}\" is not on this machine");
                    return Err(EngineError::input(message, "fetch its component, and name the file"));
                }
                _ => names.push(name),
            }
        }
    }
    if let Some(plugin) = relrun_bundled::get(word) {
        return Ok(Found::new("bundled".to_owned(), plugin.bytes.to_vec(), |_| ComponentBytes::Static(plugin.bytes)));
    }
    names.extend(open::bundled().iter().map(|plugin| plugin.name.to_owned()));
    let help = relrun_manifest::nearest(word, names.iter().map(String::as_str))
        .map_or_else(|| format!("name a component's file, or one of {}", names.join(", ")), |near| format!("did you mean \"{near}\"?"));
    Err(EngineError::input(format!("there is no plugin \"{word}\", and no such file"), help))
}

fn declared(manifest: &Path) -> Result<Vec<(String, PluginSource)>, EngineError> {
    let source = Source::read(manifest)?;
    let bundled = open::bundled();
    let bundled: Vec<&str> = bundled.iter().map(|plugin| plugin.name).collect();
    let manifest = relrun_manifest::parse(&source.name, &source.text, &bundled).map_err(Box::new)?;
    Ok(manifest.plugins.into_iter().map(|plugin| (plugin.name.value, plugin.from.value)).collect())
}

fn beside(manifest: &Path, file: &str) -> PathBuf {
    manifest.parent().unwrap_or(Path::new("")).join(file).components().collect()
}

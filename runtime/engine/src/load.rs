//! From files to a typed manifest and the environments as they are now.

use crate::look::Below;
use crate::{EngineError, PolicyFile, Workspace};
use relrun_ledger::Digest;
use relrun_manifest::{Environment, Manifest, Project};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A manifest, read, with the environments as they are now.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file, as the user named it.
    pub name: String,
    /// The directory that `reads`, `writes to=` and plugin files are relative to.
    pub directory: PathBuf,
    /// Its text.
    pub text: String,
    /// The blake3 of its text.
    pub digest: Digest,
    /// What it says.
    pub manifest: Manifest,
    /// The environments: the project's win over the manifest's.
    pub environments: Vec<Environment>,
    /// Where its files lie in place of the project's; absent: in the project.
    pub(crate) sources: Option<Arc<Sources>>,
}

/// The files of a record, laid out for one process.
#[derive(Debug)]
pub(crate) struct Sources {
    /// What stands for the project's root.
    pub(crate) root: PathBuf,
    /// What stands for the manifest's directory.
    pub(crate) directory: PathBuf,
    // Held for its drop.
    pub(crate) _folder: tempfile::TempDir,
}

/// A manifest's text, not yet read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, as the user named it.
    pub name: String,
    /// The directory that it stands in.
    pub directory: PathBuf,
    /// Its text.
    pub text: String,
    /// The blake3 of its text.
    pub digest: Digest,
}

impl Source {
    /// Reads a manifest file's text.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let text = Workspace::read_text(path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = directory.canonicalize().map_err(|source| EngineError::io(format!("find {}", directory.display()), source))?;
        Ok(Self::new(path.display().to_string(), directory, text))
    }

    /// Takes a manifest's text: a file's, or the snapshot of a release.
    pub fn new(name: String, directory: PathBuf, text: String) -> Self {
        let digest = Digest::of(text.as_bytes());
        Self { name, directory, text, digest }
    }
}

impl Loaded {
    /// Reads a manifest.
    pub fn new(workspace: &Workspace, source: Source) -> Result<Self, EngineError> {
        let manifest = compiled(workspace, &source)?;
        let environments = merge(&manifest.environments, &workspace.project.environments);
        let Source { name, directory, text, digest } = source;
        Ok(Self { name, directory, text, digest, manifest, environments, sources: None })
    }

    /// Returns what a project's relrun.kdl says by itself, for what needs environments and no manifest.
    pub fn of_project(workspace: &Workspace) -> Result<Self, EngineError> {
        let text = "package \"relrun/project\" version=\"0.0.0\"".to_owned();
        Self::new(workspace, Source::new("relrun.kdl".to_owned(), workspace.root.clone(), text))
    }

    /// Takes the environments as they are now, into a manifest of some time ago. One that is gone since stays what it was: what stands there can
    /// still be undone and destroyed. `recorded` are those that it knew, from wherever they were.
    pub(crate) fn take_environments(&mut self, now: &Self, recorded: Vec<Environment>) {
        let then = std::mem::take(&mut self.environments);
        self.environments.clone_from(&now.environments);
        for environment in recorded.into_iter().chain(then) {
            if self.environment(&environment.name.value).is_none() {
                self.environments.push(environment);
            }
        }
    }

    /// Returns what globs are relative to.
    pub(crate) fn below<'a>(&'a self, workspace: &'a Workspace) -> Below<'a> {
        match &self.sources {
            Some(sources) => Below { root: &sources.root, directory: &sources.directory },
            None => Below { root: &workspace.root, directory: &self.directory },
        }
    }

    /// Returns an environment by name.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| *environment.name == *name)
    }

    /// Returns mistakes in the manifest as one error.
    pub fn mistakes(&self, mistakes: Vec<relrun_manifest::Mistake>) -> EngineError {
        EngineError::Manifest(Box::new(relrun_manifest::Diagnostics::new(&self.name, &self.text, mistakes)))
    }

    /// Returns the line and column of a place in the manifest, from 1.
    pub fn line_column(&self, span: relrun_manifest::Span) -> (u32, u32) {
        let (line, column) = relrun_manifest::position(&self.text, span);
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// Takes the typed manifest from the cache, where the same text was parsed by the same program before: `kdl` parses about 2 MB/s.
fn compiled(workspace: &Workspace, source: &Source) -> Result<Manifest, EngineError> {
    let key = format!("{} {}", source.digest, env!("CARGO_PKG_VERSION"));
    if let Some(manifest) = workspace.cache.get("manifest", key.as_bytes()).and_then(|bytes| Manifest::from_bytes(&bytes)) {
        return Ok(manifest);
    }
    let bundled: Vec<&str> = workspace.bundled.iter().map(|plugin| plugin.name).collect();
    let manifest = relrun_manifest::parse(&source.name, &source.text, &bundled).map_err(Box::new)?;
    workspace.cache.put("manifest", key.as_bytes(), &manifest.to_bytes());
    Ok(manifest)
}

/// Reads the project's `relrun.kdl`, where there is one, and joins its policy with those of outside, the outermost first.
pub fn project(root: &Path, policies: &[PolicyFile]) -> Result<Project, EngineError> {
    let path = root.join("relrun.kdl");
    let mut project = Project::default();
    if path.exists() {
        let text = Workspace::read_text(&path)?;
        project = relrun_manifest::parse_project("relrun.kdl", &text).map_err(Box::new)?;
    }
    project.policy = crate::policy::join(policies, root, project.policy)?;
    Ok(project)
}

/// The project's environment wins over the manifest's of the same name; the manifest may add a gate to it, never drop one.
fn merge(manifest: &[Environment], project: &[Environment]) -> Vec<Environment> {
    let mut merged = project.to_vec();
    for environment in manifest {
        match merged.iter_mut().find(|known| *known.name == *environment.name) {
            Some(known) => environment.gates.iter().for_each(|gate| add_gate(&mut known.gates, gate)),
            None => merged.push(environment.clone()),
        }
    }
    merged
}

fn add_gate(gates: &mut Vec<relrun_manifest::Gate>, gate: &relrun_manifest::Gate) {
    match gates.iter_mut().find(|known| *known.name == *gate.name) {
        Some(known) => known.not_author |= gate.not_author,
        None => gates.push(gate.clone()),
    }
}

